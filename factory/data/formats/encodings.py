"""Text that is not UTF-8: which encoding it seems to be in, so that a person can say so."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from factory.errors import InputError

_SAMPLE = 1 << 20
_SURE = 0.75  # of the letters beyond ASCII must be usual ones

_LATIN = re.compile("[À-ÖØ-öø-ÿŒœŠšŽžŸ‘’“”–—…•«»€£°§©®™¿¡ª-º]")
_RUN = re.compile(r"[^\x00-\x7f]{3,}")
_KANA = re.compile("[぀-ヿ]")
_CYRILLIC = re.compile("[а-яё]")
_SIGNS = re.compile("[　-〟！-～·—‘’“”…]")


class _Kind(NamedTuple):
    """An encoding: the codec, its name for a person, and the share of usual letters in a text read by it."""

    codec: str
    name: str
    share: Callable[[str], float]


def _level_one(codec: str, first: int, last: int) -> Callable[[str], float]:
    """The share of letters that are among the commonest of a national set: their first byte is in a range."""

    def share(text: str) -> float:
        letters = _beyond_ascii(text)
        usual = 0
        for letter in letters:
            try:
                code = letter.encode(codec)
            except UnicodeEncodeError:
                continue
            usual += bool(_SIGNS.match(letter)) or (len(code) == 2 and first <= code[0] <= last)
        return usual / max(1, len(letters))

    return share


def _japanese(codec: str, first: int, last: int) -> Callable[[str], float]:
    common = _level_one(codec, first, last)

    def share(text: str) -> float:
        letters = _beyond_ascii(text)
        kana = len(_KANA.findall(text)) / max(1, len(letters))
        # Without kana it may as well be Chinese; above a few it is nothing else.
        return 0.0 if kana < 0.15 else min(1.0, 0.2 + common(_KANA.sub("", text)) * (1 - kana) + kana)

    return share


def _latin(text: str) -> float:
    letters = _beyond_ascii(text)
    if _RUN.search(text) or 3 * len(letters) > len(text):
        return 0.0
    return len(_LATIN.findall(text)) / max(1, len(letters))


_SYLLABLES = _level_one("euc_kr", 0xB0, 0xC8)


def _korean(text: str) -> float:
    """Chinese text read so is syllables and Chinese letters in turn."""
    letters = _beyond_ascii(text)
    share = _SYLLABLES(text)
    return 2 * share if share > 0.9 and len(letters) >= 10 else share / 2


def _russian(text: str) -> float:
    """Words of Cyrillic letters, not accents between Latin ones."""
    letters = _beyond_ascii(text)
    words = sum(map(len, _RUN.findall(text)))
    return 0.0 if 2 * words < len(letters) else len(_CYRILLIC.findall(text)) / max(1, len(letters))


def _beyond_ascii(text: str) -> list[str]:
    return [letter for letter in text if letter > "\x7f"]


_KINDS = (
    _Kind("gb18030", "GBK or GB18030", _level_one("gb2312", 0xB0, 0xD7)),
    _Kind("cp950", "Big5", _level_one("big5", 0xA4, 0xC6)),
    _Kind("cp932", "Shift-JIS", _japanese("cp932", 0x88, 0x97)),
    _Kind("euc_jp", "EUC-JP", _japanese("euc_jp", 0xB0, 0xCF)),
    _Kind("cp949", "EUC-KR", _korean),
    _Kind("cp1251", "Windows-1251", _russian),
    _Kind("cp1252", "Windows-1252", _latin),
)


def guessed_encoding(lines: Iterable[bytes]) -> tuple[str, str] | None:
    """The codec that lines seem to be in and its name for a person; None where none is likely.

    A guess by how usual the letters are that each encoding makes of the bytes; lines that are ASCII tell nothing.
    """
    data = b"".join(line for line in lines if not line.isascii())
    if not data:
        return None
    found = []
    for kind in _KINDS:
        try:
            text = data.decode(kind.codec)
        except UnicodeDecodeError:
            continue
        found.append((kind.share(text), kind))
    best = max(found, key=lambda one: one[0], default=None)
    return (best[1].codec, best[1].name) if best is not None and best[0] >= _SURE else None


class Advice:
    """Says how a file can be read that has bytes which its encoding does not know.

    lines: gives the file's lines
    encoding: what it is told to be in, "" for UTF-8
    """

    def __init__(self, lines: Callable[[], Iterable[bytes]], encoding: str = "") -> None:
        self._lines = lines
        self._encoding = encoding

    def __call__(self, line: bytes) -> str:
        """What is wrong with a line that cannot be decoded, and how to mend it."""
        if self._encoding:
            return f"is not {self._encoding}: give another encoding, or convert the file to UTF-8"
        strange, mixed = self._sample
        if mixed:
            return "is not UTF-8, as other lines are: write this one so"
        found = guessed_encoding(strange or [line])
        if found is None:
            return "is not UTF-8: convert the file to UTF-8"
        codec, name = found
        return f"is not UTF-8: the file seems to be {name}: give encoding {codec} (--encoding {codec})"

    @cached_property
    def _sample(self) -> tuple[list[bytes], bool]:
        """Lines at the start of the file that are not UTF-8, and whether others are, beyond ASCII."""
        strange: list[bytes] = []
        mixed, size = False, 0
        for line in self._lines():
            size += len(line)
            if not line.isascii():
                try:
                    line.decode()
                    mixed = True
                except UnicodeDecodeError:
                    strange.append(line)
            if size > _SAMPLE:
                break
        return strange, mixed


def known_encoding(name: str, path: Path) -> str:
    """The name of a codec for text.

    Raises:
        InputError: Python has none of that name.
    """
    try:
        found = codecs.lookup(name)
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{path}: there is no encoding {name!r}: write one such as gb18030, big5, shift_jis, euc_kr or cp1252"
        ) from error
    return found.name


def _is_utf8(head: bytes) -> bool:
    """Whether the first bytes of a file are UTF-8; a letter may be cut at the end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def unmarked_utf16(head: bytes) -> str:
    """The codec of UTF-16 that text without a mark is in; "" where it is in none.

    Its letters of ASCII have a zero byte each, and it has no letter that is zero itself. Bytes that are UTF-8 as they
    stand are UTF-8 with zeros in it, unless the zeros are as many as the letters from the very first one on.
    """
    if b"\0" not in head or (_is_utf8(head) and (4 * head.count(0) < len(head) or 0 not in head[:2])):
        return ""
    found = {}
    for codec in ("utf-16-le", "utf-16-be"):
        text = head[: len(head) // 2 * 2].decode(codec, "ignore")
        if "\0" not in text:
            found[codec] = sum(letter < "\x80" for letter in text)
    best = max(found, key=lambda codec: found[codec], default="")
    return best if best and 16 * found[best] >= len(head) / 2 else ""
