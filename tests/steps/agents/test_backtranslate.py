"""Humpback: the instruction that a text answers, and the grade by which the pair is kept."""

from __future__ import annotations

from typing import Any

import pytest
from made_documents import manual_chunk
from step_context import Ask, process, scripted_context

from factory.data.record import Record, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.steps.agents.backtranslate import SCORE, Backtranslate

TEXT = manual_chunk(0).prompt
INSTRUCTION = "At which pressure does the Orrin pump 0 work, and how is it looked after?"


def back(
    instruction: Any = INSTRUCTION, grade: Any = "Complete.\nScore: 5", text: str = TEXT, **options: Any
) -> tuple[Record, list[Ask], dict[str, Any], list[str]]:
    def script(ask: Ask) -> Any:
        return instruction if "<text>" in ask.text else grade

    context, chat = scripted_context(script, step="03-backtranslate")
    step = Backtranslate(**options)
    (made,) = process(step, new_record(text, source="pages"), context)
    told: list[str] = []
    object.__setattr__(context, "tell", told.append)
    object.__setattr__(context, "warn", told.append)
    step.finish(context)
    return made, chat.asks, context.facts, told


def test_the_text_becomes_the_answer_as_it_stands_and_the_pair_has_its_grade() -> None:
    made, asks, facts, told = back()
    assert made.dropped is None
    assert (made.instruction, made.output) == (INSTRUCTION, TEXT)
    assert made.scores[SCORE] == 5
    assert made.notes[SCORE].startswith("Complete.")
    assert [event.operation for event in made.events] == ["backtranslate", SCORE]
    assert made.events[0].parents == (new_record(TEXT, source="pages").id,)
    assert made.source == "pages"
    assert TEXT in asks[0].text
    assert "Score: n" in asks[1].messages[0].content
    assert f"<answer>\n{TEXT}\n</answer>" in asks[1].text
    assert (facts["pairs_graded"], facts["grades_read"]) == (1, 1)
    assert "the grade of 1 of 1 pairs could be read" in told[-1]


def test_chinese_is_asked_and_graded_in_chinese() -> None:
    text = manual_chunk(0, chinese=True).prompt
    made, asks, *_ = back("青禾水泵0号的额定压力是多少，多久保养一次？", "完整。\n分数：5", text)
    assert made.dropped is None
    assert made.scores[SCORE] == 5
    assert all("标签" in ask.messages[0].content for ask in asks)


@pytest.mark.parametrize(
    ("grade", "score"),
    [
        ("Fine.\nScore: 5", 5),
        ("Good.\n**Score: 4**", 4),
        ("分数：五分", 5),
        ("Score: 728", None),
        ("Score: 10502", None),
        ("Score: 0", None),
        ("Score: 4.5", None),
        ("Score: 5/10", None),
        ("Score: 3 or 4", None),
        ("I would keep it.", None),
        ("", None),
        (Reply("It is good, and so the score", "length"), None),
    ],
)
def test_a_grade_is_read_strictly_or_not_at_all(grade: Any, score: int | None) -> None:
    made, _, facts, _ = back(grade=grade, keep=1)
    assert made.scores.get(SCORE) == score
    assert facts.get("grades_read", 0) == (score is not None)
    if score is None:
        assert made.dropped is not None
        assert (made.dropped.kind, made.dropped.failed) == ("no_score", True)


@pytest.mark.parametrize(
    ("grade", "keep", "kept"), [(5, 5, True), (4, 5, False), (4, 4, True), (1, 2, False)]
)
def test_pairs_below_the_least_grade_are_let_go(grade: int, keep: int, kept: bool) -> None:
    made, *_ = back(grade=f"So it is.\nScore: {grade}", keep=keep)
    assert (made.dropped is None) == kept
    if made.dropped is not None:
        assert (made.dropped.kind, made.dropped.numbers) == ("low_score", {"score": float(grade)})


@pytest.mark.parametrize(
    ("instruction", "kind"),
    [
        ("", "empty"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("请说明奥林水泵的工作压力和保养间隔。", "other_language"),
        ("Summarise this passage about the Orrin pump 0.", "speaks_of_the_text"),
        (TEXT, "unchanged"),
        ("How do I cook dried beans so that they become soft?", "template_leak"),
        (Reply("At which pressure does the", "length"), "truncated"),
    ],
)
def test_what_an_instruction_is_let_go_for(instruction: Any, kind: str) -> None:
    made, asks, *_ = back(instruction)
    assert made.dropped is not None
    assert made.dropped.kind == kind
    assert len(asks) == 1  # nothing is paid for a grade


@pytest.mark.parametrize(
    ("text", "kind"), [("Too short to learn from.", "too_short"), ("word " * 1200, "too_long")]
)
def test_a_text_that_is_no_answer_to_learn_from_asks_nobody(text: str, kind: str) -> None:
    made, asks, *_ = back(text=text)
    assert made.dropped is not None
    assert (made.dropped.kind, asks) == (kind, [])


def test_a_record_without_a_text_fails() -> None:
    with pytest.raises(RecordFailed, match="no text"):
        back(text=" ")


def test_the_estimate_makes_both_calls() -> None:
    import asyncio

    context, chat = scripted_context(lambda ask: "[reply]")

    async def rehearse() -> int:
        step = Backtranslate()
        return len([made async for made in step.rehearse(new_record(TEXT), context)])

    assert asyncio.run(rehearse()) == 1
    assert len(chat.asks) == 2
