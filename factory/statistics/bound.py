"""How sure one can be of a share after so many draws: exact one-sided bounds."""

from __future__ import annotations

import math


def binomial_tail(successes: int, draws: int, rate: float) -> float:
    """The chance of at most `successes` in `draws` independent draws that each succeed with `rate`."""
    if successes >= draws or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    yes, no, whole = math.log(rate), math.log1p(-rate), math.lgamma(draws + 1)
    return min(
        1.0,
        math.fsum(
            math.exp(whole - math.lgamma(k + 1) - math.lgamma(draws - k + 1) + k * yes + (draws - k) * no)
            for k in range(successes + 1)
        ),
    )


def upper_bound(successes: int, draws: int, confidence: float) -> float:
    """The Clopper-Pearson upper bound: the rate is at most this, with `confidence`.

    The largest rate at which so few successes are not rarer than 1 - confidence; 1 where nothing was drawn.
    Exact: it falls short of the true rate in at most 1 - confidence of all samples, whatever their size.
    """
    if not 0 < confidence < 1:
        raise ValueError("confidence lies between 0 and 1")
    if draws == 0 or successes >= draws:
        return 1.0
    low, high = successes / draws, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        if binomial_tail(successes, draws, middle) >= 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def interval(successes: int, draws: int, confidence: float) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval of a rate; (0, 1) where nothing was drawn."""
    each = 1 - (1 - confidence) / 2
    return 1 - upper_bound(draws - successes, draws, each), upper_bound(successes, draws, each)
