"""How far the rows of a set are spread over the space of their embeddings: radius, k-NN distance, log-determinant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory.statistics.novelsum import finite

if TYPE_CHECKING:
    from factory.models.base import Vectors
    from factory.statistics.arrays import Ints

SAMPLES = 20
"""Random samples that a measure of a whole set is averaged over."""
RIDGE = 1e-6
"""What is added to the diagonal before a determinant is taken: rows that are equal have one of 0 otherwise."""
_BLOCK = 512


def radius(vectors: Vectors) -> float:
    """The geometric mean of the standard deviations of the dimensions; 0 where one of them never changes.

    Source: Lai et al., Diversity, Density, and Homogeneity (arXiv 2003.08529).

    Args:
        vectors: shape (rows, dimensions).

    Raises:
        ValueError: there are fewer than two rows, or a number is not finite.
    """
    deviations = finite(vectors, 2).std(axis=0)
    if not deviations.all():
        return 0.0
    return float(np.exp(np.log(deviations).mean()))


def knn_distance(vectors: Vectors, neighbours: int = 1) -> float:
    """The mean distance (1 - cosine) of a row to its k-th nearest other row.

    0 where every row has k equal ones. Source: the k-NN distance that NovelSum is compared with (arXiv 2502.17184).

    Args:
        vectors: shape (rows, dimensions), of length 1.

    Raises:
        ValueError: there are not more rows than neighbours, or a number is not finite.
    """
    rows = finite(vectors, neighbours + 1)
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        distances = np.maximum(0.0, 1.0 - rows[part] @ rows.T)
        own = np.arange(len(distances))
        distances[own, own + start] = np.inf
        found[part] = np.partition(distances, neighbours - 1, axis=1)[:, neighbours - 1]
    return float(found.mean())


def log_determinant(vectors: Vectors, ridge: float = RIDGE) -> float:
    """The mean log eigenvalue of K + ridge I, where K holds the cosines of n rows: log det(K + ridge I) / n.

    0 where all rows are at right angles, the most there is; log(ridge) where nearly all are the same. With more rows
    than dimensions K has eigenvalues of 0 by its shape: compare sets of one size. The eigenvalues are those of the
    smaller of V V^T and V^T V, so that time does not grow with the cube of the rows.

    Source: Wang et al., Diversity Measurement and Subset Selection (arXiv 2402.02318), whose log-determinant distance
    to rows at right angles this is, turned round and divided by the rows.

    Args:
        vectors: shape (rows, dimensions), of length 1.

    Raises:
        ValueError: there is no row, or a number is not finite.
    """
    rows = finite(vectors, 1)
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    values = np.maximum(0.0, np.linalg.eigvalsh(gram))
    zeros = len(rows) - len(values)
    return float((np.log(values + ridge).sum() + zeros * np.log(ridge)) / len(rows))


class Sampled(NamedTuple):
    """A measure of a whole set, over random samples of it.

    mean, deviation: over `SAMPLES` samples of `size` rows; a deviation of 0 where the sample is all there is
    """

    mean: float
    deviation: float
    size: int


def sampled(measure: Callable[[Ints], float], rows: int, size: int, seed: int = 0) -> Sampled:
    """A measure that belongs to a number of rows, of random samples of `size` of them, with its spread.

    Args:
        measure: of the rows at these positions, in ascending order.
        rows: how many there are.
        size: rows of a sample, all of them where there are fewer.

    Raises:
        ValueError: the measure is not defined for a sample.
    """
    chance = np.random.default_rng(seed)
    size = min(size, rows)
    times = SAMPLES if size < rows else 1
    found = [measure(np.sort(chance.permutation(rows)[:size])) for _ in range(times)]
    return Sampled(float(np.mean(found)), float(np.std(found)), size)
