"""How far two judgements of the same records agree: rank correlation, the share of picks in common, and kappa."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from factory.statistics.correlation import spearman
from factory.statistics.interval import Interval, correlation_interval, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scores: TypeAlias = "NDArray[np.float64]"


class Agreement(NamedTuple):
    """How two columns of scores agree on the rows that have both.

    rows: how many rows have both
    spearman: rank correlation, -1 to 1; NaN where fewer than three rows have both, or a column is constant
    overlap: share of the top picks of one that are top picks of the other; `chance` is what chance gives
    spearman_interval, overlap_interval: their 95 % intervals (Fisher's z; Wilson's of the picks), None where the
        number is not defined
    """

    first: str
    second: str
    rows: int
    spearman: float
    overlap: float
    chance: float
    spearman_interval: Interval | None = None
    overlap_interval: Interval | None = None


def top_overlap(first: Scores, second: Scores, share: float, *, lowest: bool = False) -> tuple[float, float]:
    """The share of the top picks of `first` that are top picks of `second`, and what chance would give.

    Among the rows that have both, `share` of them are picked, rounded, at least one. Where some of several equal
    rows are picked, it is the mean over all ways to pick them: by the order of the rows, two judges that give the
    same level to everything would seem to agree. `lowest` picks the smallest values.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    rows = int(both.sum())
    if not rows:
        return float("nan"), float("nan")
    count = max(1, round(share * rows))
    sign = 1 if lowest else -1
    picked = _chance_of_pick(sign * first[both], count) @ _chance_of_pick(sign * second[both], count)
    return float(picked) / count, count / rows


def _chance_of_pick(values: Scores, count: int) -> Scores:
    """The chance of each row to be among the `count` smallest: 1 or 0, but for rows equal to the last of them."""
    last = np.partition(values, count - 1)[count - 1]
    below, equal = values < last, values == last
    chances: Scores = below + equal * ((count - below.sum()) / equal.sum())
    return chances


def agreements(columns: Mapping[str, Scores], share: float = 0.1) -> list[Agreement]:
    """Every pair of columns, in their order; all of one length, NaN where a score is missing."""
    found = []
    for (name, first), (other, second) in itertools.combinations(columns.items(), 2):
        overlap, chance = top_overlap(first, second, share)
        rows = int((~(np.isnan(first) | np.isnan(second))).sum())
        rho = spearman(first, second)
        picks = max(1, round(share * rows))
        found.append(
            Agreement(
                name,
                other,
                rows,
                np.nan if rho is None else rho,
                overlap,
                chance,
                None if rho is None else correlation_interval(rho, rows),
                wilson(overlap * picks, picks) if rows else None,
            )
        )
    return found


def cohen_kappa(confusion: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's kappa of (label, class) counts: 1 is full agreement, 0 is chance; None where chance is full."""
    names = sorted({name for pair in confusion for name in pair})
    table = np.zeros((len(names), len(names)))
    for (label, said), count in confusion.items():
        table[names.index(label), names.index(said)] = count
    return class_kappa(table)


def quadratic_kappa(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> float | None:
    """Cohen's kappa of levels, a disagreement weighed by the square of its distance; None where chance is full."""
    if not len(scores):
        return None
    disagree = float(((scores - labels) ** 2).mean())
    chance = float(np.mean(scores**2) + np.mean(labels**2) - 2 * scores.mean() * labels.mean())
    return None if chance <= 1e-12 else 1 - disagree / chance


def class_kappa(table: NDArray[np.float64]) -> float | None:
    """Cohen's kappa of counts, shape (classes, classes); None where nothing is counted or chance is full."""
    rows = float(table.sum())
    if not rows:
        return None
    chance = float((table.sum(axis=1) @ table.sum(axis=0)) / rows**2)
    return None if chance == 1 else (float(np.trace(table)) / rows - chance) / (1 - chance)
