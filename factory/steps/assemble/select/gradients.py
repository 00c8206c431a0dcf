"""Gradients of rows in the subspace that the gradients of a target span."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Rows

DIRECTIONS = 150
"""Directions of the target that are kept, at most, as in the authors' code of GIST."""
_SMALLEST = 1e-5
"""Of the strongest direction: one that is weaker is rounding."""


def target_directions(target: Rows, most: int = DIRECTIONS) -> Rows:
    """The strongest directions of the target's gradients, shape (dimensions, directions), of length 1 and at right
    angles to each other: its right singular vectors.

    What training on the target moves lies in few directions, and what of a row's gradient lies outside of them has
    nothing to do with it. There are as many as the target has items that are no sums of others, at most `most`.

    Args:
        target: shape (items, dimensions).

    Source: GIST (arXiv 2602.18584), which takes them in the place of LESS's scaling by Adam's moments.
    """
    _, strengths, directions = np.linalg.svd(target.astype(np.float64), full_matrices=False)
    kept = strengths[:most] > _SMALLEST * max(strengths[0], 1e-30)
    return np.ascontiguousarray(directions[:most][kept].T, np.float32)


def along(gradients: Rows, directions: Rows) -> Rows:
    """Gradients in these directions, of length 1: shape (rows, directions); all 0 where one has nothing in them.

    Cosines of these are what rows are chosen by: as in LESS (arXiv 2402.04333) a long gradient, as short answers have,
    is worth no more than a short one.
    """
    inside = gradients @ directions
    lengths = np.linalg.norm(inside, axis=1, keepdims=True)
    whole = np.linalg.norm(gradients, axis=1, keepdims=True)
    found: Rows = np.divide(
        inside, lengths, out=np.zeros_like(inside), where=lengths > _SMALLEST * np.maximum(whole, 1e-30)
    )
    return found
