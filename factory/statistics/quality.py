"""A model of quality from good and bad examples: calibrated, cross-validated, and held against length alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factory.statistics.arrays import Floats, Ints
from factory.statistics.by_example import Features, Learnt, learn_by_example
from factory.statistics.classify import Validated
from factory.statistics.correlation import ranks, spearman
from factory.statistics.interval import Interval, bootstrap, correlation_interval
from factory.statistics.logistic import fit_logistic, sigmoid

_EDGE = 1e-6
_RIDGE = np.array([1e-3, 1e-3])


@dataclass(frozen=True, slots=True)
class QualityModel:
    """What good and bad examples taught, and how far it can be trusted. All shares are of examples it had not seen.

    validated: its accuracy beside that of always naming the commoner kind
    auc: how often a good example is above a bad one, ties as half (area under the ROC curve)
    brier: the mean squared error of its probabilities; of_share: that of always saying the share of good examples
    by_length: the accuracy of the length of the answer alone, by the same folds
    length_correlation: Spearman's, of its probability with the length, or None
    intervals: 95 % intervals of "auc", "beyond_length" (its accuracy less that of length alone, on the same examples)
        and "length_correlation", where they are defined; examples of one lineage are drawn together
    unseen: the calibrated probability of each example, shape (examples,), neither learnt nor calibrated on its fold
    """

    learnt: Learnt
    slope: float
    intercept: float
    auc: float
    brier: float
    of_share: float
    by_length: Validated
    length_correlation: float | None
    intervals: dict[str, Interval]
    unseen: Floats

    @property
    def validated(self) -> Validated:
        """How well it names the kind of examples that it has not seen."""
        return self.learnt.validated

    @property
    def proven(self) -> bool:
        """Whether it is better than always naming the commoner kind, by the interval of its accuracy."""
        return self.learnt.proven

    @property
    def beyond_length(self) -> bool:
        """Whether it is better than length alone, by the interval of the difference."""
        return self.intervals.get("beyond_length", (0.0, 0.0))[0] > 0

    def predict(self, rows: Features) -> Floats:
        """The calibrated probability of each row to be good, shape (rows,)."""
        return sigmoid(self.slope * _logit(self.learnt.good(rows)) + self.intercept)


def fit_quality(
    rows: Features, is_good: Sequence[bool], lengths: Sequence[float], groups: Ints, seed: int = 0
) -> QualityModel:
    """Learn good from bad examples by a logistic regression, and calibrate it on what it says of unseen ones.

    Args:
        rows: shape (examples, dimensions): embeddings, features, or both.
        lengths: words of each answer.
        groups: the lineage of each example, from 0, such as its prompt.

    Raises:
        ValueError: as `learn_by_example`.

    Source: Platt, Probabilistic Outputs for Support Vector Machines (1999), for the calibration and its targets.
    """
    learnt = learn_by_example(rows, is_good, seed, groups)
    good = np.asarray(is_good, bool)
    slope, intercept = _platt(learnt.unseen, good)
    unseen = np.zeros(len(good))
    for held_out in np.unique(learnt.fold).tolist():
        test = learnt.fold == held_out
        own = _platt(learnt.unseen[~test], good[~test])
        unseen[test] = sigmoid(own[0] * _logit(learnt.unseen[test]) + own[1])
    words = np.log1p(np.asarray(lengths, np.float64))
    by_length = learn_by_example(words[:, None], is_good, seed, groups)
    right = ((learnt.unseen > 0.5) == good).astype(np.float64)
    right_by_length = ((by_length.unseen > 0.5) == good).astype(np.float64)

    def told(drawn: Ints) -> dict[str, float | None]:
        return {
            "auc": area_under_curve(unseen[drawn], good[drawn]),
            "beyond_length": float((right - right_by_length)[drawn].mean()),
        }

    intervals = bootstrap(told, groups, seed=seed)
    correlation = spearman(unseen, words)
    if correlation is not None:
        intervals["length_correlation"] = correlation_interval(correlation, len(np.unique(groups)))
    return QualityModel(
        learnt,
        slope,
        intercept,
        area_under_curve(unseen, good) or 0.0,
        float(np.mean((unseen - good) ** 2)),
        float(good.mean() * (1 - good.mean())),
        by_length.validated,
        correlation,
        intervals,
        unseen,
    )


def area_under_curve(scores: Floats, is_good: Sequence[bool] | Floats) -> float | None:
    """How often a good row has a higher score than a bad one, ties as half; None where one kind is not there."""
    good = np.asarray(is_good, bool)
    many, few = int(good.sum()), int((~good).sum())
    if not many or not few:
        return None
    return float((ranks(scores)[good].sum() - many * (many + 1) / 2) / (many * few))


def _platt(probabilities: Floats, good: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept over the logits; the targets lie within 0 and 1, so that few examples are not overrun."""
    many, few = int(good.sum()), int((~good).sum())
    targets = np.where(good, (many + 1) / (many + 2), 1 / (few + 2))
    columns = np.column_stack([_logit(probabilities), np.ones(len(probabilities))])
    slope, intercept = fit_logistic(columns, targets, _RIDGE)
    return float(slope), float(intercept)


def _logit(probabilities: Floats) -> Floats:
    inside = np.clip(probabilities, _EDGE, 1 - _EDGE)
    return np.log(inside / (1 - inside))
