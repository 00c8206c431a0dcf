"""Bounds on a share: checked against their definition by counting every outcome."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.bound import binomial_tail, interval, upper_bound


def exactly(k: int, draws: int, rate: float) -> float:
    return math.comb(draws, k) * rate**k * (1 - rate) ** (draws - k)


@pytest.mark.slow
@given(st.integers(1, 40), st.floats(0.01, 0.99), st.floats(0.5, 0.99))
def test_the_upper_bound_misses_the_true_rate_no_more_often_than_it_may(
    draws: int, rate: float, confidence: float
) -> None:
    missed = sum(
        exactly(k, draws, rate) for k in range(draws + 1) if upper_bound(k, draws, confidence) < rate
    )
    assert missed <= 1 - confidence + 1e-6


@given(st.integers(1, 60), st.floats(0.001, 0.999), st.data())
def test_the_tail_is_the_sum_of_its_outcomes(draws: int, rate: float, data: st.DataObject) -> None:
    most = data.draw(st.integers(0, draws))
    assert binomial_tail(most, draws, rate) == pytest.approx(
        sum(exactly(k, draws, rate) for k in range(most + 1)), abs=1e-9
    )


@pytest.mark.parametrize(
    ("successes", "draws", "bound"),
    [(0, 59, 1 - 0.05 ** (1 / 59)), (0, 1, 0.95), (1, 100, 0.046559), (5, 5, 1.0), (0, 0, 1.0)],
)
def test_known_upper_bounds_at_95_percent(successes: int, draws: int, bound: float) -> None:
    assert upper_bound(successes, draws, 0.95) == pytest.approx(bound, abs=1e-5)


@pytest.mark.slow
def test_an_interval_of_many_draws_is_narrow_and_mirrors() -> None:
    low, high = interval(5_000, 10_000, 0.95)
    assert (low, high) == pytest.approx((0.4902, 0.5098), abs=2e-4)
    assert interval(3, 10, 0.9) == pytest.approx(tuple(1 - x for x in reversed(interval(7, 10, 0.9))))
    assert interval(0, 0, 0.95) == (0.0, 1.0)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        upper_bound(1, 10, confidence)
