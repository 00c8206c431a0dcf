"""The graph of nearest neighbours of unit rows: all compared with all, or within clusters. Through FAISS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows

EXACT = 20_000
"""Rows up to which each is compared with all; beyond, with those of the nearest clusters, which misses some."""
ROWS_EACH = 500
"""Rows of a cluster on average."""
NEAREST = 8
"""Clusters beside its own that a row is compared with."""
LARGEST = 2000
"""Rows of a cluster that are compared with each other, at most: a larger one is cut."""
TRAINING = 32
ROUNDS = 6
SAMPLE = 200
"""Rows whose neighbours are also looked for among all, to tell what share was found."""


class Graph(NamedTuple):
    """An undirected graph: the neighbours of row i are `rows[starts[i] : starts[i + 1]]`, never itself.

    starts: shape (rows + 1,)
    rows, cosines: shape (edges both ways,)
    recall: the share of a sample's nearest neighbours that are in it; 1 where all pairs were compared
    """

    starts: Ints
    rows: Ints
    cosines: Floats
    recall: float

    def of(self, row: int) -> tuple[Ints, Floats]:
        """The neighbours of a row, and their cosines with it."""
        part = slice(self.starts[row], self.starts[row + 1])
        return self.rows[part], self.cosines[part]


def neighbour_graph(vectors: Rows, neighbours: int, *, exact: int = EXACT) -> Graph:
    """Join each row to its nearest neighbours by cosine; an edge holds both ways.

    Args:
        vectors: shape (rows, dimensions), of length 1.
        neighbours: of each row; it may have more edges, where it is near to others.
        exact: rows up to which all pairs are compared.
    """
    import faiss
    from scipy.sparse import csr_matrix

    count = len(vectors)
    wanted = min(neighbours, count - 1)
    if wanted < 1:
        return Graph(np.zeros(count + 1, np.int64), np.zeros(0, np.int64), np.zeros(0), 1.0)
    recall = 1.0
    if count <= exact:
        cosines, found = faiss.knn(vectors, vectors, wanted + 1, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        cosines, found = _in_clusters(vectors, wanted + 1)
        recall = _recall(vectors, found, wanted)
    own = found == np.arange(count)[:, None]
    # Where equal rows crowd a row out of its own list, the last one found goes in its place.
    own[~own.any(axis=1), -1] = True
    edge = (~own & (found >= 0)).ravel()
    ends = found.ravel()[edge]
    # Shifted, as a sparse matrix takes what is not there for 0, and a cosine may be less.
    values = np.minimum(cosines.ravel()[edge].astype(np.float64), 1) + 2
    begins = np.repeat(np.arange(count), wanted + 1)[edge]
    one_way = csr_matrix((values, (begins, ends)), shape=(count, count))
    both = one_way.maximum(one_way.T).tocsr()
    both.sort_indices()
    return Graph(both.indptr.astype(np.int64), both.indices.astype(np.int64), both.data - 2, recall)


def _in_clusters(vectors: Rows, wanted: int) -> tuple[Rows, Ints]:
    """The nearest rows of each in its cluster of k-means and those nearest to it: cosines, and rows, -1 for none."""
    import faiss

    count = max(1, len(vectors) // ROWS_EACH)
    means = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=ROUNDS,
        spherical=True,
        seed=0,
        min_points_per_centroid=1,
        max_points_per_centroid=TRAINING,
    )
    means.train(vectors)
    own = means.index.search(vectors, 1)[1][:, 0]
    beside = means.index.search(means.centroids, min(NEAREST + 1, count))[1]
    order = np.argsort(own, kind="stable")
    bounds = np.searchsorted(own[order], np.arange(count + 1))
    parts = [
        np.array_split(order[begin:end], -(-(end - begin) // LARGEST)) if end > begin else []
        for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]
    cosines = np.full((len(vectors), wanted), -1, np.float32)
    found = np.full((len(vectors), wanted), -1, np.int64)
    for cluster, pieces in enumerate(parts):
        others = [parts[other] for other in beside[cluster].tolist() if other != cluster and parts[other]]
        for number, rows in enumerate(pieces):
            near = np.concatenate([rows, *(other[number % len(other)] for other in others)])
            some = min(wanted, len(near))
            likeness, at = faiss.knn(vectors[rows], vectors[near], some, metric=faiss.METRIC_INNER_PRODUCT)
            cosines[rows, :some], found[rows, :some] = likeness, near[at]
    return cosines, found


def _recall(vectors: Rows, found: Ints, wanted: int) -> float:
    sample = np.arange(len(vectors))[:: max(1, len(vectors) // SAMPLE)]
    cosines = vectors[sample] @ vectors.T
    cosines[np.arange(len(sample)), sample] = -np.inf
    nearest = np.argpartition(-cosines, wanted - 1, axis=1)[:, :wanted]
    return float(
        np.mean([np.isin(near, found[row]).mean() for near, row in zip(nearest, sample, strict=True)])
    )
