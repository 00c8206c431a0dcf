"""Signs, which words do not show: texts of the same letters and digits that differ in them are no duplicates.

ROUGE-L and shingles see words alone: "12 + 7" is "12 - 7" to them, C is C++, and every emoji is nothing. The rule
here is on a pair: where two texts have the same letters and digits in the same order, the signs between them must
be the same too. A pair with other letters is for the measure to judge.

Not signs: white space, `.` `,` `;` `:` `!` `?`, quotes, brackets, the dash between or behind words, the point of a
name (史蒂夫·乔布斯), the Chinese forms of all these, and Markdown's marks of a heading, an item or emphasis. Some of
them are signs where they stand: the point and comma of a number, the ! of n! and !=, the minus of -5, the prime of
f'(x), the brackets beside * / ^ - or behind a digit. All else is a sign: + = < > % $ # & @ ^ _ ~, arrows, accents on
their own, emoji.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from factory.data.text import rouge_tokens
from factory.statistics.arrays import Ids, Ints
from factory.steps.dedup.joins.forms import CJK, unicode_form, without_marks

_ONE_SIGN = str.maketrans(
    {
        **dict.fromkeys("×∗⋅✕", "*"),
        **dict.fromkeys("÷∕⁄", "/"),
        **dict.fromkeys("≥≧⩾", ">="),
        **dict.fromkeys("≤≦⩽", "<="),
        "≠": "!=",
        "→": "->",
        "←": "<-",
        "〜": "~",
    }
)
_MARKDOWN_LINE = re.compile(r"^[ \t]*(?:#{1,6}|[-*•])[ \t]+(?![ \t]*\d)", re.MULTILINE)
_MARKDOWN_EMPHASIS = re.compile(r"(?<![0-9A-Za-z*)])(\*{1,3})(?=[^\s*])([^*\n]+)(?<=\S)\1(?![0-9A-Za-z*(])")
_POINT_OF_A_NAME = re.compile(rf"(?<=[{CJK}])·|·(?=[{CJK}])")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DASHES = re.compile("-+")
_PRIME = re.compile(r"(?<![^\W_])([a-z])('+)(?= ?[(=])")
_BRACKET = re.compile(r"[()\[\]{}]")
_LONG_RUN = re.compile(r"([^\w\s])\1{4,}")
_WORD_BEFORE = re.compile(rf"(?:[{CJK}]|[^\W\d_]{{2}})$")
_WORD_AFTER = re.compile(rf"[{CJK}]|[^\W\d_]{{2}}")
_TOUCHING = frozenset("<>=+*/^|%~&@#$\\")
_PRECEDENCE = frozenset("*/^-")


class _WithoutPunctuation(dict[int, str | None]):
    """For `str.translate`: what is left of each character when signs alone are left of what is no word."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        kind = unicodedata.category(character)
        punctuation = kind in {"Ps", "Pe", "Pi", "Pf", "Pd"} or (
            kind == "Po" and character not in "#%&*/@\\.,;:!?§¶‰‱"
        )
        self[code] = None if (punctuation and not character.isascii()) or character in "'\"` " else character
        return self[code]


_PUNCTUATION = _WithoutPunctuation()


def sign_form(text: str) -> str:
    """A text's letters, digits and signs in their order, in one way to write them: its punctuation is left out."""
    text = unicode_form(text).translate(_ONE_SIGN).strip()
    text = _MARKDOWN_EMPHASIS.sub(r"\2", _MARKDOWN_LINE.sub("", text))
    text = _POINT_OF_A_NAME.sub("", " ".join(text.split())).replace("·", "*")
    text = _DASHES.sub(_dash, " ".join(without_marks(_THOUSANDS.sub("", text)).split()))
    text = _PRIME.sub(lambda match: match[1] + "^" * len(match[2]), text)
    text = _BRACKET.sub(_bracket, text)
    return _LONG_RUN.sub(r"\1\1\1\1", text.translate(_PUNCTUATION))


