"""The compiled loops of `cosine_join`: a bound of every cosine in float32, the cosine itself where it matters.

The bound of a pair is a dot product of two short rows (see `cosine_join`). The kept rows lie in panels of LANES
rows, the first number of each together, then the second: so the processor computes the bounds of neighbours
side by side, for PROBES rows at a time, while the panel stays in the cache. Importing it loads numba.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from factory.statistics.arrays import Floats, Ints, Rows
from factory.statistics.compiled import compiled, compiled_at_once

LANES = 256
PROBES = 4  # rows compared with a panel together, and numbers of each taken at a time

_rows, _panels = types.float32[:, ::1], types.float32[:, :, ::1]
_ints, _floats = types.int64[::1], types.float64[::1]


@compiled
def exact_dot(one: Rows, other: Rows) -> float:
    """The dot product in float64: always the same, whatever the machine, as no product is rounded."""
    a = b = c = d = 0.0
    whole = len(one) - len(one) % 4
    for k in range(0, whole, 4):
        a += np.float64(one[k]) * np.float64(other[k])
        b += np.float64(one[k + 1]) * np.float64(other[k + 1])
        c += np.float64(one[k + 2]) * np.float64(other[k + 2])
        d += np.float64(one[k + 3]) * np.float64(other[k + 3])
    for k in range(whole, len(one)):
        a += np.float64(one[k]) * np.float64(other[k])
    return (a + b) + (c + d)


@compiled
def exact_cosine(vectors: Rows, squares: Floats, i: int, j: int) -> float:
    """The cosine of two rows, in float64: 1 for equal rows, never more."""
    return min(exact_dot(vectors[i], vectors[j]) / math.sqrt(squares[i] * squares[j]), 1.0)


@compiled_at_once(types.void(_rows, _floats))
def square_lengths(vectors: Rows, squares: Floats) -> None:
    """The squared length of each row."""
    for i in range(len(vectors)):
        squares[i] = exact_dot(vectors[i], vectors[i])


@compiled_at_once(types.void(_rows, _ints, _floats, types.float64[:, ::1], _rows))
def shorten(vectors: Rows, rows: Ints, squares: Floats, axes: Floats, short: Rows) -> None:
    """Fill `short` with the short rows of `rows`: coordinates along the axes, and the length of what is left.

    axes: shape (dimensions, n); without any, the short row is the row itself, scaled to length 1
    """
    along = np.zeros(axes.shape[1])
    for r in range(len(rows)):
        vector = vectors[rows[r]]
        scale = 1.0 / math.sqrt(squares[rows[r]])
        if len(along) == 0:
            for d in range(len(vector)):
                short[r, d] = np.float32(vector[d] * scale)
            continue
        along[:] = 0.0
        for d in range(len(vector)):
            x = vector[d] * scale
            axis = axes[d]
            for k in range(len(along)):
                along[k] += x * axis[k]
        left = 1.0
        for k in range(len(along)):
            short[r, k] = np.float32(along[k])
            left -= along[k] * along[k]
        short[r, len(along)] = np.float32(math.sqrt(max(left, 0.0)))


def _bounds(panel: Rows, probes: Rows, bounds: Rows) -> None:
    """bounds[r, lane], the dot product of probe r and row `lane` of the panel; their length divides by PROBES."""
    o0, o1, o2, o3 = bounds[0], bounds[1], bounds[2], bounds[3]
    for j in range(LANES):
        o0[j] = o1[j] = o2[j] = o3[j] = np.float32(0)
    for k in range(0, panel.shape[0], PROBES):
        p0, p1, p2, p3 = panel[k], panel[k + 1], panel[k + 2], panel[k + 3]
        a0, a1, a2, a3 = probes[0, k], probes[0, k + 1], probes[0, k + 2], probes[0, k + 3]
        b0, b1, b2, b3 = probes[1, k], probes[1, k + 1], probes[1, k + 2], probes[1, k + 3]
        c0, c1, c2, c3 = probes[2, k], probes[2, k + 1], probes[2, k + 2], probes[2, k + 3]
        d0, d1, d2, d3 = probes[3, k], probes[3, k + 1], probes[3, k + 2], probes[3, k + 3]
        for j in range(LANES):
            x0, x1, x2, x3 = p0[j], p1[j], p2[j], p3[j]
            o0[j] = o0[j] + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
            o1[j] = o1[j] + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3
            o2[j] = o2[j] + c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3
            o3[j] = o3[j] + d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3


bounds_of = compiled(_bounds, fastmath={"contract"})
"""`_bounds` with fused multiplication: the bound leaves room for any rounding."""


@compiled
def count_above(bounds: Rows, least: np.float32) -> int:
    """How many of LANES bounds are above `least`."""
    count = 0
    for j in range(LANES):
        count += int(bounds[j] > least)
    return count


@compiled_at_once(types.void(_panels, types.int64, types.int64, _rows))
def put(panels: Rows, first: int, count: int, short: Rows) -> None:
    """Enter the first `count` short rows into the panels, from place `first` on."""
    for row in range(count):
        panel, lane = (first + row) // LANES, (first + row) % LANES
        for k in range(short.shape[1]):
            panels[panel, k, lane] = short[row, k]


@compiled_at_once(
    types.void(
        _panels,
        types.int64,
        _ints,
        _rows,
        _ints,
        _rows,
        _floats,
        types.float64,
        _ints,
        _floats,
        types.int64,
        types.int64,
    )
)
def search(
    panels: Rows,
    held: int,
    kept: Ints,
    short: Rows,
    rows: Ints,
    vectors: Rows,
    squares: Floats,
    slack: float,
    nearest: Ints,
    cosine: Floats,
    worker: int,
    workers: int,
) -> None:
    """Find the kept row of greatest cosine for each of `rows`; of every PROBES rows in `workers` these are done here.

    panels, held, kept: the kept rows' short rows, how many, and their numbers
    short: the short rows of `rows`, to a whole number of PROBES
    nearest, cosine: what is known so far, the threshold in `cosine` where nothing is
    """
    bounds = np.empty((PROBES, LANES), np.float32)
    for panel in range((held + LANES - 1) // LANES):
        for at in range(worker * PROBES, len(rows), workers * PROBES):
            bounds_of(panels[panel], short[at : at + PROBES], bounds)
            for r in range(min(PROBES, len(rows) - at)):
                i = rows[at + r]
                least = np.float32(cosine[i] - slack)
                if count_above(bounds[r], least) == 0:
                    continue
                for lane in range(min(LANES, held - panel * LANES)):
                    if bounds[r, lane] > least:
                        j = kept[panel * LANES + lane]
                        value = exact_cosine(vectors, squares, i, j)
                        if value > cosine[i]:
                            nearest[i], cosine[i] = j, value
                            least = np.float32(value - slack)


@compiled_at_once(types.int64(_panels, _rows, _ints, _rows, _floats, types.float64, _ints, _floats, _ints))
def settle(
    panels: Rows,
    short: Rows,
    rows: Ints,
    vectors: Rows,
    squares: Floats,
    slack: float,
    nearest: Ints,
    cosine: Floats,
    fresh: Ints,
) -> int:
    """Decide on `rows`, compared with all kept before them, one by one.

    panels: the short rows of `rows` themselves
    fresh: filled with the places in `rows` of those that are kept
    Returns how many these are.
    """
    number = 0
    bounds = np.empty((len(panels), PROBES, LANES), np.float32)
    for at in range(0, len(rows), PROBES):
        for panel in range(at // LANES + 1):
            bounds_of(panels[panel], short[at : at + PROBES], bounds[panel])
        for r in range(min(PROBES, len(rows) - at)):
            i = rows[at + r]
            least = np.float32(cosine[i] - slack)
            for k in range(number):
                place = fresh[k]
                if bounds[place // LANES, r, place % LANES] > least:
                    value = exact_cosine(vectors, squares, i, rows[place])
                    if value > cosine[i]:
                        nearest[i], cosine[i] = rows[place], value
                        least = np.float32(value - slack)
            if nearest[i] < 0:
                fresh[number] = at + r
                number += 1
    return number
