"""The rows nearest to a target, each of its items taking one in turn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.assemble.select.blocks import HERE, Engine

STEPS = 1 << 20
"""Cosines are compared in steps of so many to 1: finer than float32 sums are exact, so that equal rows tie."""
_BLOCK = 8192
"""Rows of the pool compared at a time."""
_CELLS = 1 << 23
"""Cosines held at a time."""


class Taken(NamedTuple):
    """Rows taken by the items of a target, in the order in which they were taken.

    rows: each once
    items: the item that took each row
    cosines: of the row and that item
    refused: how often an item's next row had been taken by another: how far the items want the same rows
    """

    rows: Ints
    items: Ints
    cosines: Floats
    refused: int


def nearest_in_turn(pool: Rows, target: Rows, size: int, engine: Engine = HERE) -> Taken:
    """Let each item of the target take the nearest row that is left, in turns, until so many are taken.

    Every item gets its share, where the rows with the highest mean cosine would all lie near the commonest ones. An
    item passes over what another took. Of equally near rows the first of the pool goes first; an item that stands in
    the target twice has two turns.

    Exact, in the memory of a part of the ranking: only as much of it is kept as the turns need.

    Args:
        pool: shape (rows, dimensions), of length 1, finite.
        target: shape (items, dimensions), the same.
        size: rows to take, at most all.

    Source: round robin as in RDS+ (arXiv 2503.01807); neighbours of a target's items by embedding as in cross-task
        nearest neighbours (arXiv 2212.00196), which takes a number of rows for each item and joins them.
    """
    size = min(size, len(pool))
    if not size or not len(target):
        none = np.zeros(0, np.int64)
        return Taken(none, none, np.zeros(0), 0)
    depth = min(len(pool), 2 * -(-size // len(target)) + 8)
    while True:
        ranking = nearest_rows(pool, target, depth, engine)
        taken = _in_turn(ranking, len(pool), size)
        if taken is not None:
            rows, items, refused = taken
            cosines = np.einsum("nd,nd->n", pool[rows], target[items], dtype=np.float64)
            return Taken(rows, items, cosines, refused)
        depth = min(len(pool), 4 * depth)


def nearest_rows(pool: Rows, target: Rows, depth: int, engine: Engine = HERE) -> NDArray[np.int32]:
    """The `depth` nearest rows of each item of the target, shape (items, depth), the nearest first."""
    blocks = [(start, pool[start:end]) for start, end in engine.spans(len(pool))]
    found = np.concatenate(engine.over(nearest_keys, blocks, target, depth), axis=1)
    return (np.sort(found, axis=1)[:, :depth] & 0xFFFFFFFF).astype(np.int32)


def nearest_keys(given: tuple[int, Rows], target: Rows, depth: int) -> NDArray[np.int64]:
    """Of a block of the pool, given with its first row's number, the nearest rows of each item.

    Returns:
        Shape (items, depth or all rows of the block): the distance in the upper bits, the row's number in the lower,
        so that no two rows have the same number.
    """
    first, pool = given
    block = max(1, min(_BLOCK, _CELLS // len(target)))
    block = 1 << (block.bit_length() - 1)  # so that blocks of an engine are cut at the same rows
    found: NDArray[np.int64] = np.zeros((len(target), 0), np.int64)
    for start in range(0, len(pool), block):
        cosines = target @ pool[start : start + block].T
        keys = np.rint((1.0 - cosines.astype(np.float64)) * STEPS).astype(np.int64) << 32
        keys |= np.arange(first + start, first + start + keys.shape[1])
        if found.shape[1] == depth and not (keys < found[:, -1:]).any():
            continue
        found = np.concatenate([found, keys], axis=1)
        if found.shape[1] > depth:
            found = np.partition(found, depth - 1, axis=1)[:, :depth]
            # The last is the farthest, so that a block that holds nothing nearer is passed over.
    return found


def _in_turn(ranking: NDArray[np.int32], rows: int, size: int) -> tuple[Ints, Ints, int] | None:
    """Who takes what; None where an item's part of the ranking ends before its next turn."""
    whole = ranking.shape[1] == rows
    free = np.ones(rows, bool)
    next_of = [0] * len(ranking)
    taken: list[int] = []
    items: list[int] = []
    refused = 0
    while True:
        for item, order in enumerate(ranking):
            at = next_of[item]
            while at < len(order) and not free[order[at]]:
                at += 1
                refused += 1
            if at == len(order):
                if whole:  # nothing is left at all
                    return np.array(taken, np.int64), np.array(items, np.int64), refused
                return None
            row = int(order[at])
            free[row] = False
            next_of[item] = at + 1
            taken.append(row)
            items.append(item)
            if len(taken) == size:
                return np.array(taken, np.int64), np.array(items, np.int64), refused
