"""How turns and tools are spelled for OpenAI-style servers, and what of them a call's key holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Media, Message, ToolCall
from factory.errors import RecordFailed
from factory.models.wire import estimate_prompt_tokens, sent_messages, wire_messages, wire_tools

ADD = {"name": "add", "description": "two numbers", "parameters": {"type": "object", "properties": {}}}


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.text())))
def test_a_conversation_of_texts_is_sent_as_roles_and_texts_alone(said: list[tuple[str, str]]) -> None:
    turns = [Message(role, content) for role, content in said]
    assert wire_messages(turns) == [{"role": role, "content": content} for role, content in said]
    assert sent_messages(turns) == [list(pair) for pair in said]


def test_reasoning_weights_and_other_keys_of_a_turn_are_not_sent_and_change_no_key() -> None:
    turn = Message("assistant", "4", "2 and 2 make 4", weight=0.0, extra={"index": 3})
    assert wire_messages([turn]) == [{"role": "assistant", "content": "4"}]
    assert sent_messages([turn]) == [["assistant", "4"]]


def test_calls_and_their_answers_are_sent_with_the_ids_of_the_source() -> None:
    turns = [
        Message("user", "2+2?", name="ann"),
        Message("assistant", "", calls=(ToolCall("add", '{"a": 2,"b":2}', "c9"),)),
        Message("tool", "4", call_id="c9", name="add"),
    ]
    assert wire_messages(turns) == [
        {"role": "user", "content": "2+2?", "name": "ann"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c9", "type": "function", "function": {"name": "add", "arguments": '{"a": 2,"b":2}'}}
            ],
        },
        {"role": "tool", "content": "4", "tool_call_id": "c9", "name": "add"},
    ]


def ids(turns: list[Message]) -> tuple[list[str], list[str | None]]:
    """The ids of the calls, and those that the tools' turns answer."""
    sent = wire_messages(turns)
    called = [call["id"] for turn in sent for call in turn.get("tool_calls", ())]
    return called, [turn.get("tool_call_id") for turn in sent if turn["role"] == "tool"]


def test_calls_without_ids_get_one_each_and_are_answered_in_order() -> None:
    two = (ToolCall("add", "{}"), ToolCall("mul", "{}"))
    turns = [
        Message("user", "?"),
        Message("assistant", "", calls=two),
        Message("tool", "4"),
        Message("tool", "6"),
        Message("assistant", "", calls=two[:1]),
        Message("tool", "8"),
    ]
    assert ids(turns) == (["call_0", "call_1", "call_2"], ["call_0", "call_1", "call_2"])
    assert ids(turns) == ids(turns), "the same each time"


def test_an_id_that_is_made_up_is_none_that_the_source_uses() -> None:
    calls = (ToolCall("add", "{}"), ToolCall("add", "{}", "call_0"))
    assert ids([Message("assistant", "", calls=calls)]) == (["call_1", "call_0"], [])


def test_a_call_that_was_never_answered_is_not_answered_after_the_next_question() -> None:
    call = (ToolCall("add", "{}"),)
    turns = [Message("assistant", "", calls=call), Message("user", "again?")]
    assert ids([*turns, Message("tool", "4")]) == (["call_0"], [None])
    assert ids([*turns, Message("assistant", "", calls=call), Message("tool", "4")])[1] == ["call_1"]


def test_an_answer_under_an_id_that_no_call_has_answers_the_first_that_waits() -> None:
    turns = [Message("assistant", "", calls=(ToolCall("add", "{}"),)), Message("tool", "4", call_id="x")]
    assert ids(turns) == (["call_0"], ["call_0"])


def test_pictures_stand_where_they_stood_in_the_text() -> None:
    shown = (Media("image", "https://example.org/a.png", 3), Media("image", "data:image/png;base64,AA==", 0))
    (sent,) = wire_messages([Message("user", "看图。说明", media=shown)])
    assert sent["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "看图。"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "text", "text": "说明"},
    ]


@given(st.text(), st.lists(st.integers(0, 30)))
def test_no_character_of_a_turn_is_lost_or_doubled_by_its_pictures(text: str, places: list[int]) -> None:
    shown = tuple(Media("image", f"https://example.org/{at}", at) for at in places)
    (sent,) = wire_messages([Message("user", text, media=shown)])
    parts = sent["content"] if shown else [{"type": "text", "text": text}]
    assert "".join(part.get("text", "") for part in parts) == text
    assert sum(part["type"] == "image_url" for part in parts) == len(places)


@pytest.mark.parametrize(
    "uri", ["/etc/passwd", "a.png", "file:///etc/passwd", "C:\\a.png", "ftp://x/a.png", ""]
)
def test_a_file_that_a_row_names_is_not_opened_and_the_record_says_so(uri: str) -> None:
    with pytest.raises(RecordFailed, match=r"a file that a row names is not opened: give its data") as caught:
        wire_messages([Message("user", "look", media=(Media("image", uri),))])
    assert caught.value.kind == "media_not_sent"
    assert uri in str(caught.value)


def test_a_file_that_is_no_picture_sound_or_film_is_refused_by_its_kind() -> None:
    with pytest.raises(RecordFailed, match="a file cannot be sent"):
        wire_messages([Message("user", "read", media=(Media("file", "https://example.org/a.pdf"),))])


@pytest.mark.parametrize(
    ("tool", "sent"),
    [
        (ADD, {"type": "function", "function": ADD}),
        ({"type": "function", **ADD}, {"type": "function", "function": ADD}),
        ({"type": "function", "function": ADD}, {"type": "function", "function": ADD}),
        (
            {"name": "add", "input_schema": {"type": "object"}},
            {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
        ),
    ],
)
def test_a_tools_schema_is_sent_in_openais_spelling_whatever_its_source_was(
    tool: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert wire_tools([tool]) == [sent]


def test_what_changes_what_is_sent_changes_what_a_key_is_made_of() -> None:
    plain = Message("user", "look")
    turns = [
        plain,
        plain._replace(name="ann"),
        plain._replace(media=(Media("image", "https://example.org/a.png"),)),
        plain._replace(media=(Media("image", "https://example.org/a.png", 2),)),
        plain._replace(media=(Media("image", "data:image/png;base64,AA=="),)),
        plain._replace(media=(Media("image", "data:image/png;base64,AB=="),)),
        plain._replace(calls=(ToolCall("add", "{}"),)),
        plain._replace(call_id="c1"),
    ]
    known = [repr(sent_messages([turn])) for turn in turns]
    assert len(set(known)) == len(turns)
    assert all("base64" not in one for one in known), "a picture's data would fill the journal"


def test_tools_and_calls_count_among_a_prompts_tokens() -> None:
    asked = [Message("user", "2+2?")]
    called = [*asked, Message("assistant", "", calls=(ToolCall("add", '{"a": 2, "b": 2}'),))]
    assert (
        estimate_prompt_tokens(asked) < estimate_prompt_tokens(called) < estimate_prompt_tokens(called, [ADD])
    )
