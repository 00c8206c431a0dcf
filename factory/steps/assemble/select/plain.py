"""Choices that every other one is held against: at random, the longest, the highest scored."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Floats, Ints
from factory.steps.assemble.select.pool import Choice, Pool, Settings, first_rows


def choose_random(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Any rows, each as likely as the others."""
    return first_rows(random.permutation(len(pool)), size)


def choose_longest(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The rows with the longest answers, in tokens.

    At the scale of millions of rows no selector that was tried beats it reliably (arXiv 2410.09335).
    """
    return _highest(pool.lengths.astype(np.float64), size)


def choose_top(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The rows with the highest score."""
    return _highest(pool.known_score, size)


def highest_first(values: Floats) -> Ints:
    """The rows from the highest value to the lowest, of equals the first row first."""
    return np.argsort(-values, kind="stable").astype(np.int64)


def _highest(values: Floats, size: int) -> Choice:
    order = highest_first(values)
    last = values[order[size - 1]]
    above, equal = int((values > last).sum()), int((values == last).sum())
    facts = {"taken_of_equals": size - above, "equals": equal} if above + equal > size else {}
    return Choice(order[:size], facts)
