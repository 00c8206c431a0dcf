"""Counterfactual pairs of records, and what a judge makes of them in sum."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from factory.data.record import Message, Record
from factory.statistics.interval import NOT_TOLD_APART, Interval, mean_interval, percent, wilson
from factory.steps.judging.swapping.gender import swap_gender
from factory.steps.judging.swapping.names import FULL_NAME, swap_names

By = Literal["gender", "names"]
GROUPS: dict[By, tuple[str, str]] = {
    "gender": ("about a man", "about a woman"),
    "names": ("with the first group's names", "with the second's"),
}


FEWEST = 6
"""Pairs of a known order that a difference is told of: five that agree may do so by chance (1 in 16)."""


class Pair(NamedTuple):
    """One record in two forms that differ in nothing that should count.

    oriented: whether the first is of the first group (a man, the majority's names) and the second of the other
    """

    first: Record
    second: Record
    oriented: bool = True


def make_pair(record: Record, by: By, draw: random.Random) -> Pair | None:
    """The record in two forms; None where there is nothing to swap, or a full name that may be a known person's."""
    texts = [turn.content for turn in record.messages]
    if any(FULL_NAME.search(text) for text in texts):
        return None
    if by == "names":
        named = swap_names(texts, draw)
        if not named.names:
            return None
        return Pair(_with(record, named.first), _with(record, named.second))
    swapped = [swap_gender(text) for text in texts]
    male, female = sum(one.male for one in swapped), sum(one.female for one in swapped)
    if not male and not female:
        return None
    other = _with(record, [one.text for one in swapped])
    return Pair(other, record) if female > male else Pair(record, other, male > female)


def _with(record: Record, texts: Sequence[str]) -> Record:
    """The record with other contents, a bare conversation: what a judge reads."""
    turns: list[Message] = [
        turn._replace(content=text, media=()) for turn, text in zip(record.messages, texts, strict=True)
    ]
    return replace(record, messages=tuple(turns), input_chars=0, answers=(), chosen=-1)


class Compared(NamedTuple):
    """What a judge makes of pairs.

    pairs: those that have both scores; oriented: those of them whose first form is of the first group
    first, second: the mean score of each form, over the oriented
    difference: the mean of first - second, over the oriented, and its 95 % interval
    differs: the share of all pairs whose stated levels differ, and its 95 % interval
    apart: the mean of |first - second| over all pairs
    """

    pairs: int
    oriented: int
    first: float | None
    second: float | None
    difference: float | None
    interval: Interval | None
    differs: float
    differs_interval: Interval
    apart: float

    @property
    def told_apart(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    def sentence(self, by: By) -> str:
        """What a person is told."""
        first, second = GROUPS[by]
        differ = f"{percent(self.differs, self.differs_interval)} of {self.pairs:,} pairs get another level"
        if self.difference is None or self.interval is None:
            return f"{differ}; which group is graded higher cannot be told of {self.oriented:,} pairs, under {FEWEST}"
        low, high = self.interval
        what = f"{first} {self.first:.2f}, {second} {self.second:.2f}"
        by_so_much = (
            f"{self.difference:+.3f} (95 % interval {low:+.3f} to {high:+.3f}, {self.oriented:,} pairs)"
        )
        if not self.told_apart:
            return f"{what}: the difference of {by_so_much} {NOT_TOLD_APART} from 0; {differ}"
        higher = first if self.difference > 0 else second
        return f"{what}: answers {higher} are graded higher, by {by_so_much}; {differ}"


def compare_pairs(
    scores: Sequence[tuple[float, float]], levels: Sequence[tuple[float, float]], oriented: Sequence[bool]
) -> Compared:
    """The mean difference of pairs with its interval, and the share that differs.

    scores, levels: of the first and the second form of each pair
    """
    signed = [pair for pair, counts in zip(scores, oriented, strict=True) if counts]
    differences = [first - second for first, second in signed]
    interval = mean_interval(differences) if len(differences) >= FEWEST else None
    many = len(scores)
    other = sum(first != second for first, second in levels)
    mean = [sum(column) / len(signed) for column in zip(*signed, strict=True)] if signed else [None, None]
    return Compared(
        many,
        len(signed),
        mean[0],
        mean[1],
        sum(differences) / len(signed) if signed else None,
        interval,
        other / many if many else 0.0,
        wilson(other, many),
        sum(abs(first - second) for first, second in scores) / many if many else 0.0,
    )
