"""Laws of mixtures: each is found again, judged on mixtures it has not seen, and silent where there is none."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from factory.errors import InputError
from factory.report.fits import as_json, mixture_lines
from factory.statistics.mixing.fit_mixture import fit_mixture
from factory.statistics.mixing.laws import LAWS, fit_exponential, fit_linear, fit_sft

ORACLE = Path(__file__).parents[3].parent / "shared/data/oracles/mixinglaws_5domains.csv"
GROUPS = ("code", "chat", "math")


def shares(number: int, seed: int = 0, groups: int = 3) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).dirichlet(np.ones(groups), number)


def test_the_exponential_law_is_found_again() -> None:
    mixtures = shares(25)
    losses = 1.5 + np.exp(mixtures @ np.array([-2.0, 0.3, -0.5]))
    new = shares(50, 1)
    predicted = fit_exponential(mixtures, np.ones(25), losses, 0)(new, np.ones(50))
    assert predicted == pytest.approx(1.5 + np.exp(new @ np.array([-2.0, 0.3, -0.5])), abs=1e-4)


def test_the_sft_law_predicts_what_other_data_is_worth() -> None:
    chance = np.random.default_rng(0)
    mixtures, amounts = shares(40), chance.uniform(1e3, 1e5, 40)

    def truth(part: np.ndarray, total: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        one = part[:, 0] * total
        return np.asarray(3 * (one + 0.5 * (total - one) ** 0.8) ** -0.15 + 0.7)

    predict = fit_sft(mixtures, amounts, truth(mixtures, amounts), 0)
    new, sizes = shares(30, 2), chance.uniform(1e3, 1e5, 30)
    assert predict(new, sizes) == pytest.approx(truth(new, sizes), abs=5e-3)


def test_the_linear_law_has_no_intercept_since_shares_sum_to_1() -> None:
    mixtures = shares(10)
    predict = fit_linear(mixtures, np.ones(10), 2 + mixtures @ np.array([1.0, 0.0, -1.0]), -1)
    assert predict(np.eye(3), np.ones(3)) == pytest.approx([3, 2, 1])


def losses_of(mixtures: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Each group's loss falls with its own share, so that something between is best."""
    return np.asarray(1 + np.exp(-3 * mixtures))


@pytest.mark.slow
def test_the_best_shares_are_found_with_their_interval() -> None:
    mixtures = shares(24)
    noisy = losses_of(mixtures) + np.random.default_rng(1).normal(0, 0.003, mixtures.shape)
    fit = fit_mixture(mixtures, noisy, GROUPS, weights=np.array([3.0, 1.0, 1.0]), law="exponential")
    assert fit.told, fit.why
    assert fit.shares is not None
    # Where each loss is c + exp(-3 r), the best shares part by ln(3) / 3.
    assert fit.shares["code"] - fit.shares["chat"] == pytest.approx(np.log(3) / 3, abs=0.05)
    assert sum(fit.shares.values()) == pytest.approx(1)
    for group, share in fit.shares.items():
        low, high = fit.intervals[group]
        assert low <= share <= high
    assert fit.over[0] > 0
    mean, law = fit.held_out
    assert law.error < mean.error / 3


@pytest.mark.slow
def test_bounds_are_held_and_what_lies_beyond_the_mixtures_tried_is_said() -> None:
    mixtures = shares(24)
    fit = fit_mixture(
        mixtures,
        losses_of(mixtures),
        GROUPS,
        bounds={"code": (0.95, 1.0), "chat": (0.0, 1.0), "math": (0.0, 1.0)},
        weights=np.array([5.0, 1, 1]),
        law="exponential",
    )
    assert fit.shares is not None
    assert fit.shares["code"] >= 0.95 - 1e-9
    assert "code" in fit.beyond


@pytest.mark.slow
def test_losses_that_are_noise_give_no_shares() -> None:
    chance = np.random.default_rng(3)
    fit = fit_mixture(shares(20), 3 + chance.normal(0, 0.1, (20, 3)), GROUPS)
    assert not fit.told
    assert "noise" in fit.why
    assert {one.law for one in fit.held_out} == {"mean", *LAWS}


