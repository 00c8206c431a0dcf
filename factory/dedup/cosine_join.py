"""The exact cosine greedy keep-first join: which vectors are too close to one kept before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from factory.models.base import Vectors

BLOCK = 1024


class CosineMatches(NamedTuple):
    """One entry for each row of the join.

    nearest: int64, the kept row that dropped this one, or -1 where it is kept
    cosine: float32, its cosine with that row, or NaN where it is kept
    """

    nearest: NDArray[np.int64]
    cosine: NDArray[np.float32]


def cosine_join(vectors: Vectors, threshold: float) -> CosineMatches:
    """Drop each row whose cosine with an earlier kept row is greater than `threshold`.

    Exact: every row meets every kept row, by FAISS's exact inner product (`IndexFlatIP`). Where several are
    that close, the closest is named. Only kept rows are indexed, so that thousands of equal rows cost little.

    Args:
        vectors: shape (rows, dimensions), float32, rows of length 1. A row of zeros or with a NaN has no
            direction: it is close to nothing, is kept and drops none.
        threshold: between -1 and 1.
    """
    import faiss

    rows = len(vectors)
    nearest = np.full(rows, -1, np.int64)
    cosine = np.full(rows, np.nan, np.float32)
    if not rows:
        return CosineMatches(nearest, cosine)
    sound = np.isfinite(vectors).all(axis=1) & (np.abs(vectors).max(axis=1) > 0)
    index = faiss.IndexFlatIP(vectors.shape[1])
    kept: list[int] = []
    candidates = np.flatnonzero(sound)
    for start in range(0, len(candidates), BLOCK):
        block = candidates[start : start + BLOCK]
        part = np.ascontiguousarray(vectors[block], dtype=np.float32)
        best = np.full(len(block), -np.inf, np.float32)
        best_row = np.full(len(block), -1, np.int64)
        if index.ntotal:
            found, at = index.search(part, 1)
            best, best_row = found[:, 0], np.asarray(kept, np.int64)[at[:, 0]]
        within = part @ part.T
        fresh: list[int] = []
        for local, row in enumerate(block.tolist()):
            similarity, other = best[local], best_row[local]
            if fresh:
                inside = within[local, fresh]
                closest = int(inside.argmax())
                if inside[closest] > similarity:
                    similarity, other = inside[closest], block[fresh[closest]]
            similarity = min(similarity, np.float32(1))  # what lies above is rounding
            if similarity > threshold:
                nearest[row], cosine[row] = other, similarity
            else:
                fresh.append(local)
        index.add(part[fresh])
        kept.extend(block[fresh].tolist())
    return CosineMatches(nearest, cosine)
