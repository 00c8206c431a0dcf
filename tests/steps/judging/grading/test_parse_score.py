"""Reading a judge's free text: a list of replies, and laws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.grading.numerals import whole_number
from factory.steps.judging.grading.parse_score import parse_score

REPLIES = [
    json.loads(line)
    for line in (Path(__file__).parent / "score_replies.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.slow
@pytest.mark.parametrize("case", REPLIES, ids=lambda case: repr(case["reply"][:40]))
def test_a_reply_has_the_score_it_states_or_the_reason_why_it_has_none(case: dict[str, Any]) -> None:
    parsed = parse_score(case["reply"], case["minimum"], case["maximum"])
    assert parsed.value == case.get("value")
    if "problem" in case:
        assert case["problem"] in parsed.problem
    else:
        assert not parsed.problem
        assert whole_number(case["reply"][parsed.start : parsed.end]) == parsed.value


@given(st.text(alphabet="Score:评分： 0123456789四十五/.-[]*（）满\n", max_size=60))
def test_whatever_is_read_lies_on_the_scale_and_stands_in_the_reply(reply: str) -> None:
    parsed = parse_score(reply, 1, 5)
    assert (parsed.value is None) == bool(parsed.problem)
    if parsed.value is not None:
        assert 1 <= parsed.value <= 5
        assert whole_number(reply[parsed.start : parsed.end]) == parsed.value


@pytest.mark.slow
@given(st.text(max_size=200), st.integers(-20, 200))
def test_a_score_on_the_last_line_is_read_or_the_reply_has_none(reason: str, score: int) -> None:
    parsed = parse_score(f"{reason}\nScore: {score}", 1, 5)
    assert parsed.value in ({score} if 1 <= score <= 5 else set()) | {None}
    if not 1 <= score <= 5:
        assert parsed.value is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "long",
    [
        "word " * 50_000,
        "score" + " *" * 100_000,
        "score:" + " " * 200_000,
        "Score: " * 30_000,
        "Score: 4" + " " * 200_000 + "x",
        "四" * 200_000,
        "9" * 200_000,
        "[[" * 100_000,
        "评分" * 100_000,
    ],
    ids=["words", "marks", "spaces", "labels", "spaces behind", "numerals", "digits", "brackets", "Chinese"],
)
def test_a_reply_of_any_length_is_read(long: str) -> None:
    assert parse_score(f"{long}\nScore: 3", 1, 5).value in (3, None)
    assert parse_score(long, 1, 5).value in (4, None)
    assert parse_score("A long reason. " * 50_000 + "\nScore: 3", 1, 5).value == 3
