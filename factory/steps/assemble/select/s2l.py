"""S2L: rows whose losses go down alike in a small model's training are one kind, and every kind gets its share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints

CLUSTERS = 100
"""Clusters of each source, as in the paper."""
ROUNDS = 20
"""Rounds of k-means, as in the authors' code."""


class Spread(NamedTuple):
    """What S2L chose.

    rows: source by source, cluster by cluster
    sources: of each its rows, how many are chosen, and its clusters
    """

    rows: Ints
    sources: dict[str, tuple[int, int, int]]


def s2l(
    losses: Floats, sources: Sequence[str], size: int, random: np.random.Generator, clusters: int = CLUSTERS
) -> Spread:
    """Choose rows over all sources and, in each, over all clusters of loss trajectories, equally.

    Within a source k-means (Euclidean) over the rows' losses makes the clusters. The budget is shared over the sources
    from the smallest on, and in each over its clusters from the smallest on: a share is what is left divided by how
    many are left; one with fewer rows gives all, and what it leaves goes to the larger ones. Within a cluster chance
    decides. (The authors' code takes clusters of one or two rows last, which their paper does not; and a loss that is
    NaN for 0: here such rows must be left out before.)

    Args:
        losses: of each row at each checkpoint of the small model, shape (rows, checkpoints), finite.
        sources: of each row.
        size: rows to choose, at most all.

    Raises:
        ValueError: a loss is not finite, or there is no checkpoint.

    Source: SmallToLarge (arXiv 2403.07384), algorithm 1.
    """
    if losses.ndim != 2 or not losses.shape[1] or not np.isfinite(losses).all():
        raise ValueError("S2L needs a finite loss of each row at one checkpoint or more")
    members: dict[str, list[int]] = {}
    for row, source in enumerate(sources):
        members.setdefault(source, []).append(row)
    chosen: list[Ints] = []
    told: dict[str, tuple[int, int, int]] = {}
    seed = int(random.integers(1 << 31))
    for source, quota in _shares({source: len(rows) for source, rows in members.items()}, size).items():
        rows = np.array(members[source], np.int64)
        cluster = _clusters(losses[rows], clusters, seed)
        found, sizes = np.unique(cluster, return_counts=True)
        shares = _shares(dict(zip(map(str, found.tolist()), sizes.tolist(), strict=True)), quota)
        for name, share in shares.items():
            those = rows[cluster == int(name)]
            chosen.append(np.sort(random.permutation(those)[:share]))
        told[source] = len(rows), quota, len(found)
    return Spread(np.concatenate([np.zeros(0, np.int64), *chosen]), told)


def _shares(counts: dict[str, int], size: int) -> dict[str, int]:
    """A share for each, the smallest first: what is left over how many are left, or all that it has."""
    shares: dict[str, int] = {}
    left = size
    order = sorted(counts, key=lambda name: (counts[name], name))
    for at, name in enumerate(order):
        shares[name] = min(counts[name], left // (len(order) - at))
        left -= shares[name]
    return shares


def _clusters(losses: Floats, count: int, seed: int) -> Ints:
    """The number of each row's cluster by k-means; the same for the same rows and seed.

    It starts from rows far apart (k-means++): from any rows, a large cluster may be split and two small ones joined.
    """
    from sklearn.cluster import KMeans

    count = min(count, len(np.unique(losses, axis=0)))
    if count <= 1:
        return np.zeros(len(losses), np.int64)
    means = KMeans(count, init="k-means++", n_init=1, max_iter=ROUNDS, random_state=seed)
    return np.asarray(means.fit_predict(np.ascontiguousarray(losses, np.float64)), np.int64)
