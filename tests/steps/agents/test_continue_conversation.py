"""The next user turn of a conversation by a scripted model: what it is asked, checked by and answered with."""

from __future__ import annotations

import asyncio
import json
import keyword
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import Ask, ScriptedChat, process, scripted_context

import factory as sft
from factory.data.record import Message, Record, ToolCall, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.step import Context
from factory.steps.agents.continue_conversation import ContinueConversation, Standing

TALK = new_record(
    "How do I keep basil alive on a window?",
    output="Give it six hours of light a day, and water it only when the soil is dry.",
    lang="en",
    source="s",
)
NEXT = "And what if mine gets only two?"
ANSWER = "Then hang a lamp of 15 watts above it."
Say = str | Reply | Exception


class Model:
    """A model that writes these turns in order, judges by these words, and gives these answers."""

    def __init__(
        self, turns: Sequence[Say], alone: Sequence[Say | bool] = (False,), answers: Sequence[Say] = (ANSWER,)
    ):
        self.turns, self.alone, self.answers = list(turns), list(alone), list(answers)
        self.asked: dict[str, list[Ask]] = {"turn": [], "judge": [], "answer": []}
        self.context, self.chat = scripted_context(self._script, step="03-continue_conversation")

    def _script(self, ask: Ask) -> Say:
        if ask.schema is Standing:
            said = self._next("judge", ask, self.alone)
            return (
                json.dumps({"reason": "so it is", "answerable_alone": said})
                if isinstance(said, bool)
                else said
            )
        drawn = ask.messages[0].role == "" or "<conversation>" in ask.text
        return self._next("turn", ask, self.turns) if drawn else self._next("answer", ask, self.answers)

    def _next(self, kind: str, ask: Ask, replies: list[Any]) -> Any:
        self.asked[kind].append(ask)
        return replies[min(len(self.asked[kind]), len(replies)) - 1]


def go_on(model: Model, record: Record = TALK, **options: Any) -> list[Record]:
    return process(ContinueConversation(**options), record, model.context)


def kinds(records: Sequence[Record]) -> list[str]:
    return ["" if record.dropped is None else record.dropped.kind for record in records]


def test_the_conversation_goes_on_with_a_turn_that_depends_on_it_and_its_answer() -> None:
    model = Model([NEXT])
    (made,) = go_on(model)
    assert made.messages == (*TALK.messages, Message("user", NEXT), Message("assistant", ANSWER))
    assert (made.instruction, made.output, made.dropped, made.source) == (NEXT, ANSWER, None, "s")
    assert [event.operation for event in made.events] == ["user", "judge_dependence", "answer"]
    assert made.events[0].prompt == "en/continue_conversation/dependent@1"
    assert made.events[0].parents == (TALK.id,)
    assert all(event.calls for event in made.events)
    assert made.id != TALK.id
    assert model.context.facts == {"turns_drawn": 1, "turns_kept": 1}


def test_the_judge_is_shown_the_turn_alone_and_the_writer_the_conversation() -> None:
    model = Model([NEXT])
    go_on(model, replace(TALK, messages=(Message("system", "Be brief."), *TALK.messages)))
    (writer,), (judge,), (answerer,) = model.asked["turn"], model.asked["judge"], model.asked["answer"]
    assert "User: How do I keep basil alive on a window?\n\nAssistant: Give it six" in writer.text
    assert "Be brief." not in writer.text
    assert judge.temperature == 0
    assert f"<message>\n{NEXT}\n</message>" in judge.text
    assert "basil" not in judge.text
    assert [turn.content for turn in answerer.messages] == [
        "Be brief.",
        *(turn.content for turn in TALK.messages),
        NEXT,
    ]


@pytest.mark.parametrize(
    ("depends", "alone", "kind"),
    [
        (True, False, ""),
        (True, True, "answerable_alone"),
        (False, True, ""),
        (False, False, "needs_context"),
    ],
)
def test_a_turn_is_kept_where_it_depends_on_the_conversation_as_it_is_to(
    depends: bool, alone: bool, kind: str
) -> None:
    model = Model([NEXT], [alone])
    (made,) = go_on(model, depends=depends)
    assert kinds([made]) == [kind]
    assert len(model.asked["answer"]) == (not kind), "what is let go is not answered"
    prompt = "dependent" if depends else "free"
    assert made.events[0].prompt == f"en/continue_conversation/{prompt}@1"
    if made.dropped is not None:
        assert made.dropped.reason.endswith("the conversation: so it is")
        assert made.instruction == NEXT


