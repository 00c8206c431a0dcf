"""Clusters of texts by their meaning: k-means over embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factory.models.base import Vectors

ROWS_EACH = 39
"""Fewest rows of a cluster on average: with fewer, k-means finds noise."""
MOST = 1000
"""Clusters of Mekala et al. (arXiv 2402.10430), for 52,002 and 15,011 rows."""


def cluster_count(rows: int) -> int:
    """How many clusters so many rows are divided into where nobody says: `MOST`, or `ROWS_EACH` rows in each."""
    return max(1, min(MOST, rows // ROWS_EACH))


def clusters_of(vectors: Vectors, count: int, seed: int) -> NDArray[np.int64]:
    """The number of each row's cluster, by spherical k-means; the same for the same rows, count and seed.

    Args:
        vectors: shape (rows, dimensions), float32, rows of length 1.
        count: clusters, at most one for each row.
    """
    import faiss

    rows = np.ascontiguousarray(vectors, np.float32)
    count = min(count, len(rows))
    if count <= 1:
        return np.zeros(len(rows), np.int64)
    means = faiss.Kmeans(
        rows.shape[1], count, niter=25, seed=seed % (1 << 31), spherical=True, min_points_per_centroid=1,
        max_points_per_centroid=1 << 20,
    )  # fmt: skip
    means.train(rows)
    _, nearest = means.index.search(rows, 1)
    return np.asarray(nearest[:, 0], np.int64)
