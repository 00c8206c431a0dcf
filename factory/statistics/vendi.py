"""The Vendi score: how many different things a set holds, by the meaning of its texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from factory.models.base import Vectors

SAMPLES = 20
"""Random samples that a score, and its null, is averaged over."""


class Vendi(NamedTuple):
    """The Vendi score of samples of a set, beside what it would be where its rows had nothing in common.

    score, deviation: mean and standard deviation over `SAMPLES` random samples of `size` rows, centred; a deviation
        of 0 where the sample is all there is
    null, null_deviation: the same of samples whose dimensions are shuffled each by itself
    plain: the mean without centring
    size: rows of a sample; a centred one can reach a score of size - 1
    """

    score: float
    deviation: float
    null: float
    null_deviation: float
    plain: float
    size: int


def vendi_score(vectors: Vectors) -> float:
    """The exponential of the entropy of the eigenvalues of K / n, where K holds the cosines of n rows.

    1 where all rows are the same, n where they are at right angles. The eigenvalues are those of the smaller
    of V V^T and V^T V, so that memory and time do not grow with the square of the rows. What it comes to
    depends on the embedding model: compare sets under one model, and of one size.

    Source: The Vendi Score (arXiv 2210.02410).

    Args:
        vectors: shape (rows, dimensions), rows of length 1, or of 0 for one that does not count.

    Raises:
        ValueError: there is no row, or one is not finite.
    """
    rows = np.asarray(vectors, np.float64)
    if not len(rows) or not np.isfinite(rows).all():
        raise ValueError("the Vendi score needs at least one row, and finite numbers")
    gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    shares = np.linalg.eigvalsh(gram)
    total = shares.sum()
    if total <= 0:
        return 1.0
    shares = shares / total
    shares = shares[shares > 1e-12]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def centred(vectors: Vectors) -> Vectors:
    """The rows less their mean, scaled to length 1 again; a row that is the mean is 0.

    The texts of any two of a model's vectors may lie close together (of e5-small at a cosine of 0.8 on average),
    whatever they say: that is a direction that all share, and it hides how far they differ.
    """
    rows = np.asarray(vectors, np.float64)
    apart = rows - rows.mean(axis=0)
    lengths = np.linalg.norm(apart, axis=1, keepdims=True)
    scaled: Vectors = np.divide(apart, lengths, out=np.zeros_like(apart), where=lengths > 1e-6).astype(
        np.float32
    )
    return scaled


def sampled_vendi(vectors: Vectors, size: int, seed: int = 0) -> Vendi:
    """The Vendi score of random samples of `size` rows, centred, with its spread and its null.

    Between 1 and the null lies what the set makes of its room: at the null the rows have no direction in common that
    shuffling takes away.

    Args:
        vectors: shape (rows, dimensions), rows of length 1.
        size: rows of a sample, all of them where there are fewer.

    Raises:
        ValueError: there is no row, or one is not finite.
    """
    chance = np.random.default_rng(seed)
    rows = np.asarray(vectors, np.float32)
    size = min(size, len(rows))
    scores, nulls, plain = [], [], []
    for _ in range(SAMPLES):
        sample = rows[chance.permutation(len(rows))[:size]]
        scores.append(vendi_score(centred(sample)))
        nulls.append(vendi_score(centred(chance.permuted(sample, axis=0))))
        plain.append(vendi_score(sample))
    deviation = float(np.std(scores)) if size < len(rows) else 0.0
    return Vendi(
        float(np.mean(scores)),
        deviation,
        float(np.mean(nulls)),
        float(np.std(nulls)),
        float(np.mean(plain)),
        size,
    )
