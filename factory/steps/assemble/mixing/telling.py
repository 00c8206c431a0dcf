"""What a mixture came to, and how it is said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from factory.data.text import shorten
from factory.statistics.arrays import Ints
from factory.statistics.mixing.repeats import FRESH_EPOCHS, effective_data
from factory.steps.assemble.mixing.groups import Groups
from factory.steps.assemble.mixing.shares import NEAR, Given

SHOWN = 12
"""Groups that are named."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a table can give to a mixture.

    rows: of each group, answered or not
    answered, usable: rows with an answer, and those of them that may be chosen, shape (rows,)
    tokens: of each row; None where rows count
    """

    groups: Groups
    rows: Mapping[str, int]
    given: Given
    answered: np.ndarray[tuple[int], np.dtype[np.bool_]]
    usable: np.ndarray[tuple[int], np.dtype[np.bool_]]
    tokens: Ints | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one group gives. there, wanted, got, worth: in rows or tokens; rows, copies: in rows."""

    group: str
    share: float
    there: float
    wanted: float
    got: float
    rows: int
    copies: int
    worth: float

    @property
    def epochs(self) -> float:
        """How often the group is taken."""
        return self.got / self.there if self.there else 0.0


def outcome_of(group: str, read: Read, taken: Sequence[Ints]) -> Outcome:
    """What a group came to, of which these rows are taken, epoch by epoch."""
    amounts = [float(len(rows)) if read.tokens is None else float(read.tokens[rows].sum()) for rows in taken]
    got = sum(amounts)
    return Outcome(
        group,
        read.given.shares[group],
        float(read.given.there[group]),
        read.given.wanted[group],
        got,
        sum(len(rows) for rows in taken),
        sum(len(rows) for rows in taken[1:]),
        effective_data(amounts[0], got) if amounts else 0.0,
    )


def ratios(shares: Mapping[str, float]) -> str:
    """Shares as they are written with a sum of 1, to 8 digits, so that one may copy them."""
    total = math.fsum(shares.values())
    more = f", and {len(shares) - SHOWN:,} more" if len(shares) > SHOWN else ""
    return (
        ", ".join(f"{shorten(group, 30)}: {share / total:.8g}" for group, share in [*shares.items()][:SHOWN])
        + more
    )


class Telling:
    """The sentences about a mixture, and its facts."""

    def __init__(self, by: str, unit: str, size: int | None, short: str, outcome: Sequence[Outcome]) -> None:
        self.by, self.unit, self.size, self.short = by, unit, size, short
        self.outcome = sorted(outcome, key=lambda one: (-one.share, one.group))
        self.total = sum(one.got for one in outcome)

    def _share(self, one: Outcome) -> float:
        return one.got / self.total if self.total else 0.0

    def facts(self) -> list[dict[str, Any]]:
        """A row for each group."""
        return [
            {
                "group": one.group,
                "share": round(one.share, 6),
                "there": round(one.there),
                "wanted": round(one.wanted),
                "given": round(one.got),
                "of_the_set": round(self._share(one), 6),
                "rows": one.rows,
                "repeated_rows": one.copies,
                "worth_in_new": round(one.worth, 1),
            }
            for one in self.outcome
        ]

    def mixed(self) -> str:
        """What each group gives."""
        named = "; ".join(
            f"{shorten(one.group, 30)} {one.got:,.0f} of {one.there:,.0f} ({self._share(one):.1%}, target "
            f"{one.share:.1%})"
            for one in self.outcome[:SHOWN]
        )
        more = f"; and {len(self.outcome) - SHOWN:,} more groups" if len(self.outcome) > SHOWN else ""
        asked = f" of {self.size:,} asked for" if self.size is not None else ""
        over = f"mixed over the {len(self.outcome):,} values of {self.by}"
        return f"{self.total:,.0f} {self.unit}{asked}, {over}: {named}{more}"

    def shortages(self) -> Iterator[str]:
        """Which groups give less than is wanted, even repeated."""
        short = [one for one in self.outcome if one.wanted - one.got > max(1.0, 0.005 * one.wanted)]
        if not short:
            return
        said = "; ".join(
            f"{shorten(one.group, 40)!r} has {one.there:,.0f} and gives {one.got:,.0f} of {one.wanted:,.0f}"
            for one in short[:SHOWN]
        )
        more = f"; and {len(short) - SHOWN:,} more groups" if len(short) > SHOWN else ""
        then = {
            "leave": "the set is smaller by that, and the other shares larger",
            "spread": "the others give more",
            "shrink": "the set is smaller, and the shares hold",
        }[self.short]
        yield (
            f"short of {self.unit}, even repeated: {said}{more}: {then}; lower the share or `size`, raise `epochs`, or "
            "make more of it"
        )

    def repeats(self) -> Iterator[str]:
        """What is repeated, and what that is worth."""
        again = [one for one in self.outcome if one.copies]
        if again:
            said = "; ".join(
                f"{shorten(one.group, 40)!r} {one.epochs:.2f} times: {one.got:,.0f} {self.unit} that are worth about "
                f"{one.worth:,.0f} new ones"
                for one in again[:SHOWN]
            )
            more = f"; and {len(again) - SHOWN:,} more groups" if len(again) > SHOWN else ""
            yield (
                f"{sum(one.copies for one in again):,} records are repeated: {said}{more} (data-constrained scaling "
                "law, "
                "arXiv 2305.16264, measured on pre-training)"
            )

    def too_often(self) -> str:
        """That a group is taken more often than repeats are known to be good for; "" where none is."""
        often = [one for one in self.outcome if one.epochs > FRESH_EPOCHS + NEAR]
        if not often:
            return ""
        said = ", ".join(f"{shorten(one.group, 40)!r} {one.epochs:.1f} times" for one in often[:SHOWN])
        return f"repeats are worth less and less beyond {FRESH_EPOCHS} epochs: {said}"
