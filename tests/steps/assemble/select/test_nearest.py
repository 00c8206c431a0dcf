"""Rows towards a target: each item takes the nearest one that is left, in turns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from factory.steps.assemble.select import nearest as module
from factory.steps.assemble.select.nearest import nearest_in_turn, nearest_rows
from factory.steps.assemble.select.target import leaked_rows


def unit(rows: int, columns: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(rows, columns))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plain(pool: NDArray[np.float32], target: NDArray[np.float32], size: int) -> list[tuple[int, int]]:
    """Sort every item's whole ranking, and let them take in turns."""
    steps = np.rint((1 - (target @ pool.T).astype(np.float64)) * module.STEPS)
    ranking = [list(np.argsort(row, kind="stable")) for row in steps]
    taken: list[tuple[int, int]] = []
    while len(taken) < min(size, len(pool)):
        for item, order in enumerate(ranking):
            row = next((row for row in order if all(row != other for other, _ in taken)), None)
            if row is not None and len(taken) < size:
                taken.append((int(row), item))
    return taken


@given(st.integers(1, 25), st.integers(1, 6), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_it_is_what_sorting_everything_gives(rows: int, items: int, size: int, seed: int) -> None:
    pool, target = unit(rows, 3, seed), unit(items, 3, seed + 1)
    found = nearest_in_turn(pool, target, size)
    assert list(zip(found.rows.tolist(), found.items.tolist(), strict=True)) == plain(pool, target, size)
    assert len(set(found.rows.tolist())) == min(rows, size)
    turns = np.bincount(found.items, minlength=items)
    assert turns.max() - turns.min() <= 1, "each item has had its turn as often as the others"


@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_blocks_make_no_difference(seed: int, block: int) -> None:
    pool, target = unit(40, 3, seed), unit(4, 3, seed + 1)
    whole = nearest_rows(pool, target, 9)
    before = module._BLOCK
    module._BLOCK = block
    try:
        assert nearest_rows(pool, target, 9).tolist() == whole.tolist()
    finally:
        module._BLOCK = before


def test_equal_rows_are_taken_in_their_order() -> None:
    pool = np.tile(unit(1, 4, 0), (100, 1))
    assert nearest_in_turn(pool, unit(1, 4, 1), 5).rows.tolist() == [0, 1, 2, 3, 4]


def test_a_crowd_of_alike_items_does_not_take_everything() -> None:
    """The highest mean cosine would take rows near the ninety alone."""
    pool = np.array([[1, 0]] * 50 + [[0, 1]] * 50, np.float32)
    target = np.array([[1, 0]] * 90 + [[0, 1]] * 10, np.float32)
    found = nearest_in_turn(pool, target, 100)
    assert (found.rows[90:] >= 50).all()
    assert found.cosines[:90].mean() < 1, "when theirs are gone, they take what is left"
    assert found.refused > 0


def test_a_target_of_one_row_ranks_by_cosine_alone() -> None:
    pool, target = unit(30, 5, 0), unit(1, 5, 1)
    found = nearest_in_turn(pool, target, 30)
    assert found.rows.tolist() == np.argsort(-(pool @ target[0]), kind="stable").tolist()
    assert found.cosines == pytest.approx(np.sort(pool @ target[0])[::-1], abs=1e-5)


def test_nothing_is_taken_for_no_target_or_of_no_pool() -> None:
    assert len(nearest_in_turn(unit(3, 2, 0), np.zeros((0, 2), np.float32), 2).rows) == 0
    assert len(nearest_in_turn(np.zeros((0, 2), np.float32), unit(3, 2, 0), 2).rows) == 0


def test_a_row_that_is_in_the_target_is_a_leak() -> None:
    pool = ["What is 2 + 2?", "Write a poem.", "what  is 2 + 2?", "你好吗？", ""]
    found = leaked_rows(pool, ["WHAT IS 2 + 2?", "你好吗？", "", "another"])
    assert found.rows.tolist() == [0, 2, 3]
    assert found.items == 2
    assert found.example == "What is 2 + 2?"
    assert len(leaked_rows(pool, ["another"]).rows) == 0
