"""Intervals: against figures of the textbook, laws, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.interval import (
    bootstrap,
    correlation_interval,
    difference,
    difference_interval,
    group_numbers,
    mean_interval,
    number,
    percent,
    share_interval,
    wilson,
)


def test_wilson_is_that_of_the_textbook() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(0, 0) == (0, 1)


@pytest.mark.parametrize(
    ("first", "of_first", "second", "of_second", "low", "high"),
    [
        (56, 70, 48, 80, 0.0524, 0.3339),
        (9, 10, 3, 10, 0.1705, 0.8090),
        (5, 56, 0, 29, -0.0381, 0.1926),
        (0, 10, 0, 20, -0.1611, 0.2775),
        (10, 10, 0, 20, 0.6791, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_that_of_the_textbook(
    first: int, of_first: int, second: int, of_second: int, low: float, high: float
) -> None:
    """Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10."""
    sides = [(a / n, wilson(a, n)) for a, n in ((first, of_first), (second, of_second))]
    assert difference_interval(*sides[0], *sides[1]) == pytest.approx((low, high), abs=6e-5)
    mirrored = difference_interval(*sides[1], *sides[0])
    assert mirrored == pytest.approx((-high, -low), abs=6e-5)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 6))
def test_rows_that_repeat_their_lineage_tell_no_more_than_the_lineage(flags: list[bool], times: int) -> None:
    one = share_interval(flags, np.arange(len(flags)))
    repeated = share_interval(np.repeat(flags, times), np.repeat(np.arange(len(flags)), times))
    assert one is not None
    assert repeated is not None
    assert repeated[0] <= np.mean(flags) <= repeated[1]
    assert repeated[1] - repeated[0] >= (one[1] - one[0]) * 0.99
    alone = share_interval(flags)
    assert alone == wilson(sum(flags), len(flags))


def test_nothing_has_no_interval() -> None:
    assert share_interval([]) is None
    assert mean_interval([3.0]) is None
    assert bootstrap(lambda rows: {"mean": 1.0}, np.zeros(0, np.int64)) == {}
    assert correlation_interval(0.9, 3) == (-1, 1)


def test_the_interval_of_a_mean_is_student_s() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]  # t of 10 degrees of freedom is 2.228
    low, high = mean_interval(values) or (0, 0)
    assert (high - low) / 2 == pytest.approx(2.228 * np.std(values, ddof=1) / np.sqrt(11), rel=0.01)
    assert mean_interval([0.0, 1.0], [3, 5]) == pytest.approx(mean_interval([0, 0, 0, 1, 1, 1, 1, 1]))


@given(st.floats(-1, 1), st.integers(4, 10_000))
def test_the_interval_of_a_correlation_holds_it_and_turns_with_its_sign(rho: float, rows: int) -> None:
    low, high = correlation_interval(rho, rows)
    assert -1 <= low <= rho <= high <= 1
    assert correlation_interval(-rho, rows) == pytest.approx((-high, -low))
    assert correlation_interval(1.0, 4)[0] < 0, "four rows in order tell nothing"


def test_a_bootstrap_draws_whole_groups() -> None:
    values = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])

    def statistics(rows: np.ndarray) -> dict[str, float | None]:
        assert len(rows) % 3 == 0
        return {"mean": float(values[rows].mean()), "none": None}

    found = bootstrap(statistics, group_numbers(["a", "a", "a", "b", "b", "b"]))
    assert found == {"mean": (0.0, 1.0)}
    assert group_numbers(["x", None, "x", None]).tolist() == [0, 1, 0, 2]


def test_what_is_told_has_its_interval() -> None:
    assert percent(0.62, (0.551, 0.684)) == "62.0% (95 % interval 55.1% to 68.4%)"
    assert percent(0.5, None) == "50.0%"
    assert percent(None) == "unknown"
    assert difference(0.2, (-0.052, 0.334)) == "+20.0 (-5.2 to +33.4)"
    assert number(0.4123, (0.31, 0.5)) == "0.412 (95 % interval 0.310 to 0.500)"
    assert number(None) == "not defined"
