"""EL2N and memorisation, by their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.learned import el2n, memorisation


def test_a_sure_and_right_prediction_has_no_error_and_a_sure_and_wrong_one_the_most() -> None:
    assert el2n([[1, 0, 0], [0, 1, 0], [1 / 3] * 3], [0, 0, 0]) == pytest.approx(
        [0, math.sqrt(2), math.sqrt(4 / 9 + 2 / 9)]
    )


@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_el2n_is_the_length_of_the_difference_to_the_label(rows: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(classes), rows)
    labels = random.integers(classes, size=rows)
    plain = np.linalg.norm(shares - np.eye(classes)[labels], axis=1)
    found = el2n(shares, labels)
    assert found == pytest.approx(plain)
    assert ((found >= 0) & (found <= math.sqrt(2) + 1e-9)).all()


@pytest.mark.parametrize(
    ("shares", "labels", "problem"),
    [
        ([[0.5, 0.5]], [0, 1], "one label for each"),
        ([[2.0, -1.0]], [0], "needs probabilities"),
        ([[math.nan, 1.0]], [0], "needs probabilities"),
        ([[0.5, 0.5]], [2], "labels from 0 to 1"),
        ([[3.0, 4.0]], [1], "needs probabilities"),
    ],
)
def test_what_is_no_prediction_is_refused(shares: list[list[float]], labels: list[int], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        el2n(shares, labels)


def test_memorisation_is_the_share_of_tokens_in_their_places() -> None:
    actual = [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert memorisation([[1, 2, 3, 4], [6, 7, 8, 9]], actual).tolist() == [1, 0], (
        "one left out spoils the rest"
    )
    assert memorisation([[1, 0, 3, 0], [5, 6, 7, 0]], actual).tolist() == [0.5, 0.75]
    for continued, row in (([[1]], [[1, 2]]), ([[]], [[]]), ([1], [1])):
        with pytest.raises(ValueError, match="as many tokens"):
            memorisation(continued, row)
