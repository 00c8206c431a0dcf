"""What a row's losses over the epochs say of it: how hard it is, and whether it was learned."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from factory.statistics.arrays import Floats, Ints

LEARNED_LOSS = math.log(2)
"""At this loss a row's tokens have a probability of one half, as a geometric mean. A bound of ours."""
ALPHA = 0.8

Fate: TypeAlias = Literal["learned", "forgotten", "never_learned"]
FATES: tuple[Fate, ...] = ("learned", "forgotten", "never_learned")


def smoothed(scores: Floats, alpha: float = ALPHA, variation: float = 0.0) -> Floats:
    """The exponential moving average of each row's scores after the last epoch, plus its moving deviation.

    m = alpha s + (1 - alpha) m, where s is the newest; v = (1 - alpha) (v + alpha (s - m)^2) before m is moved; the
    result is m + `variation` sqrt(v), shape (rows,).

    Args:
        scores: shape (rows, epochs), EL2N or a loss, finite.
        alpha: weight of the newest epoch, from 0 (excluded) to 1; 1 is the last epoch alone.

    Raises:
        ValueError: there is no epoch, or a score is not finite.

    Source: NLU on Data Diets (arXiv 2306.03208): alpha 0.8, `variation` 0 or 1. That alpha weighs the newest is our
    reading.
    """
    if scores.ndim != 2 or not scores.shape[1] or not np.isfinite(scores).all():
        raise ValueError("smoothing needs a finite score of each row at one epoch or more")
    mean, variance = scores[:, 0].astype(np.float64), np.zeros(len(scores))
    for newest in scores.T[1:]:
        away = newest - mean
        variance = (1 - alpha) * (variance + alpha * away**2)
        mean = mean + alpha * away
    return np.asarray(mean + variation * np.sqrt(variance))


def window(scores: Floats, keep: float, offset: float) -> NDArray[np.bool_]:
    """Which rows are kept: the highest scores, but for the `offset` of the very highest, which may be noise.

    Of n rows round(offset n) are left out at the top, and the next round(keep n) are kept: by rank, so that the shares
    hold whatever the ties; of equals the first goes first.

    Raises:
        ValueError: the shares are more than all.

    Source: NLU on Data Diets (arXiv 2306.03208). Its option is called the share to prune, and its code returns the
    window between the quantiles 1 - offset - size and 1 - offset; here the window is what is kept.
    """
    if not offset >= 0 or not keep > 0 or keep + offset > 1 + 1e-9:
        raise ValueError(f"keep {keep:g} and offset {offset:g} are shares that are at most 1 together")
    order = np.argsort(-scores, kind="stable")
    first = round(offset * len(scores))
    kept = np.zeros(len(scores), np.bool_)
    kept[order[first : first + round(keep * len(scores))]] = True
    return kept


class Fates(NamedTuple):
    """What became of each row, shape (rows,) each.

    fate: the number of one of `FATES`: learned and not lost at the end, learned once and lost at the end, or never
    first: the epoch from 1 at which it was first learned; 0 where never
    forgettings: how often it was learned at one epoch and not at the next
    """

    fate: Ints
    first: Ints
    forgettings: Ints


def fates(losses: Floats, learned_loss: float = LEARNED_LOSS) -> Fates:
    """Whether each row was learned: its loss at an epoch is at most `learned_loss`.

    losses: shape (rows, epochs), nats a token

    Source: forgetting events (arXiv 1812.05159), where a row is learned when it is classified rightly.
    """
    known = losses <= learned_loss
    ever = known.any(axis=1)
    fate = np.where(known[:, -1], 0, np.where(ever, 1, 2)).astype(np.int64)
    first = np.where(ever, known.argmax(axis=1) + 1, 0).astype(np.int64)
    return Fates(fate, first, (known[:, :-1] & ~known[:, 1:]).sum(axis=1).astype(np.int64))
