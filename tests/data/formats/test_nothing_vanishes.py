"""The law of reading: every key of a row, and of its turns, is in the record, and the row can be written again.

Each shape has a strategy of rows here; a new shape adds its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from any_record import shows
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.formats import records_from
from factory.data.formats.shapes import REGISTERED, write_source_row
from factory.data.formats.shapes.foreign import FOREIGN
from factory.data.formats.shapes.spelled import same
from factory.data.record import Message, Record

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(shows)
TEXTS = st.one_of(
    WORDS, st.sampled_from(["", "<think>\nwhy\n</think>\n\nso", "<think></think>x", "<image>?", "<think>"])
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(0, 2), WORDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2)
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=3)
ARGUMENTS = st.one_of(OBJECTS, OBJECTS.map(json.dumps), st.just("{not json"), st.just(""))
CALLS = st.fixed_dictionaries(
    {"function": st.fixed_dictionaries({"name": WORDS, "arguments": ARGUMENTS})},
    optional={"id": WORDS, "type": st.just("function")},
)
PARTS = st.one_of(
    WORDS.map(lambda text: {"type": "text", "text": text}),
    st.fixed_dictionaries({"type": st.just("text"), "text": WORDS, "train": st.booleans()}),
    WORDS.map(lambda url: {"type": "image_url", "image_url": {"url": url}}),
    st.fixed_dictionaries({"type": st.just("image"), "image": WORDS, "fps": st.floats(1, 9)}),
    st.just({"type": "unheard of", "x": 1}),
)
OWN = st.sampled_from(
    ["x", "emotion", "weight", "name", "train", "loss", "refusal", "id", "role2", "extra", "form"]
)
REASONING = st.sampled_from(["reasoning_content", "reasoning", "thinking", "thought"])


@st.composite
def turn(draw: st.DrawFn, role: str) -> dict[str, Any]:
    made: dict[str, Any] = {"role": role, "content": draw(TEXTS if role == "assistant" else WORDS)}
    if draw(st.booleans()):
        return made
    if draw(st.booleans()):
        made["content"] = draw(st.lists(PARTS, min_size=1, max_size=3))
    if role == "assistant" and draw(st.booleans()):
        made["tool_calls"] = draw(st.lists(CALLS, max_size=2))
        made["content"] = draw(st.one_of(st.none(), TEXTS))
    if role == "assistant" and draw(st.booleans()):
        made[draw(REASONING)] = draw(st.one_of(st.none(), TEXTS))
    if role == "tool":
        made["tool_call_id"] = draw(SCALARS)
    for key in draw(st.lists(OWN, max_size=2)):
        made[key] = draw(VALUES)
    return made


@st.composite
def conversation(draw: st.DrawFn) -> list[dict[str, Any]]:
    roles = draw(st.lists(st.sampled_from(["user", "assistant", "tool"]), max_size=4))
    start = draw(st.sampled_from([["user"], ["system", "user"]]))
    return [draw(turn(role)) for role in (*start, *roles)]


SPOKEN = {"user": "human", "assistant": "gpt", "tool": "observation", "system": "system"}


def as_sharegpt(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"from": SPOKEN[one["role"]], "value": one["content"]}
        | {key: value for key, value in one.items() if key not in ("role", "content")}
        for one in turns
    ]


ANSWERS = st.lists(turn("assistant"), min_size=1, max_size=2)
SIDES = st.one_of(WORDS, turn("assistant"), ANSWERS)
TOOLS = st.lists(st.fixed_dictionaries({"name": WORDS, "parameters": OBJECTS}), max_size=2)
SHARED = {
    "tools": st.one_of(TOOLS, TOOLS.map(json.dumps), VALUES),
    "chat_template_kwargs": VALUES,
    "system": st.one_of(st.none(), TEXTS),
    "images": st.one_of(st.none(), st.lists(WORDS, max_size=2)),
    "lang": VALUES,
    "category": st.one_of(WORDS, VALUES),
    "licence": st.one_of(WORDS, VALUES),
    "source": VALUES,
    "tags": st.one_of(st.lists(WORDS, max_size=2), VALUES),
    "label": VALUES,
    "id": VALUES,
    "meta": VALUES,
    "score": VALUES,
}
PAIRS = st.lists(st.lists(WORDS, min_size=2, max_size=2), max_size=2)
OPENAI = {"tools": TOOLS, "parallel_tool_calls": st.booleans(), "x": VALUES}

ROWS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "messages": st.fixed_dictionaries({"messages": conversation()}, optional=SHARED),
    "sharegpt": st.fixed_dictionaries(
        {"conversations": conversation().map(as_sharegpt)}, optional={**SHARED, "kto_tag": VALUES}
    ),
    "alpaca": st.fixed_dictionaries(
        {"instruction": WORDS, "output": st.one_of(st.none(), TEXTS)},
        optional={**SHARED, "input": st.one_of(st.none(), TEXTS), "history": PAIRS, "text": VALUES},
    ),
    "prompt_completion": st.fixed_dictionaries(
        {"prompt": st.one_of(WORDS, conversation()), "completion": st.one_of(st.none(), TEXTS, ANSWERS)},
        optional=SHARED,
    ),
    "preference": st.one_of(
        st.fixed_dictionaries(
            {"prompt": st.one_of(WORDS, conversation()), "chosen": SIDES, "rejected": SIDES},
            optional={
                **SHARED,
                "score_chosen": SCALARS,
                "score_rejected": SCALARS,
                "history": PAIRS,
                "input": TEXTS,
            },
        ),
        st.tuples(conversation(), ANSWERS, ANSWERS).map(
            lambda parts: {"chosen": [*parts[0], *parts[1]], "rejected": [*parts[0], *parts[2]]}
        ),
    ),
    "openai_preference": st.fixed_dictionaries(
        {
            "input": st.fixed_dictionaries({"messages": conversation()}, optional=OPENAI),
            "preferred_output": ANSWERS,
            "non_preferred_output": ANSWERS,
        },
        optional={"id": VALUES, "tags": VALUES},
    ),
    "completions": st.fixed_dictionaries(
        {
            "instruction": WORDS,
            "completions": st.lists(
                st.fixed_dictionaries(
                    {"response": st.one_of(WORDS, TEXTS)},
                    optional={"model": VALUES, "overall_score": SCALARS, "rank": SCALARS, "critique": VALUES},
                ),
                min_size=1,
                max_size=3,
            ),
        },
        optional={**SHARED, "input": st.one_of(st.none(), TEXTS), "models": VALUES},
    ),
    "ultrachat": st.fixed_dictionaries({"data": st.lists(WORDS, min_size=1, max_size=4)}, optional=SHARED),
}
"""Rows of each shape, most of them odd in some way."""


def test_every_shape_has_its_rows_here() -> None:
    """Those of other tools' documents have theirs in `test_foreign_shapes`."""
    assert {shape.name for shape in REGISTERED if shape not in FOREIGN} <= set(ROWS)


