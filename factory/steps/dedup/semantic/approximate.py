"""Cosine joins that may miss a duplicate: an inverted file (IVF), and SemDeDup. Both through FAISS."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.dedup.semantic.join import CosineMatches, with_direction

BLOCK = 1024
LISTED = 4096
"""Rows from which an inverted file has more than one list: fewer are compared with all."""
PROBES = 8
"""Lists that a row is looked for in."""
TRAINING = 32
"""Rows for each list of an inverted file that its k-means is trained on."""
SEMDEDUP_ROWS = 200_000
"""Rows that SemDeDup's k-means is trained on, at most; it takes about 20 seconds for each 100,000 on two cores."""
ROUNDS = 20
"""Of SemDeDup's k-means."""
SAMPLE = 1000


class ApproximateMatches(NamedTuple):
    """The matches found, and of a sample's rows those too close to one kept before, and how many were dropped."""

    matches: CosineMatches
    close: int
    found: int

    @property
    def recall(self) -> float:
        """The share of the sample's duplicates that was found; NaN where it has none."""
        return self.found / self.close if self.close else np.nan


def ivf_join(
    vectors: Rows, threshold: float, *, order: Ints | None = None, known: int = 0, seed: int = 0
) -> ApproximateMatches:
    """`cosine_join`, but a row is held against the kept rows in the nearest lists of FAISS's `IndexIVFFlat` alone.

    Rows whose cosine is within rounding (float32, 1e-6) of the threshold may fall either way. The recall is
    measured on 1,000 rows: of those with a kept row before them that is too close, the share that was dropped.

    Args:
        vectors, threshold, order, known: as `cosine_join`.
        seed: of the sample.
    """
    import faiss

    nearest = np.full(len(vectors), -1, np.int64)
    cosine = np.full(len(vectors), np.nan)
    rows = with_direction(vectors)
    if order is not None:
        rows = order[np.isin(order, rows)]
    if not len(rows):
        return ApproximateMatches(CosineMatches(nearest, cosine), 0, 0)
    lists = max(1, round(4 * np.sqrt(len(rows)))) if len(rows) >= LISTED else 1
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT
    )
    random = np.random.default_rng(seed)
    index.cp.min_points_per_centroid = 1
    index.cp.niter = 10  # lists need not be the best, and training is what costs most
    index.train(_unit(vectors, random.permutation(rows)[: TRAINING * lists]))
    index.nprobe = PROBES
    kept: list[Ints] = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        part = _unit(vectors, block)
        best, best_row = np.full(len(block), -np.inf), np.full(len(block), -1, np.int64)
        if index.ntotal:
            found, at = index.search(part, 1)
            best, best_row = found[:, 0].astype(np.float64), at[:, 0]
        within = part @ part.T
        fresh: list[int] = []
        for local, row in enumerate(block.tolist()):
            similarity, other = best[local], best_row[local]
            if fresh:
                closest = int(within[local, fresh].argmax())
                if within[local, fresh[closest]] > similarity:
                    similarity, other = float(within[local, fresh[closest]]), block[fresh[closest]]
            similarity = min(similarity, 1.0)
            if row >= known and other >= 0 and similarity > threshold:
                nearest[row], cosine[row] = other, similarity
            else:
                fresh.append(local)
        index.add_with_ids(part[fresh], block[fresh])
        kept.append(block[fresh])
    matches = CosineMatches(nearest, cosine)
    asked = random.permutation(len(rows))
    sample = np.sort(asked[rows[asked] >= known][:SAMPLE])
    return ApproximateMatches(
        matches, *_recall(vectors, rows, sample, np.concatenate(kept), matches, threshold)
    )


def _recall(
    vectors: Rows, rows: Ints, sample: Ints, kept: Ints, matches: CosineMatches, threshold: float
) -> tuple[int, int]:
    """Of the rows at these places of the order those too close to a row kept before, and how many were dropped."""
    place = np.full(len(vectors), -1, np.int64)
    place[rows] = np.arange(len(rows))
    asked = _unit(vectors, rows[sample])
    close = np.zeros(len(sample), bool)
    for start in range(0, len(kept), 8 * BLOCK):
        some = kept[start : start + 8 * BLOCK]
        before = place[some][None, :] < sample[:, None]
        close |= ((asked @ _unit(vectors, some).T > threshold) & before).any(axis=1)
    return int(close.sum()), int((matches.nearest[rows[sample][close]] >= 0).sum())


