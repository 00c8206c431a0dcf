"""A judge that is asked about what a screen marked, and about a sample of the rest that tells what it misses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError
from step_context import Ask, process, scripted_context

from factory.data.record import Record, new_record
from factory.errors import RecipeError
from factory.step import Context
from factory.steps.judging.grading.asked import Only
from factory.steps.judging.judge import Judge


def grade(ask: Ask) -> str:
    return json.dumps({"reason": "So it is.", "score": 1 if "harm" in ask.text.rpartition("Rhine")[2] else 5})


def record(at: int, *marks: str, score: float | None = None, output: str = "The Rhine.") -> Record:
    scores = {} if score is None else {"judge.quality": score}
    made = new_record(f"Name river {at}.", output=output, meta={"clean": list(marks)} if marks else {})
    return replace(made, scores=scores)


def judged(step: Judge, records: list[Record]) -> tuple[list[Record], Context, list[str], list[str]]:
    context, _ = scripted_context(grade, step="04-judge")
    told: list[str] = []
    warned: list[str] = []
    context = replace(context, tell=told.append, warn=warned.append)
    made = [one for record in records for one in process(step, record, context)]
    step.finish(context)
    return made, context, told, warned


def test_only_what_a_rule_marked_is_judged_and_the_rest_is_kept() -> None:
    step = Judge(rubric="harmlessness", only="harm_screen", expected=False, keep=">= 3")
    made, context, told, _ = judged(
        step, [record(1, "harm_screen", output="Rhine harm"), record(2), record(3, "loop")]
    )
    assert made[0].dropped is not None
    assert [one.missing["judge.harmlessness"].kind for one in made[1:]] == ["not_asked"] * 2
    assert [one.dropped for one in made[1:]] == [None, None]
    assert context.facts["only"]["not_asked"]["records"] == 2
    assert (
        "of 3 records 1 meet `only` and are judged, of the others 0 drawn by lot; 2 are not asked about"
        in told[0]
    )
    assert "of 1 records that meet `only` the judge lets 100.0%" in told[1]


def test_a_condition_on_a_score_is_enough() -> None:
    step = Judge(rubric="harmlessness", only="harm_screen or judge.quality < 3", expected=False)
    made, *_ = judged(step, [record(1, score=2.0), record(2, score=4.0), record(3, "harm_screen")])
    assert ["judge.harmlessness" in one.scores for one in made] == [True, False, True]


def test_a_sample_tells_what_the_screen_misses() -> None:
    step = Judge(rubric="harmlessness", only="harm_screen", sample=0.3, expected=False, keep=">= 3")
    records = [record(at, output="Rhine harm" if at % 2 else "The Rhine.") for at in range(200)]
    made, context, told, _ = judged(step, [record(999, "harm_screen"), *records])
    drawn = context.facts["only"]["sample"]
    assert 35 < drawn["records"] < 85
    assert drawn["judged"] == drawn["records"]
    assert drawn["failed"] == sum(one.dropped is not None for one in made)
    assert any("drawn from the others the judge lets" in line and "95 % interval" in line for line in told)


def test_the_sample_is_the_same_each_time_and_in_any_order() -> None:
    step = Judge(rubric="harmlessness", only="x", sample=0.5, expected=False)
    records = [record(at) for at in range(30)]
    first = {one.id for one in judged(step, records)[0] if "judge.harmlessness" in one.scores}
    again = {one.id for one in judged(step, records[::-1])[0] if "judge.harmlessness" in one.scores}
    assert first == again
    assert 0 < len(first) < 30


def test_a_score_that_was_there_stays_where_nobody_is_asked() -> None:
    (made,), *_ = judged(Judge(only="harm_screen"), [record(1, score=2.0)])
    assert made.scores == {"judge.quality": 2.0}


def test_where_nothing_is_marked_it_asks_for_a_look() -> None:
    *_, warned = judged(Judge(only="harm_screen"), [record(1)])
    assert any("none of 1 records meets `only` (harm_screen)" in line for line in warned)


def test_without_it_all_are_judged_and_nothing_is_told_of_it() -> None:
    made, context, told, _ = judged(Judge(expected=False), [record(1), record(2)])
    assert all("judge.quality" in one.scores for one in made)
    assert "only" not in context.facts
    assert told == []


@pytest.mark.parametrize(
    "text", ["Harm Screen", "harm_screen and loop", "< 3", "judge.quality <", "judge.quality 3"]
)
def test_what_is_neither_a_rule_nor_a_condition_is_told(text: str) -> None:
    with pytest.raises(RecipeError, match=r"^only: "):
        Judge(only=text)


def test_a_sample_without_only_is_refused() -> None:
    with pytest.raises(ValidationError, match="give `only` too"):
        Judge(sample=0.1)


def test_only_reads_marks_and_conditions() -> None:
    only = Only.parse("harm_screen | judge.quality<3 or loop")
    assert only.marks == ("harm_screen", "loop")
    assert [(name, str(condition)) for name, condition in only.scores] == [("judge.quality", "< 3")]
