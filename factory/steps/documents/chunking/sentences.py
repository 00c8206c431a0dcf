"""Where sentences end, in English, Chinese and languages written like them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from factory.data.text import UNSPACED

_CLOSING = "\"'”’»)\\]）」』】》"
_END = re.compile(
    rf"[。！？｡…]+[{_CLOSING}]*"  # marks that end one wherever they stand
    rf"|[.!?]+[{_CLOSING}]*(?=\s|$|[{UNSPACED}])"  # marks that end one before a space
)
_SHORTENED = re.compile(
    r"(?:^|[\s(\[“\"'])(?:[A-Za-z]|[A-Za-z](?:\.[A-Za-z])+|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|cf|ca|al|etc|approx|resp|incl"
    r"|e\.g|i\.e|Fig|Figs|Eq|Eqs|Sec|Ch|Chap|No|Nos|Vol|Ed|Eds|pp|p|Nr|Abb|bzw|Art|Inc|Ltd|Co|Corp|Jan|Feb|Mar|Apr|Jun"
    r"|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.$"
)
_WORD = re.compile(r"\w")
_LOWER = re.compile(r"\s*[a-z]")
_ITEM = re.compile(r"\s*\(?\d{1,3}[.)]$")
_CUTS = re.compile(r"[,;:—](?=\s)|[，、：；]"), re.compile(r"\s+")
"""Where a sentence that has to be cut is cut rather than elsewhere, the best first."""
_LONGEST_ITEM = 8  # characters of the number of an item
_LOOK = 24  # characters before a full stop in which a shortened word is looked for


def sentence_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each sentence of a paragraph begins and ends, white space around them in none.

    A full stop ends none behind a shortened word ("Fig. 3", "e.g. this", "J. Smith"), the number of an item ("1. Open
    it"), without a word before it (". . . 9"), or before a small letter; a line break alone does not either.
    """
    at = _after_space(text, start, end)
    word = _WORD.search(text, at, end)
    for found in _END.finditer(text, at, end):
        stop = found.end()
        if word is None or word.start() >= found.start() or not _ends(text, at, found):
            continue
        yield at, stop
        at = _after_space(text, stop, end)
        word = _WORD.search(text, at, end)
    last = end
    while last > at and text[last - 1].isspace():
        last -= 1
    if last > at:
        yield at, last


def _ends(text: str, at: int, found: re.Match[str]) -> bool:
    """Whether a mark ends the sentence that begins at `at`."""
    if found[0][0] not in ".…":
        return True
    if found[0].startswith(("…", "..")):
        return not _LOWER.match(text, found.end())
    before = text[max(at, found.start() - _LOOK) : found.start() + 1]
    if _LOWER.match(text, found.end()) or _SHORTENED.search(before):
        return False
    return found.start() - at > _LONGEST_ITEM or not _ITEM.match(text[at : found.start() + 1])


def _after_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at


def cut_span(
    text: str, start: int, end: int, size: int, count: Callable[[str], int]
) -> Iterator[tuple[int, int]]:
    """A sentence that is too long for any chunk in pieces that are not, cut behind a comma or at a space if it can be.

    size: tokens that a piece may have, as `count` counts them
    """
    while start < end:
        stop = _fitting(text, start, end, size, count)
        if stop < end:
            half = start + (stop - start) // 2
            cuts = ([found.end() for found in cut.finditer(text, half, stop)] for cut in _CUTS)
            stop = next((found[-1] for found in cuts if found), stop)
        last = stop
        while last > start and text[last - 1].isspace():
            last -= 1
        if last > start:
            yield start, last
        start = _after_space(text, stop, end)


def _fitting(text: str, start: int, end: int, size: int, count: Callable[[str], int]) -> int:
    """About the furthest place up to which the text has no more than `size` tokens; at least one character."""
    low, high = start + 1, min(end, start + 8 * size)
    if count(text[start:high]) <= size:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if count(text[start:middle]) <= size:
            low = middle
        else:
            high = middle
    return low
