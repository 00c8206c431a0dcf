"""What rows mean: each shape, its spellings, and why a row is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from factory.data.formats import BadRow, records_from
from factory.data.record import Message, Record

USER, ANSWER = Message("user", "Hi"), Message("assistant", "Hello")


def one(row: dict[str, Any], shape: str | None = None) -> Record:
    (record,) = records_from([row], shape=shape)
    assert isinstance(record, Record), record
    return record


def reason(row: dict[str, Any], shape: str | None = None) -> str:
    (bad,) = records_from([row], shape=shape)
    assert isinstance(bad, BadRow), bad
    return bad.reason


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Hi", "output": "Hello"},
        {"instruction": "Hi", "input": None, "output": "Hello"},
        {"prompt": "Hi", "response": "Hello"},
        {"question": "Hi", "answer": "Hello"},
        {"query": "Hi", "response": "Hello"},
        {"prompt": "Hi", "completion": "Hello"},
        {"instruction": "Hi", "instances": [{"input": "", "output": "Hello"}]},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"conversation": [{"from": "user", "value": "Hi"}, {"from": "bing", "value": "Hello"}]},
        {"items": [{"from": "prompter", "value": "Hi"}, {"from": "bard", "value": "Hello"}]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]},
        {"messages": '[{"role": "user", "content": "Hi"}, {"role": "model", "content": "Hello"}]'},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]},
                {"role": "assistant", "content": "Hello", "tool_calls": None},
            ]
        },
    ],
)
def test_every_spelling_gives_the_same_conversation(row: dict[str, Any]) -> None:
    record = one(row)
    assert record.messages == (USER, ANSWER)
    assert record.meta == {}


def test_the_input_of_dolly_is_called_context() -> None:
    record = one({"instruction": "Sum", "context": "1 2", "response": "3", "category": "math"})
    assert (record.instruction, record.input, record.output, record.task) == ("Sum", "1 2", "3", "math")


def test_self_instruct_seeds_of_one_instance_are_as_they_always_were() -> None:
    row = {"id": "s1", "instruction": "Sum", "instances": [{"input": "1 2", "output": "3"}], "name": "sum"}
    record = one(row)
    assert (record.input, record.output) == ("1 2", "3")
    assert record.meta == {"id": "s1", "name": "sum"}


def test_history_and_system_come_before_the_last_exchange() -> None:
    turns = (
        Message("system", "Be kind."),
        USER,
        ANSWER,
        Message("user", "Bye"),
        Message("assistant", "Bye!"),
    )
    row = {"instruction": "Bye", "output": "Bye!", "history": [["Hi", "Hello"]], "system": "Be kind."}
    assert one(row).messages == turns
    assert one({**row, "history": '[["Hi", "Hello"]]'}).messages == turns


def test_known_columns_are_taken_and_others_kept_untouched() -> None:
    row = {
        "instruction": "Hi",
        "language": "fr",
        "category": "chat",
        "source": "web",
        "id": 7,
        "x": [1, {"y": None}],
    }
    record = one(row)
    assert (record.lang, record.task, record.source) == ("fr", "chat", "web")
    assert record.meta == {"id": 7, "x": [1, {"y": None}]}


def test_a_leading_system_turn_is_kept_and_tools_answer() -> None:
    roles = ["system", "human", "gpt", "observation", "gpt"]
    record = one({"conversations": [{"from": role, "value": role} for role in roles]})
    assert [turn.role for turn in record.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert (record.system, record.output) == ("system", "gpt\nobservation\ngpt")


def test_a_conversation_that_ends_with_a_user_turn_waits_for_an_answer() -> None:
    turns = [{"role": "user", "content": "Hi"}]
    assert one({"messages": turns}).output == ""
    assert one({"messages": [*turns, {"role": "assistant", "content": None}]}).messages == (USER,)
    assert one({"instruction": "Hi", "output": None}).messages == (USER,)


def test_the_shape_of_most_first_rows_decides_and_another_row_is_told() -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}]}
    kinds = [type(row) for row in records_from([chat, chat, {"instruction": "Hi"}])]
    assert kinds == [Record, Record, BadRow]


def turns(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in pairs]}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"instruction": " \n"}, "instruction is empty"),
        ({"instruction": None, "output": "x"}, "instruction is empty"),
        ({"instruction": 3}, "instruction is a number"),
        ({"instruction": "a", "output": ["b"]}, "output is a list"),
        ({"instruction": "a", "history": [["b"]]}, "history"),
        ({"instruction": "a", "history": "b"}, "history"),
        ({"instruction": "a", "history": [["b", ""]]}, "is empty"),
        (turns(), "no user turn"),
        (turns(("system", "s")), "no user turn"),
        (turns(("assistant", "a"), ("user", "b")), "starts with an assistant turn"),
        (turns(("user", "")), "turn 1 .user. is empty"),
        (turns(("user", "a"), ("assistant", " "), ("user", "b")), r"turn 2 \(assistant\) is empty"),
        (turns(("user", 3)), "is a number, not text"),
        (turns(("narrator", "a")), "unknown role 'narrator'"),
        (turns((None, "a")), "turn 1 has no role"),  # type: ignore[arg-type]
        (
            {"messages": [{"speaker": "user", "text": "Hi"}]},
            "turn 1 has no role, only speaker, text: name its keys 'role' and 'content'",
        ),
        ({"messages": ["Hi"], "instruction": None}, "instruction is empty"),
        ({"messages": [{"role": "user", "content": "a"}, "b"]}, "turn 2 is not an object"),
    ],
)
def test_a_row_that_cannot_be_a_record_says_why(row: dict[str, Any], words: str) -> None:
    assert re.search(words, reason(row)), reason(row)


def test_the_shape_asked_for_is_asked_of_every_row() -> None:
    assert "no list of turns" in reason({"instruction": "Hi"}, shape="sharegpt")
    assert "no 'instruction'" in reason({"text": "Hi"}, shape="alpaca")


@pytest.mark.parametrize(
    "tags",
    [
        ["sql", "数据 分析"],
        '["sql", "数据  分析", ""]',
        [{"tag": "sql", "explanation": ""}, {"name": "数据 分析"}],
    ],
    ids=["texts", "json", "objects"],
)
def test_a_list_of_tags_becomes_the_records_tags(tags: object) -> None:
    parsed = one({"instruction": "Hi", "tags": tags})
    assert [tag.name for tag in parsed.tags] == ["sql", "数据 分析"]
    assert "tags" not in parsed.meta


@pytest.mark.parametrize("tags", [None, "sql, python", [1, 2], [["sql"]], [{"id": 3}], 7])
def test_what_is_no_list_of_tags_stays_with_the_row(tags: object) -> None:
    parsed = one({"instruction": "Hi", "tags": tags})
    assert parsed.tags == ()
    assert parsed.meta["tags"] == tags
