"""A model of quality proves itself, is calibrated, and is held against length alone; noise is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.classify import fold_numbers, group_folds
from factory.statistics.quality import area_under_curve, fit_quality


def made(rows: int, pull: float, seed: int = 0) -> tuple[np.ndarray, list[bool], list[float]]:
    """Features of which the first tells good from bad, the more the greater `pull`; lengths that tell nothing."""
    chance = np.random.default_rng(seed)
    good = chance.random(rows) < 0.5
    features = chance.normal(size=(rows, 5))
    features[:, 0] += pull * np.where(good, 1, -1)
    return features, good.tolist(), chance.integers(5, 200, rows).astype(float).tolist()


@pytest.mark.slow
def test_what_can_be_told_apart_is_and_beyond_length() -> None:
    features, good, lengths = made(300, 1.5)
    model = fit_quality(features, good, lengths, np.arange(300))
    assert model.proven
    assert model.beyond_length
    assert model.validated.accuracy > 0.85
    assert model.auc > 0.9
    assert model.brier < model.of_share / 2
    fresh, kinds, _ = made(200, 1.5, 1)
    assert ((model.predict(fresh) > 0.5) == np.array(kinds)).mean() > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_not_proven(seed: int) -> None:
    features, good, lengths = made(200, 0.0, seed)
    model = fit_quality(features, good, lengths, np.arange(200), seed)
    assert not model.proven
    assert not model.beyond_length
    assert 0.35 < model.auc < 0.65


@pytest.mark.slow
def test_its_probabilities_are_as_often_right_as_they_say() -> None:
    features, good, lengths = made(1500, 0.7)
    model = fit_quality(features, good, lengths, np.arange(1500))
    kinds = np.array(good)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.0)):
        there = (model.unseen >= low) & (model.unseen < high)
        assert abs(model.unseen[there].mean() - kinds[there].mean()) < 0.06


@pytest.mark.slow
def test_a_set_in_which_length_tells_all_is_found_out() -> None:
    chance = np.random.default_rng(0)
    good = chance.random(300) < 0.5
    lengths = np.where(good, chance.integers(100, 200, 300), chance.integers(5, 120, 300)).astype(float)
    features = np.column_stack([np.log1p(lengths), chance.normal(size=300)])
    model = fit_quality(features, good.tolist(), lengths.tolist(), np.arange(300))
    assert model.proven
    assert not model.beyond_length
    assert model.length_correlation is not None
    assert model.length_correlation > 0.8


@pytest.mark.slow
def test_a_learner_of_prompts_by_heart_proves_nothing_where_their_answers_stay_together() -> None:
    """Features that name the prompt: with its answers in two folds the one would tell of the other."""
    chance = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    kinds = np.repeat(chance.random(40) < 0.5, 5)
    features = np.repeat(chance.normal(size=(40, 30)), 5, axis=0)
    lengths = chance.integers(5, 50, 200).astype(float).tolist()
    apart = fit_quality(features, kinds.tolist(), lengths, np.arange(200))
    together = fit_quality(features, kinds.tolist(), lengths, groups)
    assert apart.proven
    assert not together.proven


def test_too_few_examples_are_refused() -> None:
    features, _, lengths = made(30, 1.0)
    with pytest.raises(ValueError, match="10 bad examples or more, and there are 3"):
        fit_quality(features, [True] * 27 + [False] * 3, lengths, np.arange(30))


_SCORES = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40)


@given(_SCORES)
def test_the_area_is_the_share_of_pairs_in_order(rows: list[tuple[int, bool]]) -> None:
    good = [score for score, kind in rows if kind]
    bad = [score for score, kind in rows if not kind]
    found = area_under_curve(np.array([score for score, _ in rows], float), [kind for _, kind in rows])
    if not good or not bad:
        assert found is None
    else:
        won = [1.0 if one > other else 0.5 if one == other else 0.0 for one in good for other in bad]
        assert found == pytest.approx(np.mean(won))


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), min_size=10, max_size=80),
    st.integers(0, 5),
)
def test_the_examples_of_a_group_are_in_one_fold(rows: list[tuple[str, int]], seed: int) -> None:
    labels, groups = [label for label, _ in rows], np.array([group for _, group in rows])
    fold = group_folds(labels, groups, 5, seed)
    assert fold.min() >= 0
    assert fold.max() < 5
    for group in set(groups.tolist()):
        assert len(set(fold[groups == group].tolist())) == 1


@given(st.lists(st.sampled_from("abc"), min_size=3, max_size=60), st.integers(0, 5))
def test_groups_of_one_are_spread_as_examples_are(labels: list[str], seed: int) -> None:
    assert (group_folds(labels, np.arange(len(labels)), 3, seed) == fold_numbers(labels, 3, seed)).all()
