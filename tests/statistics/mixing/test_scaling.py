"""Chinchilla's law is found as published, and noise gives none."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from factory.errors import InputError
from factory.statistics.mixing.scaling import KAPLAN, Chinchilla, _fit, _starts, fit_scaling

ORACLE = Path(__file__).parents[3].parent / "shared/data/oracles/chinchilla_points.csv"
HOFFMANN = Chinchilla(406.4, 410.7, 1.69, 0.34, 0.28)


def points(number: int = 40, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    chance = np.random.default_rng(seed)
    sizes, tokens = 10 ** chance.uniform(7, 10, number), 10 ** chance.uniform(9, 12, number)
    return sizes, tokens, HOFFMANN.loss(sizes, tokens) * np.exp(chance.normal(0, noise, number))


@pytest.mark.slow
def test_a_law_is_found_again_from_points_on_it() -> None:
    fit = fit_scaling(*points(), draws=3)
    assert fit.law is not None
    assert pytest.approx(1.69, rel=1e-2) == fit.law.E
    assert fit.law.alpha == pytest.approx(0.34, abs=5e-3)
    assert fit.law.beta == pytest.approx(0.28, abs=5e-3)
    assert fit.held_out < fit.baseline


@pytest.mark.slow
def test_noise_gives_no_law() -> None:
    sizes, tokens, _ = points()
    fit = fit_scaling(sizes, tokens, 3 + np.random.default_rng(1).normal(0, 0.2, len(sizes)))
    assert fit.law is None
    assert "noise" in fit.why


def test_the_best_size_and_data_use_the_compute_up() -> None:
    parameters, tokens = HOFFMANN.best(1e21)
    assert 6 * parameters * tokens == pytest.approx(1e21)
    here = HOFFMANN.loss(np.array([parameters]), np.array([tokens]))[0]
    for factor in (0.9, 1.1):
        assert HOFFMANN.loss(np.array([parameters * factor]), np.array([tokens / factor]))[0] > here
    assert HOFFMANN.size_exponent == pytest.approx(0.28 / 0.62)


def test_kaplans_exponents_sum_up() -> None:
    assert KAPLAN["parameters"] + KAPLAN["data"] == pytest.approx(1)
    assert KAPLAN["batch"] + KAPLAN["steps"] == pytest.approx(KAPLAN["data"])


def test_too_few_points_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(InputError, match="7 points are too few: the law has 5 parameters, and at least 8"):
        fit_scaling(*points(7))


def test_a_loss_that_is_no_number_above_0_is_named_by_its_row() -> None:
    sizes, tokens, losses = points(10)
    losses[3] = -1
    with pytest.raises(InputError, match="row 4: the loss is no number above 0"):
        fit_scaling(sizes, tokens, losses)


def test_one_size_alone_tells_nothing_of_size() -> None:
    _, tokens, losses = points(10)
    with pytest.raises(InputError, match="one or two values of the model size"):
        fit_scaling(np.full(10, 1e9), tokens, losses)


@pytest.mark.slow
@pytest.mark.skipif(not ORACLE.is_file(), reason="the published points are not at hand")
def test_the_published_points_give_the_published_law() -> None:
    with ORACLE.open() as file:
        rows = list(csv.DictReader(file))
    sizes, flop, losses = (
        np.array([float(row[name]) for row in rows]) for name in ("Model Size", "Training FLOP", "loss")
    )
    kept = np.argsort(losses)[:-5]
    logs = np.log(np.column_stack([sizes, flop / 6 / sizes]))[kept]
    theta, objective = _fit(logs, np.log(losses)[kept], _starts())
    assert len(kept) == 240
    assert objective == pytest.approx(0.00101827404, rel=1e-6)
    assert np.exp(theta[:3]) == pytest.approx([477.8, 2142.5, 1.8172], rel=1e-3)
    assert theta[3:] == pytest.approx([0.3473, 0.3671], abs=2e-4)
