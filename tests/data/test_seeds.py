"""The shipped seed tasks: both languages, all categories, no two alike, short ones first."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
from rouge_score.rouge_scorer import _score_lcs

import factory
from factory.data.text import detect_language, rouge_tokens, word_count

SEEDS = Path(factory.__path__[0]) / "data" / "seeds" / "seeds.jsonl"
ROWS = [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]


def test_there_are_enough_seeds_of_both_languages_and_many_categories() -> None:
    assert len(ROWS) >= 66
    languages = Counter(row["lang"] for row in ROWS)
    assert set(languages) == {"en", "zh"}
    assert min(languages.values()) >= 0.45 * len(ROWS)
    for language in languages:
        assert len({row["task"] for row in ROWS if row["lang"] == language}) >= 12


def test_every_seed_has_the_same_five_fields_of_text() -> None:
    for row in ROWS:
        assert list(row) == ["instruction", "input", "output", "lang", "task"]
        assert all(isinstance(value, str) and value == value.strip() for value in row.values())
        assert row["instruction"]


def test_a_seed_is_written_in_the_language_it_names() -> None:
    assert all(detect_language(row["instruction"]) == row["lang"] for row in ROWS)


def test_about_a_third_of_the_seeds_wait_for_an_answer() -> None:
    for language in ("en", "zh"):
        answered = [bool(row["output"]) for row in ROWS if row["lang"] == language]
        assert 0.6 <= sum(answered) / len(answered) <= 0.75


@pytest.mark.slow
def test_no_two_seeds_are_near_duplicates() -> None:
    for view in (("instruction",), ("instruction", "input")):
        tokens = [rouge_tokens(" ".join(row[part] for part in view)) for row in ROWS]
        for one, other in itertools.combinations(tokens, 2):
            assert _score_lcs(one, other).fmeasure < 0.6, (one, other)


def test_the_first_twelve_are_short_of_twelve_categories_and_alternate_in_language() -> None:
    first = ROWS[:12]
    assert [row["lang"] for row in first] == ["en", "zh"] * 6
    assert len({row["task"] for row in first}) == 12
    for row in first:
        assert word_count(row["instruction"]) <= 45
        assert word_count(row["input"]) <= 15
        assert "\n" not in row["instruction"] + row["input"]
