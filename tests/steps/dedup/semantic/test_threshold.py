"""What cosines mean on one's own data: nearest neighbours, their distribution, pairs near a threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.statistics.arrays import Rows
from factory.steps.dedup.semantic.threshold import nearest_neighbours, similarity_profile


def at_angles(*degrees: float) -> Rows:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def random_rows(rows: int, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).normal(size=(rows, 12)).astype(np.float32)


@given(st.integers(0, 1000), st.integers(2, 60))
def test_the_nearest_neighbour_is_that_of_all_other_rows(seed: int, number: int) -> None:
    rows = random_rows(number, seed)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    products = unit @ unit.T
    np.fill_diagonal(products, -2)
    near = nearest_neighbours(rows)
    np.testing.assert_allclose(near.cosine, products.max(axis=1), atol=1e-5)
    np.testing.assert_allclose(products[np.arange(number), near.nearest], near.cosine, atol=1e-5)


def test_equal_rows_are_each_others_neighbours_and_no_row_is_its_own() -> None:
    near = nearest_neighbours(at_angles(0, 0, 0, 90, 0))
    assert all(other != at for at, other in enumerate(near.nearest.tolist()))
    np.testing.assert_allclose(near.cosine, [1, 1, 1, 0, 1], atol=1e-6)


def test_a_row_without_direction_has_no_neighbour_and_is_none() -> None:
    rows = at_angles(0, 10, 20)
    rows[1] = 0
    assert nearest_neighbours(rows).nearest.tolist() == [2, -1, 0]
    assert nearest_neighbours(rows[:1]).nearest.tolist() == [-1]
    assert nearest_neighbours(rows[:0]).nearest.tolist() == []


def test_the_profile_counts_every_text_once_and_shows_pairs_on_both_sides_of_a_threshold() -> None:
    texts = ["a", "b\x1b[31m", "c", "d", "e", "e"]
    rows = at_angles(0, 25, 90, 117, 200, 200)  # cosines 0.906 and 0.891, then 1
    profile = similarity_profile(texts, rows, [0.9, 0.5])
    assert (profile.texts, profile.same) == (6, 2)
    assert sum(number for _, number in profile.histogram) == 6
    low, high = profile.levels
    assert (low.threshold, low.share, low.above, low.below) == (0.5, 1.0, (), ())
    assert high.share == pytest.approx(4 / 6)
    assert [(pair.first, pair.second) for pair in high.above] == [("a", "b\x1b[31m")]
    assert [(pair.first, pair.second) for pair in high.below] == [("c", "d")]
    lines = profile.lines()
    assert lines[0] == "nearest neighbours of 6 texts; 2 have one with the same text"
    assert "threshold 0.900: 66.7% have a neighbour above it" in lines
    assert "  no pair within 0.02 of it" in lines
    assert all(line.isprintable() for line in lines)


def test_each_text_is_in_the_bar_that_its_cosine_lies_in() -> None:
    rows = random_rows(300)
    profile = similarity_profile([str(at) for at in range(300)], rows)
    cosine = nearest_neighbours(rows).cosine
    for start, number in profile.histogram:
        within = (cosine >= start - 1e-6) & (cosine < start + 0.02 - 1e-6)
        assert number == pytest.approx(within.sum(), abs=1)
    assert sum(number for _, number in profile.histogram) == 300


def test_the_usual_thresholds_are_shown_where_the_model_uses_them_and_quantiles_elsewhere() -> None:
    usual = similarity_profile(list("abcdef"), at_angles(0, 10, 90, 125, 200, 227))
    assert [level.threshold for level in usual.levels] == [0.80, 0.85, 0.90, 0.95]
    rows = np.random.default_rng(0).normal(size=(300, 100)).astype(np.float32)
    other = similarity_profile([str(at) for at in range(300)], rows)
    cosine = nearest_neighbours(rows).cosine
    assert [level.share for level in other.levels] == pytest.approx([0.5, 0.25, 0.1, 0.03], abs=0.01)
    assert all(cosine.min() <= level.threshold <= cosine.max() for level in other.levels)


def test_no_texts_or_one_make_an_empty_profile() -> None:
    for number in (0, 1):
        profile = similarity_profile(["a"][:number], random_rows(number))
        assert profile.lines()[0].startswith("nearest neighbours of 0 texts")
