"""Curves of an evaluation: whether one still gets better, and where it began to get worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from factory.statistics.arrays import Floats
from factory.statistics.interval import Interval

WINDOW = 5
"""Evaluations, the last ones, that say whether a curve still moves. A number of ours: the papers name none."""
FEWEST = 3

State: TypeAlias = Literal["improving", "plateau", "worsening", "unknown"]


class Trend(NamedTuple):
    """How a curve moves at its end.

    state: improving or worsening where the interval of its slope excludes 0 on that side; plateau where the whole
        interval is less than `least`; else unknown
    gain: how much better it gets over as many steps as the window spans, by least squares, and its 95 % interval
    best_step, best: the best value, and where it was
    evaluations: how many of the last the slope is told from
    """

    state: State
    gain: float
    interval: Interval
    best_step: float
    best: float
    evaluations: int


def slope(steps: Floats, values: Floats) -> tuple[float, Interval]:
    """The least-squares slope and its 95 % interval (Student's t with n - 2 degrees of freedom).

    Raises:
        ValueError: there are fewer than three points, or all at one step.
    """
    from scipy.stats import t

    if len(steps) < FEWEST or np.ptp(steps) == 0:
        raise ValueError(f"a trend needs {FEWEST} evaluations at different steps")
    x = steps - steps.mean()
    found = float(x @ values / (x @ x))
    rest = values - values.mean() - found * x
    deviation = math.sqrt(max(0.0, float(rest @ rest)) / (len(x) - 2) / float(x @ x))
    half = float(t.ppf(0.975, len(x) - 2)) * deviation
    return found, (found - half, found + half)


def trend(
    steps: Sequence[float], values: Sequence[float], *, lower: bool, least: float, window: int = WINDOW
) -> Trend:
    """Whether a curve still gets better at its end.

    steps: rising
    lower: whether lower is better, as of a loss
    least: a gain over the window that is none; a plateau is told only where the interval says that it is less

    Raises:
        ValueError: there are fewer than three evaluations.
    """
    at, found = np.asarray(steps, np.float64), np.asarray(values, np.float64)
    best = int(found.argmin() if lower else found.argmax())
    at_end, last = at[-window:], found[-window:]
    move, sure = slope(at_end, last)
    span = float(np.ptp(at_end)) * (-1 if lower else 1)
    gain, edges = move * span, sorted((sure[0] * span, sure[1] * span))
    state: State = "unknown"
    if edges[1] < least and edges[0] > -least:
        state = "plateau"
    elif edges[0] > 0:
        state = "improving"
    elif edges[1] < 0:
        state = "worsening"
    return Trend(state, gain, (edges[0], edges[1]), float(at[best]), float(found[best]), len(last))


class Overfit(NamedTuple):
    """Whether a set's validation loss rises again.

    best_step, best: its lowest loss
    rise: how much the loss rose from there to the last evaluation, by least squares, with its 95 % interval; None where
        fewer than three evaluations lie behind
    overfits: True where the interval lies above 0, False where it lies below or around 0, None where it cannot be told
    """

    best_step: float
    best: float
    rise: float | None
    interval: Interval | None
    overfits: bool | None


def overfit(steps: Sequence[float], losses: Sequence[float]) -> Overfit:
    """Whether the loss rises from its lowest point on, which counts as the first of the points behind it.

    The lowest of noisy points is low by chance too: the slope is told from the points behind it alone.
    """
    at, found = np.asarray(steps, np.float64), np.asarray(losses, np.float64)
    low = int(found.argmin())
    behind = slice(low + 1, None)
    if len(at[behind]) < FEWEST:
        return Overfit(float(at[low]), float(found[low]), None, None, None)
    move, sure = slope(at[behind], found[behind])
    span = float(at[-1] - at[low])
    interval = (sure[0] * span, sure[1] * span)
    return Overfit(float(at[low]), float(found[low]), move * span, interval, sure[0] > 0)
