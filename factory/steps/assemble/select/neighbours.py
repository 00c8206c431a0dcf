"""The graph of nearest neighbours of unit rows: all compared with all, or within clusters. Through FAISS."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.statistics.arrays import Ints, Rows

EXACT = 20_000
"""Rows up to which each is compared with all; beyond, with those of the nearest clusters, which misses some."""
ROWS_EACH = 500
"""Rows of a cluster on average."""
NEAREST = 5
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
    rows, cosines: shape (edges both ways,), of 32 bits each, as there are twenty of them for a row
    recall: the share of a sample's nearest neighbours that are in it; 1 where all pairs were compared
    """

    starts: Ints
    rows: NDArray[np.int32]
    cosines: Rows
    recall: float

    def of(self, row: int) -> tuple[NDArray[np.int32], Rows]:
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
        return Graph(np.zeros(count + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), 1.0)
    recall = 1.0
    if count <= exact:
        cosines, found = faiss.knn(vectors, vectors, wanted + 1, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        cosines, found = _in_clusters(vectors, wanted + 1)
        recall = _recall(vectors, found, wanted)
    own = found == np.arange(count)[:, None]
    # Where equal rows crowd a row out of its own list, the last one found goes in its place.
    own[~own.any(axis=1), -1] = True
    edge = ~own & (found >= 0)
    each = edge.sum(axis=1)
    ends = found[edge].astype(np.int32)
    # Shifted, as a sparse matrix takes what is not there for 0, and a cosine may be less.
    values = np.minimum(cosines[edge], 1) + np.float32(2)
    one_way = csr_matrix((values, ends, np.concatenate([[0], np.cumsum(each)])), shape=(count, count))
    del values, ends, edge, own, found, cosines
    one_way.sort_indices()
    both = one_way.maximum(one_way.T.tocsr())
    both.sort_indices()
    both.data -= 2
    return Graph(both.indptr.astype(np.int64), both.indices, both.data, recall)


def _in_clusters(vectors: Rows, wanted: int) -> tuple[Rows, NDArray[np.int32]]:
    """The nearest rows of each in its cluster of k-means and those nearest to it: cosines, and rows, -1 for none."""
    import faiss
    from threadpoolctl import threadpool_limits

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
    found = np.full((len(vectors), wanted), -1, np.int32)

    def join(cluster: int) -> None:
        others = [parts[other] for other in beside[cluster].tolist() if other != cluster and parts[other]]
        for number, rows in enumerate(parts[cluster]):
            near = np.concatenate([rows, *(other[number % len(other)] for other in others)])
            some = min(wanted, len(near))
            likeness, at = faiss.knn(vectors[rows], vectors[near], some, metric=faiss.METRIC_INNER_PRODUCT)
            cosines[rows, :some], found[rows, :some] = likeness, near[at]

    # A cluster for each core: threads that share one wait for each other, spinning, thrice as long as they work.
    with threadpool_limits(1), ThreadPoolExecutor(_cores()) as threads:
        deque(threads.map(join, range(count)), maxlen=0)
    return cosines, found


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _recall(vectors: Rows, found: Ints | NDArray[np.int32], wanted: int) -> float:
    import faiss

    sample = np.arange(len(vectors))[:: max(1, len(vectors) // SAMPLE)]
    _, best = faiss.knn(vectors[sample], vectors, wanted + 1, metric=faiss.METRIC_INNER_PRODUCT)
    nearest = [near[near != row][:wanted] for near, row in zip(best, sample.tolist(), strict=True)]
    return float(
        np.mean([np.isin(near, found[row]).mean() for near, row in zip(nearest, sample, strict=True)])
    )
