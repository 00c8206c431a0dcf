"""The exact cosine greedy keep-first join: which vectors are too close to one kept before.

Most pairs are told apart by a bound. Of each row, scaled to length 1, take the coordinates along a few axes, and
the length of what is left as one more number: the dot product of two such short rows is never less than the
cosine (Cauchy-Schwarz), whatever the axes. Only pairs whose bound reaches the threshold are compared in full.
The closer the axes come to the set's principal ones, the tighter the bound.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows

BLOCK = 1024
"""Rows that all workers take on before one thread settles them: their short rows stay in the cache."""
SIZES = (32, 64, 128, 256)
"""Lengths of a short row that are tried; beyond them the whole row is taken."""
EXACT_COST = 8192
"""What a comparison in full costs, in numbers of a short row."""
SAMPLE = 1024
"""Rows that the axes are found from; half of them tell how long a short row should be."""


class CosineMatches(NamedTuple):
    """One entry for each row of the join.

    nearest: int64, the kept row that dropped this one, or -1 where it is kept
    cosine: float64, its cosine with that row, or NaN where it is kept
    """

    nearest: Ints
    cosine: Floats


def cosine_join(
    vectors: Rows, threshold: float, *, order: Ints | None = None, known: int = 0, workers: int = 1
) -> CosineMatches:
    """Drop each row whose cosine with an earlier kept row is greater than `threshold`.

    Exact: every row is held against every kept row. The cosine is that of the float32 rows, computed in float64
    and compared as it is: a pair within rounding of the threshold falls the same way on every machine, whatever
    the number of workers. (An inner product in float32, such as FAISS gives, is off by about 1e-7 either way.)
    Where several kept rows are that close, the closest is named, of equals the earliest. No cosine is above 1,
    and equal rows have exactly 1, so that nothing is dropped at threshold 1.

    Memory beside the vectors: about 400 bytes for a row. Runs in `workers` threads without holding the GIL.

    Args:
        vectors: shape (rows, dimensions), float32, rows of any length. A row of zeros or with a NaN or infinity
            has no direction: it is close to nothing, is kept and drops none.
        threshold: between -1 and 1.
        order: the rows, each once, in the order in which they are kept; by default as they stand.
        known: the first so many rows, of a reference, come first in that order, and are kept.

    Raises:
        ValueError: `vectors` is not a matrix, or there is not one worker at least.
    """
    if vectors.ndim != 2:
        raise ValueError(f"vectors must be a matrix, one row for each text, given shape {vectors.shape}")
    if workers < 1:
        raise ValueError(f"at least one worker is needed, given {workers}")
    nearest = np.full(len(vectors), -1, np.int64)
    cosine = np.full(len(vectors), float(threshold))
    rows = with_direction(vectors)
    if order is not None:
        rows = order[np.isin(order, rows)]
    if len(rows):
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        axes = best_axes(vectors, rows, threshold)
        with ThreadPoolExecutor(workers) as pool:
            _join(vectors, rows, int((rows < known).sum()), nearest, cosine, axes, pool, workers)
    cosine[nearest < 0] = np.nan
    return CosineMatches(nearest, cosine)


def cosine_join_block(
    kept: Rows, rows: Rows, known: Floats, decide: bool, *, threshold: float, axes: Axes
) -> tuple[Ints, Floats]:
    """One part of the join of a set that is cut into blocks: find rows closer than what is known of `rows`.

    Args:
        kept: kept rows that come before all of `rows`, and after all that the rows were compared with so far.
        rows: a block of rows; each has a direction.
        known: the highest cosine of each row with one kept before `kept`, or NaN where none is too close.
        decide: whether `kept` is the last before the block, so that the block itself is joined.

    Returns:
        For each row, the closest row where it is closer than what is known, or -1: its place among `kept`, or
        that among `rows` plus the number of `kept`; and that cosine.
    """
    axes = axes._replace(axes=np.require(axes.axes, requirements="W"))  # the compiled loops take no other
    vectors = np.concatenate([kept, rows])
    before = len(vectors)  # stands for what is known
    nearest = np.full(len(vectors), -1, np.int64)
    cosine = np.full(len(vectors), float(threshold))
    found = len(kept) + np.flatnonzero(~np.isnan(known))
    nearest[found], cosine[found] = before, known[found - len(kept)]
    with ThreadPoolExecutor(1) as pool:
        _join(vectors, np.arange(before), len(kept), nearest, cosine, axes, pool, 1, decide=decide)
    nearest[nearest == before] = -1
    return nearest[len(kept) :], cosine[len(kept) :]


def with_direction(vectors: Rows) -> Ints:
    """The rows, in their order, that are finite and not all zeros."""
    if not vectors.shape[1]:
        return np.empty(0, np.int64)
    blocks = (vectors[at : at + BLOCK] for at in range(0, len(vectors), BLOCK))
    largest = np.concatenate([np.empty(0), *(np.abs(block).max(axis=1) for block in blocks)])
    return np.flatnonzero(np.isfinite(largest) & (largest > 0))


def _join(
    vectors: Rows,
    rows: Ints,
    held: int,
    nearest: Ints,
    cosine: Floats,
    axes: Axes,
    pool: ThreadPoolExecutor,
    workers: int,
    *,
    decide: bool = True,
) -> None:
    """Block by block: all workers compare its rows with those kept before it, then one settles the block.

    held: the first so many of `rows` are kept
    decide: whether the rest is settled, or compared with these alone
    """
    from factory.steps.dedup.semantic.kernel import LANES, put, search, settle, square_lengths

    squares = np.empty(len(vectors))
    square_lengths(vectors, squares)
    slack = (axes.size + 8) * 2.0**-23  # more than float32 is off, in the short rows and their product
    most = len(rows) if decide else held
    panels = np.empty((-(-most // LANES), axes.size, LANES), np.float32)
    inside = np.empty((-(-BLOCK // LANES), axes.size, LANES), np.float32)
    kept = np.empty(most, np.int64)
    fresh = np.empty(BLOCK, np.int64)
    for start in range(0, held, BLOCK):
        block = rows[start : min(start + BLOCK, held)]
        put(panels, start, len(block), axes.shorten(vectors, block, squares))
        kept[start : start + len(block)] = block
    for start in range(held, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        short = axes.shorten(vectors, block, squares)

        def compare(worker: int, block: Ints = block, short: Rows = short, held: int = held) -> None:
            search(
                panels, held, kept, short, block, vectors, squares, slack, nearest, cosine, worker, workers
            )

        list(pool.map(compare, range(workers)))
        if decide:
            put(inside, 0, len(block), short)
            some = fresh[: settle(inside, short, block, vectors, squares, slack, nearest, cosine, fresh)]
            put(panels, held, len(some), short[some])
            kept[held : held + len(some)] = block[some]
            held += len(some)


class Axes(NamedTuple):
    """How rows are made short.

    size: of a short row, a multiple of 4
    axes: shape (dimensions, size - 1), orthonormal; (dimensions, 0) where the short row is the row itself
    """

    size: int
    axes: Floats

    def shorten(self, vectors: Rows, rows: Ints, squares: Floats) -> Rows:
        """The short rows of `rows`; zeros fill the last group of 4."""
        from factory.steps.dedup.semantic.kernel import shorten

        short = np.zeros((-(-len(rows) // 4) * 4, self.size), np.float32)
        shorten(vectors, rows, squares, self.axes, short)
        return short


def best_axes(vectors: Rows, rows: Ints, threshold: float) -> Axes:
    """Those with which bounds, and the comparisons in full that they leave, cost least, told from a sample.

    They are near the sample's leading principal axes (subspace iteration), and the same each time.
    """
    from factory.steps.dedup.semantic.kernel import square_lengths

    dimensions = vectors.shape[1]
    best = Axes(-(-dimensions // 4) * 4, np.empty((dimensions, 0)))
    sizes = [size for size in SIZES if size < dimensions]
    random = np.random.default_rng(0)
    sample = vectors[random.permutation(rows)[:SAMPLE]]
    some = np.arange(len(sample))
    if not sizes or len(some) < sizes[-1]:
        return best
    squares = np.empty(len(sample))
    square_lengths(sample, squares)
    unit = sample.astype(np.float64) / np.sqrt(squares)[:, None]
    basis = random.normal(size=(dimensions, sizes[-1] - 1))
    for _ in range(2):
        basis = np.linalg.qr(unit.T @ (unit @ basis))[0]
    along = unit @ basis
    basis = basis @ np.linalg.eigh(along.T @ along)[1][:, ::-1]
    pairs = np.triu_indices(min(len(some), SAMPLE // 2), 1)
    least = float(best.size)
    for size in sizes:
        axes = Axes(size, np.ascontiguousarray(basis[:, : size - 1]))
        short = axes.shorten(sample, some[: SAMPLE // 2], squares)
        left = float(((short @ short.T)[pairs] > threshold).mean())
        if size + left * EXACT_COST < least:
            best, least = axes, size + left * EXACT_COST
    return best
