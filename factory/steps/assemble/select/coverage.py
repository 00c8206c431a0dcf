"""Choices by clusters: shares of each (coverage), and the best of each (CaR)."""

from __future__ import annotations

from typing import Any

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.assemble.select.means import Clusters, default_clusters, spherical_means
from factory.steps.assemble.select.plain import highest_first
from factory.steps.assemble.select.pool import Choice, Pool, Settings
from factory.steps.assemble.select.quota import proportional_quotas

VARIANCE = 0.95
"""Of the embeddings, that CaR keeps."""
BLOCK = 1 << 16
"""Rows that are projected at a time."""


def choose_coverage(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Of each cluster its share of the pool, the rows nearest to its centre first.

    Not chosen from are the shortest answers of each language, and the lowest scored rows where there is a score: a
    tenth each, unless that leaves fewer than `size`, when the floors give way, that of quality first to stay.

    Source: coverage in proportion to clusters was at or above random draws wherever it was tried (arXiv 2402.18191,
    2410.09335, 2504.13835, table 1); the floors are ours, as length is the one cheap filter that was stable there.
    """
    eligible, facts = _above_floors(pool, size, settings)
    vectors = pool.known_vectors if len(eligible) == len(pool) else pool.known_vectors[eligible]
    count = settings.clusters or default_clusters(len(vectors), size)
    clusters = spherical_means(vectors, count, random, settings.engine)
    rows, counts, wanted = _shares(clusters, -clusters.cosine, size)
    facts |= {
        "clusters": clusters.number,
        "clusters_without_a_row": int((wanted == 0).sum()),
        "share_of_the_largest_cluster": round(float(counts.max() / len(vectors)), 4),
    }
    return Choice(eligible[rows], facts)


def choose_learning_percentage(
    pool: Pool, size: int, random: np.random.Generator, settings: Settings
) -> Choice:
    """Of each cluster its share of the pool, the rows with the lowest score first: what a model learnt last.

    The score is a learning percentage, as the step `learning_percentage` gives it: low where little of what a small
    model learns of a row came early. Taken within clusters, so that hard topics do not crowd the others out; the paper
    has 1,000 clusters, here as many as coverage has.

    Source: Mekala et al. (arXiv 2402.10430), section 3.
    """
    vectors = pool.known_vectors
    clusters = spherical_means(vectors, settings.clusters or default_clusters(len(vectors), size), random)
    rows, counts, wanted = _shares(clusters, pool.known_score, size)
    facts: dict[str, Any] = {"clusters": clusters.number, "clusters_without_a_row": int((wanted == 0).sum())}
    facts["share_of_the_largest_cluster"] = round(float(counts.max() / len(vectors)), 4)
    return Choice(rows, facts)


def choose_cluster_quality(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The best of each cluster, then the best of all.

    The embeddings are projected on the principal axes that hold 95% of their variance, and clustered by k-means into
    the square root of half the rows, no more than are chosen.

    Source: CaR (arXiv 2402.18191): 1,000 best and one of each of 161 clusters, of 52,002. It embeds instruction, input
    and answer together (`field: both`), grades by a quality model of its own, and its k-means is Euclidean, not of rows
    of length 1.
    """
    vectors = _projected(pool.known_vectors)
    count = settings.clusters or default_clusters(len(vectors), size)
    clusters = spherical_means(vectors, count, random)
    order = highest_first(pool.known_score)
    _, first = np.unique(clusters.own[order], return_index=True)
    best = order[np.sort(first)][:size]
    rest = order[~np.isin(order, best)][: size - len(best)]
    facts = {"clusters": clusters.number, "best_of_clusters": len(best), "best_of_all": len(rest)}
    return Choice(np.concatenate([best, rest]), facts)


def _shares(clusters: Clusters, values: Floats, size: int) -> tuple[Ints, Ints, Ints]:
    """Of each cluster its share of so many rows, those of the lowest value first; its rows, and how many are taken.

    The first of each cluster first, so that the last rows chosen are those that a cluster can best spare.
    """
    counts = np.bincount(clusters.own)
    width = len(str(len(counts)))
    quotas = proportional_quotas(
        {f"{cluster:0{width}}": int(rows) for cluster, rows in enumerate(counts.tolist())}, size
    )
    wanted = np.array(list(quotas.values()))
    order = np.lexsort((values, clusters.own))
    starts = np.concatenate([[0], np.cumsum(counts)])
    rank = np.arange(len(order)) - starts[clusters.own[order]]
    inside = rank < wanted[clusters.own[order]]
    rows, rank = order[inside], rank[inside]
    return rows[np.lexsort((rows, rank / wanted[clusters.own[rows]]))], counts, wanted


def _above_floors(pool: Pool, size: int, settings: Settings) -> tuple[Ints, dict[str, Any]]:
    """The rows that may be chosen, and how many each floor leaves out."""
    long_enough = np.ones(len(pool), bool)
    names, own = np.unique(np.array(pool.languages), return_inverse=True)
    for number in range(len(names)):
        rows = own == number
        long_enough[rows] = _above(pool.lengths[rows].astype(np.float64), settings.length_floor)
    good_enough = np.ones(len(pool), bool)
    if pool.score is not None:
        good_enough = _above(pool.score, settings.quality_floor)
    facts: dict[str, Any] = {}
    for name, allowed in (
        ("", long_enough & good_enough),
        ("length", good_enough),
        ("quality", long_enough),
        ("length and quality", np.ones(len(pool), bool)),
    ):
        if allowed.sum() >= size:
            if name:
                facts["floors_that_gave_way"] = name
            facts["below_the_floors"] = int((~allowed).sum())
            return np.flatnonzero(allowed), facts
    raise AssertionError("a pool has more rows than are chosen")


def _above(values: Floats, share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether a value is not below the lowest that may be chosen; equals stay together, so fewer may be left out."""
    ordered = np.sort(values)
    return np.asarray(values >= ordered[int(share * len(ordered))])


def _projected(vectors: Rows) -> Rows:
    """The rows on the axes that hold `VARIANCE` of their variance, of length 1; a block at a time, in float64."""
    blocks = range(0, len(vectors), BLOCK)
    mean = vectors.mean(axis=0, dtype=np.float64)
    spread = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in blocks:
        apart = vectors[start : start + BLOCK] - mean
        spread += apart.T @ apart
    strength, axes = np.linalg.eigh(spread)
    strength, axes = strength[::-1], axes[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(strength), VARIANCE * strength.sum())) + 1
    found = np.zeros((len(vectors), min(kept, len(strength))), np.float32)
    for start in blocks:
        part = (vectors[start : start + BLOCK] - mean) @ axes[:, :kept]
        lengths = np.linalg.norm(part, axis=1, keepdims=True)
        found[start : start + BLOCK] = np.divide(
            part, lengths, out=np.zeros_like(part), where=lengths > 1e-12
        )
    return found
