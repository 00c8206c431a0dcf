"""Conversations that leave their course: where they are cut, what is kept, and what is dropped whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conversing_sides import (
    ANSWERS,
    BROKEN_ANSWERS,
    BROKEN_USERS,
    DONE,
    GOAL,
    REFUSAL,
    Say,
    Sides,
    User,
    converse,
    expected,
    good,
    said,
    says,
)

from factory.data.record import Record, ToolCall
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.steps.agents.conversing.drift import KINDS


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize(
    ("broken", "kind"), BROKEN_USERS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_users_turn_off_course_ends_it_and_what_comes_before_is_kept(
    broken: User, kind: str, after: int
) -> None:
    users, answers = good(after)
    made, sides = converse([*users, broken], answers)
    check_cut(made, sides, kind, after)


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize(
    ("broken", "kind"), BROKEN_ANSWERS, ids=lambda value: value[:20] if isinstance(value, str) else ""
)
def test_an_answer_off_course_ends_it_and_what_comes_before_is_kept(
    broken: Say, kind: str, after: int
) -> None:
    users, _ = good(after + 1)
    made, sides = converse(users, [*ANSWERS[:after], broken])
    check_cut(made, sides, kind, after)


def check_cut(made: Record, sides: Sides, kind: str, after: int) -> None:
    assert sides.facts[f"drift_{kind}"] == 1
    assert made.scores == {"converse.exchanges": float(after)}
    assert made.notes["converse.exchanges"].startswith(f"cut after {after} exchanges ({kind}): ")
    if after >= 2:
        assert made.dropped is None
        assert said(made) == expected(after)
        assert sides.facts["conversations_cut"] == 1
    else:
        assert made.dropped is not None
        assert made.dropped.kind == kind
        assert made.dropped.failed == (kind in {"context_length", "refused"})
        assert made.dropped.numbers["exchanges"] == 1.0
        assert said(made)[:2] == expected(1), "all of it is there to look at"
        assert sides.facts["conversations_dropped"] == 1


def test_a_conversation_about_something_else_is_dropped_whole_as_the_judge_says() -> None:
    users, answers = good(3)
    verdict = {"reason": "it is about lamps", "about_goal": False}
    made, sides = converse([*users, DONE], answers, verdict=verdict)
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == ("off_goal", False)
    assert made.dropped.reason == "the judge finds it not about its goal: it is about lamps"
    assert said(made) == expected(3)
    assert sides.facts["drift_off_goal"] == sides.facts["conversations_dropped"] == 1
    assert made.events[-1].operation == "judge_goal"
    (ask,) = sides.judge.asks
    assert f"<goal>\n{GOAL.instruction}\n</goal>" in ask.text
    assert ask.temperature == 0


def test_the_judge_reads_what_is_kept_and_is_not_asked_where_nothing_is() -> None:
    users, answers = good(2)
    _, sides = converse([*users, says("Thanks, bye!")], answers)
    assert "Thanks" not in sides.judge.asks[0].text
    assert ANSWERS[1] in sides.judge.asks[0].text
    _, sides = converse([users[0], says("Thanks, bye!")], answers)
    assert sides.judge.asks == []


def test_a_judge_that_fails_fails_the_conversation_and_without_the_check_none_is_asked() -> None:
    users, answers = good(2)
    failed = RecordFailed("bad_reply", "no JSON")
    made, sides = converse([*users, DONE], answers, verdict=failed)
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == ("bad_reply", True)
    assert sides.facts["conversations_dropped"] == 1
    made, sides = converse([*users, DONE], answers, verdict=failed, check_goal=False)
    assert made.dropped is None
    assert sides.judge.asks == []


def test_every_kind_that_is_looked_for_is_counted_at_nought() -> None:
    users, answers = good(2)
    _, sides = converse([*users, DONE], answers)
    assert {f"drift_{kind}": 0 for kind in KINDS}.items() <= sides.context.facts.items()


def test_one_refusal_stays_and_two_in_a_row_are_cut_both() -> None:
    users, answers = good(4)
    answers[2] = REFUSAL
    made, _ = converse([*users, DONE], answers)
    assert made.dropped is None
    assert len(made.messages) == 8
    users, answers = good(4)
    answers[2], answers[3] = REFUSAL, "I'm sorry, I cannot assist with this request either."
    made, sides = converse([*users, DONE], answers)
    assert said(made) == expected(2)
    assert sides.facts["drift_refusal_loop"] == 1
    assert made.notes["converse.exchanges"].startswith("cut after 2 exchanges (refusal_loop)")


def test_a_call_of_a_tool_ends_it_since_nothing_runs_it() -> None:
    record = replace(GOAL, tools=({"type": "function", "function": {"name": "weather"}},))
    users, answers = good(3)
    answers[2] = Reply("", finish_reason="tool_calls", calls=(ToolCall("weather", "{}"),))
    made, sides = converse(users, answers, record)
    assert said(made) == expected(2)
    assert sides.facts["drift_called_a_tool"] == 1
