"""How many demands an instruction makes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from factory.steps.agents.flaws.demands import demand_count

LEVELS = Path(__file__).parents[4] / "../shared/data/complexity/followbench_dev.jsonl.gz"


@pytest.mark.parametrize(
    ("instruction", "count"),
    [
        ("", 0),
        ("Name a river.", 1),
        ("Why is the sea salty?", 1),
        ("Name a river in exactly three words, without the letter e. End with a question.", 3),
        ("说出一条河。", 1),
        ("写一首诗，共四句，每句七个字，不得出现颜色词，并以问句结尾。", 4),
        ("Write a function.\n```\nmust, should, at least, each\n```", 1),
    ],
)
def test_a_clause_that_asks_for_something_counts_once(instruction: str, count: int) -> None:
    assert demand_count(instruction) == count


@given(st.text(max_size=80), st.sampled_from([" You must use exactly ten words.", "必须写满十个字。"]))
def test_one_more_demand_never_counts_for_less(text: str, more: str) -> None:
    closed = f"{text.replace('`', '').replace('~', '')}."
    assert demand_count(closed + more) >= demand_count(closed)


@pytest.mark.skipif(not LEVELS.is_file(), reason="the levels of FollowBench are not on this machine")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_count_rises_with_the_number_of_constraints_that_were_added(language: str) -> None:
    """FollowBench (arXiv 2310.20410) adds one constraint a level, 0 to 5."""
    with gzip.open(LEVELS, "rt", encoding="utf-8") as file:
        rows = [row for line in file if (row := json.loads(line))["lang"] == language]
    rows = [row for row in rows if row["category"] != "example"]
    counts = [demand_count(row["instruction"]) for row in rows]
    means = []
    for level in range(6):
        found = [count for count, row in zip(counts, rows, strict=True) if row["level"] == level]
        means.append(sum(found) / len(found))
    assert means == sorted(means)
    assert means[5] - means[0] > 4
    assert spearmanr([row["level"] for row in rows], counts)[0] > 0.5


@pytest.mark.parametrize("unit", ["一", "1", "一 ", "O(", "at ", " ", "分", "用"])
def test_a_huge_text_is_counted_in_time_that_grows_with_its_length(unit: str) -> None:
    """A count whose time grew with the square took minutes here, and ran into the limit of a test."""
    assert demand_count(unit * (40_000 // len(unit))) in (0, 1)
