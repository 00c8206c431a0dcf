"""Answers that are kept and may be none are counted, and told with their share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from step_context import process, scripted_context

from factory.data.record import Message, new_record
from factory.steps.agents.flaws.doubts import doubt_about, note_doubts, tell_doubts
from factory.steps.agents.respond import Respond

LOOP = "The sea is salt because the rivers bring salt to the sea. " * 12
ENGLISH, CHINESE = "Why do the tides come and go?", "请解释为什么海水是咸的。"


@pytest.mark.parametrize(
    ("asked", "answer", "kind"),
    [
        (ENGLISH, "The moon pulls the water of the sea.", ""),
        (ENGLISH, "", ""),
        (ENGLISH, "I'm sorry, but I can't help with that.", "refusal"),
        (CHINESE, "抱歉，我无法回答这个问题。", "refusal"),
        ("Write an apology to a customer.", "I'm sorry that your parcel came late. We send it anew.", ""),
        (ENGLISH, LOOP, "repetition"),
        ("Repeat a sentence twelve times.", LOOP, ""),
        (ENGLISH, "潮汐是由月球的引力引起的，所以海水每天涨落两次。", "other_language"),
        (CHINESE, "Rivers carry salt from the rocks to the sea, and the sun takes the water away.", "other_language"),
        ("Translate into Chinese: tides", "潮汐", ""),
    ],
)  # fmt: skip
def test_a_doubt_has_a_kind(asked: str, answer: str, kind: str) -> None:
    assert doubt_about(new_record(asked, output=answer)) == kind


def test_respond_keeps_them_and_tells_each_kind_with_its_share() -> None:
    said = iter(
        [
            "I'm sorry, but I can't help with that.",
            LOOP,
            "月球的引力使海水每天涨落两次。",
            "The moon.",
            "",
            "Sun.",
        ]
    )
    context, _ = scripted_context(lambda ask: next(said), step="03-respond")
    told: list[str] = []
    context = replace(context, tell=told.append)
    step = Respond()
    kept = [
        record
        for number in range(6)
        for record in process(step, new_record(f"{ENGLISH} {number}"), context)
        if record.dropped is None
    ]
    step.finish(context)
    assert len(kept) == 5, "the empty one is let go"
    assert context.facts["answers_looked_at"] == 5
    assert context.facts["answers_in_doubt"] == {"other_language": 1, "refusal": 1, "repetition": 1}
    assert len(told) == 3
    refusing = "03-respond: 1 of 5 answers, 20.0% (95 % interval 3.6% to 62.4%), refuse: ask another model"
    assert told[1].startswith(refusing)


def test_where_nothing_is_in_doubt_nothing_is_told() -> None:
    context, _ = scripted_context(lambda ask: "The moon.", step="03-respond")
    told: list[str] = []
    context = replace(context, tell=told.append)
    step = Respond()
    process(step, new_record(ENGLISH), context)
    process(step, new_record(ENGLISH, output="An answer that it had: I can't help with that."), context)
    step.finish(context)
    assert not told
    assert context.facts["answers_looked_at"] == 1, "answers that were there are not its own"


def test_of_a_conversation_each_turn_counts() -> None:
    context, _ = scripted_context(lambda ask: "")
    turns = (Message("user", ENGLISH), Message("assistant", "I cannot answer that."))
    record = new_record("And the waves?", history=turns, output="The wind makes the waves.")
    note_doubts(record, context, turns=True)
    assert (context.facts["answers_looked_at"], context.facts["answers_in_doubt"]) == (2, {"refusal": 1})


def test_of_several_samples_the_chosen_one_counts() -> None:
    said = iter(["I'm sorry, but I can't help with that.", "The moon."])
    context, _ = scripted_context(lambda ask: next(said))
    process(Respond(samples=2), new_record(ENGLISH), context)
    assert (context.facts["answers_looked_at"], context.facts["answers_in_doubt"]) == (1, {"refusal": 1})


def test_the_longest_lists_come_first_and_equal_ones_by_name() -> None:
    context, _ = scripted_context(lambda ask: "")
    told: list[str] = []
    context = replace(context, tell=told.append)
    for answer in ("I cannot help with that.", LOOP, LOOP):
        note_doubts(new_record(ENGLISH, output=answer), context)
    tell_doubts(context)
    assert ["loop" in one for one in told] == [True, False]
