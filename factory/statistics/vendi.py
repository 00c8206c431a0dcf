"""The Vendi score: how many different things a set holds, by the meaning of its texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from factory.models.base import Vectors


def vendi_score(vectors: Vectors) -> float:
    """The exponential of the entropy of the eigenvalues of K / n, where K holds the cosines of n rows.

    1 where all rows are the same, n where they are at right angles. The eigenvalues are those of the smaller
    of V V^T and V^T V, so that memory and time do not grow with the square of the rows. What it comes to
    depends on the embedding model: compare sets under one model, and of one size.

    Source: The Vendi Score (arXiv 2210.02410).

    Args:
        vectors: shape (rows, dimensions), rows of length 1.

    Raises:
        ValueError: there is no row, or one is not finite.
    """
    rows = np.asarray(vectors, np.float64)
    if not len(rows) or not np.isfinite(rows).all():
        raise ValueError("the Vendi score needs at least one row, and finite numbers")
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    shares = np.linalg.eigvalsh(gram / len(rows))
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))
