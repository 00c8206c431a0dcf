"""What stands beside a choice: no method is called better than chance where there is nothing but chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_pools import noise_pool, unit

from factory.steps.assemble.select.beside import (
    MEASURES,
    Measured,
    bands,
    beyond_chance,
    measure,
    sample_of,
    shares,
)
from factory.steps.assemble.select.comparing import Comparison, compare, timed
from factory.steps.assemble.select.pool import Choice, Method, Pool, Settings
from factory.steps.assemble.select.registry import METHODS
from factory.steps.assemble.select.within import choose_within


def compared(
    pool: Pool, methods: dict[str, Method], size: int = 60, seed: int = 0, draws: int = 20
) -> Comparison:
    def choose(method: Method, key: str) -> Choice:
        random = np.random.default_rng([seed, *key.encode()])
        return choose_within(method, pool, size, random, Settings(threshold=1.0))

    return compare(pool, [timed(name, method, choose) for name, method in methods.items()], choose, draws)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_on_noise_no_method_is_told_from_chance_in_what_it_does_not_choose_by(seed: int) -> None:
    comparison = compared(noise_pool(400, seed), dict(METHODS), seed=seed)
    assert [(name, found) for name, found in comparison.findings() if found] == []
    for sentence in comparison.sentences():
        assert "nothing here tells it from chance" in sentence
        assert "ahead" not in sentence
    assert not any("better" in sentence for sentence in comparison.sentences())


def test_what_a_method_chooses_by_is_no_finding_however_far_from_chance() -> None:
    comparison = compared(noise_pool(400), {"top": METHODS["top"]})
    assert comparison.measured["top"].values["score"] > comparison.bands["score"].high
    assert not beyond_chance(comparison.measured["top"], METHODS["top"].by, comparison.bands)
    blind = replace(METHODS["top"], by=frozenset())
    assert beyond_chance(comparison.measured["top"], blind.by, comparison.bands) == [("score", True)]


def test_a_score_that_goes_with_the_tags_is_found_out() -> None:
    pool = noise_pool(400)
    rich = replace(pool, score=pool.known_tags.counts + 0.01 * pool.known_score)
    sentences = list(compared(rich, {"top": METHODS["top"]}, size=15, draws=100).sentences())
    assert sentences[0].startswith("top: ahead of random draws in what it does not choose by: tags 0.")


def test_a_method_that_is_worse_than_chance_is_said_to_be() -> None:
    pool = noise_pool(400)
    poor = replace(pool, score=-pool.known_tags.counts + 0.01 * pool.known_score)
    assert any(
        "behind random draws" in one
        for one in compared(poor, {"top": METHODS["top"]}, size=15, draws=100).sentences()
    )


@pytest.mark.slow
def test_one_more_random_draw_lies_within_the_band() -> None:
    pool = noise_pool(500)
    outside = 0
    for seed in range(40):
        comparison = compared(pool, {"random": METHODS["random"]}, seed=seed, draws=10)
        outside += bool(beyond_chance(comparison.measured["random"], frozenset(), comparison.bands))
    assert outside <= 6  # of 40 tables two are expected


def test_the_measures_by_hand() -> None:
    from factory.steps.assemble.select.pool import TagLists

    pool = Pool(
        np.array([10, 20, 30, 40]),
        ["en", "en", "zh", "zh"],
        ["a", "b", "a", "a"],
        np.array([1.0, 2.0, 3.0, 4.0]),
        unit(np.array([[1, 0], [1, 0], [0, 1], [1, 1]])),
        TagLists.read([["x"], ["x", "y"], [], ["z", "y", "w"]]),
    )
    found = measure(pool, np.array([0, 1]), sample_of(pool)).values
    assert set(found) == set(MEASURES)
    assert found["length"] == 15
    assert found["score"] == 1.5
    assert found["tasks"] == pytest.approx(2)
    assert found["tags"] == 0.5
    assert found["tags_each"] == 1.5
    assert found["nearest"] == pytest.approx(0, abs=1e-6)
    assert found["reach"] == pytest.approx((0 + 0 + 1 + 1 - np.sqrt(0.5)) / 4, abs=1e-6)


def test_bands_widen_with_the_comparisons_and_hold_the_mean() -> None:
    draws = [Measured(np.zeros(1, np.int64), {"length": float(value)}) for value in (9, 10, 11, 12, 8)]
    one, many = bands(draws, 1)["length"], bands(draws, 50)["length"]
    assert one.mean == many.mean == 10
    # Student's t with 4 degrees of freedom, 2.776, times the deviation and the root of 1 + 1/5.
    assert one.high - one.mean == pytest.approx(2.776445 * np.sqrt(2.5) * np.sqrt(1.2), rel=1e-5)
    assert many.low < one.low < one.high < many.high


def test_the_table_holds_the_choice_the_longest_random_draws_and_all_rows() -> None:
    pool = noise_pool(300)
    rows = compared(pool, {"coverage": METHODS["coverage"]}).rows()
    assert [row["pick"] for row in rows] == [
        "coverage", "longest", "random, 20 draws", "random, low", "random, high", "all",
    ]  # fmt: skip
    assert all(row.keys() == rows[0].keys() for row in rows)
    assert rows[0]["shared with coverage"] == 1
    assert rows[2]["shared with longest"] == 0.2
    assert rows[3]["length"] < rows[2]["length"] < rows[4]["length"]
    assert rows[1]["length"] > rows[4]["length"]


def test_shares_name_the_most_frequent_values() -> None:
    assert shares(["zh", "en", "en", ""], np.arange(4)) == "en 50%, (none) 25%, zh 25%"
    assert shares(["", ""], np.arange(2)) == ""
