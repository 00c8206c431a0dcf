"""What repeats are worth is what the data-constrained scaling law says, to the published values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.mixing.repeats import DataConstrained, effective_data


@pytest.mark.parametrize(
    ("parameters", "tokens", "published"),
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_the_loss_is_the_published_one(parameters: float, tokens: float, published: float) -> None:
    assert DataConstrained().loss(parameters, tokens, 25e9) == pytest.approx(published, abs=1e-9)


@given(st.floats(1, 1e9), st.floats(1, 100))
def test_repeats_are_worth_something_and_less_than_new_data(unique: float, epochs: float) -> None:
    worth = effective_data(unique, unique * epochs)
    assert unique * (1 - 1e-9) <= worth <= unique * epochs * (1 + 1e-9)


def test_four_epochs_are_worth_nearly_four_and_the_first_is_worth_itself() -> None:
    assert effective_data(1000, 700) == 700
    assert effective_data(1000, 4000) == pytest.approx(3725.67, abs=0.01)
    assert effective_data(1000, 1e9) == pytest.approx(1000 * (1 + 15.387756))
    assert effective_data(0, 10) == 0


def test_a_loss_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        DataConstrained().loss(1e9, 0, 1e9)
