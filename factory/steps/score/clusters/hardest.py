"""The rows with the lowest score of each cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def hardest_in_clusters(
    percentage: NDArray[np.float64], clusters: NDArray[np.int64], percent: float
) -> NDArray[np.int64]:
    """Indices of the `percent` of each cluster with the lowest learning percentage, in ascending order.

    As the authors do: each cluster is cut into round(100 / percent) chunks of nearly equal size, the first of
    which is taken, so that every cluster gives at least one row and "10 percent" is a little more than that.

    Source: Mekala et al. (arXiv 2402.10430), and their code.
    """
    chunks = max(1, round(100 / percent))
    chosen = []
    for cluster in np.unique(clusters):
        members = np.flatnonzero(clusters == cluster)
        order = members[np.argsort(percentage[members], kind="stable")]
        chosen.append(order[: -(-len(order) // chunks)])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)
