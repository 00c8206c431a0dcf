"""`target_path` and `gradient` over arrays: laws that need no model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_pools import noise_pool

from factory.errors import RunStopped
from factory.statistics.arrays import Rows
from factory.steps.assemble.select.aimed import choose_gradient, choose_target_path
from factory.steps.assemble.select.gradients import DIRECTIONS, along, target_directions
from factory.steps.assemble.select.pool import Choice, Pool, Settings
from factory.steps.assemble.select.target import Aim
from factory.steps.assemble.select.target_path import Losses, loss_drop

LOSSES = st.lists(st.floats(0.01, 20), min_size=2, max_size=30)


def with_aim(rows: int, aim: Aim) -> Pool:
    pool = noise_pool(rows)
    return Pool(pool.lengths, pool.languages, pool.tasks, aim=aim)


def pick(method: object, pool: Pool, size: int) -> Choice:
    found: Choice = method(pool, size, np.random.default_rng(0), Settings())  # type: ignore[operator]
    return found


@given(LOSSES, st.floats(0.1, 10))
def test_a_drop_does_not_change_with_the_unit_of_the_losses(before: list[float], unit: float) -> None:
    first = np.array(before)
    after = first[::-1].copy()
    assert loss_drop(first * unit, after * unit) == pytest.approx(loss_drop(first, after))
    assert (loss_drop(first, after) <= 1).all()


def test_a_drop_is_the_share_of_the_loss_that_is_gone() -> None:
    before, after = np.array([4.0, 1.0, 2.0, 0.0, np.nan]), np.array([3.0, 0.5, 3.0, 0.0, 1.0])
    assert loss_drop(before, after)[:4].tolist() == [0.25, 0.5, -0.5, 0.0]
    assert np.isnan(loss_drop(before, after)[4])


def test_target_path_takes_the_largest_drops_of_equals_the_first() -> None:
    losses = Losses(np.full(6, 2.0), np.array([1.0, 1.5, 1.0, 2.5, 1.9, 1.0]), np.ones(2), np.full(2, 0.5))
    choice = pick(choose_target_path, with_aim(6, Aim(path=losses)), 3)
    assert choice.rows.tolist() == [0, 2, 5]
    assert choice.facts["drop_of_the_chosen"] == 0.5
    wider = pick(choose_target_path, with_aim(6, Aim(path=losses)), 5)
    assert wider.rows.tolist()[:3] == [0, 2, 5]
    assert "chosen_although_their_loss_does_not_drop" not in wider.facts


def test_target_path_refuses_where_nothing_was_learnt_from_the_target() -> None:
    losses = Losses(np.full(4, 2.0), np.full(4, 1.0), np.ones(2), np.ones(2))
    with pytest.raises(RunStopped, match=r"learns nothing from the 2 items .* 1\.000 to 1\.000"):
        pick(choose_target_path, with_aim(4, Aim(path=losses)), 2)


def gradients(rows: int, dimensions: int, seed: int) -> Rows:
    return np.random.default_rng(seed).standard_normal((rows, dimensions)).astype(np.float32)


@given(st.integers(1, 12), st.integers(2, 30), st.integers(0, 5))
def test_directions_are_orthogonal_span_the_target_and_are_no_more_than_its_items(
    items: int, dimensions: int, seed: int
) -> None:
    target = gradients(items, dimensions, seed)
    found = target_directions(np.concatenate([target, target]))  # an item twice adds no direction
    assert found.shape == (dimensions, min(items, dimensions))
    assert found.T @ found == pytest.approx(np.eye(found.shape[1]), abs=1e-4)
    assert target @ found @ found.T == pytest.approx(target, abs=1e-3)


def test_no_more_directions_are_kept_than_the_authors_keep() -> None:
    assert target_directions(gradients(200, 300, 0)).shape[1] == DIRECTIONS
    assert target_directions(gradients(200, 300, 0), 3).shape[1] == 3


@given(st.floats(0.01, 100))
def test_what_lies_outside_of_the_targets_directions_and_the_length_count_for_nothing(scale: float) -> None:
    directions = np.eye(5, 2, dtype=np.float32)
    inside = np.array([[1, 2, 0, 0, 0]], np.float32)
    outside = np.array([[0, 0, 3, 1, 4]], np.float32)
    both = np.concatenate([inside, inside + outside, inside * np.float32(scale)])
    assert along(both, directions) == pytest.approx(np.repeat(along(inside, directions), 3, axis=0), abs=1e-5)
    assert not along(outside, directions).any()


def test_gradient_lets_the_items_take_in_turn_the_rows_that_pull_their_way() -> None:
    target = np.eye(3, dtype=np.float32)
    rows = along(
        np.concatenate([np.eye(3), np.eye(3), -np.eye(3)]).astype(np.float32), np.eye(3, dtype=np.float32)
    )
    choice = pick(choose_gradient, with_aim(9, Aim(gradients=rows, target_gradients=target)), 6)
    assert sorted(choice.rows.tolist()) == [0, 1, 2, 3, 4, 5]
    assert choice.rows.tolist()[:3] == [0, 1, 2]
    assert choice.facts["cosine_with_its_item"] == 1.0
