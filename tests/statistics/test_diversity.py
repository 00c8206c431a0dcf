"""Measures of a set by its embeddings and its words, held against the published programs' numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from factory.data.text import rouge_tokens
from factory.statistics.dispersion import RIDGE, knn_distance, log_determinant, radius, sampled
from factory.statistics.lexical import compression_ratio, mtld, text_diversity
from factory.statistics.novelsum import novelsum

CAT = (
    "The cat sat on the mat, and the dog sat by the door. The cat saw the dog, and the dog saw the cat. It was a "
    "quiet day in a quiet house, and nobody said a word until the clock on the wall said nine. Then the cat went out, "
    "the dog went in, and the house was a house again: a cat, a dog, a mat and a door."
)
SPRING = (
    "春天来了，花开了，鸟叫了，孩子们都到公园里去玩。公园里的花很多，鸟也很多，孩子们玩得很高兴。"
    "春天的风很轻，春天的雨很细，人们都说春天是一年里最好的时候。"
)


def unit(rows: int, columns: int, random: np.random.Generator) -> NDArray[np.float32]:
    vectors = random.normal(size=(rows, columns))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_novelsum_is_what_the_authors_program_prints() -> None:
    """Numbers of their novelsum.py for these vectors: neighbours 10 and 5, density 0.5 and 0.25, distance 1 and 2."""
    random = np.random.default_rng(0)
    vectors = unit(60, 8, random)
    reference = np.concatenate([unit(200, 8, random), vectors])
    assert novelsum(vectors) == pytest.approx(0.5272927936396702, rel=1e-6)
    assert novelsum(vectors, reference) == pytest.approx(0.697199336008644, rel=1e-6)
    other = novelsum(vectors, reference, neighbours=5, density_power=0.25, distance_power=2)
    assert other == pytest.approx(0.18930217856085457, rel=1e-6)


@given(st.integers(2, 30), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_does_not_matter_and_a_blocks_edge_neither(
    rows: int, columns: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = unit(rows, columns, random)
    turned = vectors[random.permutation(rows)]
    for measure in (novelsum, knn_distance, log_determinant, radius):
        assert measure(turned) == pytest.approx(measure(vectors), rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_more_rows_than_a_block_are_measured_as_one_matrix_would_be() -> None:
    vectors = unit(1100, 5, np.random.default_rng(1))
    cosines = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    distances = np.maximum(0, 1 - cosines)
    weights = 1 / np.arange(1, 1101)
    plain = (np.sort(distances, axis=1) @ weights / weights.sum()).mean()
    assert novelsum(vectors) == pytest.approx(plain)
    np.fill_diagonal(distances, np.inf)
    assert knn_distance(vectors) == pytest.approx(distances.min(axis=1).mean())
    assert knn_distance(vectors, 3) == pytest.approx(np.sort(distances, axis=1)[:, 2].mean())


def test_equal_rows_are_at_no_distance_and_span_nothing() -> None:
    same = np.tile([[0.6, 0.8]], (50, 1)).astype(np.float32)
    assert novelsum(same) == pytest.approx(0, abs=1e-6)
    assert knn_distance(same) == pytest.approx(0, abs=1e-6)
    assert radius(same) == pytest.approx(0, abs=1e-7)
    assert log_determinant(same) == pytest.approx((np.log(50) + 49 * np.log(RIDGE)) / 50, rel=1e-3)


def test_rows_at_right_angles_span_the_most_there_is() -> None:
    axes = np.eye(7, dtype=np.float32)
    assert log_determinant(axes) == pytest.approx(0, abs=1e-5)
    assert knn_distance(axes) == pytest.approx(1)
    assert log_determinant(unit(7, 9, np.random.default_rng(0))) < 0


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_log_determinant_is_that_of_the_whole_matrix(rows: int, columns: int, seed: int) -> None:
    vectors = unit(rows, columns, np.random.default_rng(seed))
    kernel = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    _, plain = np.linalg.slogdet(kernel + 1e-3 * np.eye(rows))
    assert log_determinant(vectors, ridge=1e-3) == pytest.approx(plain / rows, rel=1e-6, abs=1e-6)


def test_the_radius_is_the_geometric_mean_of_the_deviations() -> None:
    vectors = np.array([[1, 10], [-1, -10]], np.float32)
    assert radius(vectors) == pytest.approx(np.sqrt(1 * 10))
    vectors[:, 1] = 3
    assert radius(vectors) == 0


@pytest.mark.parametrize("rows", [np.zeros((1, 3)), np.array([[np.nan, 1], [0, 1]])])
def test_one_row_and_nan_have_no_diversity(rows: np.ndarray) -> None:
    for measure in (novelsum, knn_distance, radius):
        with pytest.raises(ValueError, match="2 rows or more, and finite numbers"):
            measure(rows)


def test_a_reference_of_too_few_rows_is_refused() -> None:
    vectors = unit(20, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="more than 10 different rows, and has 3"):
        novelsum(vectors, np.concatenate([vectors[:3], vectors[:3], vectors[:3], vectors[:3]]))


def test_a_sample_has_a_spread_and_the_whole_set_has_none() -> None:
    vectors = unit(40, 6, np.random.default_rng(0))
    half = sampled(lambda at: novelsum(vectors[at]), 40, 20)
    assert half.size == 20
    assert half.deviation > 0
    assert half == sampled(lambda at: novelsum(vectors[at]), 40, 20)
    whole = sampled(lambda at: novelsum(vectors[at]), 40, 100)
    assert (whole.mean, whole.deviation, whole.size) == (novelsum(vectors), 0, 40)


@pytest.mark.parametrize(("text", "expected"), [(CAT, 13.042391304347827), (SPRING, 29.826923076923077)])
def test_mtld_is_what_lexicalrichness_gives(text: str, expected: float) -> None:
    assert mtld(rouge_tokens(text)) == pytest.approx(expected)


@given(st.lists(st.sampled_from("abcdefghij"), max_size=60))
def test_mtld_is_the_same_forwards_and_backwards_and_no_more_than_the_text(tokens: list[str]) -> None:
    value = mtld(tokens)
    assert value == pytest.approx(mtld(tokens[::-1]))
    assert (value is None) == (len(set(tokens)) == len(tokens))
    if value is not None:
        assert value >= 1


def test_a_word_said_over_and_over_wears_out_at_once() -> None:
    assert mtld(["a"] * 100) == pytest.approx(2)


def test_short_texts_are_left_out_and_counted() -> None:
    found = text_diversity([CAT, SPRING, "too short", "", " ".join(f"w{at}" for at in range(60))])
    assert (found.texts, found.short, found.unrepeated) == (2, 2, 1)
    assert found.mean == pytest.approx((13.042391304347827 + 29.826923076923077) / 2)
    assert found.interval is not None
    assert found.interval[0] < 13
    nothing = text_diversity(["short"])
    assert nothing.mean is None
    assert nothing.interval is None


def test_a_set_that_repeats_itself_is_made_smaller() -> None:
    assert compression_ratio([]) is None
    once, often = compression_ratio([CAT]), compression_ratio([CAT] * 20)
    assert once is not None
    assert often is not None
    assert often > 5 * once
    assert compression_ratio([SPRING]) == compression_ratio([SPRING])
    assert compression_ratio(["\ud800"]) is not None, "a lone surrogate is a text too"
