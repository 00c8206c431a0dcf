"""Rank correlation and overlap of picks."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.agreement import agreements, top_overlap
from factory.statistics.correlation import ranks, spearman

NUMBERS = st.lists(st.integers(-20, 20), min_size=3, max_size=30)


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert ranks(np.array([10.0, 20.0, 20.0, 5.0])).tolist() == [2.0, 3.5, 3.5, 1.0]


def test_spearman_is_that_of_the_textbook_with_ties() -> None:
    # Worked by hand: ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4.
    assert spearman(np.array([1.0, 2, 2, 9]), np.array([1.0, 8, 3, 11])) == pytest.approx(
        4.5 / math.sqrt(4.5 * 5)
    )


@given(NUMBERS)
def test_a_ranking_agrees_wholly_with_itself_and_not_at_all_with_its_reverse(numbers: list[int]) -> None:
    values = np.array(numbers, dtype=float)
    if len(set(numbers)) > 1:
        assert spearman(values, np.exp(values / 10)) == pytest.approx(1)
        assert spearman(values, -values) == pytest.approx(-1)
    distinct = np.unique(values)
    assert top_overlap(distinct, distinct, 0.3)[0] == 1


def test_a_constant_column_or_a_single_row_has_no_correlation() -> None:
    assert spearman(np.ones(5), np.arange(5.0)) is None
    assert spearman(np.array([1.0]), np.array([2.0])) is None
    assert math.isnan(top_overlap(np.array([np.nan]), np.array([1.0]), 0.1)[0])


def test_rows_that_lack_a_score_do_not_count() -> None:
    a, b = np.array([1.0, 2, np.nan, 3]), np.array([1.0, 2, -9, 3])
    (found,) = agreements({"a": a, "b": b}, 0.34)
    assert (found.rows, found.spearman, found.overlap) == (3, pytest.approx(1), 1)
    assert found.chance == pytest.approx(1 / 3)


@given(NUMBERS, st.floats(0.05, 0.9), st.randoms(use_true_random=False))
def test_picks_among_equals_agree_as_often_as_chance_has_it(
    numbers: list[int], share: float, draw: Random
) -> None:
    values = np.array(numbers, dtype=float)
    overlap, chance = top_overlap(np.ones(len(values)), values, share)
    assert overlap == pytest.approx(chance)
    order = draw.sample(range(len(values)), len(values))
    assert top_overlap(values[order], np.abs(values)[order], share) == pytest.approx(
        top_overlap(values, np.abs(values), share)
    ), "the order of the rows does not matter"


def test_sure_picks_count_whole_and_those_among_equals_in_part() -> None:
    # Of the second, row 0 is picked for sure and one of the rows 1 to 3: row 1 in one of three ways.
    assert top_overlap(np.array([9.0, 8, 1, 1]), np.array([9.0, 5, 5, 5]), 0.5)[0] == pytest.approx(
        (1 + 1 / 3) / 2
    )


def test_picks_are_the_highest_or_the_lowest() -> None:
    a, b = np.array([4.0, 3, 2, 1]), np.array([4.0, 1, 3, 2])
    assert top_overlap(a, b, 0.5) == (0.5, 0.5)
    assert top_overlap(a, b, 0.25)[0] == 1
    assert top_overlap(a, b, 0.25, lowest=True)[0] == 0
