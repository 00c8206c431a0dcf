"""Choices that every other one is held against: at random, the longest, the highest scored."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Floats, Ints
from factory.steps.assemble.select.blocks import HERE, Engine
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
    return _highest(pool.known_score, size, settings.engine)


def highest_first(values: Floats) -> Ints:
    """The rows from the highest value to the lowest, of equals the first row first."""
    return np.argsort(-values, kind="stable").astype(np.int64)


def highest_of(block: tuple[int, Floats], size: int) -> Ints:
    """The rows of a block, given with its first row's number, that may be among the highest `size` of all."""
    start, values = block
    return start + highest_first(values)[:size]


def _highest(values: Floats, size: int, engine: Engine = HERE) -> Choice:
    blocks = [(start, values[start:end]) for start, end in engine.spans(len(values))]
    # Each block's own order, one behind another, so that of equals the first row is still the first.
    some = np.sort(np.concatenate(engine.over(highest_of, blocks, size)))
    order = some[highest_first(values[some])]
    last = values[order[size - 1]]
    above, equal = int((values > last).sum()), int((values == last).sum())
    facts = {"taken_of_equals": size - above, "equals": equal} if above + equal > size else {}
    return Choice(order[:size], facts)
