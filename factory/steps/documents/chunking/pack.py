"""Packing units into chunks: as large as may be, cut at the strongest borders.

The way of semchunk (github.com/isaacus-dev/semchunk): what is too large is split at its strongest border, each part
again in the same way, and neighbours that fit are put together. Here the parts are whole sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from factory.steps.documents.chunking.units import BLOCK, PIECE, Unit


class Span(NamedTuple):
    """A chunk as units: `first` to `last` (not included), of which those before `own` are overlap."""

    first: int
    own: int
    last: int


def pack(
    units: Sequence[Unit],
    size: int,
    count: Callable[[str], int],
    text: str,
    *,
    sections: bool = False,
    overlap: int = 0,
) -> list[Span]:
    """Units of a text as chunks of at most `size` tokens, as `count` counts them.

    Args:
        sections: no chunk holds text from under two headings
        overlap: sentences that a chunk repeats of the one before it, where it fits and no heading lies between
    """
    totals = [0, *accumulate(unit.tokens for unit in units)]
    usual = totals[-1] // max(1, len(units))
    room = size - min(overlap * usual, size // 3)

    def over(first: int, last: int) -> int:
        # A chunk has the white space between its units too, and a whole may have more tokens than its parts.
        return count(text[units[first].start : units[last - 1].end]) - size

    def fitted(low: int, high: int, limit: int) -> Iterator[tuple[int, int]]:
        for first, last in _packed(units, totals, low, high, limit, sections):
            more = over(first, last) if last - first > 1 else 0
            if more > 0:
                yield from fitted(first, last, totals[last] - totals[first] - more)
            else:
                yield first, last

    spans = []
    for own, last in fitted(0, len(units), room):
        first = _overlapping(units, totals, own, last, size, overlap)
        while first < own and over(first, last) > 0:
            first += 1
        spans.append(Span(first, own, last))
    return spans


def _packed(
    units: Sequence[Unit], totals: Sequence[int], low: int, high: int, size: int, sections: bool
) -> list[tuple[int, int]]:
    borders = [units[at].border for at in range(low + 1, high)]
    strongest = max(borders, default=PIECE)
    by_heading = sections and strongest > BLOCK
    if not borders or (totals[high] - totals[low] <= size and not by_heading):
        return [(low, high)] if low < high else []
    cuts = [low, *(at for at in range(low + 1, high) if units[at].border == strongest), high]
    found: list[tuple[int, int]] = []
    begun = low  # of a chunk that takes more parts while they fit
    for start, end in pairwise(cuts):
        fits = totals[end] - totals[start] <= size
        if fits and not by_heading and totals[end] - totals[begun] <= size:
            continue
        if begun < start:
            found.append((begun, start))
        begun = start
        if not fits or by_heading:
            found += _packed(units, totals, start, end, size, sections)
            begun = end
    if begun < high:
        found.append((begun, high))
    return found


def _overlapping(
    units: Sequence[Unit], totals: Sequence[int], own: int, last: int, size: int, overlap: int
) -> int:
    """Where a chunk begins with the sentences that it repeats."""
    first = own
    while (
        first > 0
        and own - first < overlap
        and units[first].border <= BLOCK
        and totals[last] - totals[first - 1] <= size
    ):
        first -= 1
    return first