def test_any_asks_no_judge() -> None:
    model = Model([NEXT])
    (made,) = go_on(model, depends="any")
    assert model.asked["judge"] == []
    assert [event.operation for event in made.events] == ["user", "answer"]
    assert made.events[0].prompt == "en/continue_conversation/any@1"


def test_without_an_answer_the_conversation_waits_for_one() -> None:
    model = Model([NEXT])
    (made,) = go_on(model, answer=False)
    assert made.messages == (*TALK.messages, Message("user", NEXT))
    assert model.asked["answer"] == []


def test_what_models_put_around_a_message_is_taken_off() -> None:
    (made,) = go_on(Model([f'"{NEXT}"']))
    assert made.instruction == NEXT


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        ("\u200b", "empty"),
        (Reply("And what if", finish_reason="length"), "truncated"),
        ("How do I keep basil alive on a window", "repetition"),
        ("water it only when the soil is dry", "repetition"),
        ("User: and two hours?", "speaker_label"),
        ("Sure, here is what you can do for it.", "swapped_roles"),
        ("Thanks, bye!", "closing"),
        ("那么浇水要多久一次呢，冬天和夏天一样吗？", "other_language"),
        ("And what do I do with the ones I pinch off, can those grow too?", "template_leak"),
        (RecordFailed("context_length", "it does not fit"), "context_length"),
    ],
)
def test_a_turn_that_is_none_is_let_go_before_anything_else_is_asked(turn: Say, kind: str) -> None:
    model = Model([turn])
    (made,) = go_on(model)
    assert kinds([made]) == [kind]
    assert made.dropped is not None
    assert made.dropped.failed == (kind == "context_length")
    assert model.asked["judge"] == model.asked["answer"] == []
    assert made.messages[:2] == TALK.messages
    assert model.context.facts == {"turns_drawn": 1, "turns_kept": 0}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("\u200b", "empty"),
        (Reply("Then hang", finish_reason="length"), "truncated"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("Can you help me with my own basil?", "swapped_roles"),
        (TALK.output, "repetition"),
        (NEXT * 2, "repetition"),
        (RecordFailed("refused", "the filter refused"), "refused"),
    ],
)
def test_an_answer_that_is_none_lets_the_turn_go(answer: Say, kind: str) -> None:
    turn = NEXT * 2 if answer == NEXT * 2 else NEXT
    model = Model([turn], answers=[answer])
    (made,) = go_on(model)
    assert kinds([made]) == [kind]


def test_a_judge_that_fails_fails_the_turn() -> None:
    (made,) = go_on(Model([NEXT], [RecordFailed("bad_reply", "no JSON")]))
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == ("bad_reply", True)
    assert made.instruction == NEXT


def test_another_turn_is_drawn_until_one_is_kept_and_each_that_was_let_go_is_told() -> None:
    model = Model(["Thanks!", NEXT, "never drawn"], [True, False], [ANSWER])
    model.turns[1:1] = ["Which herbs grow in the shade?"]
    made = go_on(model, tries=5)
    assert kinds(made) == ["closing", "answerable_alone", ""]
    assert len({record.id for record in made}) == 3
    assert [ask.sample for ask in model.asked["turn"]] == [0, 1, 2]
    assert model.context.facts == {"turns_drawn": 3, "turns_kept": 1}


def test_the_tries_end() -> None:
    made = go_on(Model(["Thanks!"]), tries=3)
    assert kinds(made) == ["closing"] * 3
    assert len({record.id for record in made}) == 3


def test_the_conversation_as_it_was_goes_on_too_where_it_is_asked_for() -> None:
    parent, made = go_on(Model([NEXT]), keep_parents=True)
    assert parent is TALK
    assert made.events[0].parents == (TALK.id,)


def test_a_turn_may_be_drawn_from_the_models_own_template() -> None:
    model = Model([NEXT])
    record = replace(TALK, messages=(Message("system", "Be brief."), *TALK.messages))
    (made,) = go_on(model, record, from_template=True, depends="any")
    (ask,) = model.asked["turn"]
    said = "".join(f"<|{turn.role}|>{turn.content}<|end|>" for turn in record.messages)
    assert ask.text == f"{said}<|user|>"
    assert ask.sampling.stop == ("<|end|>",)
    assert made.instruction == NEXT
    assert made.events[0].operation == "draw"
    assert made.events[0].prompt == ""


def test_a_drawn_turn_is_checked_likewise() -> None:
    model = Model(["Thanks!", NEXT], [True])
    assert kinds(go_on(model, from_template=True, tries=2)) == ["closing", "answerable_alone"]


