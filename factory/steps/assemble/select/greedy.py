"""Lazy greedy choice: the row with the highest gain, again and again, few gains of it computed anew."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints


class Taken(NamedTuple):
    """Rows in the order in which they were taken, and the gain of each then."""

    rows: Ints
    gains: Floats


def lazy_greedy(
    bounds: Floats, gain: Callable[[int], float], take: Callable[[int], None], size: int
) -> Taken:
    """Take `size` rows, each the one that gains most, of equals the first.

    Exact, where no gain grows by what is taken (submodularity): what a row gained before bounds what it gains now.

    Args:
        bounds: no less than what each row gains at first, shape (rows,)
        gain: what a row gains now
        take: told of each row that is taken

    Source: Minoux (1978), Accelerated greedy algorithms for maximizing submodular set functions.
    """
    # A little above, as sums in another order round otherwise.
    heap = list(zip((-bounds - 1e-9 * (1 + np.abs(bounds))).tolist(), range(len(bounds)), strict=True))
    heapq.heapify(heap)
    rows: list[int] = []
    gains: list[float] = []
    while len(rows) < size and heap:
        _, row = heap[0]
        now = (-gain(row), row)
        heapq.heapreplace(heap, now)
        if heap[0] is now:
            heapq.heappop(heap)
            take(row)
            rows.append(row)
            gains.append(-now[0])
    return Taken(np.array(rows, np.int64), np.array(gains))
