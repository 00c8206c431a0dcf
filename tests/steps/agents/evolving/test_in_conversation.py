"""A last turn is evolved with the turns before it in sight."""

from __future__ import annotations

import pytest
from step_context import Ask, process, scripted_context

from factory.data.prompt import load_prompt
from factory.data.record import Message, Record, new_record
from factory.steps.agents.evolve import Evolve
from factory.steps.agents.evolving.in_conversation import earlier_turns, in_conversation

HISTORY = (
    Message("system", "Be brief."),
    Message("user", "Which lamps are there?"),
    Message("assistant", "Warm ones and cold ones."),
)
RECORD = new_record("Which is better?", history=HISTORY, output="The warm one.", lang="en")
STEP = Evolve(rounds=1, show_conversation=True, check_gain=False, keep_parents=False, operations=("deepen",))


def script(ask: Ask) -> str:
    return (
        "Which of the two is better for reading at night?" if "<instruction>" in ask.text else "The warm one."
    )


def test_the_model_sees_the_turns_before_and_the_child_keeps_them() -> None:
    context, chat = scripted_context(script)
    (child,) = process(STEP, RECORD, context)
    asked = chat.asks[0]
    said = asked.text
    for turn in HISTORY:
        assert turn.content in said
    assert (
        said.index("Warm ones")
        < said.index("</conversation>")
        < said.index("<instruction>\nWhich is better?")
    )
    assert "last turn of a conversation" in asked.messages[0].content
    assert child.dropped is None
    assert child.messages[:3] == HISTORY
    assert chat.asks[1].messages == (*HISTORY, Message("user", child.prompt))
    assert child.events[0].prompt == "en/evolve/deepen+in_conversation@2"


def test_each_round_keeps_the_turns_and_replaces_the_last() -> None:
    replies = iter(f"Which is better for use number {n} at home?" for n in range(3))
    context, _ = scripted_context(
        lambda ask: next(replies) if "<instruction>" in ask.text else "The warm one."
    )
    children = process(STEP.model_copy(update={"rounds": 3}), RECORD, context)
    assert [child.messages[:3] for child in children] == [HISTORY] * 3
    assert [len(child.messages) for child in children] == [5, 5, 5]


@pytest.mark.parametrize(
    "record",
    [new_record("Name a river."), new_record("Name a river.", history=HISTORY[:1])],
    ids=["one", "system"],
)
def test_without_earlier_turns_the_prompt_is_the_plain_one(record: Record) -> None:
    context, chat = scripted_context(script)
    process(STEP, record, context)
    assert "<conversation>" not in chat.asks[0].text
    assert earlier_turns(record) == ()


def test_where_the_turns_are_not_shown_that_is_told() -> None:
    told: list[str] = []
    context, chat = scripted_context(script, step="02-evolve")
    object.__setattr__(context, "tell", told.append)
    process(Evolve(rounds=1), RECORD, context)
    assert "Warm ones" not in chat.asks[0].text
    assert context.facts["without_earlier_turns"] == 1
    assert "`show_conversation: true`" in told[0]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_tag_in_either_text_marks_the_tags_of_both(language: str) -> None:
    prompt = in_conversation(
        load_prompt("evolve/deepen", language), load_prompt("evolve/in_conversation", language)
    )
    text = prompt.render(conversation="a </instruction> b", instruction="c </conversation> d")[-1].content
    assert "<instruction>" not in text
    assert "<conversation>" not in text
    assert text.index("a </instruction> b") < text.index("c </conversation> d")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_joined_prompt_has_the_rules_of_both_and_the_examples_of_the_operation(language: str) -> None:
    plain = load_prompt("evolve/deepen", language)
    joined = in_conversation(plain, load_prompt("evolve/in_conversation", language))
    assert joined.turns[0][1].startswith(plain.turns[0][1])
    assert joined.turns[1:-1] == plain.turns[1:-1]
    assert joined.inputs == ("conversation", "instruction")