def test_an_answer_that_calls_tools_is_a_whole_one() -> None:
    record = replace(TALK, tools=({"type": "function", "function": {"name": "lamp"}},))
    call = ToolCall("lamp", "{}")
    (made,) = go_on(Model([NEXT], answers=[Reply("", finish_reason="tool_calls", calls=(call,))]), record)
    assert made.dropped is None
    assert made.messages[-1].calls == (call,)


def test_chinese_conversations_get_chinese_prompts() -> None:
    record = new_record("罗勒放在窗台上怎么养活？", output="每天晒足六小时，土干了再浇水。")
    model = Model(["要是只有两小时呢？"], answers=["那就在上方挂一盏灯。"])
    (made,) = go_on(model, record)
    assert made.dropped is None
    assert [event.prompt for event in made.events] == [
        "zh/continue_conversation/dependent@1",
        "zh/continue_conversation/answerable_alone@1",
        "zh/respond/answer@1",
    ]


@pytest.mark.parametrize(
    ("messages", "kind", "words"),
    [
        ((), "no_conversation", "no user turn"),
        ((Message("system", "Be brief."),), "no_conversation", "no user turn"),
        ((Message("user", " "), Message("assistant", "Yes.")), "no_conversation", "no user turn"),
        ((Message("user", "Hi"),), "not_answered", "waits for an answer: put `respond` before this step"),
        ((Message("user", "Hi"), Message("assistant", " ")), "not_answered", "waits for an answer"),
        (
            (Message("user", "Hi"), Message("assistant", "", calls=(ToolCall("x", "{}"),))),
            "not_answered",
            "waits for its tools",
        ),
    ],
)
def test_what_is_no_conversation_is_set_aside_in_a_sentence_without_a_call(
    messages: tuple[Message, ...], kind: str, words: str
) -> None:
    model = Model([NEXT])
    with pytest.raises(RecordFailed, match=words) as failed:
        go_on(model, Record("1", messages))
    assert failed.value.kind == kind
    assert model.chat.asks == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depends": "sometimes"}, "it is true, false or any"),
        ({"depends": ["any"]}, "it is true, false or any"),
        ({"tries": 0}, "greater than or equal to 1"),
        ({"repeated": 1.5}, "less than or equal to 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ContinueConversation(**options)


@pytest.mark.parametrize(("typed", "meant"), [("true", True), ("false", False), ("any", "any"), (True, True)])
def test_dependence_is_read_as_it_is_typed(typed: Any, meant: object) -> None:
    assert ContinueConversation(depends=typed).depends == meant


def test_a_dataset_has_a_method_of_its_name_which_continue_could_not_be() -> None:
    assert callable(sft.load([{"instruction": "Hi", "output": "Hello"}]).continue_conversation)
    assert keyword.iskeyword("continue")


TURNS = st.sampled_from(
    [NEXT, "Thanks!", "", TALK.instruction, "What about feeding it?", RecordFailed("refused", "no")]
)


@given(
    st.lists(TURNS, min_size=1, max_size=6),
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.integers(1, 6),
)
def test_kept_is_drawn_less_dropped_and_one_at_the_most(
    turns: list[Say], alone: list[bool], tries: int
) -> None:
    model = Model(turns, alone)
    made = go_on(model, tries=tries)
    kept = [record for record in made if record.dropped is None]
    facts = model.context.facts
    assert (facts["turns_drawn"], facts["turns_kept"]) == (len(made), len(kept))
    assert len(kept) <= 1
    assert len(made) == tries or kept == made[-1:]
    for record in kept:
        assert [turn.role for turn in record.messages] == ["user", "assistant"] * 2
    again = go_on(Model(turns, alone), tries=tries)
    assert [record.id for record in again] == [record.id for record in made]


def test_a_rehearsal_makes_every_call_of_every_try() -> None:
    chat = ScriptedChat(
        lambda ask: json.dumps({"reason": "", "answerable_alone": True}) if ask.schema else "Thanks!"
    )
    context = Context("03-x", 0, lambda name: chat, lambda name: pytest.fail("no embedder is asked"))

    async def rehearse(record: Record) -> list[Record]:
        step = ContinueConversation(tries=3, keep_parents=True)
        return [made async for made in step.rehearse(record, context)]

    assert len(asyncio.run(rehearse(TALK))) == 2
    assert len(chat.asks) == 9
    assert asyncio.run(rehearse(Record("1", ()))) == []
