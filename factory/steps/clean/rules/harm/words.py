"""Lists of words and phrases, and where they stand in a text, in any language."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from factory.data.text import UNSPACED, shorten
from factory.steps.clean.rules.gates import Gated, encoded

LONGEST = 200
_MOST_AT_ONCE = 1000
"""Entries of a list that one pattern asks for at once."""
"""Characters of an entry."""
_WORD = re.compile(rf"[^\W_{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_PLAIN_WORD = re.compile("[a-z0-9]+")
_TO_BLANKS = {code: " " for code in range(128) if not chr(code).isalnum()}
_SECTION = re.compile(r"\[([A-Za-z][A-Za-z0-9_-]{0,39})\]")


class Entry(NamedTuple):
    """A word or phrase in small letters, and the kind that it stands under, "" for none.

    begins: what begins with it counts as well
    """

    words: str
    kind: str = ""
    begins: bool = False


def read_entries(text: str, where: str) -> list[Entry]:
    """The entries of a list: one a line; `[kind]` begins a section, `#` a remark, a `*` behind means what begins so.

    Raises:
        ValueError: a line is no entry, or there is none; names the place.
    """
    found: list[Entry] = []
    kind = ""
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        section = _SECTION.fullmatch(line)
        if section:
            kind = section[1].lower()
            continue
        words = " ".join(line.removesuffix("*").lower().split())
        if not (_WORD.search(words) or _UNSPACED.search(words)) or len(words) > LONGEST:
            raise ValueError(
                f"{where}:{number}: {shorten(line, 40)!r} is no word or phrase of at most {LONGEST} characters"
            )
        found.append(Entry(words, kind, line.endswith("*")))
    if not found:
        raise ValueError(f"{where}: holds no word: write one word or phrase a line")
    return found


@functools.lru_cache(maxsize=16)
def word_list(path: Path) -> WordList:
    """The list in a file.

    Raises:
        ValueError: it cannot be read, or is no list of words; names the line.
    """
    try:
        text = path.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"{path}: cannot be read: {why}") from None
    return WordList(read_entries(text, str(path)))


class WordList:
    """Finds entries in texts: whole words where a script has spaces, else as they stand.

    A text that holds none of the entries' longest words costs one pass over its words, however long the list is.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        words: dict[str, list[tuple[str, str, str]]] = {}
        begins: dict[str, list[tuple[str, str, str]]] = {}
        signs: dict[str, list[tuple[str, str]]] = {}
        for entry in dict.fromkeys(entries):
            first = _WORD.match(entry.words)
            if first is None:
                signs.setdefault(entry.words[0], []).append((entry.words, entry.kind))
                continue
            gaps = r"[\s\-]{1,3}".join(map(re.escape, re.split(r"[\s\-]+", entry.words)))
            end = "" if _UNSPACED.match(entry.words[-1]) else rf"(?![^\W_{UNSPACED}])"
            tail = rf"[^\W_{UNSPACED}]{{0,40}}" if entry.begins else end
            pattern = rf"(?<![^\W_{UNSPACED}]){gaps}{tail}"
            # The longest word is the rarest; the last of an entry that only begins is none.
            whole = _WORD.findall(entry.words)[: -1 if entry.begins else None]
            if whole:
                words.setdefault(max(whole, key=len), []).append((entry.words, pattern, entry.kind))
            else:
                begins.setdefault(first[0], []).append((entry.words, pattern, entry.kind))
        self._words: Mapping[str, list[tuple[str, str, str]]] = words
        self._begins: Mapping[str, list[tuple[str, str, str]]] = begins
        self._keys, self._starts = frozenset(words), tuple(begins)
        self._plain = all(map(str.isascii, words))
        self._signs = {sign: sorted(some, key=lambda one: -len(one[0])) for sign, some in signs.items()}
        self._any_sign = re.compile("[" + "".join(map(re.escape, signs)) + "]") if signs else None
        listed = [pattern for some in (*words.values(), *begins.values()) for _, pattern, _ in some]
        listed += [re.escape(entry) for some in signs.values() for entry, _ in some]
        self._gate = Gated("|".join(listed)) if len(listed) <= _MOST_AT_ONCE else None

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and kind of each entry in a text, in order; of two that overlap the first, then the longer."""
        if self._gate is not None and not self._gate.may_hold(encoded(text.lower())):
            return  # as most do
        lower = text.lower()
        if len(lower) != len(text):  # a few capitals become two small letters: places would shift
            lower = "".join(sign if len(sign.lower()) > 1 else sign.lower() for sign in text)
        found = [*self._spaced(lower), *self._unspaced(lower)]
        end = 0
        for start, stop, kind in sorted(found, key=lambda one: (one[0], -one[1], one[2])):
            if start >= end:
                yield start, stop, kind
                end = stop

    def _spaced(self, lower: str) -> Iterator[tuple[int, int, str]]:
        if not self._words and not self._begins:
            return
        there = self._words_of(lower)
        patterns = [one for start in self._starts if start in lower for one in self._begins[start]]
        if not self._keys.isdisjoint(there):
            patterns += [one for word in sorted(self._keys.intersection(there)) for one in self._words[word]]
        for entry, pattern, kind in patterns:
            if not all(word in lower for word in _WORD.findall(entry)):
                continue
            for match in re.finditer(pattern, lower):  # read when it is first needed: a list may be long
                yield *match.span(), kind

    def _words_of(self, lower: str) -> list[str]:
        """The words among which the longest words of entries are, with others, the quickest way."""
        if lower.isascii():
            return lower.translate(_TO_BLANKS).split()
        return (_PLAIN_WORD if self._plain else _WORD).findall(lower)

    def _unspaced(self, lower: str) -> Iterator[tuple[int, int, str]]:
        if self._any_sign is None or lower.isascii():
            return
        for match in self._any_sign.finditer(lower):
            for words, kind in self._signs[match[0]]:
                if lower.startswith(words, match.start()):
                    yield match.start(), match.start() + len(words), kind
                    break
