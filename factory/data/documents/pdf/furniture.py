"""Headers, footers and page numbers: lines that stand at the same place of several pages and say the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from factory.data.documents.pdf.lines import Line

_MARGIN = 0.14  # share of the page's height, above and below, in which they stand
_SAME_PLACE = 0.006  # share of the page's height
_FEWEST = 3  # pages
_NEAR = 10  # pages, among which so many have it
_NUMBER = re.compile(r"(?<![\d.,])\d{1,6}(?!\d|[.,]\d)")
_ROMAN = re.compile(r"[ivxlc]+", re.IGNORECASE)
_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


def running_lines(pages: Sequence[Sequence[Line]]) -> set[tuple[int, Line]]:
    """The headers, footers and page numbers of a document, each with its page, from 0.

    A line of a page's margin is one where, at the same height, the same text stands on three of ten pages at least, or
    a number that counts the pages does. What else repeats, such as a table's header, stays.
    """
    places: dict[int, list[tuple[int, Line]]] = {}
    for number, lines in enumerate(pages):
        for line in lines:
            if not _MARGIN < line.height < 1 - _MARGIN:
                places.setdefault(round(line.height / _SAME_PLACE), []).append((number, line))
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[line.size] += len(line.text)
    usual = 1.05 * sizes.most_common(1)[0][0] if sizes else 0.0  # headings are larger, and may count too
    found: set[tuple[int, Line]] = set()
    for at, there in places.items():
        groups: dict[str | int, list[tuple[int, Line]]] = {}
        for one in [*there, *places.get(at + 1, [])]:  # one that rounds to the next place is of the same
            groups.setdefault(one[1].text, []).append(one)
            for value in set(_numbers(one[1].text)) if one[1].size <= usual else ():
                groups.setdefault(value - one[0], []).append(one)
        for same in groups.values():
            often = _often({number for number, _ in same})
            found.update(one for one in same if one[0] in often)
    return found


def _often(numbers: set[int]) -> set[int]:
    """Those of page numbers that are `_FEWEST` within `_NEAR` pages."""
    ordered = sorted(numbers)
    found: set[int] = set()
    for first in range(len(ordered) - _FEWEST + 1):
        some = ordered[first : first + _FEWEST]
        if some[-1] - some[0] < _NEAR:
            found.update(some)
    return found


def _numbers(text: str) -> list[int]:
    """The numbers in a line; of a Roman one alone, its value."""
    if not _ROMAN.fullmatch(text):
        return [int(digits) for digits in _NUMBER.findall(text)]
    values = [_VALUES[letter] for letter in text.lower()]
    return [sum(-one if one < after else one for one, after in zip(values, [*values[1:], 0], strict=True))]
