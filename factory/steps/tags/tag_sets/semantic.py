"""Different names of one meaning: DBSCAN over the embeddings of tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from factory.steps.tags.tag_sets.rules import most_used

if TYPE_CHECKING:
    from factory.models.base import Vectors


def clusters(vectors: Vectors, distance: float) -> NDArray[np.int64]:
    """The DBSCAN cluster of each row, shape (rows,), int64; -1 for a row that is close to no other.

    Two rows are neighbours where their cosine distance, 1 - cosine, is at most `distance`; two neighbours make
    a cluster, so that each row is a core point or alone, and the clusters depend on no order. Distances are
    computed a block of rows at a time: memory grows with the number of neighbours, not with rows squared.

    Args:
        vectors: shape (rows, dimensions), float32, rows of length 1. A row of zeros or with a NaN has no
            direction, and is close to nothing.

    Source: DBSCAN (Ester et al., KDD 1996), as scikit-learn has it.
    """
    labels = np.full(len(vectors), -1, np.int64)
    sound = np.flatnonzero(np.isfinite(vectors).all(axis=1) & (np.linalg.norm(vectors, axis=1) > 0.5))
    if len(sound) < 2:
        return labels
    from sklearn.cluster import DBSCAN

    # Equal rows count as one with a weight: a thousand of them would have a million neighbours.
    different, rows, weights = np.unique(vectors[sound], axis=0, return_inverse=True, return_counts=True)
    # For unit vectors |a - b|^2 = 2 (1 - cosine). The slack is the rounding of float32.
    radius = float(np.sqrt(2 * distance)) + 1e-4
    search = DBSCAN(eps=radius, min_samples=2, algorithm="brute", n_jobs=-1)
    labels[sound] = search.fit(different, sample_weight=weights).labels_[rows.reshape(-1)]
    return labels


def merge_by_meaning(
    counts: Mapping[str, int], names: Sequence[str], vectors: Vectors, distance: float
) -> dict[str, str]:
    """Bring the names of a cluster together under the most used of them: {name: the name that stays}.

    Args:
        names: the tags, one for each row of `vectors`.
        distance: see `clusters`.
    """
    families: dict[int, list[str]] = {}
    for name, label in zip(names, clusters(vectors, distance).tolist(), strict=True):
        if label >= 0:
            families.setdefault(label, []).append(name)
    merged: dict[str, str] = {}
    for family in families.values():
        stays = most_used(counts, family)
        merged |= {name: stays for name in family if name != stays}
    return merged
