"""k-means over unit rows, through FAISS: which cluster a row is in, and how near to its centre."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from factory.errors import RunStopped
from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.assemble.select.blocks import HERE, Engine

TRAINING = 128
"""Rows for each cluster that the means are found from, at most."""
ROUNDS = 15


class Clusters(NamedTuple):
    """The cluster of each row, and its cosine with that cluster's centre; and how many clusters have rows.

    own: shape (rows,)
    cosine: shape (rows,)
    """

    own: Ints
    cosine: Floats
    number: int


def default_clusters(rows: int, size: int) -> int:
    """The square root of half the rows, as CaR takes (arXiv 2402.18191), and no more than there are to choose."""
    return max(1, min(size, int(np.sqrt(rows / 2))))


def spherical_means(
    vectors: Rows, clusters: int, random: np.random.Generator, engine: Engine = HERE
) -> Clusters:
    """Spherical k-means.

    Raises:
        RunStopped: there are fewer rows than clusters.
    """
    import faiss

    if clusters > len(vectors):
        raise RunStopped(
            f"{len(vectors):,} rows cannot make {clusters:,} clusters: lower `clusters`, or leave it out"
        )
    means = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=ROUNDS,
        spherical=True,
        seed=int(random.integers(1 << 31)),
        min_points_per_centroid=1,
        max_points_per_centroid=TRAINING,
    )
    means.train(vectors)
    blocks = [vectors[start:end] for start, end in engine.spans(len(vectors))]
    found = engine.over(nearest_centre, blocks, np.ascontiguousarray(means.centroids))
    cosine, own = (np.concatenate(parts) for parts in zip(*found, strict=True))
    numbers, of = np.unique(own, return_inverse=True)
    # Rounded, as equal rows may differ by 1e-7, and of equals the first row is to go first.
    return Clusters(of.astype(np.int64), cosine.astype(np.float64).round(6), len(numbers))


def nearest_centre(vectors: Rows, centres: Rows) -> tuple[Rows, Ints]:
    """Of each row the cosine with the nearest centre, and that one's number."""
    import faiss

    index = faiss.IndexFlatIP(centres.shape[1])
    index.add(centres)
    cosine, own = index.search(vectors, 1)
    return cosine[:, 0], own[:, 0]
