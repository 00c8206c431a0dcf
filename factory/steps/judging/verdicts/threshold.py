"""Scores that are to tell good rows from bad ones: how well they do, and from which score on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory.statistics.correlation import ranks
from factory.statistics.interval import Interval, Z

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Threshold:
    """Scores from `at` upwards are good. `balanced` is the mean of the shares of good and bad rows it gets right.

    accuracy, balanced: on the rows it was chosen by
    """

    at: float
    accuracy: float
    balanced: float


def area_under_curve(scores: NDArray[np.float64], good: NDArray[np.bool_]) -> float | None:
    """The chance that a good row scores higher than a bad one, ties counted half; None where one kind lacks."""
    goods, bads = int(good.sum()), int((~good).sum())
    if not goods or not bads:
        return None
    return float((ranks(scores)[good].sum() - goods * (goods + 1) / 2) / (goods * bads))


def area_interval(area: float, goods: float, bads: float) -> Interval:
    """A score interval of an area under the curve, which is one of few rows too, and of 0 and 1.

    Source: Newcombe, Statistics in Medicine 25 (2006), method 5: the areas that lie no further off than 1.96 of the
    standard errors (Hanley and McNeil's) that they would themselves have.
    """
    half = (goods + bads) / 2 - 1

    def too_far(theta: float) -> bool:
        spread = 1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (theta - area) ** 2 > Z**2 * theta * (1 - theta) * spread / (goods * bads)

    def edge(inside: float, outside: float) -> float:
        if not too_far(outside):
            return outside
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if too_far(middle) else (middle, outside)
        return inside

    # At 0 and 1 the standard error is 0, so that a hair inside them is looked at.
    begin = min(1 - 1e-9, max(1e-9, area))
    return min(area, edge(begin, 1e-12)), max(area, edge(begin, 1 - 1e-12))


def suggest_threshold(scores: NDArray[np.float64], good: NDArray[np.bool_]) -> Threshold | None:
    """The score from which on rows are best called good: the most balanced accuracy, the lowest such score.

    Balanced, because calling everything good is right on most rows wherever most rows are good.
    """
    if good.all() or not good.any():
        return None
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(good[order]) / good.sum()
    wrong = np.cumsum(~good[order]) / (~good).sum()
    last = np.append(np.diff(scores[order]) != 0, True)  # rows of one score go together
    balanced = np.where(last, (right + 1 - wrong) / 2, -1.0)
    best = len(balanced) - 1 - int(np.argmax(balanced[::-1]))
    at = float(scores[order][best])
    return Threshold(at, float(((scores >= at) == good).mean()), float(balanced[best]))


def cross_validated(
    scores: NDArray[np.float64], good: NDArray[np.bool_], groups: NDArray[np.int64], seed: int = 0
) -> NDArray[np.float64]:
    """Whether each row is called good by a threshold that was chosen without it and its group: 1 or 0, shape (n,).

    NaN where the other folds lack good or bad rows.
    """
    lineages = np.unique(groups)
    fold = np.empty(int(lineages.max(initial=0)) + 1, np.int64)
    fold[lineages] = np.random.default_rng(seed).permutation(len(lineages)) % min(
        FOLDS, max(2, len(lineages))
    )
    called = np.full(len(scores), np.nan)
    for at in range(FOLDS):
        test = fold[groups] == at
        found = suggest_threshold(scores[~test], good[~test]) if test.any() and not test.all() else None
        if found is not None:
            called[test] = scores[test] >= found.at
    return called


def balanced_accuracy(called: NDArray[np.float64], good: NDArray[np.bool_]) -> float | None:
    """The mean of the shares of good and of bad rows that are called so; NaN calls are left out."""
    known = np.isfinite(called)
    goods, bads = called[known & good], called[known & ~good]
    if not len(goods) or not len(bads):
        return None
    share = float(goods.mean() + 1 - bads.mean()) / 2
    return share if math.isfinite(share) else None
