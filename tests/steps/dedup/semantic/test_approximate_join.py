"""What approximate joins find, they may drop; what they miss, they tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from factory.steps.dedup.semantic.approximate import ivf_join, semdedup
from factory.steps.dedup.semantic.join import CosineMatches, cosine_join

THRESHOLD = 0.9


def near_duplicates(rows: int, dimensions: int = 32, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows, every third of them near an earlier one."""
    random = np.random.default_rng(seed)
    made = random.normal(size=(rows, dimensions))
    for row in range(3, rows, 3):
        made[row] = made[random.integers(row)] + random.normal(size=dimensions) * random.uniform(0, 0.6)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def assert_sound(matches: CosineMatches, rows: NDArray[np.float32]) -> None:
    dropped = np.flatnonzero(matches.nearest >= 0)
    products = np.einsum("ij,ij->i", rows[dropped], rows[matches.nearest[dropped]])
    np.testing.assert_allclose(matches.cosine[dropped], products, atol=1e-6)
    assert (matches.cosine[dropped] > THRESHOLD).all()
    assert np.isnan(matches.cosine[matches.nearest < 0]).all()


@pytest.mark.slow
def test_a_set_of_one_list_is_joined_as_the_exact_join_does() -> None:
    rows = near_duplicates(3000)
    found = ivf_join(rows, THRESHOLD)
    assert (found.matches.nearest == cosine_join(rows, THRESHOLD).nearest).all()
    assert found.recall == 1


@pytest.mark.slow
def test_the_recall_is_that_of_the_sample_and_what_was_dropped_was_close() -> None:
    rows = near_duplicates(6000)
    found = ivf_join(rows, THRESHOLD)
    assert_sound(found.matches, rows)
    assert (
        found.matches.nearest[found.matches.nearest >= 0] < np.flatnonzero(found.matches.nearest >= 0)
    ).all()
    kept = np.flatnonzero(found.matches.nearest < 0)
    close = (rows @ rows[kept].T > THRESHOLD) & (kept < np.arange(len(rows))[:, None])
    actual = (found.matches.nearest >= 0)[close.any(axis=1)].mean()
    assert 0.7 < actual <= 1
    assert found.recall == pytest.approx(actual, abs=0.1)


def test_without_a_duplicate_there_is_no_recall() -> None:
    assert np.isnan(ivf_join(np.eye(20, dtype=np.float32), THRESHOLD).recall)


def test_the_order_holds_in_the_approximate_join_too() -> None:
    rows = near_duplicates(600)
    order = np.random.default_rng(1).permutation(600)
    expected = cosine_join(rows, THRESHOLD, order=order)
    assert (ivf_join(rows, THRESHOLD, order=order).matches.nearest == expected.nearest).all()


def test_semdedup_in_one_cluster_drops_what_is_close_to_a_row_nearer_the_edge() -> None:
    rows = near_duplicates(1500)
    matches = semdedup(rows, THRESHOLD, clusters=1)
    assert_sound(matches, rows)
    products = rows @ rows.T - np.eye(len(rows), dtype=np.float32) * 9
    assert ((matches.nearest >= 0) <= (products > THRESHOLD).any(axis=1)).all()
    left = np.flatnonzero(matches.nearest < 0)
    assert not (products[np.ix_(left, left)] > THRESHOLD).any()


@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_semdedup_drops_as_the_authors_code_does(keep: Any) -> None:
    """In one cluster, whose centre is the mean: sorted by distance to it, dropped is what is close to one before."""
    rows = np.concatenate([near_duplicates(300), near_duplicates(300)[:40]])
    matches = semdedup(rows, THRESHOLD, clusters=1, keep=keep)
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    centre = exact.mean(axis=0)
    distance = (1 - exact @ (centre / np.linalg.norm(centre))).round(6)
    order = sorted(range(len(rows)), key=distance.__getitem__, reverse=keep == "hard")
    products = np.triu((exact @ exact.T)[np.ix_(order, order)], 1)
    expected = np.zeros(len(rows), bool)
    expected[order] = products.max(axis=0) > THRESHOLD
    assert (matches.nearest >= 0).tolist() == expected.tolist()
    assert (matches.clusters, matches.trained_on) == (1, 340)


@pytest.mark.slow
def test_semdedup_finds_its_clusters_from_as_many_rows_as_it_is_told() -> None:
    rows = near_duplicates(900)
    assert semdedup(rows, THRESHOLD)[2:] == (30, 900)
    assert semdedup(rows, THRESHOLD, rows_to_train_on=300)[2:] == (30, 300)
    assert semdedup(rows, THRESHOLD, rows_to_train_on=3)[2:] == (30, 30), "one for each cluster at least"
    orders = {
        tuple(semdedup(rows, THRESHOLD, keep="random", seed=seed).nearest.tolist()) for seed in (1, 1, 2)
    }
    assert len(orders) == 2


@pytest.mark.slow
def test_semdedup_in_groups_never_drops_across_them() -> None:
    rows = near_duplicates(400)
    groups = np.arange(400) % 2
    nearest = semdedup(rows, 0.5, groups=groups).nearest
    dropped = np.flatnonzero(nearest >= 0)
    assert len(dropped) > 10
    assert (groups[dropped] == groups[nearest[dropped]]).all()


@pytest.mark.slow
def test_semdedup_in_many_clusters_is_the_same_each_time_and_finds_most() -> None:
    rows = near_duplicates(3000)
    matches = semdedup(rows, THRESHOLD)
    assert (matches.nearest == semdedup(rows, THRESHOLD).nearest).all()
    assert_sound(matches, rows)
    exact = (cosine_join(rows, THRESHOLD).nearest >= 0).sum()
    assert 0.6 * exact < (matches.nearest >= 0).sum() <= 1.05 * exact


@pytest.mark.parametrize("join", [semdedup, lambda rows, t: ivf_join(rows, t).matches])
def test_rows_without_a_direction_are_kept(join) -> None:  # type: ignore[no-untyped-def]
    zero, nan = np.zeros(4, np.float32), np.full(4, np.nan, np.float32)
    row = np.array([1, 0, 0, 0], np.float32)
    matches = join(np.stack([zero, row, nan, zero, nan, row]), THRESHOLD)
    assert (matches.nearest >= 0).sum() == 1
    assert matches.nearest[[0, 2, 3, 4]].tolist() == [-1] * 4
    assert join(np.zeros((0, 4), np.float32), THRESHOLD).nearest.shape == (0,)
    assert (join(np.zeros((3, 4), np.float32), THRESHOLD).nearest == -1).all()
