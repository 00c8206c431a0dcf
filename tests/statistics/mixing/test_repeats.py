"""What repeats are worth is what the data-constrained scaling law says, to the published values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import InputError
from factory.statistics.mixing.repeats import DataConstrained, effective_data, fit_repeats


@pytest.mark.parametrize(
    ("parameters", "tokens", "published"),
    [(6.34e9, 242e9, 2.2256440889984477), (8.67e9, 178e9, 2.2269634075087867)],
)
def test_the_loss_is_the_published_one(parameters: float, tokens: float, published: float) -> None:
    assert DataConstrained().loss(parameters, tokens, 25e9) == pytest.approx(published, abs=1e-9)


@pytest.mark.slow
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


def repeated(number: int, noise: float = 0.0) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
    """Models of many sizes, with one to forty epochs, on the published law."""
    chance = np.random.default_rng(0)
    unique = 10 ** chance.uniform(8, 10, number)
    tokens = unique * chance.uniform(1.5, 40, number)
    sizes = 10 ** chance.uniform(7.5, 9.5, number)
    law = DataConstrained()
    losses = np.array([law.loss(*row) for row in zip(sizes, tokens, unique, strict=True)])
    return sizes, tokens, unique, losses * np.exp(chance.normal(0, noise, number))


@pytest.mark.slow
def test_the_half_lives_are_found_again_from_points_on_the_law() -> None:
    start = DataConstrained(data_half_life=1.0, size_half_life=1.0)
    fit = fit_repeats(*repeated(30), start)
    assert fit.law is not None
    assert fit.law.data_half_life == pytest.approx(15.387756, rel=1e-2)
    assert fit.law.size_half_life == pytest.approx(5.309743, rel=1e-2)
    assert fit.held_out < fit.as_new / 10


@pytest.mark.slow
def test_where_the_losses_are_rough_nothing_is_told_of_repeats() -> None:
    sizes, tokens, unique, _ = repeated(12)
    fit = fit_repeats(
        sizes, tokens, unique, np.exp(np.random.default_rng(1).normal(1, 0.5, 12)), DataConstrained()
    )
    assert fit.law is None
    assert "cannot be told" in fit.why


def test_too_few_points_with_repeats_are_refused_with_how_many_are_needed() -> None:
    sizes, tokens, unique, losses = repeated(20)
    unique[5:] = tokens[5:]
    with pytest.raises(InputError, match=r"5 points with repeated data are too few: .* at least 8"):
        fit_repeats(sizes, tokens, unique, losses, DataConstrained())
