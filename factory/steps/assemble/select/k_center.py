"""The k-center choice: each row the one that is farthest from all chosen before."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Ints, Rows
from factory.steps.assemble.select.pool import Choice, Pool, Settings


def k_center(vectors: Rows, size: int) -> tuple[Ints, float]:
    """Greedy k-center from the row nearest to the mean: the rows, and the largest distance of any row to them.

    Distances are Euclidean, of unit rows. The largest one is at most twice the least that so many rows can have
    (Gonzalez 1985). Exact, of equals the first row; memory beside the vectors is a few numbers for each row, never the
    matrix of all pairs. A row is compared with a new centre only where that is closer to the row's centre than twice
    the row's distance: else the triangle inequality says it cannot be nearer.

    Args:
        vectors: shape (rows, dimensions), of length 1.
        size: at most one for each row.
    """
    first = int((vectors @ vectors.mean(axis=0)).argmax())
    chosen = [first]
    own = np.zeros(len(vectors), np.int64)  # which of the chosen is nearest
    distance = _distances(vectors, vectors[first])
    distance[first] = 0
    taken = np.zeros(len(vectors), bool)
    taken[first] = True
    while len(chosen) < size:
        row = int(np.where(taken, -1, distance).argmax())
        apart = _distances(vectors[chosen], vectors[row])
        near = np.flatnonzero(apart[own] < 2 * distance + 1e-4)  # float32 is off by less
        if len(near) > len(vectors) // 2:
            near = np.arange(len(vectors))
            found = _distances(vectors, vectors[row])
        else:
            found = _distances(vectors[near], vectors[row])
        better = found < distance[near]
        distance[near[better]] = found[better]
        own[near[better]] = len(chosen)
        distance[row], own[row], taken[row] = 0, len(chosen), True
        chosen.append(row)
    return np.array(chosen, np.int64), float(distance.max())


def choose_k_center(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Rows as far from each other as can be: outliers and odd rows come first.

    Source: DiverseEvol (arXiv 2311.08182) begins with 100 random rows and adds 100 in each of 10 rounds, embedded by
    the model as it was trained on those before; here the embedder of the recipe embeds once, and the row nearest to the
    mean is the first.
    """
    from threadpoolctl import threadpool_limits

    # A product of a matrix and one vector gains nothing by threads, and loses much where others are busy.
    with threadpool_limits(1, user_api="blas"):
        rows, radius = k_center(pool.known_vectors, size)
    return Choice(rows, {"largest_cosine_distance_to_a_chosen_row": round(radius**2 / 2, 4)})


def _distances(vectors: Rows, one: Rows) -> Rows:
    distances: Rows = np.sqrt(np.maximum(2 - 2 * (vectors @ one), 0))
    return distances