@pytest.mark.slow
def test_rows_of_one_mixture_are_never_on_both_sides() -> None:
    # Each mixture four times, its loss a number of its own: seen before, it would be known; new, it cannot be.
    mixtures = np.repeat(shares(12), 4, axis=0)
    losses = np.repeat(np.random.default_rng(0).normal(0, 1, 12), 4)
    fit = fit_mixture(mixtures, losses, GROUPS, law="tree")
    tree = fit.held_out[1]
    assert tree.in_sample < 0.1
    assert tree.error > 0.4
    assert (fit.mixtures, fit.points) == (12, 48)
    assert not fit.told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shares": np.full((20, 3), 0.5)}, "row 1: the shares sum to 1.5, not to 1"),
        ({"shares": np.tile([1.2, -0.2, 0.0], (20, 1))}, r"row 1: the share of 'chat' is negative \(-0.2\)"),
        ({"losses": np.full((20, 3), np.nan)}, "row 1: a loss is missing or no number"),
        ({"bounds": {"cod": (0.0, 1.0)}}, "a bound names the group 'cod'.*did you mean 'code'"),
        ({"bounds": {"code": (0.8, 0.9), "chat": (0.5, 0.9)}}, "the bounds cannot be held"),
        ({"weights": np.array([1.0, -1.0, 1.0])}, "a weight of a loss is negative"),
        ({"law": "exponentiel"}, "there is no law 'exponentiel'"),
        ({"amounts": np.zeros(20)}, "an amount of training data is not a number above 0"),
    ],
)
def test_bad_input_is_one_sentence(change: dict[str, object], said: str) -> None:
    arguments = {"shares": shares(20), "losses": losses_of(shares(20)), "groups": GROUPS, **change}
    with pytest.raises(InputError, match=said):
        fit_mixture(**arguments)  # type: ignore[arg-type]


def test_too_few_mixtures_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(
        InputError,
        match=r"5 different mixtures.* has 4 parameters for 3 groups, and at least 7",
    ):
        fit_mixture(shares(5), losses_of(shares(5)), GROUPS, law="exponential")


@pytest.mark.slow
@pytest.mark.skipif(not ORACLE.is_file(), reason="the published losses are not at hand")
def test_the_published_mixtures_are_predicted_as_well_as_is_known_without_a_leak() -> None:
    groups = ("academic", "prose", "dialogue", "symbolic", "internet")
    with ORACLE.open() as file:
        rows = [row for row in csv.DictReader(file) if row["size"] == "70M" and row["step"] == "30000"]
    mixtures = np.array([[float(row[f"p_{group}"]) for group in groups] for row in rows])
    losses = np.array([[float(row[f"loss_{group}"]) for group in groups] for row in rows])
    total = np.array([float(row["loss_total"]) for row in rows])
    weights = np.linalg.lstsq(losses, total, rcond=None)[0]
    fit = fit_mixture(mixtures, losses, groups, weights=weights, law="exponential")
    law = fit.held_out[1]
    assert fit.mixtures == 26
    assert law.in_sample == pytest.approx(0.0116, abs=2e-4)
    assert 0.010 < law.error < 0.051
    linear = fit_mixture(mixtures, losses, groups, weights=weights, law="linear").held_out[1]
    assert 0.044 < linear.error < 0.093
    assert law.useful
    assert not linear.useful


@pytest.mark.slow
def test_the_error_of_a_law_that_runs_off_on_noise_cannot_be_told() -> None:
    chance = np.random.default_rng(0)
    rows = [[*chance.dirichlet([1, 1, 1]), *(2 + 0.1 * chance.standard_normal(3))] for _ in range(20)]
    table = np.array(rows)
    fit = fit_mixture(table[:, :3], table[:, 3:], GROUPS, law="exponential")
    mean, law = fit.held_out
    assert law.runs_off
    assert not law.useful
    assert not fit.told
    assert law.in_sample < 0.1
    assert not mean.runs_off
    (told,) = [line for line in mixture_lines(fit) if line.startswith("  exponential")]
    assert told.startswith(
        "  exponential  cannot be told held out (its fits run off beyond all losses measured), 0.05"
    )
    assert as_json(fit)["held_out"][1]["error"] is None
