"""The compiled loop of complexity-first diverse sampling."""

from __future__ import annotations

from factory.statistics.arrays import Ints
from factory.statistics.compiled import compiled_at_once


@compiled_at_once("UniTuple(int64, 2)(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1])")
def passes(starts: Ints, tags: Ints, left: Ints, seen: Ints, chosen: Ints) -> tuple[int, int]:
    """Go through the rows again and again, choosing each that has a tag no chosen one of this pass has.

    Args:
        left: the rows in order; overwritten.
        seen: the pass in which each tag was last seen, all 0 at first.
        chosen: filled with the chosen rows.

    Returns:
        How many were chosen, and in how many passes; fewer than there is room for where only untagged rows are left.
    """
    count = number = 0
    rows = len(left)
    while count < len(chosen):
        number += 1
        before, kept = count, 0
        for at in range(rows):
            row = left[at]
            fresh = False
            for place in range(starts[row], starts[row + 1]):
                if seen[tags[place]] != number:
                    seen[tags[place]] = number
                    fresh = True
            if fresh:
                chosen[count] = row
                count += 1
                if count == len(chosen):
                    return count, number
            else:
                left[kept] = row
                kept += 1
        rows = kept
        if count == before:
            return count, number - 1
    return count, number
