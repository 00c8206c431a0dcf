"""DoReMi and DoGE follow their papers' rules, computed here by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import InputError
from factory.statistics.mixing.reweigh import doge, doremi, excess_losses


def test_excess_is_clipped_token_by_token_and_then_averaged() -> None:
    excess = excess_losses(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 2.0]), np.array([0, 0, 2]), 3)
    assert excess[0] == 1.0  # (2 + 0) / 2: after the mean it would be (3 + 1 - 1 - 2) / 2 = 0.5
    assert np.isnan(excess[1])
    assert excess[2] == 0.0


def test_one_step_of_doremi_is_that_of_the_paper() -> None:
    raised = np.exp([0.5, 0.1])
    smoothed = 0.9 * raised / raised.sum() + 0.1 / 2
    assert doremi(np.array([[0.5, 0.1]]), smoothing=0.1) == pytest.approx(smoothed)


def test_doremi_averages_its_steps_and_keeps_the_last_excess_of_a_domain_that_is_missing() -> None:
    two = doremi(np.array([[0.5, 0.1], [np.nan, 0.1]]), smoothing=0)
    same = doremi(np.array([[0.5, 0.1], [0.5, 0.1]]), smoothing=0)
    first = doremi(np.array([[0.5, 0.1]]), smoothing=0)
    assert two == pytest.approx(same)
    assert two[0] > first[0]


def test_a_negative_excess_is_refused() -> None:
    with pytest.raises(InputError, match="negative"):
        doremi(np.array([[-0.1, 0.2]]))


GRADIENTS = np.array([[1.0, 0.0], [1.0, 1.0], [-1.0, -1.0]])


def test_one_update_of_doge_is_that_of_the_paper() -> None:
    dots = GRADIENTS @ GRADIENTS.T
    rate, mu = 0.01, 0.05
    lengths = np.linalg.norm(GRADIENTS, axis=1).mean() + 1e-6
    others = dots.sum(axis=1) - np.diag(dots)
    score = np.clip(rate * others / lengths, 0, 5 * rate)
    wanted = np.exp(score / mu) / np.exp(score / mu).sum()
    assert doge(dots[None], [rate], mu=mu) == pytest.approx(wanted)


def test_a_domain_against_the_others_gains_nothing_and_targets_count_themselves() -> None:
    dots = (GRADIENTS @ GRADIENTS.T)[None]
    weights = doge(dots, [0.01], targets=[1])
    assert weights[1] > weights[0] > weights[2]
    aligned = np.array([1.0, 2.0, 0.0]) * 0.01 / (np.linalg.norm(GRADIENTS, axis=1).mean() + 1e-6)
    assert np.log(weights / weights[2]) == pytest.approx(aligned / 0.05)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="with a rate for each update"):
        doge(np.zeros((2, 3, 3)), [0.1])


@given(st.lists(st.lists(st.floats(0, 5), min_size=3, max_size=3), min_size=1, max_size=6))
def test_weights_are_shares(excess: list[list[float]]) -> None:
    weights = doremi(np.array(excess))
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
