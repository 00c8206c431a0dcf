"""Laws that every method keeps: its size, no row twice, the same again, no chance but the seed."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from made_pools import noise_aim, noise_pool, unit

from factory.errors import RunStopped
from factory.steps.assemble.select.beside import MEASURES
from factory.steps.assemble.select.pool import Pool, Settings, TagLists
from factory.steps.assemble.select.registry import METHODS, MethodName
from factory.steps.assemble.select.target_path import Losses
from factory.steps.assemble.select.within import choose_tokens, choose_within

POOL = noise_pool(120)
LOOSE = Settings(threshold=1.0)
PREFIX = (
    "longest",
    "top",
    "k_center",
    "facility_location",
    "repr_filter",
    "d2",
    "complexity_first_diverse",
    "mig",
)
"""Methods whose choice of n rows begins that of n + 1."""
DRAWN = {"random", "coverage", "cluster_quality", "learning_percentage", "dsir", "s1", "s2l"}
"""Methods with chance in them."""
COLUMNS = dict.fromkeys(
    ("target", "target_vectors", "states", "examples", "losses", "path", "gradients"), "aim"
)
"""Where in a pool what a method needs is, if not under its own name."""


def rows(method: str, pool: Pool, size: int, seed: int = 0, settings: Settings = LOOSE) -> list[int]:
    found = METHODS[method].pick(pool, size, np.random.default_rng(seed), settings).rows  # type: ignore[index]
    assert found.dtype == np.int64
    return found.tolist()  # type: ignore[no-any-return]


def test_the_names_for_types_are_those_of_the_registry() -> None:
    assert get_args(MethodName) == tuple(METHODS)
    assert all(method.by <= set(MEASURES) and method.summary for method in METHODS.values())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 7, 60, 119])
def test_it_chooses_so_many_rows_and_none_twice(method: str, size: int) -> None:
    found = rows(method, POOL, size)
    assert len(found) == len(set(found)) == size
    assert set(found) <= set(range(len(POOL)))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_chooses_the_same(method: str) -> None:
    assert rows(method, POOL, 30) == rows(method, POOL, 30)


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(set(METHODS) - DRAWN))
def test_only_clusters_and_random_draws_have_chance_in_them(method: str) -> None:
    assert rows(method, POOL, 30, seed=1) == rows(method, POOL, 30, seed=2)


@pytest.mark.parametrize("method", PREFIX)
def test_a_smaller_choice_begins_a_larger_one(method: str) -> None:
    assert rows(method, POOL, 40)[:15] == rows(method, POOL, 15)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_what_it_does_not_ask_for_is_not_looked_at(method: str) -> None:
    kind = METHODS[method]  # type: ignore[index]
    known = {COLUMNS.get(name, name): getattr(POOL, COLUMNS.get(name, name)) for name in kind.needs}
    bare = Pool(POOL.lengths, POOL.languages, POOL.tasks, **known)
    assert len(rows(method, bare, 20)) == 20


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_rows_that_are_all_alike_are_taken_in_their_order_or_drawn(method: str) -> None:
    alike = Pool(
        np.full(40, 9),
        ["en"] * 40,
        ["one"] * 40,
        np.arange(40) % 2.0,  # a score tells rows apart, or the step refuses it
        unit(np.ones((40, 4))),
        TagLists.read([["a"]] * 40),
        unit(np.ones((1, 4))),
        replace(
            noise_aim(40, 4, np.random.default_rng(0)), texts=["w1"] * 40, losses=np.ones((40, 2)),
            path=Losses(np.full(40, 2.0), np.ones(40), np.full(3, 2.0), np.ones(3)), gradients=unit(np.ones((40, 3))),
        ),
    )  # fmt: skip
    found = rows(method, alike, 10)
    assert len(set(found)) == 10
    if method not in DRAWN:
        for half in ([r for r in found if r % 2], [r for r in found if not r % 2]):
            assert half == sorted(half) or method == "d2"


@pytest.mark.slow
def test_it_is_chosen_within_groups_by_their_shares() -> None:
    groups = ["a"] * 60 + ["b"] * 40 + ["c"] * 20
    for method in METHODS.values():
        found = choose_within(method, POOL, 12, np.random.default_rng(0), LOOSE, groups).rows
        assert [sum(groups[row] == name for row in found) for name in "abc"] == [6, 4, 2]


def test_more_groups_than_rows_are_refused() -> None:
    groups = [str(at) for at in range(120)]
    with pytest.raises(RunStopped, match="120 groups cannot share 12 rows"):
        choose_within(METHODS["random"], POOL, 12, np.random.default_rng(0), LOOSE, groups)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [500, 3000, 10_000])
def test_tokens_are_never_more_than_asked_for_and_not_far_below(method: str, budget: int) -> None:
    tokens = POOL.lengths + 20

    def choose(size: int):  # type: ignore[no-untyped-def]
        return choose_within(METHODS[method], POOL, size, np.random.default_rng(0), LOOSE)  # type: ignore[index]

    found = choose_tokens(choose, tokens, budget).rows
    assert len(set(found.tolist())) == len(found)
    assert budget - tokens.max() <= tokens[found].sum() <= budget


def test_a_budget_that_no_row_fits_is_refused() -> None:
    with pytest.raises(RunStopped, match="not one row has 5 tokens"):
        choose_tokens(
            lambda size: choose_within(METHODS["longest"], POOL, size, np.random.default_rng(0), LOOSE),
            POOL.lengths + 20,
            5,
        )


def test_a_pool_of_some_rows_has_their_tags() -> None:
    some = POOL.take(np.array([5, 3]))
    assert [some.known_tags.of(at).tolist() for at in (0, 1)] == [
        POOL.known_tags.of(at).tolist() for at in (5, 3)
    ]
    assert len(some) == 2
    assert replace(some, score=None).score is None
