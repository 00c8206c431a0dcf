"""FollowBench's three figures of a set of answers: HSR, SSR and CSL, with their intervals.

An answer at level L has L constraints. HSR(L) is the share of answers that meet all L, SSR(L) the mean share of the L
that an answer meets, CSL the mean number of levels in a row, from level 1, whose answers meet all of theirs. A verdict
that could not be had makes missing what depends on it, and only that: an answer of which one constraint is known to
fail does not meet all, whatever the others.

Source: FollowBench (arXiv 2310.20410), section 4.1. Its code counts an unreadable verdict as -1; here it is missing.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factory.statistics.interval import Interval, share_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = -1


class Rate(NamedTuple):
    """A mean over answers.

    value: None where there is no answer that it can be told of
    answers, missing: of how many it is the mean, and how many more there are that it cannot be told of
    """

    value: float | None
    interval: Interval | None
    answers: int
    missing: int


class LevelRates(NamedTuple):
    """HSR and SSR of the answers with so many constraints."""

    level: int
    hsr: Rate
    ssr: Rate


class Tally:
    """Verdicts of answers, gathered one by one in any order: about forty bytes an answer."""

    def __init__(self) -> None:
        self._ids = array("Q")
        self._groups = array("Q")
        self._counts = array("I")

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id: str, group: str, level: int, satisfied: int, unknown: int) -> None:
        """Add an answer.

        Args:
            group: the seed that its levels go back to.
            level: how many constraints it has.
            satisfied, unknown: how many of them it meets, and of how many there is no verdict.
        """
        number = _number(id)
        self._ids.append(number)
        self._groups.append(number if group == id else _number(group))
        self._counts.extend((level, satisfied, unknown))

    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Levels, numbers satisfied, numbers unknown and groups (from 0), each (answers,), in the order of the ids."""
        counts = np.array(self._counts, np.int64).reshape(-1, 3)
        order = np.lexsort((*counts.T, np.array(self._ids, np.uint64)))
        _, groups = np.unique(np.array(self._groups, np.uint64), return_inverse=True)
        levels, satisfied, unknown = counts[order].T
        return levels, satisfied, unknown, groups.reshape(-1)[order].astype(np.int64)


def _number(id: str) -> int:
    try:
        return int(id, 16) if len(id) == 16 else _hashed(id)
    except ValueError:
        return _hashed(id)


def _hashed(id: str) -> int:
    return int.from_bytes(hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def hard(
    levels: NDArray[np.int64], satisfied: NDArray[np.int64], unknown: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Whether each answer meets all of its constraints: 1, 0, or MISSING; shape (answers,)."""
    all_met, one_fails = satisfied == levels, satisfied + unknown < levels
    return np.where(all_met, 1, np.where(one_fails, 0, MISSING))


def level_rates(
    levels: NDArray[np.int64],
    satisfied: NDArray[np.int64],
    unknown: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> list[LevelRates]:
    """HSR and SSR of each level that there is, lowest first. All arrays have the shape (answers,)."""
    met = hard(levels, satisfied, unknown)
    found = []
    for level in np.unique(levels).tolist():
        at = levels == level
        known, told = at & (met != MISSING), at & (unknown == 0)
        shares = satisfied[told] / level
        number = int(at.sum())
        found.append(
            LevelRates(level, _rate(met[known], groups[known], number), _rate(shares, groups[told], number))
        )
    return found


def constraint_rate(
    levels: NDArray[np.int64],
    satisfied: NDArray[np.int64],
    unknown: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> Rate:
    """The share of all constraints that are met (IFEval's accuracy by instruction); arrays as in `level_rates`."""
    failed = levels - satisfied - unknown
    flags = np.concatenate([np.ones(int(satisfied.sum())), np.zeros(int(failed.sum()))])
    whose = np.concatenate([np.repeat(groups, satisfied), np.repeat(groups, failed)])
    return _rate(flags, whose, int(levels.sum()))


def answer_rate(
    levels: NDArray[np.int64],
    satisfied: NDArray[np.int64],
    unknown: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> Rate:
    """The share of all answers that meet all of their constraints (IFEval's accuracy by prompt)."""
    met = hard(levels, satisfied, unknown)
    known = met != MISSING
    return _rate(met[known], groups[known], len(levels))


def _rate(values: NDArray[Any], groups: NDArray[np.int64], answers: int) -> Rate:
    if not len(values):
        return Rate(None, None, 0, answers)
    return Rate(float(values.mean()), share_interval(values, groups), len(values), answers - len(values))


def consecutive_levels(
    levels: NDArray[np.int64],
    satisfied: NDArray[np.int64],
    unknown: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> Rate | None:
    """CSL over groups; None where no group has more than one level. All arrays have the shape (answers,).

    The levels of a group end where the set's do. Of a group that lacks the answer or the verdict that decides, or has
    several answers at a level, it is missing.
    """
    answers = Counter(zip(groups.tolist(), levels.tolist(), strict=True))
    if len(answers) <= len(set(groups.tolist())):
        return None
    met = dict(
        zip(
            zip(groups.tolist(), levels.tolist(), strict=True),
            hard(levels, satisfied, unknown).tolist(),
            strict=True,
        )
    )
    highest = int(levels.max())
    counted: list[int | None] = []
    for group in sorted(set(groups.tolist())):
        counted.append(
            _in_a_row(
                [
                    met.get((group, level), MISSING) if answers[group, level] == 1 else MISSING
                    for level in range(1, highest + 1)
                ]
            )
        )
    known = np.array([count for count in counted if count is not None], np.float64)
    share = share_interval(known / highest, np.arange(len(known)))
    return Rate(
        float(known.mean()) if len(known) else None,
        None if share is None else (share[0] * highest, share[1] * highest),
        len(known),
        len(counted) - len(known),
    )


def _in_a_row(met: Sequence[int]) -> int | None:
    """How many levels from the first are met; None where a missing one decides."""
    for number, one in enumerate(met):
        if one == MISSING:
            return None
        if not one:
            return number
    return len(met)
