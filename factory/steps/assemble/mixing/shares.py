"""Which share of a set each group is to have, and how much of it each can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NEAR = 1e-6
"""Shares may miss a sum of 1 by so much."""


def proportional(amounts: Mapping[str, float], temperature: float = 1.0) -> dict[str, float]:
    """Shares as the groups have them, raised to 1 / temperature: 1 keeps them, more brings them closer (mT5).

    A group without anything has none.
    """
    total = sum(amounts.values())
    raised = {
        group: (amount / total) ** (1 / temperature) if amount > 0 else 0.0
        for group, amount in amounts.items()
    }
    return _normal(raised)


def capped(amounts: Mapping[str, float], cap: float) -> dict[str, float]:
    """Examples-proportional mixing with a limit: a group counts for `cap` at the most (T5, arXiv 1910.10683)."""
    return _normal({group: min(amount, cap) for group, amount in amounts.items()})


def balanced(amounts: Mapping[str, float]) -> dict[str, float]:
    """Equal shares."""
    return _normal(dict.fromkeys(amounts, 1.0))


def bounded(
    shares: Mapping[str, float], least: Mapping[str, float], most: Mapping[str, float]
) -> dict[str, float]:
    """The shares with each kept between its bounds, the others keeping their ratios; they sum to 1 where that can be.

    least, most: by group; a group without a bound has 0 and 1
    """

    def at(level: float) -> dict[str, float]:
        return {
            group: min(max(level * share, least.get(group, 0.0)), most.get(group, 1.0))
            for group, share in shares.items()
        }

    low, high = 0.0, 1.0
    while sum(at(high).values()) < 1 and high < 1e12:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if sum(at(middle).values()) < 1:
            low = middle
        else:
            high = middle
    return at(high)


@dataclass(frozen=True, slots=True)
class Given:
    """What each group is to give, and what it can.

    wanted: in rows or tokens; taken: of that, with repeats, what it can give; there: what it has
    short: groups that have less than is wanted, without repeats
    """

    shares: Mapping[str, float]
    there: Mapping[str, float]
    wanted: Mapping[str, float]
    taken: Mapping[str, float]

    @property
    def short(self) -> dict[str, float]:
        """How much each group that has too little lacks, without repeats."""
        return {
            group: wanted - self.there[group]
            for group, wanted in self.wanted.items()
            if wanted - self.there[group] > NEAR
        }


def give(
    shares: Mapping[str, float], there: Mapping[str, float], size: float | None, epochs: float, short: str
) -> Given:
    """What each group gives to a set of so much.

    size: None takes as much as there is with these shares and without a repeat
    epochs: a group gives what it has so often at the most
    short: where a group has too little: "leave" what it lacks, "spread" it over the others, or "shrink" the set until
        the shares hold
    """
    room = {group: epochs * amount for group, amount in there.items()}
    if size is None:
        size = min((there[group] / share for group, share in shares.items() if share > 0), default=0.0)
    wanted = {group: size * share for group, share in shares.items()}
    if short == "shrink":
        most = min((room[group] / share for group, share in shares.items() if share > 0), default=0.0)
        taken = {group: min(size, most) * share for group, share in shares.items()}
    elif short == "spread" and size > 0:
        taken = {
            group: size * share
            for group, share in bounded(
                shares, {}, {group: amount / size for group, amount in room.items()}
            ).items()
        }
    else:
        taken = {group: min(amount, room[group]) for group, amount in wanted.items()}
    return Given(shares, there, wanted, taken)


def in_rows(amounts: Mapping[str, float], room: Mapping[str, int]) -> dict[str, int]:
    """Amounts as whole rows that sum to the whole rows of their sum, by largest remainders (Hamilton).

    room: at most so many of each
    """
    rows = {group: min(int(amount + NEAR), room[group]) for group, amount in amounts.items()}
    left = int(sum(amounts.values()) + 0.5) - sum(rows.values())
    by_remainder = sorted(amounts, key=lambda group: (rows[group] - amounts[group], group))
    for group in by_remainder:
        if left > 0 and rows[group] < room[group] and amounts[group] - rows[group] > NEAR:
            rows[group] += 1
            left -= 1
    return rows


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {group: weight / total if total else 0.0 for group, weight in weights.items()}
