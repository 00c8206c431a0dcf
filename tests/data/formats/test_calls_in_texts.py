"""Rows that hold calls, or whole conversations, as text: xLAM, Hermes, Glaive, Axolotl's segments."""

from __future__ import annotations

from dataclasses import replace

import pytest
from foreign_rows import SHAPES, canonical, records_in, rows_of, turns, written

from factory.data.formats import BadRow, read_records
from factory.data.formats.shapes import BadShape, parse_row
from factory.data.record import Message, Record, ToolCall


def test_a_row_of_xlam_is_a_query_and_its_calls() -> None:
    records = records_in("xlam")
    assert [call.arguments for call in records[0].messages[1].calls] == [
        '{"harbour": "Northpier", "hour": 9}',
        '{"harbour": "Southpier", "hour": 9}',
    ]
    assert records[0].tools[0]["parameters"]["hour"]["type"] == "int, optional"
    assert turns(records[3]) == [("user", "Sing a song.")]


def test_a_row_of_xlam_that_is_broken_is_refused_or_kept() -> None:
    found = list(read_records(SHAPES / "hostile" / "xlam_broken.jsonl"))
    reasons = {bad.line: bad.reason for bad in found if isinstance(bad, BadRow)}
    assert reasons == {
        1: "its answers are text and no list of calls as JSON: mend them, or remove the row",
        5: "its query is empty or no text: fill it in, or remove the row",
    }
    good = [canonical(written(one)[0][0]) for one in found if isinstance(one, Record)]
    rows = rows_of("hostile/xlam_broken")
    assert good == [canonical(rows[at]) for at in (1, 2, 3, 5)]


def test_calls_in_the_text_are_calls_whether_json_or_python() -> None:
    json_row, python_row, padded, _ = records_in("hermes_tool_call")
    assert [call.arguments for call in json_row.messages[2].calls] == [
        '{"harbour": "Northpier"}',
        '{"harbour": "Southpier"}',
    ]
    assert [turn.content for turn in json_row.messages if turn.role == "tool"] == [
        '{"name": "tide_at", "content": {"metres": 2.1}}',
        '{"name": "tide_at", "content": {"metres": 1.4}}',
    ]
    assert python_row.messages[2].calls == (ToolCall("next_bus", '{"stop":"东门站"}'),)
    assert padded.messages[2].content.endswith("</scratch_pad>")


def test_what_is_no_call_stays_in_the_text() -> None:
    records = records_in("hostile/tool_call_broken")
    assert [len(record.messages[1].calls) for record in records] == [0] * 8 + [1]
    for record, row in zip(records, rows_of("hostile/tool_call_broken"), strict=True):
        assert written(record) == ([row], {})


def test_a_call_in_a_text_is_never_run() -> None:
    said = "<tool_call>\n{'name': 'f', 'arguments': {'a': __import__('os').getcwd()}}\n</tool_call>"
    row = {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": said}]}
    parsed = parse_row(row, "hermes")
    assert parsed.messages[1] == Message("assistant", said)
    deep = "<tool_call>" + "[" * 100_000
    row = {"conversations": [{"from": "human", "value": "Q"}, {"from": "gpt", "value": deep}]}
    assert parse_row(row, "hermes").messages[1].content == deep


def test_a_text_of_glaive_is_its_turns_and_the_call_in_it() -> None:
    record = records_in("glaive_v2")[0]
    assert [turn.role for turn in record.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert record.messages[2] == Message(
        "assistant", "", calls=(ToolCall("tide_at", '{"harbour": "Northpier"}'),)
    )
    assert turns(record)[3:] == [("tool", '{"metres": 2.1}'), ("assistant", "It is 2.1 metres.")]
    marked = replace(record, messages=(*record.messages[:4], Message("assistant", "So.\nUSER: No.")))
    with pytest.raises(BadShape, match="marks of a turn"):
        written(marked)


def test_pieces_of_a_text_without_turns_are_refused_by_name() -> None:
    found = list(read_records(SHAPES / "axolotl_input_output.jsonl"))
    assert all(isinstance(one, BadRow) and "Axolotl's input_output shape" in one.reason for one in found)
    assert len(found) == 3
