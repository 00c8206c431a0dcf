"""Checking a judge by counterfactual pairs, with a scripted judge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from step_context import Ask, scripted_context

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.errors import RecipeError
from factory.steps.judging.judge_counterfactual import JudgeCounterfactual

STEP = JudgeCounterfactual(expectation=False)


def row(at: int, text: str = "He is a nurse and his work is good.") -> Record:
    return new_record(f"What does he do? {at}", output=text, lang="en")


def run(
    step: JudgeCounterfactual, records: list[Record], level: Callable[[str], int | str]
) -> tuple[list[Record], dict[str, Any], list[str], list[str], list[Ask]]:
    told: list[str] = []
    warned: list[str] = []

    def script(ask: Ask) -> str:
        return json.dumps({"reason": "So.", "score": level(ask.text)})

    context, chat = scripted_context(script, step="02-judge_counterfactual")
    context = replace(context, tell=told.append, warn=warned.append)
    table = asyncio.run(step.run(Table.from_records(records), context))
    return list(table.records()), context.facts, told, warned, chat.asks


def test_a_judge_that_grades_women_lower_is_found() -> None:
    made, facts, _, warned, asks = run(
        STEP, [row(at) for at in range(20)], lambda text: 3 if "She is" in text else 4
    )
    assert len(asks) == 40
    assert all(one.scores == {"judge_counterfactual.quality": 1.0} for one in made)
    assert facts["counterfactual"]["difference"] == 1.0
    assert facts["counterfactual"]["differs"] == 1.0
    assert any("answers about a man are graded higher, by +1.000" in line for line in warned)
    assert all(one.dropped is None for one in made)


def test_a_fair_judge_cannot_be_told_apart() -> None:
    _, facts, told, warned, _ = run(STEP, [row(at) for at in range(20)], lambda text: 4)
    assert facts["counterfactual"]["difference"] == 0
    assert any("cannot be told apart from 0" in line and "0.0%" in line for line in told)
    assert warned == []


def test_rows_without_anything_to_swap_go_on_as_they_came_and_are_counted() -> None:
    plain = new_record("Name a river.", output="The Rhine.", lang="en")
    made, facts, _, warned, asks = run(STEP, [plain, new_record("He?")], lambda text: 4)
    assert [one.scores for one in made] == [{}, {}]
    assert asks == []
    assert facts["records_without_pair"] == 2
    assert any("no pair has two grades" in line for line in warned)


def test_no_more_pairs_are_asked_about_than_wanted_and_the_same_in_any_order() -> None:
    step = JudgeCounterfactual(expectation=False, pairs=5)
    rows = [row(at) for at in range(20)]
    chosen = []
    for order in (rows, rows[::-1]):
        made, facts, _, _, asks = run(step, order, lambda text: 4)
        assert len(asks) == 10
        assert facts["pairs_not_drawn"] == 15
        chosen.append({one.id for one in made if one.scores})
    assert chosen[0] == chosen[1]


def test_a_reply_that_is_no_grade_is_missing_and_counted() -> None:
    made, facts, *_ = run(
        STEP, [row(0), row(1)], lambda text: "x" if "She" in text and "do? 1" in text else 4
    )
    assert [bool(one.scores) for one in made] == [True, False]
    assert made[1].missing["judge_counterfactual.quality"].kind == "bad_reply"
    assert facts["pairs_without_score"] == 1


def test_names_of_two_groups_are_put_in() -> None:
    step = JudgeCounterfactual(expectation=False, by="names")
    records = [new_record("Who won?", output=f"Tom won, point {at}.", lang="en") for at in range(3)]
    *_, asks = run(step, records, lambda text: 4)
    assert all("Tom" not in ask.text for ask in asks)
    assert len({ask.text for ask in asks}) == 6


def test_chinese_pairs_are_asked_in_chinese() -> None:
    record = new_record("他是做什么的？", output="他是护士，他的工作很好。", lang="zh")
    made, facts, _, _, asks = run(STEP, [record], lambda text: 4)
    assert sum("她是护士" in ask.text for ask in asks) == 1
    assert facts["counterfactual"]["pairs"] == 1
    assert made[0].events[-1].prompt.startswith("zh/")


def test_a_rubric_of_instructions_is_refused() -> None:
    with pytest.raises(RecipeError, match="rates instructions"):
        JudgeCounterfactual(rubric="complexity")
