"""The cosine join past one machine."""

from __future__ import annotations

import functools

import numpy as np

from factory.statistics.arrays import Ints, Rows
from factory.steps.dedup.joins.ray import SMALLEST, join_on_ray
from factory.steps.dedup.semantic.join import (
    CosineMatches,
    best_axes,
    cosine_join,
    cosine_join_block,
    with_direction,
)


def cosine_join_on_ray(
    vectors: Rows, threshold: float, *, order: Ints | None = None, known: int = 0
) -> CosineMatches:
    """`cosine_join`, by the processors of the `ray_session` that it is called in.

    Raises:
        ValueError: as `cosine_join`.
    """
    if len(vectors) <= SMALLEST or vectors.ndim != 2:
        return cosine_join(vectors, threshold, order=order, known=known)
    from factory.steps.dedup.semantic import kernel as cosine_kernel  # noqa: F401 - compiled once, before the workers ask for it

    rows = with_direction(vectors)
    if order is not None:
        rows = order[np.isin(order, rows)]
    nearest, cosine = np.full(len(vectors), -1, np.int64), np.full(len(vectors), np.nan)
    if len(rows):
        axes = best_axes(np.ascontiguousarray(vectors, dtype=np.float32), rows, threshold)
        join = functools.partial(cosine_join_block, threshold=threshold, axes=axes)

        def take(places: Ints) -> Rows:
            return np.ascontiguousarray(vectors[rows[places]], dtype=np.float32)

        before = int((rows < known).sum())
        near, cosine[rows] = join_on_ray(take, before, len(rows) - before, join)
        nearest[rows] = np.where(near >= 0, rows[near], -1)
    return CosineMatches(nearest, cosine)
