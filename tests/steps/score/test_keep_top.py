"""keep_top: so many of the highest, and what is said of length."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from pydantic import ValidationError
from step_context import scripted_context

from factory.data.record import Event, Missing, Record, new_record
from factory.data.table import Table
from factory.step import Context
from factory.steps.score.keep_top import KeepTop


def kept(step: KeepTop, scores: Sequence[float | None]) -> tuple[list[Record], list[Record], list[str]]:
    records = [
        replace(
            new_record(f"q{at}", output="word " * (at + 1)), scores={} if score is None else {"ifd": score}
        )
        for at, score in enumerate(scores)
    ]
    warnings: list[str] = []

    def none(name: str) -> object:
        raise AssertionError("this step asks no model")

    context = Context("02-keep_top", 0, none, none, warn=warnings.append, tell=warnings.append)  # type: ignore[arg-type]
    live, dropped = asyncio.run(step.run(Table.from_records(records), context)).split()
    return list(live.records()), list(dropped.records()), warnings


def test_the_highest_are_kept_in_the_order_of_the_set() -> None:
    live, dropped, _ = kept(KeepTop(score="ifd", count=2), [0.1, 0.9, 0.5, 0.7])
    assert [record.instruction for record in live] == ["q1", "q3"]
    assert [record.dropped.reason for record in dropped if record.dropped] == [
        "number 4 of 4 by ifd (0.1); 2 were wanted",
        "number 3 of 4 by ifd (0.5); 2 were wanted",
    ]


def test_a_share_is_of_all_records_that_come_in_rounded_down_and_at_least_one() -> None:
    assert len(kept(KeepTop(score="ifd", share=0.5), [0.1, 0.2, 0.3, None, 0.5])[0]) == 2
    assert len(kept(KeepTop(score="ifd", share=0.01), [0.1, 0.2])[0]) == 1
    assert len(kept(KeepTop(score="ifd", share=0.29), [float(at) for at in range(100)])[0]) == 29


def test_the_lowest_are_kept_where_they_are_wanted_and_the_first_among_equals_where_that_is() -> None:
    live, _, _ = kept(KeepTop(score="ifd", count=2, order="lowest", ties="order"), [0.5, 0.1, 0.5, 0.5])
    assert [record.instruction for record in live] == ["q0", "q1"]


def test_among_equals_a_draw_by_the_seed_decides() -> None:
    step = KeepTop(score="ifd", count=10)
    drawn = [record.instruction for record in kept(step, [0.5] * 39 + [0.9])[0]]
    assert "q39" in drawn
    assert drawn != [f"q{at}" for at in [*range(9), 39]]
    assert [record.instruction for record in kept(step, [0.5] * 39 + [0.9])[0]] == drawn


def test_a_missing_score_is_set_aside_and_never_taken_for_a_low_one() -> None:
    live, dropped, _ = kept(KeepTop(score="ifd", count=9, order="lowest"), [0.5, None])
    assert len(live) == 1
    assert dropped[0].dropped is not None
    assert (dropped[0].dropped.kind, dropped[0].dropped.failed) == ("no_score", True)


def test_a_record_set_aside_for_want_of_a_score_says_why_it_has_none() -> None:
    why = Missing("no_answer", "there is no answer to score")
    lacking = new_record("a").with_score("ifd", why, Event("02-ifd", "ifd"))
    context, _ = scripted_context(lambda ask: "")
    result = asyncio.run(KeepTop(score="ifd", count=1).run(Table.from_records([lacking]), context))
    (record,) = result.records()
    assert record.dropped is not None
    assert record.dropped.reason == "ifd is missing: there is no answer to score"


def test_the_correlation_with_the_answers_length_is_told() -> None:
    (said,) = kept(KeepTop(score="ifd", count=1), [0.1, 0.2, 0.3, 0.4])[2]
    assert "correlate at +1.00 (Spearman, 4 records, 95 % interval -0.86 to +1.00)" in said
    assert "share 100% (95 % interval 21% to 100%) of the picks, by chance 25%" in said


def test_a_score_that_nobody_has_is_said_so() -> None:
    _, dropped, warnings = kept(KeepTop(score="idf", count=1), [0.1])
    assert len(dropped) == 1
    assert "no record has the score 'idf'; did you mean 'ifd'?" in warnings[0]


def test_either_a_share_or_a_count_is_needed() -> None:
    for wrong in ({}, {"share": 0.1, "count": 1}):
        with pytest.raises(ValidationError, match="either `share` or `count`"):
            KeepTop(score="ifd", **wrong)  # type: ignore[arg-type]


def test_an_empty_set_stays_empty() -> None:
    assert kept(KeepTop(score="ifd", count=1), [])[0] == []
