"""Finding the words that a model quotes in the text that it quotes them from, word for word."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from factory.data.text import UNSPACED, rouge_tokens

LEAST_WORDS = 2
"""A quotation of fewer words, or Chinese characters, says nothing: one word stands in any text."""

_SAME = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´＇", "'"),
        **dict.fromkeys("“”„‟″「」『』〝〞＂", '"'),
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        "…": "...",
    }
)
# Drawn as nothing, or in Markdown as a change of the letters alone.
_NOTHING = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_EMPHASIS = re.compile(r"(?<=\S)\*+|\*+(?=\S)")
_UNSPACED = re.compile(rf"[{UNSPACED}\u3000-\u303f\uff01-\uff65]")
_EDGE = "\"'.,;:!?()[]{}<>|#*_-。，；：！？、（）【】《》 "

_STOPS = ".!?。！？"


class Place(NamedTuple):
    """Where a span stands in a text: the offsets of its first character and behind its last."""

    start: int
    end: int


class Searched:
    """A text in which quotations are looked for.

    Two texts are the same words where they are so after: NFKC, case folding, one form for each kind of quotation mark
    and dash, any white space as one blank and none beside a character of a script that is written without, and
    without soft hyphens, invisible characters and the asterisks that make letters bold. What stands at the ends of a
    quotation and is no letter or digit is not compared. Words are whole: "art" is not found in "party".
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._form, self._places = _normalised(text)

    def find(self, quotation: str) -> Place | None:
        """Where the quotation stands first; None where it does not, or is shorter than `LEAST_WORDS`."""
        wanted, _ = _normalised(quotation)
        wanted = wanted.strip(_EDGE)
        if len(rouge_tokens(wanted)) < LEAST_WORDS:
            return None
        at = self._form.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            if self._whole(at) and self._whole(end):
                behind = self._places[end - 1] + 1
                ends = quotation.rstrip()[-1:] in _STOPS and self.text[behind : behind + 1] in _STOPS
                return Place(self._places[at], behind + (ends and behind < len(self.text)))
            at = self._form.find(wanted, at + 1)
        return None

    def holds(self, name: str) -> bool:
        """Whether the text has this name or word, of whatever length, as whole words."""
        wanted = _normalised(name)[0].strip(_EDGE)
        at = self._form.find(wanted) if wanted else -1
        while at >= 0:
            if self._whole(at) and self._whole(at + len(wanted)):
                return True
            at = self._form.find(wanted, at + 1)
        return False

    def _whole(self, at: int) -> bool:
        """Whether no word goes on across this place."""
        if not 0 < at < len(self._form):
            return True
        before, behind = self._form[at - 1], self._form[at]
        if not (before.isalnum() and behind.isalnum()):
            return True
        return bool(_UNSPACED.match(before) or _UNSPACED.match(behind))


def _normalised(text: str) -> tuple[str, list[int]]:
    """The form that is compared, and for each of its characters the offset of the one that it comes from."""
    hidden = {at for match in _EMPHASIS.finditer(text) for at in range(*match.span())}
    form: list[str] = []
    places: list[int] = []
    blank = False
    for at, raw in enumerate(text):
        if at in hidden:
            continue
        for letter in raw.lower() if raw.isascii() and raw != "`" else _letters(raw):
            if letter.isspace():
                blank = bool(form)
                continue
            if blank and not (_UNSPACED.match(letter) or _UNSPACED.match(form[-1])):
                form.append(" ")
                places.append(at - 1)
            blank = False
            form.append(letter)
            places.append(at)
    return "".join(form), places


@functools.lru_cache(maxsize=1 << 16)
def _letters(raw: str) -> str:
    """What a character is compared as; "" where it is drawn as nothing."""
    if _NOTHING.match(raw):
        return ""
    # Marks first: NFKC makes a blank and an accent of "´".
    return unicodedata.normalize("NFKC", raw.translate(_SAME)).translate(_SAME).casefold()
