"""How far a number that is told may be off: intervals of shares, correlations, and of anything else by bootstrap.

All are of 95 % unless told otherwise, and take rows of one lineage (the answers to one prompt, the variants of one
seed) together, since they tell less than as many rows of their own: a share and a correlation by how much more the
lineages differ than rows drawn alone would (the design effect), a bootstrap by drawing whole lineages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Z = 1.959964
"""The 97.5 % quantile of the normal distribution."""
NOT_TOLD_APART = "cannot be told apart"
"""What is said of two numbers where the interval of their difference holds 0."""
DRAWS = 1000
_FEWEST_DRAWS, _MOST_ROWS_DRAWN = 200, 2_000_000

Interval: TypeAlias = "tuple[float, float]"


def wilson(successes: float, draws: float) -> Interval:
    """Wilson's score interval of a share; (0, 1) where nothing was drawn.

    Successes that count half (ties) make it too wide, never too narrow.
    """
    if draws <= 0:
        return 0.0, 1.0
    share = successes / draws
    middle = (share + Z**2 / (2 * draws)) / (1 + Z**2 / draws)
    half = Z / (1 + Z**2 / draws) * math.sqrt(share * (1 - share) / draws + Z**2 / (4 * draws**2))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def share_interval(flags: ArrayLike, groups: NDArray[np.int64] | None = None) -> Interval | None:
    """Wilson's interval of the mean of values from 0 to 1, shape (n,); None where there are none.

    groups: the lineage of each, shape (n,), as `group_numbers` gives them; the rows count as many as rows of their own
        whose mean is as certain (Kish's design effect, never below 1); all of one lineage count as one row
    """
    values = np.asarray(flags, np.float64)
    if not len(values):
        return None
    mean, rows = float(values.mean()), float(len(values))
    if groups is not None:
        _, own = np.unique(groups, return_inverse=True)
        sums = np.bincount(own, values - mean)
        spread = float(((values - mean) ** 2).sum())
        lineages = len(sums)
        if spread <= 0 or lineages == 1:  # nothing tells how far lineages differ
            rows = float(lineages)
        else:
            rows /= max(1.0, float((sums**2).sum()) / spread * lineages / (lineages - 1))
    return wilson(mean * rows, rows)


def difference_interval(first: float, of_first: Interval, second: float, of_second: Interval) -> Interval:
    """Newcombe's hybrid score interval of the difference `first - second` of two shares.

    The sets are taken for drawn apart: where they have records in common the interval is too wide, not too narrow.

    of_first, of_second: the interval of each share, such as `share_interval` or `wilson` gives
    Source: Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.
    """
    difference = first - second
    below = math.hypot(first - of_first[0], of_second[1] - second)
    above = math.hypot(of_first[1] - first, second - of_second[0])
    return max(-1.0, difference - below), min(1.0, difference + above)


def correlation_interval(correlation: float, rows: float) -> Interval:
    """Fisher's z interval of a rank correlation, with Bonett and Wright's standard error; (-1, 1) below four rows.

    Of Pearson's it is a little too wide.
    """
    if rows <= 3 or not math.isfinite(correlation):
        return -1.0, 1.0
    # Full order is taken for an order but for one swap of neighbours: the transform knows no more of it.
    most = 1 - 12 / (rows * (rows**2 - 1))
    z = math.atanh(max(-most, min(most, correlation)))
    half = Z * math.sqrt((1 + correlation**2 / 2) / (rows - 3))
    return min(correlation, math.tanh(z - half)), max(correlation, math.tanh(z + half))


def mean_interval(values: ArrayLike, times: ArrayLike | None = None) -> Interval | None:
    """Student's t interval of a mean, its quantile to the second order; None below two values.

    values: shape (n,)
    times: how often each of them was found, shape (n,); by default once
    """
    found = np.asarray(values, np.float64)
    often = np.ones(len(found)) if times is None else np.asarray(times, np.float64)
    rows = float(often.sum())
    if rows < 2:
        return None
    mean = float(found @ often) / rows
    deviation = math.sqrt(float(((found - mean) ** 2) @ often) / (rows - 1))
    free = rows - 1
    quantile = Z + (Z**3 + Z) / (4 * free) + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * free**2)
    half = quantile * deviation / math.sqrt(rows)
    return mean - half, mean + half


def group_numbers(keys: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each different key, shape (n,); None is a lineage of its own in each row."""
    numbers: dict[Hashable, int] = {}
    return np.array(
        [
            numbers.setdefault((at,) if key is None else (key, "key"), len(numbers))
            for at, key in enumerate(keys)
        ],
        np.int64,
    )


def bootstrap(
    statistics: Callable[[NDArray[np.int64]], Mapping[str, float | None]],
    groups: NDArray[np.int64],
    *,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals of several statistics by name, drawing whole groups with replacement.

    A statistic that is not defined in more than a tenth of the draws has no interval. Many rows are drawn less often.

    statistics: of the rows at these positions, which may stand more than once
    groups: the number of each row's group, from 0, shape (n,)
    level: how sure each interval is
    """
    rows, draw = len(groups), np.random.default_rng(seed)
    if not rows:
        return {}
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    sizes = sizes[sizes > 0]
    starts = np.append(0, np.cumsum(sizes))
    times = max(_FEWEST_DRAWS, min(DRAWS, _MOST_ROWS_DRAWN // rows))
    found: dict[str, list[float]] = {}
    for _ in range(times):
        picked = draw.integers(len(sizes), size=len(sizes))
        if len(sizes) == rows:
            drawn = order[picked]
        else:
            drawn = np.concatenate([order[starts[at] : starts[at + 1]] for at in picked.tolist()])
        for name, value in statistics(drawn).items():
            if value is not None and math.isfinite(value):
                found.setdefault(name, []).append(value)
    return {
        name: (float(np.quantile(values, (1 - level) / 2)), float(np.quantile(values, (1 + level) / 2)))
        for name, values in found.items()
        if len(values) >= 0.9 * times
    }


def percent(share: float | None, interval: Interval | None = None, digits: int = 1) -> str:
    """A share in words, with its interval: "62.0% (95 % interval 55.1% to 68.4%)"."""
    if share is None:
        return "unknown"
    if interval is None:
        return f"{share:.{digits}%}"
    return f"{share:.{digits}%} (95 % interval {interval[0]:.{digits}%} to {interval[1]:.{digits}%})"


def difference(found: float, interval: Interval) -> str:
    """A difference of two shares in points of a hundred, with its interval: "+20.0 (+5.2 to +33.4)"."""
    return f"{100 * found:+.1f} ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"


def number(value: float | None, interval: Interval | None = None, form: str = ".3f") -> str:
    """A correlation or a kappa in words, with its interval: "0.412 (95 % interval 0.310 to 0.503)"."""
    if value is None:
        return "not defined"
    if interval is None:
        return f"{value:{form}}"
    return f"{value:{form}} (95 % interval {interval[0]:{form}} to {interval[1]:{form}})"
