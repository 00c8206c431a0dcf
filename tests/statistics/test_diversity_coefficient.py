"""The diversity coefficient over arrays: its bounds, its invariances, and who is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.diversity_coefficient import diversity_coefficient, task2vec_distance


@given(st.integers(3, 8), st.integers(1, 20), st.integers(0, 9))
def test_it_is_the_mean_over_all_pairs_and_lies_between_0_and_1(
    batches: int, numbers: int, seed: int
) -> None:
    found = np.random.default_rng(seed).uniform(0, 5, (batches, numbers))
    pairs = [task2vec_distance(found[a], found[b]) for a in range(batches) for b in range(a)]
    measured = diversity_coefficient(found)
    assert measured.value == pytest.approx(np.mean(pairs))
    assert 0 <= measured.value <= 1
    assert diversity_coefficient(found[::-1]) == pytest.approx(measured)


def test_batches_that_are_alike_have_none_and_batches_with_nothing_in_common_have_all() -> None:
    assert diversity_coefficient(np.ones((4, 6))) == (pytest.approx(0), pytest.approx(0))
    assert diversity_coefficient(np.eye(5)) == (pytest.approx(1), pytest.approx(0))


@given(st.floats(1, 1e6))
def test_a_parameter_counts_by_what_each_batch_has_of_it_not_by_its_size(scale: float) -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0])
    sizes = np.array([1.0, scale, 1.0])
    assert task2vec_distance(first * sizes, second * sizes) == pytest.approx(
        task2vec_distance(first, second), abs=1e-6
    )
    assert task2vec_distance(first, second) == task2vec_distance(second, first)


def test_the_error_is_that_of_batches_left_out_one_at_a_time() -> None:
    found = np.random.default_rng(0).uniform(0, 1, (6, 10))
    left = [diversity_coefficient(np.delete(found, at, axis=0)).value for at in range(6)]
    assert diversity_coefficient(found).error == pytest.approx(np.std(left) * np.sqrt(5))


@pytest.mark.parametrize("wrong", [np.ones((2, 3)), -np.ones((4, 3)), np.full((4, 3), np.nan), np.ones(5)])
def test_what_is_no_set_of_batches_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="three batches or more"):
        diversity_coefficient(wrong)
