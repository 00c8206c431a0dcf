"""Conditions on scores."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from factory.data.record import Event, Missing, new_record
from factory.steps.keep import Condition, keep_where

EVENT = Event("01-judge", "judge.quality")


class Options(BaseModel):
    keep: Condition | None = None


@pytest.mark.parametrize(
    ("text", "holds", "fails"),
    [(">= 4", 4, 3.9), ("> 4", 4.1, 4), ("<=4", 4, 5), (" < -0.5 ", -1, -0.5), ("== 1e3", 1000, 999)],
)
def test_a_condition_holds_as_it_is_written(text: str, holds: float, fails: float) -> None:
    condition = Condition.parse(text)
    assert condition.holds(holds)
    assert not condition.holds(fails)


@pytest.mark.parametrize(
    "text", ["", "4", ">=", "=> 4", "= 4", ">= four", ">= nan", "> inf", ">= 4 or 1", "__import__('os')"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match=r"such as '>= 4'"):
        Options.model_validate({"keep": text})


@pytest.mark.parametrize("value", [4, 4.0, True, [">= 4"], {"min": 4}])
def test_a_condition_is_written_as_text(value: object) -> None:
    with pytest.raises(ValidationError, match=r"such as '>= 4'"):
        Options.model_validate({"keep": value})


@given(
    st.sampled_from([">=", ">", "<=", "<", "=="]),
    st.integers(-(10**5), 10**5).map(lambda hundredths: hundredths / 100),
)
def test_a_condition_reads_back_what_it_prints(operator: str, threshold: float) -> None:
    condition = Condition(operator, threshold)
    assert Condition.parse(str(condition)) == condition
    options = Options(keep=condition)
    assert Options.model_validate_json(options.model_dump_json()) == options


@pytest.mark.parametrize("text", [">= 1", "> 1", "<= 1", "< 1", "== 1"])
def test_nan_meets_no_condition(text: str) -> None:
    assert not Condition.parse(text).holds(math.nan)


def test_without_a_condition_every_record_is_kept() -> None:
    record = new_record("x")
    assert keep_where(record, "judge.quality", None, "01-judge") is record


@pytest.mark.parametrize(
    ("text", "score", "kind"),
    [
        (">= 4", 3.0, "low_score"),
        ("> 4", 4.0, "low_score"),
        ("< 1", 1.5, "high_score"),
        ("<= 1", 1.5, "high_score"),
        ("== 3", 2.0, "low_score"),
        ("== 3", 4.0, "high_score"),
    ],
)
def test_a_record_is_dropped_with_the_side_on_which_its_score_lies(
    text: str, score: float, kind: str
) -> None:
    record = new_record("x").with_score("judge.quality", score, EVENT)
    kept = keep_where(record, "judge.quality", Condition.parse(text), "01-judge")
    assert kept.dropped is not None
    assert (kept.dropped.kind, kept.dropped.failed) == (kind, False)
    assert kept.dropped.numbers == {"score": score}
    assert str(Condition.parse(text)) in kept.dropped.reason


def test_a_missing_score_is_a_failure_not_a_low_score() -> None:
    record = new_record("x").with_score("judge.quality", Missing("bad_reply", "no usable reply"), EVENT)
    for text in (">= 4", "< 4"):
        kept = keep_where(record, "judge.quality", Condition.parse(text), "01-judge")
        assert kept.dropped is not None
        assert (kept.dropped.kind, kept.dropped.failed) == ("no_score", True)
        assert "no usable reply" in kept.dropped.reason


def test_a_score_of_zero_is_not_a_missing_one() -> None:
    record = new_record("x").with_score("ifd", 0.0, EVENT)
    assert keep_where(record, "ifd", Condition.parse("< 1"), "01-ifd") is record
