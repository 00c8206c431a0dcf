"""What verdicts on pairs say, and what length has to do with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.correlation import pearson, ranks, spearman
from factory.statistics.logistic import fit_logistic, sigmoid
from factory.steps.judging.verdicts.pairs import (
    LOSS,
    TIE,
    WIN,
    controlled_interval,
    decide,
    length_controlled,
    summarise,
)

VERDICTS = st.sampled_from([WIN, TIE, LOSS])
PAIRS = st.lists(st.tuples(VERDICTS, VERDICTS, st.integers(-500, 500)), min_size=1, max_size=60)


@given(VERDICTS, VERDICTS)
def test_a_win_needs_both_orders(given_: float, swapped: float) -> None:
    outcome = decide(given_, swapped)
    assert (outcome == WIN) == (given_ == swapped == WIN)
    assert (outcome == LOSS) == (given_ == swapped == LOSS)


def test_a_judge_that_always_takes_the_answer_shown_first_decides_nothing_and_is_told() -> None:
    found = summarise(np.full(10, WIN), np.full(10, LOSS), np.arange(10.0))
    assert (found.wins, found.losses, found.win_rate) == (0, 0, 0.5)
    assert (found.agreement, found.opposite, found.first_shown) == (0.0, 1.0, 1.0)
    assert found.longer_wins is None
    assert "shown first is favoured in 100.0% (95 % interval 72.2% to 100.0%)" in found.sentence()


def test_shares_are_taken_of_the_pairs_they_speak_of() -> None:
    given_ = np.array([WIN, WIN, LOSS, TIE, WIN, LOSS])
    swapped = np.array([WIN, WIN, LOSS, TIE, LOSS, WIN])
    found = summarise(given_, swapped, np.array([5.0, -5.0, -5.0, 1.0, 0.0, 0.0]))
    assert (found.pairs, found.wins, found.losses) == (6, 2, 1)
    assert found.agreement == pytest.approx(4 / 6)
    assert found.opposite == pytest.approx(2 / 6)
    assert found.first_shown == 0.5
    assert found.longer_wins == pytest.approx(2 / 3)
    assert found.win_rate == pytest.approx((2 + 3 * 0.5) / 6)


def test_no_pair_has_no_shares() -> None:
    none = np.zeros(0)
    found = summarise(none, none, none)
    assert found.win_rate is found.agreement is found.controlled is None
    assert found.sentence() == "no pair has a verdict"


@given(PAIRS)
def test_swapping_the_sides_turns_every_rate_round(pairs: list[tuple[float, float, int]]) -> None:
    given_, swapped, longer = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    one = summarise(given_, swapped, longer)
    # The first answer is now the other: what it won shown first, the other lost shown second.
    other = summarise(1 - swapped, 1 - given_, -longer)
    assert other.win_rate == pytest.approx(1 - one.win_rate)
    assert other.controlled == pytest.approx(1 - one.controlled, abs=1e-6)
    assert (other.agreement, other.opposite, other.longer_wins) == (
        one.agreement,
        one.opposite,
        one.longer_wins,
    )
    assert other.first_shown == one.first_shown
    for name in one.intervals:
        low, high = one.intervals[name]
        mirrored = (1 - high, 1 - low) if name in ("win_rate", "controlled") else (low, high)
        assert other.intervals[name] == pytest.approx(mirrored, abs=1e-4)
        assert low - 1e-6 <= getattr(one, name) <= high + 1e-6


def test_answers_against_themselves_win_half_at_equal_lengths() -> None:
    assert length_controlled(np.full(50, TIE), np.zeros(50)) == pytest.approx(0.5)


def test_a_side_that_wins_by_length_alone_wins_half_at_equal_lengths() -> None:
    draw = np.random.default_rng(0)
    longer = draw.normal(200, 300, 4000)
    outcome = (draw.random(4000) < sigmoid(2 * np.tanh(longer / longer.std()))).astype(float)
    assert outcome.mean() > 0.6
    assert length_controlled(outcome, longer) == pytest.approx(0.5, abs=0.03)


def test_a_difference_in_length_is_measured_in_spreads_of_the_differences_as_alpacaeval_does() -> None:
    draw = np.random.default_rng(2)
    longer = draw.normal(
        400, 100, 500
    )  # far from 0 on the mean, where the root mean square is another measure
    spreads = (longer - longer.mean()) / longer.std(ddof=1)
    outcome = (draw.random(500) < sigmoid(spreads)).astype(float)
    design = np.column_stack([np.ones(500), np.tanh(longer / longer.std(ddof=1))])
    weights = fit_logistic(design, outcome, np.array([1e-3, 1.0]))
    assert length_controlled(outcome, longer) == pytest.approx(sigmoid(weights[:1])[0])


@pytest.mark.slow
@pytest.mark.parametrize("each", [1, 8])
def test_the_interval_of_the_controlled_rate_holds_the_true_one(each: int) -> None:
    """Pairs of one prompt share what the prompt does to the outcome, which rows of their own would not."""
    held = []
    for seed in range(300):
        draw = np.random.default_rng(seed)
        prompt = np.repeat(np.arange(400 // each), each)
        longer = draw.normal(100, 300, len(prompt))
        merit = np.where(draw.random(prompt.max() + 1) < 0.5, 3.0, -3.0)[prompt] if each > 1 else 0.0
        logits = merit + np.tanh(longer / 300)
        outcome = (draw.random(len(prompt)) < sigmoid(logits)).astype(float)
        interval = controlled_interval(outcome, longer, prompt)
        assert interval is not None
        held.append(interval[0] <= 0.5 <= interval[1])
    assert 0.91 <= np.mean(held) <= 0.99


def test_a_rate_that_no_pair_shows_is_told_to_be_extrapolated() -> None:
    longer = np.linspace(200, 900, 60)
    outcome = np.tile([WIN, LOSS, WIN], 20)
    found = summarise(outcome, outcome, longer)
    assert (
        "the first answer is longer in nearly all pairs (mostly by 218 to 882 characters)" in found.sentence()
    )
    assert "extrapolated beyond them" in found.sentence()
    assert "shorter in nearly all pairs" in summarise(outcome, outcome, -longer).sentence()
    both = summarise(outcome, outcome, longer - 300)
    assert both.extrapolated == ""
    assert "extrapolated" not in both.sentence()
    assert summarise(outcome, outcome, np.zeros(60)).extrapolated == ""


def test_pairs_of_one_prompt_tell_nothing_of_other_prompts() -> None:
    given = np.array([WIN, LOSS, WIN, WIN])
    found = summarise(given, given, np.array([9.0, -4.0, 5.0, -2.0]), np.zeros(4, np.int64))
    low, high = found.intervals["win_rate"]
    assert low < 0.2
    assert high > 0.9
    assert "controlled" not in found.intervals
    assert (
        f"length-controlled {found.controlled:.1%} (no interval: all pairs are of one prompt)"
        in found.sentence()
    )


def test_a_side_that_wins_every_one_of_few_pairs_is_not_sure_to_win_all() -> None:
    found = summarise(np.full(5, WIN), np.full(5, WIN), np.arange(-2.0, 3))
    assert found.intervals["controlled"][0] < 0.7
    assert found.intervals["win_rate"] == pytest.approx((0.5655, 1), abs=1e-3)


def test_where_all_differences_are_the_same_the_controlled_rate_is_the_rate() -> None:
    assert length_controlled(np.array([1.0, 1, 1, 0]), np.full(4, 7.0)) == pytest.approx(0.75, abs=1e-3)
    assert length_controlled(np.array([0.5]), np.array([7.0])) == pytest.approx(0.5)


def test_a_side_that_wins_by_merit_alone_keeps_its_rate() -> None:
    draw = np.random.default_rng(1)
    longer = draw.normal(200, 300, 4000)
    outcome = (draw.random(4000) < 0.7).astype(float)
    assert length_controlled(outcome, longer) == pytest.approx(0.7, abs=0.03)


def test_a_side_that_always_wins_has_a_rate_that_is_no_more_than_1() -> None:
    rate = length_controlled(np.ones(20), np.arange(20.0))
    assert rate is not None
    assert 0.9 < rate <= 1


@given(st.integers(0, 10_000))
def test_the_fit_is_where_the_gradient_is_zero(seed: int) -> None:
    draw = np.random.default_rng(seed)
    features, targets = draw.normal(size=(30, 4)) * 10, draw.random(30).round(1)
    penalty = np.full(4, 0.5)
    weights = fit_logistic(features, targets, penalty)
    gradient = features.T @ (sigmoid(features @ weights) - targets) + penalty * weights
    assert np.abs(gradient).max() < 1e-2


def test_ranks_of_equal_values_are_shared() -> None:
    assert ranks([10, 20, 20, 5]).tolist() == [2.0, 3.5, 3.5, 1.0]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=3, max_size=30))
def test_rank_correlation_depends_on_the_order_alone(rows: list[tuple[float, float]]) -> None:
    first, second = (np.round(np.array(column), 3) for column in zip(*rows, strict=True))
    found = spearman(first, second)
    if found is None:
        assert np.ptp(first) == 0 or np.ptp(second) == 0
    else:
        assert -1 <= found <= 1
        assert spearman(first, second * 3 + 7) == pytest.approx(found, abs=1e-6)
        assert spearman(second, first) == pytest.approx(found)
        assert spearman(first, first) == pytest.approx(1)


def test_missing_values_are_left_out_of_a_correlation() -> None:
    assert pearson([1, 2, 3, np.nan], [2, 4, 6, 100]) == pytest.approx(1)
    assert spearman([1, np.nan, np.nan], [1, 2, 3]) is None
    assert spearman([], []) is None
