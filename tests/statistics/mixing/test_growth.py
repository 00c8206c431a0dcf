"""Growth is told with its interval, flatness where it is, and of noise nothing."""

from __future__ import annotations

import numpy as np
import pytest

from factory.errors import InputError
from factory.statistics.mixing.growth import FLAT, GROWS, UNKNOWN, fit_growth, fit_growths

SIZES = np.array([100, 300, 1000, 3000, 10_000, 30_000], float)


def test_a_task_that_grows_on_grows_and_says_how_much() -> None:
    scores = 0.1 + 0.08 * np.log(SIZES[:4] / 100)
    found = fit_growth("math", np.repeat(SIZES[:4], 2), np.repeat(scores, 2) + np.tile([0.002, -0.002], 4))
    assert found.verdict == GROWS
    low, high = found.interval
    assert low <= 0.08 * np.log(4000 / 3000) <= high
    assert "math: still grows" in found.sentence()


def test_one_thousand_are_enough_where_nothing_comes_behind() -> None:
    scores = 60 - 20 * (SIZES / 100) ** -2.5 + np.array([0.1, -0.1, 0.05, -0.05, 0.1, -0.1])
    found = fit_growth("chat", SIZES, scores)
    assert found.verdict == FLAT
    assert found.enough == 1000
    assert "1,000 are enough" in found.sentence()


def test_a_task_that_never_grew_is_flat_only_where_its_scores_are_that_sure() -> None:
    noise = np.array([1, -1, 0.5, -0.5, 0.8, -0.8])
    assert fit_growth("sure", SIZES, 50 + 0.02 * noise).verdict == FLAT
    assert fit_growth("unsure", SIZES, 50 + 5 * noise).verdict == UNKNOWN


@pytest.mark.slow
def test_noise_is_told_of_in_few_of_many_tries() -> None:
    chance = np.random.default_rng(0)
    told = sum(fit_growth("noise", SIZES, 50 + chance.normal(0, 4, 6)).verdict != UNKNOWN for _ in range(100))
    assert told <= 5


def test_noise_is_sentenced_as_such() -> None:
    found = fit_growth("noise", SIZES, np.array([50, 58, 47, 55, 51, 53.0]))
    assert "cannot be told" in found.sentence()
    assert found.enough is None


def test_too_few_points_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(InputError, match="at least 5 points at 4 sizes are needed"):
        fit_growth("x", SIZES[:4], np.arange(4.0))


def test_a_scale_that_is_not_known_asks_for_worth() -> None:
    with pytest.raises(InputError, match="say with `worth`"):
        fit_growth("elo", SIZES, 1000 + SIZES)
    assert fit_growth("elo", SIZES, 1000 + 30 * np.log(SIZES), worth=0.1).verdict == GROWS


def test_the_score_without_any_data_is_not_on_the_curve_and_is_counted() -> None:
    found = fit_growth("x", np.append(SIZES, 0), np.append(20 + 5 * np.log(SIZES), 3))
    assert (found.points, found.without_rows) == (6, 1)


def test_each_task_is_fitted_alone() -> None:
    tasks = ["a"] * 6 + ["b"] * 6
    found = fit_growths(
        tasks, np.tile(SIZES, 2), np.concatenate([8 * np.log(SIZES), np.full(6, 50.0)]), worth=0.01
    )
    assert [one.task for one in found] == ["a", "b"]
    assert found[0].verdict == GROWS
    assert found[1].verdict == FLAT


def test_clean_scores_of_a_speed_between_two_of_the_grid_give_that_speed_s_gain() -> None:
    sizes = np.geomspace(250, 8000, 8)
    found = fit_growth("math", sizes, 80 - 10_000 / sizes)
    assert found.per_thousand == pytest.approx(10_000 / 8000 - 10_000 / 9000, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("power", [1.0])
def test_the_interval_holds_the_true_gain_in_about_95_of_100_draws(power: float) -> None:
    chance = np.random.default_rng(0)
    sizes = np.geomspace(250, 8000, 8)
    true = 40 * (32**-power - 36**-power)
    held = 0
    for _ in range(60):
        low, high = fit_growth(
            "math", sizes, 80 - 40 * (sizes / 250) ** -power + chance.normal(0, 0.2, 8)
        ).interval
        held += low <= true <= high
    assert held >= 54
