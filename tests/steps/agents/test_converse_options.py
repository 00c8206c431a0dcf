"""What `converse` cannot work with is one sentence: goals, plans, options, one model for both sides."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from conversing_sides import (
    DONE,
    GOAL,
    ON_GOAL,
    Sides,
    User,
    converse,
    good,
)
from pydantic import ValidationError
from step_context import Ask, ScriptedChat, process

from factory.data.record import Message, Record, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.steps.agents.converse import Converse
from factory.steps.agents.conversing.talk import GoalReply, styles


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (Record("1", ()), "no_goal"),
        (Record("1", (Message("system", "Be brief."),)), "no_goal"),
        (Record("1", (Message("user", " \u200b\n"),)), "no_goal"),
        (
            new_record("And then?", history=(Message("user", "Hi"), Message("assistant", "Hello"))),
            "conversation_already",
        ),
    ],
)
def test_a_record_that_gives_no_goal_is_set_aside_in_a_sentence_without_a_call(
    record: Record, kind: str
) -> None:
    sides = Sides([], [])
    with pytest.raises(RecordFailed) as failed:
        process(Converse(user="u", assistant="a"), record, sides.context)
    assert failed.value.kind == kind
    assert "\n" not in str(failed.value)
    assert sides.user.asks == sides.assistant.asks == []


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        ({"persona": "x", "plan": [" ", "\u200b"]}, "empty_plan"),
        (
            {
                "persona": "x",
                "plan": ["mention the narrow balcony and ask whether the recommended one still fits"],
            },
            "copied_plan",
        ),
        (RecordFailed("bad_reply", "no JSON"), "bad_reply"),
    ],
)
def test_a_plan_that_is_none_fails_the_record(plan: User, kind: str) -> None:
    with pytest.raises(RecordFailed) as failed:
        converse([], [], plan=plan)
    assert failed.value.kind == kind


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"turns": (6, 3)}, r"the least exchanges, 6, are more than the most, 3: write them as \[3, 6\]"),
        ({"turns": (0, 3)}, "greater than or equal to 1"),
        ({"turns": (2,)}, "turns"),
        ({"repeated": 0}, "greater than 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Converse(**options)


def test_one_model_for_both_sides_is_told_in_one_sentence() -> None:
    users, answers = good(2)
    _, sides = converse([*users, DONE], answers)
    assert sides.told == []
    sides = Sides([*users, DONE], answers)

    def both(ask: Ask) -> str | Reply | Exception:
        if ask.schema is GoalReply:
            return json.dumps(ON_GOAL)
        chat = sides.user if ask.schema is not None else sides.assistant
        chat.asks.append(ask)
        return chat.script(ask)

    chat = ScriptedChat(both, "m")
    (made,) = process(Converse(turns=(2, 6)), GOAL, replace(sides.context, get_chat=lambda name: chat))
    assert made.dropped is None
    (sentence,) = sides.told
    assert sentence.startswith(
        "02-converse: m plays both the user and the assistant; another model as `user`"
    )


def test_as_many_turns_are_planned_as_the_seed_draws_for_the_record() -> None:
    planned: set[int] = set()
    looks: set[str] = set()
    for number in range(60):
        users, answers = good(3)
        record = new_record(f"Keep {number} basil plants alive through the winter.", lang="en")
        _, sides = converse([*users, DONE], answers, record, turns=(2, 5))
        text = sides.user.asks[0].text
        planned.add(int(text.split("<turns>\n")[1].split("\n")[0]))
        looks |= {line for line in styles("en") if f"<style>\n{line}\n" in text}
    assert planned == {2, 3, 4, 5}
    assert looks == set(styles("en"))


def test_there_are_as_many_styles_in_both_languages() -> None:
    assert len(styles("en")) == len(styles("zh")) == len(set(styles("zh"))) == 8
