"""How a turn becomes text; tokens, languages and normal forms: one meaning of "word" everywhere, Chinese too."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from factory.data.record import Message, ToolCall

# Scripts written without spaces between words. Each of their characters is a token of its own: Han (with its
# extensions and compatibility forms), Hiragana, Katakana, Bopomofo, Hangul syllables, and Thai/Lao/Khmer/Myanmar.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fd-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0002fa1f\U00030000-\U000323af"
)
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_ACCENTS = "\u0300-\u036f"  # those that are left as characters of their own, where no letter has them
_ANY_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+(?:[{_ACCENTS}]+[^\W_{UNSPACED}]*)*")
# A run is found as fast as one character of it.
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]+")
_KANA = re.compile("[\u3041-\u30ff]+")
_HANGUL = re.compile("[\uac00-\ud7af]+")
_CYRILLIC = re.compile("[\u0400-\u04ff]+")
# What Unicode draws as nothing (default-ignorable code points), controls, and the empty Braille pattern.
_INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_VISIBLE = re.compile(rf"[^\s{_INVISIBLE}]")
_LATIN_WORD = re.compile("[A-Za-z\u00c0-\u024f]+")


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: white space and invisible characters alone, or none at all.

    Zero-width spaces and joiners, byte order marks, soft hyphens, fillers, variation selectors, marks of direction
    and tags are invisible. Beside something visible they may matter (emoji, Persian, Indic scripts): nothing is
    taken out of a text that is not blank.
    """
    return _VISIBLE.search(text) is None


def turn_text(turn: Message) -> str:
    """A turn as every step that reads text reads it: what it shows, what it says, what it calls, a line each.

    A call is compact JSON with its keys sorted, so that two turns that differ in their calls alone differ in their
    text. Reasoning is no part of it. A picture stands as its kind and address; one that is given as data, as a
    hash of it.
    """
    if not turn.calls and not turn.media:
        return turn.content
    shown = [f"[{media.kind}: {_address(media.uri)}]" for media in turn.media]
    return "\n".join([*shown, *([turn.content] if turn.content else []), *map(call_text, turn.calls)])


def call_text(call: ToolCall) -> str:
    """A call of a tool as compact JSON of its name and arguments, keys sorted."""
    try:
        arguments = orjson.loads(call.arguments)
    except ValueError:
        arguments = call.arguments
    said = {"name": call.name, "arguments": arguments}
    try:
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # a lone surrogate in the name, or nested too deep to be written again
        return f"{call.name}({call.arguments})"


def _address(uri: str) -> str:
    if not uri.startswith("data:"):
        return uri
    return f"data {hashlib.blake2b(uri.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def rouge_tokens(text: str) -> list[str]:
    """Tokens for ROUGE-L, n-grams and counts, in any language.

    Pure-ASCII text gives exactly the tokens of `rouge-score` without a stemmer: lower-cased runs of a-z and
    0-9. Elsewhere a token is one character of a script written without spaces (Han, kana, Hangul, Thai, ...)
    or a run of letters and digits of any other script, so that accented words stay whole, whether an accent is
    part of its letter or a character of its own (NFC makes them one).
    """
    lowered = text.lower()
    if not lowered.isascii():
        lowered = unicodedata.normalize("NFC", lowered)
    return (_ASCII_WORD if lowered.isascii() else _ANY_WORD).findall(lowered)


def word_count(text: str) -> int:
    """Number of `rouge_tokens`: words in spaced scripts, characters in unspaced ones."""
    return len(rouge_tokens(text))


def estimate_tokens(text: str) -> int:
    """About how many tokens a chat model makes of a text: a quarter of its ASCII characters, 0.7 of the others."""
    ascii_characters = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return round(ascii_characters / 4 + (len(text) - ascii_characters) * 0.7)


def detect_language(text: str) -> str:
    """A cheap guess of the language by script: "zh", "ja", "ko", "ru", else "en"; "" where there is no letter.

    Counts a Han character as one word and a run of Latin letters as one word, so that a Chinese sentence
    around English terms or code is still Chinese. A guess by script cannot tell French from English; a
    record that names its language keeps that name.
    """
    sample = text[:4000]
    if sample.isascii():
        return "en" if _LATIN_WORD.search(sample) else ""
    han = len("".join(_HAN.findall(sample)))
    kana = len("".join(_KANA.findall(sample)))
    hangul = len("".join(_HANGUL.findall(sample)))
    cyrillic = len("".join(_CYRILLIC.findall(sample))) // 5
    latin = len(_LATIN_WORD.findall(sample))
    if kana and kana * 4 >= han and kana + han > latin:
        return "ja"
    counts = {"zh": han, "ko": hangul, "ru": cyrillic, "en": latin}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] else ""


def prompt_language(language: str) -> str:
    """Which set of prompts serves a record of this language: "zh" for Chinese, else "en"."""
    if language == "en":
        return language  # as most are, and it is asked several times a record
    return "zh" if language.lower().replace("_", "-").split("-")[0] in {"zh", "cn", "chinese"} else "en"


def normal_form(text: str) -> str:
    """NFKC, case-folded, white space folded: what counts as the same text for exact comparison."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shorten(text: str, characters: int = 80) -> str:
    """One line of at most `characters` for tables and messages; control characters become spaces."""
    if not text.isprintable():
        text = "".join([c if c.isprintable() else " " for c in text])
    # Of white space, a blank alone is printable.
    line = " ".join(text.split()) if "  " in text or text[:1] == " " or text[-1:] == " " else text
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "…"
