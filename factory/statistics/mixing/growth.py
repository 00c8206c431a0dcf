"""How much an ability still gains by more data, from its scores at several sizes of the set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from factory.errors import InputError
from factory.statistics.arrays import Floats
from factory.statistics.interval import Interval

GROWS, FLAT, FALLS, UNKNOWN = "still grows", "flat", "falls", "cannot be told"
POWERS = (0.0, *np.geomspace(0.05, 3.0, 24).tolist())
"""How fast growth may fade: the score is a line in (1 - n^-p) / p; p = 0 is a line in log n."""
FINER, ZOOMS = 16, 5
"""So many speeds are added between those that fit and their neighbours, so many times."""
FEWEST, FEWEST_SIZES = 5, 4
STEP = 1000.0


@dataclass(frozen=True, slots=True)
class Growth:
    """How one task grows with the rows of data.

    per_thousand: what the next thousand rows behind the largest size bring, with its interval
    verdict: "still grows", "flat", "falls" or "cannot be told"
    enough: where it is flat, the smallest size tried from which on it is; else None
    worth: gains within this are none
    without_rows: points at size 0 that are not on the curve
    """

    task: str
    points: int
    largest: float
    per_thousand: float
    interval: Interval
    verdict: str
    enough: float | None
    worth: float
    without_rows: int = 0

    def sentence(self) -> str:
        """What is found, in one sentence."""
        low, high = self.interval
        said = f"{self.per_thousand:+.3g} per 1,000 rows at {self.largest:,.0f}"
        gain = f"{said} (95 % interval {low:+.3g} to {high:+.3g})"
        if self.verdict == FLAT and self.enough is not None:
            return f"{self.task}: flat from {self.enough:,.0f} rows: {self.enough:,.0f} are enough; {gain}"
        if self.verdict == UNKNOWN:
            return f"{self.task}: whether it grows {UNKNOWN}: {gain}; more sizes or runs are needed"
        return f"{self.task}: {self.verdict}: {gain}"


def fit_growth(task: str, sizes: Floats, scores: Floats, *, worth: float | None = None) -> Growth:
    """How much a task gains per 1,000 rows at the largest size, and where it is flat.

    The score is fitted as a + b (1 - n^-p) / p, for each speed p from a line in log n (0) to a sharp end (3); of those
    that fit no worse than the best by an F test, all intervals together are the interval. So the speed need not be
    known, and few points give a wide interval. It is flat where the interval lies within `worth` on both sides of 0.
    Where no curve fits better than the mean (F test, 2 %), it is flat only if all that the data can have brought lies
    within `worth`; else nothing is told.

    sizes: rows of data, shape (n,); scores: higher is better, shape (n,)
    worth: smallest gain per 1,000 rows that is one, in units of the score; by default a hundredth of its scale, where
        all scores lie from 0 to 1 or from 0 to 100

    Raises:
        InputError: too few points or sizes: says how many are needed; or no scale to tell `worth` by.
    """
    sizes, scores = np.asarray(sizes, np.float64), np.asarray(scores, np.float64)
    if not (np.isfinite(sizes).all() and np.isfinite(scores).all() and (sizes >= 0).all()):
        raise InputError(f"{task}: a size or a score is missing, negative or no number")
    least = _worth(task, scores) if worth is None else worth
    without = int((sizes == 0).sum())
    sizes, scores = sizes[sizes > 0], scores[sizes > 0]
    tried = np.unique(sizes)
    if len(sizes) < FEWEST or len(tried) < FEWEST_SIZES:
        raise InputError(
            f"{task}: {len(sizes)} points at {len(tried)} sizes above 0 are too few: growth has 3 parameters, and at "
            f"least {FEWEST} points at {FEWEST_SIZES} sizes are needed"
        )
    largest = float(tried[-1])
    gain, interval = _gain(sizes, scores, largest, largest + STEP)
    low, high = interval
    verdict, enough = UNKNOWN, None
    if not _grows(sizes, scores):
        # No curve to follow: it is flat only where nothing of worth can have happened between first and last.
        whole = _gain(sizes, scores, float(tried[0]), largest)[1]
        if -least <= whole[0] and whole[1] <= least:
            verdict, enough = FLAT, float(tried[0])
    elif -least <= low and high <= least:
        verdict, enough = FLAT, largest
        for start in tried[:-1][::-1].tolist():
            # Everything that comes behind this size, and not the next thousand alone.
            more = _gain(sizes, scores, start, largest)[1]
            if not (-least <= more[0] and more[1] <= least):
                break
            enough = float(start)
    elif low > 0:
        verdict = GROWS
    elif high < 0:
        verdict = FALLS
    return Growth(task, len(sizes), largest, gain, interval, verdict, enough, least, without)


def fit_growths(
    tasks: list[str], sizes: Floats, scores: Floats, *, worth: float | None = None
) -> list[Growth]:
    """`fit_growth` for each task, in the order of their first points; shapes (n,)."""
    of = np.array(tasks, dtype=object)
    return [
        fit_growth(task, np.asarray(sizes)[of == task], np.asarray(scores)[of == task], worth=worth)
        for task in dict.fromkeys(tasks)
    ]


def _worth(task: str, scores: Floats) -> float:
    low, high = float(scores.min()), float(scores.max())
    if low >= 0 and high <= 1:
        return 0.01
    if low >= 0 and high <= 100:
        return 1.0
    raise InputError(
        f"{task}: scores from {low:g} to {high:g} have no scale that is known: say with `worth` from which gain per "
        "1,000 rows on more data is worth it"
    )


def _curve(sizes: Floats, power: float) -> Floats:
    return np.asarray(np.log(sizes) if not power else -np.expm1(-power * np.log(sizes)) / power)


def _grows(sizes: Floats, scores: Floats) -> bool:
    """Whether a curve fits better than the mean by more than chance."""
    from scipy.stats import f

    free = len(sizes) - 3
    around = float(((scores - scores.mean()) ** 2).sum())
    least = min(residual for residual, *_ in _fits(sizes, scores))
    if least <= 1e-12 * max(around, 1e-12):
        return around > 1e-12
    return bool(f.sf((around - least) / 2 / (least / free), 2, free) < 0.02)


def _fits(sizes: Floats, scores: Floats) -> list[tuple[float, float, float, float]]:
    """For each speed: the residual sum of squares, the slope, the spread of the curve, and the speed.

    Around the best the speeds are as fine as the scores ask: clean ones hold between two speeds of the coarse grid.
    """
    fits = [_fit(sizes, scores, power) for power in POWERS]
    for _ in range(ZOOMS):
        fits.sort(key=lambda one: one[3])
        most = _most(fits, len(sizes))
        good = [at for at, one in enumerate(fits) if one[0] <= most]
        low, high = max(0, good[0] - 1), min(len(fits) - 1, good[-1] + 1)
        fits += [
            _fit(sizes, scores, power)
            for power in np.linspace(fits[low][3], fits[high][3], FINER + 2)[1:-1].tolist()
        ]
    return fits


def _fit(sizes: Floats, scores: Floats, power: float) -> tuple[float, float, float, float]:
    x = _curve(sizes, power)
    x_mean, mean = float(x.mean()), float(scores.mean())
    spread = float(((x - x_mean) ** 2).sum())
    slope = float((x - x_mean) @ (scores - mean)) / spread
    residual = float(((scores - mean - slope * (x - x_mean)) ** 2).sum())
    return residual, slope, spread, power


def _most(fits: Sequence[tuple[float, float, float, float]], number: int) -> float:
    """The largest residual sum of squares that is no worse than the least by an F test."""
    from scipy.stats import f

    least = min(residual for residual, *_ in fits)
    free = number - 3
    return least * (1 + float(f.ppf(0.95, 1, free)) / free) + 1e-15 * number


def _gain(sizes: Floats, scores: Floats, start: float, end: float) -> tuple[float, Interval]:
    """The gain from one size to another, and its interval over all speeds that fit."""
    from scipy.stats import t

    free = len(sizes) - 3
    fits = _fits(sizes, scores)
    most = _most(fits, len(sizes))
    quantile = float(t.ppf(0.975, free))
    lows, highs = [], []
    for residual, slope, spread, power in fits:
        if residual <= most:
            step = float(np.diff(_curve(np.array([start, end]), power))[0])
            half = quantile * (residual / free / spread) ** 0.5 * abs(step)
            lows.append(slope * step - half)
            highs.append(slope * step + half)
    _, slope, _, power = min(fits, key=lambda one: one[0])
    best = slope * float(np.diff(_curve(np.array([start, end]), power))[0])
    return best, (min(lows), max(highs))
