"""The diversity coefficient: how far batches of a set lie from each other, as a model that learns them sees it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_TINY = 1e-8


class DiversityCoefficient(NamedTuple):
    """The mean distance between batches, and its standard error.

    value: from 0, where all batches are alike to the model, to 1
    error: by the jackknife, a batch left out at a time, as a batch is part of many pairs
    """

    value: float
    error: float


def diversity_coefficient(embeddings: ArrayLike) -> DiversityCoefficient:
    """The mean over all pairs of batches of the distance between their Task2Vec embeddings (`task2vec_distance`).

    It depends on the model that embeds, and on how many rows a batch has: compare sets under one of each.

    Args:
        embeddings: of batches drawn at random, shape (batches, numbers), not below 0.

    Raises:
        ValueError: there are fewer than three batches, or a number is not finite or below 0.

    Source: Lee et al., Beyond Scale: the Diversity Coefficient as a Data Quality Metric (arXiv 2306.13840).
    """
    found = np.asarray(embeddings, np.float64)
    if found.ndim != 2 or len(found) < 3 or not np.isfinite(found).all() or (found < 0).any():
        raise ValueError("the diversity coefficient needs three batches or more, of finite numbers from 0 up")
    count = len(found)
    distances = np.zeros((count, count))
    for one in range(count):
        for other in range(one + 1, count):
            distances[one, other] = distances[other, one] = task2vec_distance(found[one], found[other])
    total = distances.sum()
    without = (total - 2 * distances.sum(axis=1)) / ((count - 1) * (count - 2))
    spread = float(np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum()))
    return DiversityCoefficient(float(total / (count * (count - 1))), spread)


def task2vec_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The cosine distance of two embeddings, each number as a share of what both have there.

    Without that the few parameters that matter to every text would decide alone.

    Source: Achille et al., Task2Vec (arXiv 1902.03545), and the authors' code.
    """
    both = first + second + _TINY
    one, other = first / both, second / both
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(0.0, 1.0 - float(one @ other) / lengths) if lengths else 0.0