def _dash(match: re.Match[str]) -> str:
    """Dashes that are a sign: a minus, an arrow's shaft, "--x"; "" for one that joins or parts words."""
    text, (start, end) = match.string, match.span()
    before, after = text[max(start - 3, 0) : start], text[end : end + 3]
    left, right = before[-1:] or " ", after[:1] or " "
    if left in _TOUCHING or right in _TOUCHING:
        return match[0]
    word_before, word_after = _WORD_BEFORE.search(before.rstrip()), _WORD_AFTER.match(after.lstrip())
    joined_left, joined_right = left.isalnum() or left in ")]}", right.isalnum() or right in ".([{"
    if joined_left and joined_right:
        is_sign = not word_before and not word_after
    elif joined_right:
        is_sign = not (word_after and word_after[0][0] > "\u3000")
    elif joined_left:
        is_sign = len(match[0]) > 1 or not word_before
    else:
        number = after.lstrip()[:1].isdigit()
        is_sign = number or bool(before.strip() and after.strip() and not word_before and not word_after)
    return match[0] if is_sign else ""


def _bracket(match: re.Match[str]) -> str:
    """A bracket beside a sign that binds otherwise without it, as in (2 + 3) * 4, or right behind a digit; else ""."""
    text, at = match.string, match.start()
    if match[0] in "([{":
        outside = text[max(at - 2, 0) : at]
        return match[0] if outside.rstrip(" ")[-1:] in _PRECEDENCE or outside[-1:].isdigit() else ""
    return match[0] if text[at + 1 : at + 3].lstrip(" ")[:1] in _PRECEDENCE else ""


class Signs(NamedTuple):
    """Of each text two numbers: those of the same `letters` and other `forms` differ in signs alone."""

    letters: Ids
    forms: Ids

    def take(self, rows: Ints | Sequence[int]) -> Signs:
        """Those of some of the texts."""
        at = np.asarray(rows, np.int64)
        return Signs(self.letters[at], self.forms[at])

    def ambiguous(self) -> Ints:
        """The texts whose letters another has with other signs."""
        several = np.zeros(int(self.letters.max(initial=-1)) + 1, np.bool_)
        several[self.letters[self.forms > 0]] = True
        return np.flatnonzero(several[self.letters])


def no_signs(texts: int) -> Signs:
    """That so many texts differ in their words alone."""
    return Signs(np.zeros(texts, np.int32), np.zeros(texts, np.int32))


def letters(words: Sequence[str]) -> str:
    """The letters and digits of a text with these `rouge_tokens`, raised and wide ones as plain ones."""
    joined = "".join(words)
    return joined if joined.isascii() else unicodedata.normalize("NFKC", joined).casefold()


def number_signs(texts: Sequence[str], words: Iterable[Sequence[str]]) -> Signs:
    """What tells these texts apart beside their words, which are their `rouge_tokens`.

    Only texts whose letters another text has too are looked at closely, so that it takes little time.
    """
    keys = [hash(letters(own)) for own in words]
    often = Counter(keys)
    groups: dict[int, int] = {}
    forms: dict[int, dict[str, int]] = {}
    known: dict[str, str] = {}

    def numbers() -> Iterator[tuple[int, int]]:
        for text, key in zip(texts, keys, strict=True):
            group = groups.setdefault(key, len(groups))
            if often[key] == 1:
                yield group, 0
                continue
            if text not in known:
                known[text] = sign_form(text)
            own = forms.setdefault(group, {})
            yield group, own.setdefault(known[text], len(own))

    both = np.fromiter(numbers(), np.dtype((np.int32, 2)), len(keys))
    return Signs(np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1]))


@lru_cache(4096)
def _letters_of(text: str) -> int:
    return hash(letters(rouge_tokens(text)))


def differ_in_signs_alone(one: str, other: str) -> bool:
    """Whether two texts have the same letters and digits in order, and other signs."""
    if one == other or _letters_of(one) != _letters_of(other):
        return False
    return sign_form(one) != sign_form(other)
