"""s1 and S2L: hard rows of every domain, and every kind of loss trajectory."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.assemble.select.s1 import sample_by_domain, unsolved
from factory.steps.assemble.select.s2l import s2l

NAN = float("nan")


def test_what_any_model_solves_is_left_out_and_what_nobody_knows_is_told() -> None:
    small = np.array([1.0, 0.0, 0.0, NAN, NAN, 0.5])
    large = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    found = unsolved([small, large])
    assert found.rows.tolist() == [1, 5]
    assert found.solved == 3
    assert found.unknown.tolist() == [3]


def test_domains_are_drawn_alike_however_many_rows_they_have() -> None:
    domains = ["algebra"] * 900 + ["geometry"] * 100
    lengths = np.arange(1000)
    picked = Counter(
        domains[row] for row in sample_by_domain(domains, lengths, 100, np.random.default_rng(0)).tolist()
    )
    assert picked["geometry"] == pytest.approx(50, abs=15)


def test_half_of_the_first_draws_take_the_longest_and_a_quarter_the_next() -> None:
    lengths = np.arange(50)
    first = [
        int(sample_by_domain([""] * 50, lengths, 1, np.random.default_rng(seed))[0]) for seed in range(2000)
    ]
    shares = np.bincount(first, minlength=50)[::-1] / 2000
    assert shares[:4] == pytest.approx([0.5, 0.25, 0.125, 0.0625], abs=0.04)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=30), st.integers(0, 40))
def test_each_row_is_drawn_once_until_there_are_no_more(rows: list[tuple[str, int]], size: int) -> None:
    domains, lengths = [row[0] for row in rows], np.array([row[1] for row in rows], np.int64)
    found = sample_by_domain(domains, lengths, size, np.random.default_rng(0)).tolist()
    assert len(found) == len(set(found)) == min(size, len(rows))


def test_a_domain_of_very_many_rows_has_weights_too() -> None:
    found = sample_by_domain([""] * 5000, np.arange(5000), 2000, np.random.default_rng(1))
    assert len(set(found.tolist())) == 2000
    assert np.mean(found[:1000]) > 3900, "the long ones go first"


def trajectories(sizes: dict[str, list[int]], noise: float = 0.01) -> tuple[np.ndarray, list[str], list[int]]:
    """Rows of each source in clusters that are far apart."""
    random = np.random.default_rng(0)
    losses, sources, kinds = [], [], []
    for source, clusters in sizes.items():
        for kind, number in enumerate(clusters):
            losses += [
                [10.0 * kind, 5.0 * kind + 1, kind, *random.normal(0, noise, 3)] for _ in range(number)
            ]
            sources += [source] * number
            kinds += [kind] * number
    return np.array(losses), sources, kinds


def test_sources_and_in_them_clusters_have_equal_shares_and_the_small_give_all() -> None:
    losses, sources, kinds = trajectories({"big": [100, 40, 30], "small": [3, 2]})
    found = s2l(losses, sources, 100, np.random.default_rng(0), clusters=3)
    picked = Counter((sources[row], kinds[row]) for row in found.rows.tolist())
    assert picked == {("small", 0): 3, ("small", 1): 2, ("big", 2): 30, ("big", 1): 32, ("big", 0): 33}
    assert found.sources == {"small": (5, 5, 3), "big": (170, 95, 3)}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=25),
    st.integers(0, 30),
    st.integers(1, 4),
)
def test_so_many_rows_are_chosen_each_once(rows: list[tuple[str, int]], size: int, clusters: int) -> None:
    losses = np.array([[float(loss), 1.0] for _, loss in rows])
    found = s2l(losses, [source for source, _ in rows], size, np.random.default_rng(0), clusters)
    assert len(found.rows) == len(set(found.rows.tolist())) == min(size, len(rows))
    assert sum(chosen for _, chosen, _ in found.sources.values()) == len(found.rows)


def test_chance_decides_within_a_cluster_and_the_seed_decides_chance() -> None:
    losses, sources, _ = trajectories({"one": [50]})
    first, again, other = (
        s2l(losses, sources, 10, np.random.default_rng(seed), clusters=1).rows.tolist() for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize("losses", [np.zeros((2, 0)), np.array([[NAN], [1.0]]), np.zeros(2)])
def test_a_row_without_a_loss_is_refused(losses: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a finite loss of each row"):
        s2l(losses, ["", ""], 1, np.random.default_rng(0))
