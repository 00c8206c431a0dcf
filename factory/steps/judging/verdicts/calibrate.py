"""Holding a judge's scores or verdicts against labels that are trusted more: people's, or a stronger judge's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from factory.statistics.bound import interval
from factory.statistics.correlation import pearson, spearman
from factory.steps.keep import Condition

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Threshold:
    """Scores from `at` upwards are good. `balanced` is the mean of the shares of good and bad rows it gets right."""

    at: float
    accuracy: float
    balanced: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a judge's scores agree with labels, over the rows that have both.

    rows, missing: rows with both, and rows without a score or without a label
    accuracy, likely: share of equal classes, and its 95 % interval; None for scores on a scale
    kappa: Cohen's kappa, agreement beyond chance; None where it is not defined
    spearman, pearson: correlation of scores and labels on scales
    auc: chance that a good row scores higher than a bad one
    threshold: the score that tells good from bad best, None where none does so better than chance
    lacking: why there is no correlation or no threshold, in words
    confusion: counts by (label, score's class), where there are classes
    length_of_score, length_of_label: Spearman's correlation of each with the length of the answer
    longer_of_score, longer_of_label: share of the pairs with a winner where that is the longer answer
    first_of_score, first_of_label: share of the pairs with a winner where that is the first answer
    """

    rows: int
    missing: int
    accuracy: float | None = None
    likely: tuple[float, float] | None = None
    kappa: float | None = None
    spearman: float | None = None
    pearson: float | None = None
    auc: float | None = None
    threshold: Threshold | None = None
    confusion: Mapping[tuple[str, str], int] = field(default_factory=dict)
    length_of_score: float | None = None
    length_of_label: float | None = None
    longer_of_score: float | None = None
    longer_of_label: float | None = None
    first_of_score: float | None = None
    first_of_label: float | None = None
    lacking: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The calibration in words, a line for each finding."""
        lines = [
            ("1 row has" if self.rows == 1 else f"{self.rows:,} rows have")
            + " a score and a label"
            + (f", {self.missing:,} lack one" if self.missing else "")
        ]
        if self.accuracy is not None and self.likely is not None:
            low, high = self.likely
            lines.append(
                f"accuracy {self.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), kappa {_number(self.kappa)}"
            )
        if self.spearman is not None or self.pearson is not None:
            lines.append(f"correlation: Spearman {_number(self.spearman)}, Pearson {_number(self.pearson)}")
        if self.auc is not None:
            lines.append(f"a good row scores above a bad one in {self.auc:.1%} (AUC; 50 % is chance)")
        if self.threshold is not None:
            lines.append(
                f"suggested threshold: >= {self.threshold.at:g} (accuracy {self.threshold.accuracy:.1%}, "
                f"mean over good and bad {self.threshold.balanced:.1%}, on the rows it was chosen by)"
            )
        lines.extend(self.lacking)
        for what, of_score, of_label in (
            ("the longer answer wins", self.longer_of_score, self.longer_of_label),
            ("the first answer wins", self.first_of_score, self.first_of_label),
        ):
            if of_score is not None or of_label is not None:
                lines.append(f"{what}: {_share(of_score)} by the scores, {_share(of_label)} by the labels")
        if self.length_of_score is not None or self.length_of_label is not None:
            lines.append(
                f"Spearman with the answer's length: {_number(self.length_of_score)} of the scores, "
                f"{_number(self.length_of_label)} of the labels"
            )
        return [*lines, *self._table()]

    def _table(self) -> list[str]:
        if not self.confusion:
            return []
        labels = sorted({label for label, _ in self.confusion})
        classes = sorted({said for _, said in self.confusion} | set(labels))
        width = max(len(name) for name in [*classes, *labels, "label"]) + 2
        rows = ["confusion (rows: label, columns: score)"]
        rows.append("".join(name.rjust(width) for name in ["label", *classes]))
        for label in labels:
            counts = [str(self.confusion.get((label, said), 0)) for said in classes]
            rows.append("".join(cell.rjust(width) for cell in [label, *counts]))
        return rows


def calibrate_scores(
    scores: ArrayLike, labels: ArrayLike, *, lengths: ArrayLike | None = None, good: Condition | None = None
) -> Calibration:
    """Scores on a scale against labels on a scale, or against labels that are good or bad.

    Labels with two values are good (the higher) and bad; `good` makes such of any. NaN is a missing value, and
    no other value stands for it.

    scores, labels: numbers, shape (rows,)
    lengths: of the answers, in any unit, shape (rows,)
    """
    said, wanted = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    both = np.isfinite(said) & np.isfinite(wanted)
    long = np.full(len(said), np.nan) if lengths is None else np.asarray(lengths, np.float64)
    total = len(said)
    said, wanted, long = said[both], wanted[both], long[both]
    values = np.unique(wanted)
    is_good: NDArray[np.bool_] | None = None
    if good is not None:
        is_good = np.array([good.holds(value) for value in wanted.tolist()], bool)
    elif len(values) == 2:
        is_good = wanted == values[1]
    threshold = None if is_good is None else suggest_threshold(said, is_good)
    if threshold is not None and threshold.balanced <= 0.5:
        threshold = None
    rho = spearman(said, wanted)
    lacking = [_why_no_correlation(said, wanted)] if rho is None else []
    if threshold is None and len(said):
        lacking.append(_why_no_threshold(is_good, values))
    confusion: Counter[tuple[str, str]] = Counter()
    if is_good is not None and threshold is not None:
        names = ("bad", "good")
        confusion.update(
            (names[label], names[kept])
            for label, kept in zip(is_good.tolist(), (said >= threshold.at).tolist(), strict=True)
        )
    return Calibration(
        rows=len(said),
        missing=total - len(said),
        spearman=rho,
        pearson=pearson(said, wanted),
        auc=None if is_good is None else area_under_curve(said, is_good),
        threshold=threshold,
        confusion=confusion,
        length_of_score=spearman(said, long),
        length_of_label=spearman(wanted, long),
        lacking=tuple(lacking),
    )


def _why_no_correlation(said: NDArray[np.float64], wanted: NDArray[np.float64]) -> str:
    if len(said) < 3:
        return "correlation: not defined for fewer than three rows"
    return f"correlation: not defined where all {'labels' if np.ptp(wanted) == 0 else 'scores'} are equal"


def _why_no_threshold(is_good: NDArray[np.bool_] | None, labels: NDArray[np.float64]) -> str:
    if is_good is None:
        if len(labels) < 2:
            return "no threshold: all labels are equal"
        return (
            f"no threshold: the labels have {len(labels):,} values; say which are good, such as --good '>= 4'"
        )
    if is_good.all() or not is_good.any():
        return f"no threshold: {'every' if is_good.all() else 'no'} label is good"
    return "no threshold: no score tells good from bad better than chance"


def calibrate_classes(scores: Sequence[str | None], labels: Sequence[str | None]) -> Calibration:
    """Classes against classes; None is a missing one."""
    both = [
        (label, said)
        for said, label in zip(scores, labels, strict=True)
        if said is not None and label is not None
    ]
    confusion = Counter(both)
    right = sum(count for (label, said), count in confusion.items() if label == said)
    rows = len(both)
    return Calibration(
        rows=rows,
        missing=len(scores) - rows,
        accuracy=right / rows if rows else None,
        likely=interval(right, rows, CONFIDENCE) if rows else None,
        kappa=cohen_kappa(confusion),
        confusion=confusion,
    )


def calibrate_pairs(
    scores: Sequence[int | None],
    labels: Sequence[int | None],
    first_lengths: ArrayLike,
    second_lengths: ArrayLike,
) -> Calibration:
    """Verdicts on pairs against labels: 1 where the first answer is better, 2 the second, 0 neither."""
    names = {0: "tie", 1: "first", 2: "second", None: None}
    found = calibrate_classes([names[said] for said in scores], [names[label] for label in labels])
    both = [said is not None and label is not None for said, label in zip(scores, labels, strict=True)]
    longer = (np.asarray(first_lengths, np.float64) - np.asarray(second_lengths, np.float64))[both]
    said = np.array([value for value, here in zip(scores, both, strict=True) if here], np.int64)
    wanted = np.array([value for value, here in zip(labels, both, strict=True) if here], np.int64)
    return Calibration(
        rows=found.rows,
        missing=found.missing,
        accuracy=found.accuracy,
        likely=found.likely,
        kappa=found.kappa,
        confusion=found.confusion,
        longer_of_score=_longer_wins(said, longer),
        longer_of_label=_longer_wins(wanted, longer),
        first_of_score=_mean(said[said != 0] == 1),
        first_of_label=_mean(wanted[wanted != 0] == 1),
    )


def cohen_kappa(confusion: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa of (label, class) counts: 1 is full agreement, 0 is chance; None where chance is full."""
    rows = sum(confusion.values())
    labels, classes = Counter[str](), Counter[str]()
    for (label, said), count in confusion.items():
        labels[label] += count
        classes[said] += count
    if not rows:
        return None
    observed = sum(count for (label, said), count in confusion.items() if label == said) / rows
    chance = sum(labels[name] * classes[name] for name in labels) / rows**2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def area_under_curve(scores: NDArray[np.float64], good: NDArray[np.bool_]) -> float | None:
    """The chance that a good row scores higher than a bad one, ties counted half; None where one kind lacks."""
    from factory.statistics.correlation import ranks

    goods, bads = int(good.sum()), int((~good).sum())
    if not goods or not bads:
        return None
    return float((ranks(scores)[good].sum() - goods * (goods + 1) / 2) / (goods * bads))


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


def _longer_wins(winners: NDArray[np.int64], longer: NDArray[np.float64]) -> float | None:
    decided = (winners != 0) & (longer != 0)
    return _mean((winners[decided] == 1) == (longer[decided] > 0))


def _mean(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