def all_keys(value: Any) -> Iterator[str]:
    """Every key in a record's parts, and every key named in a text or a list of them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from all_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from all_keys(inner)
    elif isinstance(value, str):
        yield value


@pytest.mark.slow
@pytest.mark.parametrize("shape", ROWS)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_a_row_is_written_again_as_it_came_or_refused_in_a_sentence(shape: str, data: st.DataObject) -> None:
    row = data.draw(ROWS[shape])
    (read,) = records_from([row], shape=shape)
    if not isinstance(read, Record):
        assert "\n" not in read.reason
        return
    assert same(write_source_row(read, Counter()), row)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ROWS)
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_each_key_of_a_row_is_in_the_record_or_in_meta(shape: str, data: st.DataObject) -> None:
    row = {**data.draw(ROWS[shape]), "a key of mine": data.draw(VALUES)}
    (read,) = records_from([row], shape=shape)
    if isinstance(read, Record):
        assert same(read.meta["a key of mine"], row["a key of mine"])
        # A column that is no part of the shape is where it was; the others are fields, or how they were spelled.
        for key in ("id", "meta", "score"):
            if key in row:
                assert same(read.meta[key], row[key])


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(turns=conversation(), own=st.dictionaries(WORDS.map("own ".__add__), VALUES, min_size=1, max_size=2))
def test_each_key_of_a_turn_that_we_do_not_know_is_in_its_extra(
    turns: list[dict[str, Any]], own: dict[str, Any]
) -> None:
    turns = [{**one, **own} for one in turns]
    (read,) = records_from([{"messages": turns}], shape="messages")
    if isinstance(read, Record):
        form = set(all_keys(json.loads(read.form)))
        for message in read.messages:
            for key, value in own.items():
                assert same(message.extra.get(key), value)
                assert key in message.extra or key in form  # a key that is null in every turn is a spelling


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(turns=conversation(), answer=WORDS, prompt=WORDS)
def test_a_conversation_that_a_step_has_changed_is_written_as_it_is_now(
    turns: list[dict[str, Any]], answer: str, prompt: str
) -> None:
    (read,) = records_from([{"messages": turns}], shape="messages")
    if not isinstance(read, Record) or "<think>" in answer:
        return
    messages = (*read.messages, Message("user", prompt), Message("assistant", answer))
    changed = Record("1", messages, form=read.form)
    (again,) = records_from([write_source_row(changed, Counter())], shape="messages")
    assert isinstance(again, Record)
    assert again.messages == messages
