"""How well several teachers' answers fit a student, each with its interval, and which pairs can be told apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factory.report.plain import visible
from factory.statistics.interval import Interval, bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 20
"""Prompts that two teachers must both have answered to be told apart: an interval of fewer is not to be trusted."""
UNKNOWN = "cannot be told"


class Answers(NamedTuple):
    """What came of one teacher's answers to the prompts; all shapes (prompts,), NaN where there is none.

    grape: mean log-probability of the answer's tokens under the student
    rsr: their rank-surprisal ratio
    words: how long the answer is
    failures: why prompts have no answer, and how many
    """

    name: str
    grape: NDArray[np.float64]
    rsr: NDArray[np.float64]
    words: NDArray[np.float64]
    failures: dict[str, int]


class Mean(NamedTuple):
    """A number of the prompts and its interval; None where it could not be had."""

    value: float | None
    interval: Interval | None


class Teacher(NamedTuple):
    """One teacher: of how many prompts its answer was scored, and the means over these."""

    name: str
    answers: int
    grape: Mean
    rsr: Mean
    words: float | None
    failures: dict[str, int]


class Pair(NamedTuple):
    """Two teachers over the prompts that both answered: first minus second."""

    first: str
    second: str
    prompts: int
    grape: Mean
    rsr: Mean

    def better(self, score: str) -> str:
        """Which of the two fits better by "grape" (high) or "rsr" (low), or that this cannot be told."""
        found: Mean = getattr(self, score)
        if self.prompts < FEWEST or found.value is None or found.interval is None:
            return UNKNOWN
        low, high = found.interval
        if low <= 0 <= high:
            return UNKNOWN
        return self.first if (found.value > 0) == (score == "grape") else self.second


class TeacherFits(NamedTuple):
    """The comparison: teachers in the order they were named, and every pair of them.

    level: how sure the interval of each pair is, so that all of them together are as sure as 95 %
    """

    prompts: int
    teachers: tuple[Teacher, ...]
    pairs: tuple[Pair, ...]
    level: float

    def as_json(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "prompts": self.prompts,
            "teachers": [
                {
                    "name": one.name,
                    "answers": one.answers,
                    "grape": _plain(one.grape),
                    "rsr": _plain(one.rsr),
                    "words": one.words,
                    "failures": one.failures,
                }
                for one in self.teachers
            ],
            "pairs": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "prompts": pair.prompts,
                    "grape": {**_plain(pair.grape), "better": pair.better("grape")},
                    "rsr": {**_plain(pair.rsr), "better": pair.better("rsr")},
                }
                for pair in self.pairs
            ],
            "pair_level": self.level,
            "fewest_prompts": FEWEST,
        }

    def lines(self) -> list[str]:
        """What the terminal is told."""
        rows: list[tuple[str, ...]] = [
            ("teacher", "answers", "GRAPE, high fits (95 %)", "RSR, low fits (95 %)", "words")
        ]
        for one in self.teachers:
            words = "-" if one.words is None else f"{one.words:.0f}"
            rows.append((visible(one.name), f"{one.answers:,}", _told(one.grape), _told(one.rsr), words))
        told = [f"Fit to the student over {self.prompts:,} prompts", *_aligned(rows)]
        for one in self.teachers:
            told += [
                f"{visible(one.name)}: {n:,} without answer: {visible(why)}"
                for why, n in one.failures.items()
            ]
        if self.pairs:
            told += [
                "",
                f"Pairs, first minus second over the prompts of both ({self.level:.1%} each, 95 % of all)",
            ]
            rows = [("first", "second", "prompts", "GRAPE", "fits better", "RSR", "fits better")]
            for pair in self.pairs:
                sides = [
                    (_told(getattr(pair, score), "+"), visible(pair.better(score)))
                    for score in ("grape", "rsr")
                ]
                names = visible(pair.first), visible(pair.second)
                rows.append((*names, f"{pair.prompts:,}", *itertools.chain(*sides)))
            told += _aligned(rows)
            if any(pair.prompts < FEWEST for pair in self.pairs):
                told.append(
                    f"Below {FEWEST} prompts of both nothing is told apart: ask for more with --prompts."
                )
        return told


def compare(answers: Sequence[Answers], seed: int = 0) -> TeacherFits:
    """Means and differences with bootstrap intervals over the prompts, which every teacher is drawn with alike.

    A teacher's RSR is the mean of its answers' mean ranks over the mean of their mean surprisals, as the authors
    have it of a data set (arXiv 2601.14249, appendix A.8). The pairs' intervals are widened so that all of them
    together hold in 95 % (Bonferroni).
    """
    prompts = len(answers[0].grape)
    surprisal = np.array([-one.grape for one in answers])
    ranks = np.array([one.rsr * -one.grape for one in answers])
    scored = ~np.isnan(surprisal)
    pairs = list(itertools.combinations(range(len(answers)), 2))

    def means(rows: NDArray[np.int64]) -> dict[str, float | None]:
        found = {}
        for at in range(len(answers)):
            found[f"grape {at}"] = _minus(_mean(surprisal[at, rows]))
            found[f"rsr {at}"] = _ratio(ranks[at, rows], surprisal[at, rows])
        return found

    def differences(rows: NDArray[np.int64]) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for one, other in pairs:
            both = rows[scored[one, rows] & scored[other, rows]]
            found[f"grape {one} {other}"] = _less(
                _minus(_mean(surprisal[one, both])), _minus(_mean(surprisal[other, both]))
            )
            both = both[~np.isnan(ranks[one, both]) & ~np.isnan(ranks[other, both])]
            found[f"rsr {one} {other}"] = _less(
                _ratio(ranks[one, both], surprisal[one, both]),
                _ratio(ranks[other, both], surprisal[other, both]),
            )
        return found

    rows = np.arange(prompts)
    level = 1 - 0.05 / max(1, 2 * len(pairs))
    values, off = means(rows), bootstrap(means, rows, seed=seed)
    apart, off_apart = differences(rows), bootstrap(differences, rows, seed=seed, level=level)
    teachers = tuple(
        Teacher(
            one.name,
            int(scored[at].sum()),
            Mean(values[f"grape {at}"], off.get(f"grape {at}")),
            Mean(values[f"rsr {at}"], off.get(f"rsr {at}")),
            _mean(one.words),
            one.failures,
        )
        for at, one in enumerate(answers)
    )
    compared = tuple(
        Pair(
            answers[one].name,
            answers[other].name,
            int((scored[one] & scored[other]).sum()),
            *(
                Mean(apart[f"{score} {one} {other}"], off_apart.get(f"{score} {one} {other}"))
                for score in ("grape", "rsr")
            ),
        )
        for one, other in pairs
    )
    return TeacherFits(prompts, teachers, compared, level)


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _ratio(ranks: NDArray[np.float64], surprisal: NDArray[np.float64]) -> float | None:
    known = ~np.isnan(ranks)
    total = float(surprisal[known].sum())
    return float(ranks[known].sum()) / total if total > 0 else None


def _plain(mean: Mean) -> dict[str, Any]:
    return {"value": mean.value, "interval": None if mean.interval is None else list(mean.interval)}


def _told(mean: Mean, sign: str = "") -> str:
    if mean.value is None or not math.isfinite(mean.value):
        return "-"
    if mean.interval is None:
        return f"{mean.value:{sign}.3f}"
    return f"{mean.value:{sign}.3f} ({mean.interval[0]:{sign}.3f} to {mean.interval[1]:{sign}.3f})"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
