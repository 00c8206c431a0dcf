"""What a model's predictions say of a row: EL2N and memorisation, over arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PREFIX = 32
"""Tokens that a model is given, and tokens that it then has to continue with, in the memorisation score."""


def el2n(probabilities: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """The length of the error vector of each prediction: ||p - onehot(y)||_2, from 0 to the root of 2.

    Of a text, take the mean over its tokens.

    Args:
        probabilities: of each class, shape (predictions, classes), each row summing to 1.
        labels: the class that was right, shape (predictions,).

    Raises:
        ValueError: the shapes do not fit, or a row is no distribution.

    Source: Paul et al., Deep Learning on a Data Diet (arXiv 2107.07075); of tokens, Marion et al. (arXiv 2309.04564).
    """
    shares = np.array(probabilities, np.float64)
    right = np.asarray(labels, np.int64)
    if shares.ndim != 2 or right.shape != shares.shape[:1]:
        raise ValueError("EL2N needs a row of probabilities and one label for each prediction")
    if not (
        np.isfinite(shares).all() and (shares >= 0).all() and np.allclose(shares.sum(axis=1), 1, atol=1e-3)
    ):
        raise ValueError("EL2N needs probabilities: each row at least 0, and summing to 1")
    if len(right) and not ((right >= 0) & (right < shares.shape[1])).all():
        raise ValueError(f"EL2N needs labels from 0 to {shares.shape[1] - 1}")
    shares[np.arange(len(right)), right] -= 1
    lengths: NDArray[np.float64] = np.linalg.norm(shares, axis=1)
    return lengths


def memorisation(continued: ArrayLike, actual: ArrayLike) -> NDArray[np.float64]:
    """The share of tokens that greedy decoding, given a row's first tokens, gets as they stand in the row.

    Position by position: one token left out spoils all behind it.

    Args:
        continued: what the model writes, shape (rows, tokens); the paper takes `PREFIX` tokens after `PREFIX` given.
        actual: what the row says there, the same shape.

    Returns:
        Shape (rows,), from 0 to 1.

    Raises:
        ValueError: the shapes differ, or there is no token.

    Source: Biderman et al., Emergent and Predictable Memorization (arXiv 2304.11158).
    """
    one, other = np.asarray(continued), np.asarray(actual)
    if one.ndim != 2 or one.shape != other.shape or not one.shape[1]:
        raise ValueError("memorisation needs as many tokens of the model as of each row, and one at least")
    shares: NDArray[np.float64] = (one == other).mean(axis=1, dtype=np.float64)
    return shares
