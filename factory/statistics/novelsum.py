"""NovelSum: how far the rows of a set lie from each other, the nearest counting most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factory.models.base import Vectors

NEIGHBOURS = 10
"""Rows of the reference whose mean distance says how dense it is around a row."""
DENSITY_POWER = 0.5
DISTANCE_POWER = 1.0
"""With these three it goes with what models learn from a set at a correlation of 0.97, by the authors' experiments."""
_BLOCK = 512
_TINY = 1e-9


def novelsum(
    vectors: Vectors,
    reference: Vectors | None = None,
    *,
    neighbours: int = NEIGHBOURS,
    density_power: float = DENSITY_POWER,
    distance_power: float = DISTANCE_POWER,
) -> float:
    """The mean novelty of the rows: each one's mean distance to all, weighted by nearness and by density.

    A row's distances (1 - cosine) in ascending order have the weights 1, 2^-a, 3^-a, ... with a = `distance_power`; its
    own of 0 is the first of them, as in the authors' program, whose numbers the paper reports. The mean is multiplied
    by the density around the row in the reference: 1 / (mean squared distance to its nearest rows there)^b with
    b = `density_power`. Without a reference nobody knows which regions are dense, and that factor is left out, as the
    authors advise. It depends on the embedding model and on the number of rows: compare sets of one size.

    Time grows with the square of the rows, memory does not: measure a sample of many.

    Args:
        vectors: shape (rows, dimensions), of length 1.
        reference: the source that the set was chosen from, or a natural sample of its domain, of the same model.

    Raises:
        ValueError: there are fewer than two rows, a number is not finite, or the reference has too few rows.

    Source: Yang et al., Measuring Data Diversity for Instruction Tuning (arXiv 2502.17184), and their program.
    """
    rows = finite(vectors, 2)
    weights = np.arange(1, len(rows) + 1, dtype=np.float64) ** -distance_power
    weights /= weights.sum()
    novelty = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        distances = np.maximum(0.0, 1.0 - rows[part] @ rows.T)
        novelty[part] = np.sort(distances, axis=1) @ weights
    if reference is not None:
        novelty *= _density(rows, finite(reference, 2), neighbours) ** density_power
    return float(novelty.mean())


def _density(
    rows: NDArray[np.float64], reference: NDArray[np.float64], neighbours: int
) -> NDArray[np.float64]:
    """One over the mean squared distance to the nearest different rows of the reference, the very nearest left out.

    That one is the row itself where the reference holds the set, as the authors take it always.
    """
    different = np.unique(reference, axis=0)
    if len(different) <= neighbours:
        raise ValueError(
            f"the reference needs more than {neighbours} different rows, and has {len(different):,}"
        )
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        squared = np.maximum(0.0, 2.0 - 2.0 * (rows[part] @ different.T))
        nearest = np.sort(np.partition(squared, neighbours, axis=1)[:, : neighbours + 1], axis=1)[:, 1:]
        found[part] = 1.0 / (nearest.mean(axis=1) + _TINY)
    return found


def finite(vectors: Vectors, least: int) -> NDArray[np.float64]:
    """The rows in float64.

    Raises:
        ValueError: there are fewer than `least`, or a number is not finite.
    """
    rows = np.asarray(vectors, np.float64)
    if len(rows) < least or not np.isfinite(rows).all():
        raise ValueError(f"the measure needs {least} rows or more, and finite numbers")
    return rows
