"""The cosine join gives what comparing every pair gives, and a row without a direction is close to nothing."""

from __future__ import annotations

import math

import faiss
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from factory.steps.dedup.semantic.join import BLOCK, cosine_join

Rows = NDArray[np.float32]
TIE = 1e-5
"""Inner products this near to the threshold, or to each other, may fall either way in float32 or on summation."""


def every_pair(rows: Rows, threshold: float) -> tuple[list[int], list[float]]:
    """The definition, in float64: for each row the closest row kept before it, where it is too close."""
    exact = rows.astype(np.float64)
    kept: list[int] = []
    nearest, cosine = [], []
    for row in range(len(rows)):
        similarities = [float(exact[row] @ exact[other]) for other in kept]
        best = int(np.argmax(similarities)) if similarities else -1
        if similarities and similarities[best] > threshold:
            nearest.append(kept[best])
            cosine.append(similarities[best])
        else:
            nearest.append(-1)
            cosine.append(math.nan)
            kept.append(row)
    return nearest, cosine


def unit(rows: NDArray[np.float64]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(seed: int, rows: int, dimensions: int, spread: float) -> Rows:
    """Unit rows around a few centres, in a mixed order, some of them equal."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(1, rows // 5), dimensions))
    made = centres[random.integers(len(centres), size=rows)] + spread * random.normal(size=(rows, dimensions))
    return unit(made[random.integers(rows, size=rows)])


def away_from_ties(rows: Rows, threshold: float) -> bool:
    exact = rows.astype(np.float64)
    return bool(np.abs(exact @ exact.T - threshold).min() > TIE)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(2, 24),
    st.floats(0.01, 2),
    st.floats(-1, 0.999),
)
def test_the_join_gives_what_comparing_every_pair_gives(
    seed: int, count: int, dimensions: int, spread: float, threshold: float
) -> None:
    rows = clustered(seed, count, dimensions, spread)
    assume(away_from_ties(rows, threshold))
    nearest, cosine = every_pair(rows, threshold)
    matches = cosine_join(rows, threshold)
    assert (matches.nearest >= 0).tolist() == [other >= 0 for other in nearest]
    np.testing.assert_allclose(matches.cosine, cosine, atol=TIE)
    for row, other in enumerate(matches.nearest.tolist()):
        if other >= 0:  # among rows equally close to it any may be named
            assert abs(float(rows[row] @ rows[other]) - cosine[row]) < TIE


@pytest.mark.parametrize("threshold", [0.5, 0.8, 0.95])
def test_the_decisions_over_several_blocks_are_those_of_faiss_range_search(threshold: float) -> None:
    rows = clustered(1, 2 * BLOCK + 300, 32, 0.25)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    limits, _, found = index.range_search(rows, threshold)
    kept: set[int] = set()
    for row in range(len(rows)):
        if kept.isdisjoint(found[limits[row] : limits[row + 1]].tolist()):
            kept.add(row)
    assert 100 < len(kept) < len(rows)
    matches = cosine_join(rows, threshold)
    assert set(np.flatnonzero(matches.nearest < 0).tolist()) == kept


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 700),
    dimensions=st.sampled_from([4, 32, 100, 384]),
    spread=st.floats(0.02, 0.6),
    threshold=st.floats(0.3, 0.99),
    on_a_pair=st.booleans(),
)
def test_each_decision_is_that_of_faiss_range_search_but_within_rounding_of_the_threshold(
    seed: int, count: int, dimensions: int, spread: float, threshold: float, on_a_pair: bool
) -> None:
    rows = clustered(seed, count, dimensions, spread)
    exact = rows.astype(np.float64)
    if on_a_pair:  # a threshold that some pair meets as nearly as a number can
        threshold = float(np.clip(exact[0] @ exact[1], -0.999, 0.999))
    index = faiss.IndexFlatIP(dimensions)
    index.add(rows)
    limits, _, found = index.range_search(rows, threshold)
    kept = cosine_join(rows, threshold).nearest < 0
    for row in range(count):
        too_close = found[limits[row] : limits[row + 1]]
        if kept[row] == kept[too_close[too_close < row]].any():
            assert np.abs(exact[:row][kept[:row]] @ exact[row] - threshold).min() < 1e-6


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(-1, 1))
def test_each_dropped_row_names_an_earlier_kept_row_that_is_too_close(
    seed: int, count: int, threshold: float
) -> None:
    matches = cosine_join(clustered(seed, count, 8, 0.3), threshold)
    dropped = matches.nearest >= 0
    named = matches.nearest[dropped]
    assert not dropped[0]
    assert (named < np.flatnonzero(dropped)).all()
    assert not dropped[named].any()
    assert (matches.cosine[dropped] > threshold).all()
    assert np.isnan(matches.cosine[~dropped]).all()
    assert (matches.nearest.dtype, matches.cosine.dtype) == (np.int64, np.float64)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(-1, 0.999))
def test_what_was_kept_is_kept_again(seed: int, count: int, threshold: float) -> None:
    rows = clustered(seed, count, 8, 0.3)
    assume(away_from_ties(rows, threshold))
    kept = rows[cosine_join(rows, threshold).nearest < 0]
    assert (cosine_join(kept, threshold).nearest == -1).all()


def test_of_thousands_of_equal_rows_the_first_is_kept() -> None:
    rows = np.repeat(unit(np.random.default_rng(0).normal(size=(3, 16))), 3 * BLOCK, axis=0)
    rows = rows[np.random.default_rng(1).permutation(len(rows))]
    matches = cosine_join(rows, 0.95)
    firsts = sorted({row.tobytes(): at for at, row in reversed(list(enumerate(rows)))}.values())
    assert np.flatnonzero(matches.nearest < 0).tolist() == firsts
    for at in range(len(rows)):
        if matches.nearest[at] >= 0:
            assert rows[at].tobytes() == rows[matches.nearest[at]].tobytes()


@pytest.mark.slow
def test_at_threshold_one_nothing_is_dropped_whatever_the_rounding() -> None:
    """No cosine is greater than 1, but the inner product of a rounded row with itself may be."""
    rows = np.repeat(unit(np.random.default_rng(3).normal(size=(200, 384))), 2, axis=0)
    assert (np.einsum("ij,ij->i", rows, rows) > 1).any()
    assert (cosine_join(rows, 1.0).nearest == -1).all()


def test_at_threshold_minus_one_the_first_row_alone_is_kept() -> None:
    rows = unit(np.random.default_rng(4).normal(size=(50, 8)))
    assert cosine_join(rows, -1.0).nearest.tolist() == [-1] + [0] * 49


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.9])
def test_a_row_without_a_direction_is_kept_and_drops_none(threshold: float) -> None:
    row = unit(np.ones((1, 4)))[0]
    zero, nan, infinite = np.zeros(4), np.array([np.nan, 0, 0, 1]), np.array([np.inf, 0, 0, 0])
    rows = np.array([zero, nan, row, zero, infinite, row, nan, row], dtype=np.float32)
    assert cosine_join(rows, threshold).nearest.tolist() == [-1, -1, -1, -1, -1, 2, -1, 2]


def test_rows_without_a_direction_alone_are_all_kept() -> None:
    assert (cosine_join(np.zeros((5, 4), np.float32), 0.5).nearest == -1).all()


@pytest.mark.parametrize("shape", [(0, 0), (0, 384)])
def test_no_rows_have_no_matches(shape: tuple[int, int]) -> None:
    matches = cosine_join(np.zeros(shape, np.float32), 0.5)
    assert matches.nearest.shape == matches.cosine.shape == (0,)


def test_the_rows_are_left_as_they_were_and_may_lie_in_memory_in_any_way() -> None:
    rows = clustered(5, 100, 8, 0.2)
    expected = cosine_join(rows, 0.9).nearest
    frozen = np.asfortranarray(rows)
    frozen.setflags(write=False)
    assert (cosine_join(frozen, 0.9).nearest == expected).all()
    wide = np.zeros((100, 16), np.float32)
    wide[:, ::2] = rows
    assert (cosine_join(wide[:, ::2], 0.9).nearest == expected).all()


def test_the_closest_of_several_is_named() -> None:
    angles = np.radians([0, 30, 16])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    matches = cosine_join(rows, float(np.cos(np.radians(20))))
    assert matches.nearest.tolist() == [-1, -1, 1]
    assert matches.cosine[2] == pytest.approx(np.cos(np.radians(14)))


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(300, 900), st.integers(33, 80), st.floats(0.05, 0.5))
def test_short_rows_lose_no_pair(seed: int, count: int, dimensions: int, spread: float) -> None:
    rows = clustered(seed, count, dimensions, spread)
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    for threshold in (0.6, 0.9):
        assume(np.abs(exact @ exact.T - threshold).min() > 1e-12)
        matches = cosine_join(rows, threshold)
        kept: list[int] = []
        for row in range(count):
            closest = max((float(exact[row] @ exact[other]) for other in kept), default=-1.0)
            assert (matches.nearest[row] >= 0) == (closest > threshold)
            if closest > threshold:
                assert matches.cosine[row] == pytest.approx(min(closest, 1), abs=1e-12)
            else:
                kept.append(row)


def test_the_number_of_workers_changes_nothing_here_either() -> None:
    rows = clustered(7, 3 * BLOCK + 17, 48, 0.3)
    one, three = cosine_join(rows, 0.85), cosine_join(rows, 0.85, workers=3)
    assert (one.nearest == three.nearest).all()
    assert one.cosine.tobytes() == three.cosine.tobytes()
    with pytest.raises(ValueError, match="worker"):
        cosine_join(rows, 0.85, workers=0)


def test_rows_of_any_length_have_the_cosine_of_their_directions() -> None:
    rows = clustered(8, 400, 40, 0.2)
    lengths = np.exp(np.random.default_rng(9).uniform(-60, 60, size=(400, 1)))
    scaled = (rows * lengths).astype(np.float32)
    assert (cosine_join(scaled, 0.9).nearest == cosine_join(rows, 0.9).nearest).all()


def test_equal_rows_have_a_cosine_of_one() -> None:
    rows = np.repeat(clustered(10, 50, 384, 0.5), 3, axis=0)
    matches = cosine_join(rows, 0.999999)
    assert (matches.cosine[matches.nearest >= 0] == 1).all()


def test_the_order_says_who_is_kept() -> None:
    rows = clustered(11, 500, 24, 0.2)
    order = np.random.default_rng(12).permutation(500)
    matches = cosine_join(rows, 0.9, order=order)
    inside = cosine_join(rows[order], 0.9)
    expected = np.full(500, -1)
    expected[order] = np.where(inside.nearest >= 0, order[inside.nearest], -1)
    assert (matches.nearest == expected).all()


def test_a_list_of_numbers_is_no_matrix() -> None:
    with pytest.raises(ValueError, match="matrix"):
        cosine_join(np.zeros(4, np.float32), 0.5)