class SemDeDupMatches(NamedTuple):
    """What SemDeDup drops, as `CosineMatches`; how many clusters there are, and rows that they were found from."""

    nearest: Ints
    cosine: Floats
    clusters: int
    trained_on: int


def semdedup(
    vectors: Rows,
    threshold: float,
    *,
    groups: Ints | None = None,
    known: int = 0,
    clusters: int | None = None,
    rows_to_train_on: int = SEMDEDUP_ROWS,
    keep: Literal["hard", "easy", "random"] = "hard",
    seed: int = 0,
) -> SemDeDupMatches:
    """Drop, within each cluster, a row whose cosine with one before it is greater than `threshold`.

    The clusters are those of spherical k-means. As in the authors' code the row before, which is named, may itself
    have been dropped. Duplicates in two clusters are missed.

    Args:
        vectors, threshold: as `cosine_join`.
        groups: a number for each row; those of unequal numbers are never close. By default all are one group.
        known: the first so many rows, of a reference, come first in their cluster, and are kept.
        clusters: how many; by default the square root of the number of rows.
        rows_to_train_on: random ones, where there are more.
        keep: which rows of a cluster come first, and so stay: those least like the centroid, which the paper calls
            hard and keeps, those most like it, or a random order. Of equals the first of the set.

    Source: Abbas et al. (2023), SemDeDup (arXiv 2303.09540), and the authors' code (`which_to_keep`), where k-means
    takes 100 rounds, here 20.
    """
    import faiss

    nearest = np.full(len(vectors), -1, np.int64)
    cosine = np.full(len(vectors), np.nan)
    rows = with_direction(vectors)
    if not len(rows):
        return SemDeDupMatches(nearest, cosine, 0, 0)
    clusters = min(clusters or round(np.sqrt(len(rows))) or 1, len(rows))
    random = np.random.default_rng(seed)
    trained = random.permutation(rows)[: max(rows_to_train_on, clusters)]
    means = faiss.Kmeans(
        vectors.shape[1],
        clusters,
        niter=ROUNDS,
        spherical=True,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=-(-len(trained) // clusters),
    )
    means.train(_unit(vectors, trained))
    likeness, cluster = np.empty(len(rows), np.float32), np.empty(len(rows), np.int64)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        found, at = means.index.search(_unit(vectors, rows[part]), 1)
        likeness[part], cluster[part] = found[:, 0], at[:, 0]
    # Rounded, as equal rows may differ by 1e-7; stable, so that of equals the first of the set comes first.
    first: Floats = random.random(len(rows)) if keep == "random" else likeness.round(6).astype(np.float64)
    order = np.lexsort((-first if keep == "easy" else first, rows >= known, cluster))
    bounds = np.searchsorted(cluster[order], np.arange(clusters + 1))
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        members = rows[order[begin:end]]
        for start in range(0, len(members), BLOCK):
            some = members[start : start + BLOCK]
            before = members[: start + len(some)]
            products = _unit(vectors, some) @ _unit(vectors, before).T
            products[np.arange(len(before)) >= start + np.arange(len(some))[:, None]] = -np.inf
            if groups is not None:
                products[groups[before] != groups[some][:, None]] = -np.inf
            best = products.argmax(axis=1)
            value = np.minimum(products[np.arange(len(some)), best], 1)
            close = (value > threshold) & (some >= known)
            nearest[some[close]], cosine[some[close]] = before[best[close]], value[close]
    return SemDeDupMatches(nearest, cosine, clusters, len(trained))


def _unit(vectors: Rows, rows: Ints) -> Rows:
    """These rows, scaled to length 1."""
    part = vectors[rows].astype(np.float64)
    unit: Rows = (part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32)
    return unit
