"""Holding a judge's scores or verdicts against labels that are trusted more: people's, or a stronger judge's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factory.statistics.agreement import class_kappa, cohen_kappa, quadratic_kappa
from factory.statistics.correlation import pearson, spearman
from factory.statistics.interval import (
    Interval,
    bootstrap,
    correlation_interval,
    group_numbers,
    number,
    percent,
    share_interval,
)
from factory.steps.judging.verdicts.threshold import (
    Threshold,
    area_interval,
    area_under_curve,
    balanced_accuracy,
    cross_validated,
    suggest_threshold,
)
from factory.steps.keep import Condition

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a judge's scores agree with labels, over the rows that have both.

    rows, missing: rows with both, and rows without a score or without a label
    lineages: how many groups of rows that belong together there are (`rows`, where each stands alone)
    accuracy: share of equal classes; None for scores on a scale
    kappa: Cohen's kappa, agreement beyond chance; None where it is not defined
    weighted: whether kappa counts by the square of the distance of two levels, as suits an ordered scale
    spearman, pearson: correlation of scores and labels on scales
    auc: chance that a good row scores higher than a bad one
    threshold: the score that tells good from bad best, None where nothing shows that any does better than chance
    validated: balanced accuracy on rows that the threshold was chosen without (cross-validation by lineage)
    lacking: why there is no correlation or no threshold, in words
    confusion: counts by (label, score's class), where there are classes
    length_of_score, length_of_label: Spearman's correlation of each with the length of the answer
    longer_of_score, longer_of_label: share of the pairs with a winner where that is the longer answer
    first_of_score, first_of_label: share of the pairs with a winner where that is the first answer
    intervals: the 95 % interval of each of these numbers by its name; of the threshold by "threshold",
        of its accuracy on the rows that it was chosen by by "chosen"
    """

    rows: int
    missing: int
    lineages: int = 0
    accuracy: float | None = None
    kappa: float | None = None
    weighted: bool = False
    spearman: float | None = None
    pearson: float | None = None
    auc: float | None = None
    threshold: Threshold | None = None
    validated: float | None = None
    confusion: Mapping[tuple[str, str], int] = field(default_factory=dict)
    length_of_score: float | None = None
    length_of_label: float | None = None
    longer_of_score: float | None = None
    longer_of_label: float | None = None
    first_of_score: float | None = None
    first_of_label: float | None = None
    lacking: tuple[str, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The calibration in words, a line for each finding."""
        lines = [
            ("1 row has" if self.rows == 1 else f"{self.rows:,} rows have")
            + " a score and a label"
            + (f", {self.missing:,} lack one" if self.missing else "")
            + (f"; lineages: {self.lineages:,}" if self.lineages < self.rows else "")
        ]
        if self.accuracy is not None:
            kappa = "quadratic kappa" if self.weighted else "kappa"
            lines.append(f"accuracy {self._percent('accuracy')}, {kappa} {self._number('kappa')}")
        if self.spearman is not None:
            also = f", Pearson {self._number('pearson')}" if self.pearson is not None else ""
            lines.append(f"correlation: Spearman {self._number('spearman')}{also}")
        if self.auc is not None:
            lines.append(f"a good row scores above a bad one in {self._percent('auc')} (AUC; 50 % is chance)")
        if self.threshold is not None:
            low, high = self.intervals.get("threshold", (float("nan"),) * 2)
            sure = f"95 % interval {low:g} to {high:g}; " if low <= high else ""
            lines.append(
                f"suggested threshold: >= {self.threshold.at:g} ({sure}on rows that it was not chosen by it gets "
                f"{self._percent('validated')} of good and bad right on the mean; on all rows accuracy "
                f"{percent(self.threshold.accuracy, self.intervals.get('chosen'))})"
            )
        lines.extend(self.lacking)
        for what, name in (("the longer answer wins", "longer"), ("the first answer wins", "first")):
            if getattr(self, f"{name}_of_score") is not None or getattr(self, f"{name}_of_label") is not None:
                lines.append(
                    f"{what}: {self._percent(f'{name}_of_score')} by the scores, "
                    f"{self._percent(f'{name}_of_label')} by the labels"
                )
        if self.length_of_score is not None or self.length_of_label is not None:
            lines.append(
                f"Spearman with the answer's length: {self._number('length_of_score')} of the scores, "
                f"{self._number('length_of_label')} of the labels"
            )
        return [*lines, *self._table()]

    def _percent(self, name: str) -> str:
        return percent(getattr(self, name), self.intervals.get(name))

    def _number(self, name: str) -> str:
        return number(getattr(self, name), self.intervals.get(name))

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
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    lengths: ArrayLike | None = None,
    good: Condition | None = None,
    groups: ArrayLike | None = None,
    levels: bool = False,
) -> Calibration:
    """Scores on a scale against labels on a scale, or against labels that are good or bad.

    Labels with two values are good (the higher) and bad; `good` makes such of any. NaN is a missing value, and
    no other value stands for it. A threshold is suggested only where the interval of the AUC lies above chance, and
    where it does better than chance on rows that it was not chosen by.

    scores, labels: numbers, shape (rows,)
    lengths: of the answers, in any unit, shape (rows,)
    groups: the lineage of each row, whole numbers, shape (rows,); by default each row is one of its own
    levels: both are levels of one ordered scale: they are compared as classes too, by a quadratic kappa
    """
    said, wanted = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    both = np.isfinite(said) & np.isfinite(wanted)
    long = np.full(len(said), np.nan) if lengths is None else np.asarray(lengths, np.float64)
    total = len(said)
    lineage = group_numbers(
        np.arange(total).tolist() if groups is None else np.asarray(groups)[both].tolist()
    )
    said, wanted, long = said[both], wanted[both], long[both]
    lineage = lineage[both] if groups is None else lineage
    values = np.unique(wanted)
    is_good: NDArray[np.bool_] | None = None
    if good is not None:
        is_good = np.array([good.holds(value) for value in wanted.tolist()], bool)
    elif len(values) == 2:
        is_good = wanted == values[1]

    def measured(rows: NDArray[np.int64]) -> dict[str, float | None]:
        one, other = said[rows], wanted[rows]
        found = {
            "spearman": spearman(one, other),
            "length_of_score": spearman(one, long[rows]),
            "length_of_label": spearman(other, long[rows]),
        }
        if levels:
            found["kappa"] = quadratic_kappa(one, other)
        else:
            found["pearson"] = pearson(one, other)
        if is_good is not None:
            found["auc"] = area_under_curve(one, is_good[rows])
            threshold = suggest_threshold(one, is_good[rows])
            found["threshold"] = None if threshold is None else threshold.at
        return found

    here = measured(np.arange(len(said)))
    intervals = bootstrap(measured, lineage)
    for name, value in here.items():
        # Few rows in perfect order stay in it in every draw, which does not make them sure.
        if value is not None and name not in ("auc", "threshold", "kappa"):
            intervals[name] = _widest(
                intervals.get(name), correlation_interval(value, _lineages(lineage, np.isfinite(said)))
            )
    lacking = [_why_no_correlation(said, wanted)] if here["spearman"] is None else []
    area = here.get("auc")
    threshold = validated = None
    if area is not None and is_good is not None:
        intervals["auc"] = _widest(
            intervals.get("auc"),
            area_interval(area, _lineages(lineage, is_good), _lineages(lineage, ~is_good)),
        )
        called = cross_validated(said, is_good, lineage)
        validated = balanced_accuracy(called, is_good)
        if validated is not None and intervals["auc"][0] > 0.5 and validated > 0.5:
            threshold = suggest_threshold(said, is_good)
            if threshold is not None:
                right = (said >= threshold.at) == is_good
                intervals["chosen"] = share_interval(right, lineage) or (0.0, 1.0)
            intervals |= bootstrap(
                lambda rows: {"validated": balanced_accuracy(called[rows], is_good[rows])}, lineage
            )
    if threshold is None and len(said):
        lacking.append(_why_no_threshold(is_good, values, area, intervals.get("auc")))
    confusion: Counter[tuple[str, str]] = Counter()
    accuracy = None
    if is_good is not None and threshold is not None:
        names = ("bad", "good")
        confusion.update(
            (names[label], names[kept])
            for label, kept in zip(is_good.tolist(), (said >= threshold.at).tolist(), strict=True)
        )
    elif levels:
        confusion.update((f"{label:g}", f"{one:g}") for label, one in zip(wanted, said, strict=True))
    if levels and len(said):
        accuracy = float((said == wanted).mean())
        intervals["accuracy"] = share_interval(said == wanted, lineage) or (0.0, 1.0)
    return Calibration(
        rows=len(said),
        missing=total - len(said),
        lineages=len(np.unique(lineage)),
        accuracy=accuracy,
        kappa=here.get("kappa"),
        weighted=levels,
        spearman=here["spearman"],
        pearson=here.get("pearson"),
        auc=area,
        threshold=threshold,
        validated=None if threshold is None else validated,
        confusion=confusion,
        length_of_score=here["length_of_score"],
        length_of_label=here["length_of_label"],
        lacking=tuple(lacking),
        intervals=intervals,
    )


def _lineages(groups: NDArray[np.int64], rows: NDArray[np.bool_]) -> int:
    return len(np.unique(groups[rows]))


def _widest(one: Interval | None, other: Interval) -> Interval:
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))


def _why_no_correlation(said: NDArray[np.float64], wanted: NDArray[np.float64]) -> str:
    if len(said) < 3:
        return "correlation: not defined for fewer than three rows"
    return f"correlation: not defined where all {'labels' if np.ptp(wanted) == 0 else 'scores'} are equal"


def _why_no_threshold(
    is_good: NDArray[np.bool_] | None, labels: NDArray[np.float64], area: float | None, sure: Interval | None
) -> str:
    if is_good is None:
        if len(labels) < 2:
            return "no threshold: all labels are equal"
        return (
            f"no threshold: the labels have {len(labels):,} values; say which are good, such as --good '>= 4'"
        )
    if is_good.all() or not is_good.any():
        return f"no threshold: {'every' if is_good.all() else 'no'} label is good"
    if area is not None and area > 0.5 and sure is not None and sure[0] <= 0.5:
        return (
            "no threshold: chance alone may order these rows as well, since the interval of the AUC holds 50 %: "
            "label more rows, or take another judge"
        )
    return "no threshold: no score tells good from bad better than chance"


def calibrate_classes(
    scores: Sequence[str | None], labels: Sequence[str | None], groups: ArrayLike | None = None
) -> Calibration:
    """Classes against classes; None is a missing one. `groups` as for `calibrate_scores`."""
    rows = range(len(scores)) if groups is None else np.asarray(groups).tolist()
    known = [
        (label, said, group)
        for said, label, group in zip(scores, labels, rows, strict=True)
        if said is not None and label is not None
    ]
    both = [(label, said) for label, said, _ in known]
    lineage = group_numbers([group for _, _, group in known])
    names = sorted({name for pair in both for name in pair})
    codes = np.array([[names.index(name) for name in pair] for pair in both], np.int64).reshape(-1, 2)
    right = codes[:, 0] == codes[:, 1]
    accurate = share_interval(right, lineage)

    def kappa(rows: NDArray[np.int64]) -> dict[str, float | None]:
        table = np.zeros((len(names), len(names)))
        np.add.at(table, (codes[rows, 0], codes[rows, 1]), 1)
        return {"kappa": class_kappa(table)}

    found, intervals = cohen_kappa(Counter(both)), bootstrap(kappa, lineage)
    if accurate:
        intervals["accuracy"] = accurate
    if accurate and found == 1:
        # At full agreement every draw agrees, which does not make few rows sure.
        chance = float(np.mean([(codes[:, 0] == name).mean() for name in codes[:, 1]]))
        intervals["kappa"] = ((accurate[0] - chance) / (1 - chance), 1.0)
    return Calibration(
        rows=len(both),
        missing=len(scores) - len(both),
        lineages=len(np.unique(lineage)),
        accuracy=float(right.mean()) if len(both) else None,
        kappa=found,
        confusion=Counter(both),
        intervals=intervals,
    )


def calibrate_pairs(
    scores: Sequence[int | None],
    labels: Sequence[int | None],
    first_lengths: ArrayLike | None = None,
    second_lengths: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Calibration:
    """Verdicts on pairs against labels: 1 where the first answer is better, 2 the second, 0 neither."""
    names = {0: "tie", 1: "first", 2: "second", None: None}
    found = calibrate_classes([names[said] for said in scores], [names[label] for label in labels], groups)
    both = np.array([s is not None and w is not None for s, w in zip(scores, labels, strict=True)], bool)
    lineage = group_numbers(
        list(range(int(both.sum()))) if groups is None else np.asarray(groups)[both].tolist()
    )
    told: dict[str, Any] = {}
    intervals = dict(found.intervals)

    def share(name: str, flags: NDArray[np.bool_], of: NDArray[np.bool_]) -> None:
        told[name] = float(flags[of].mean()) if of.any() else None
        sure = share_interval(flags[of], lineage[of])
        if sure is not None:
            intervals[name] = sure

    for which, verdicts in (("score", scores), ("label", labels)):
        winners = np.array([won for won, here in zip(verdicts, both, strict=True) if here], np.int64)
        share(f"first_of_{which}", winners == 1, winners != 0)
        if first_lengths is not None and second_lengths is not None:
            longer = (np.asarray(first_lengths, np.float64) - np.asarray(second_lengths, np.float64))[both]
            share(f"longer_of_{which}", (winners == 1) == (longer > 0), (winners != 0) & (longer != 0))
    return replace(found, **told, intervals=intervals)
