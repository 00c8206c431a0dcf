"""Trees, agents' logs, messages of other APIs and calls in texts: that they come back, and what they cannot hold."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from foreign_rows import FILES, canonical, records_in, rows_of, shape_of, written
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.formats.grouped import many_rows
from factory.data.formats.shapes import BadShape, parse_row, recognise, shape_named, write_source_row
from factory.data.formats.shapes.foreign import FOREIGN
from factory.data.formats.shapes.many import LINES, ManyRows
from factory.data.record import Candidate, Media, Message, Record, ToolCall, new_record

# What comes in goes out


def test_every_shape_that_can_be_read_has_its_file_here() -> None:
    assert {shape.name for shape in FOREIGN} - {"input_output"} == set(FILES.values())


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_recognised_and_comes_back_row_by_row(name: str) -> None:
    records = records_in(name)
    assert {shape_of(record) for record in records} == {FILES[name]}
    back = [row for record in records for row in written(record)[0]]
    assert [canonical(row) for row in back] == [canonical(row) for row in rows_of(name)]
    assert not any(written(record)[1] for record in records)


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_a_row_is_kept_twice(name: str) -> None:
    """What the turns hold is null in what is kept beside them, so that a change cannot be overruled by it."""
    for record in records_in(name):
        assert "odd" not in json.loads(record.form)
        kept = canonical(record.meta)
        for turn in record.messages:
            if len(turn.content) > 25 and turn.role != "tool" and not FILES[name].startswith("codex"):
                assert canonical(turn.content)[1:-1] not in kept or "toolUseResult" in kept


def mutated(data: st.DataObject, row: Any) -> Any:
    """A row in which something is missing, doubled or of another kind."""
    row = copy.deepcopy(row)
    for _ in range(data.draw(st.integers(1, 3))):
        paths = [path for path in _paths(row) if path]
        if not paths:
            break
        path = data.draw(st.sampled_from(paths))
        holder = row
        for key in path[:-1]:
            holder = holder[key]
        deed = data.draw(st.sampled_from(["set", "delete", "double"]))
        if deed == "set":
            holder[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        elif deed == "delete":
            del holder[path[-1]]
        elif isinstance(holder, list):
            holder.insert(0, copy.deepcopy(holder[path[-1]]))
    return row


ODD: list[Any] = [
    None, 5, 1.5, True, "", "  ", "x\n\n", "user", "prompter", '{"a": 1}', [], {}, [None], ["a"], {"a": [1]},
    [{"type": "text", "text": "q"}],
]  # fmt: skip


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_odd_row_comes_back_or_is_refused_in_a_sentence(name: str, data: st.DataObject) -> None:
    shape = shape_named(FILES[name])
    rows: list[Any] = rows_of(name)
    if isinstance(shape, ManyRows):
        rows = [{LINES: rows}]
    row = mutated(data, data.draw(st.sampled_from(rows)))
    recognise(
        [line for line in row.get(LINES) or [row] if isinstance(line, dict)] if _is_list(row) else [row]
    )
    try:
        parsed = parse_row(row, FILES[name])
    except BadShape:  # and nothing else
        return
    record = Record("r", parsed.messages, **_fields(parsed))
    assert canonical(write_source_row(record, Counter())) == canonical(row)


def _is_list(row: dict[str, Any]) -> bool:
    return isinstance(row.get(LINES), list)


def _fields(parsed: Any) -> dict[str, Any]:
    names = ("source", "lang", "task", "tags", "meta", "tools", "answers", "chosen", "license", "input_chars")
    return {**{name: getattr(parsed, name) for name in names}, "form": json.dumps(dict(parsed.form))}


# From one shape to another


TOOL = {"type": "function", "function": {"name": "f", "description": "F", "parameters": {"type": "object"}}}
CALLING = Record(
    "0123456789abcdef",
    (
        Message("system", "Be kind."),
        Message("user", "两个码头?", media=(Media("image", "a.png", 0),)),
        Message("assistant", "I look.", "Two.", (ToolCall("f", '{"a":1}', "c1"), ToolCall("f", "{}", "c2"))),
        Message("tool", '{"m":2.1}', call_id="c1"),
        Message("tool", '{"m":1.4}', call_id="c2"),
        Message("assistant", "2.1 and 1.4."),
    ),
    tools=(TOOL,),
)


def test_any_conversation_can_be_a_trajectory_that_the_format_accepts() -> None:
    atif = pytest.importorskip("atif")
    for record in (CALLING, *records_in("openai_tools"), *records_in("xlam")):
        row = write_source_row(replace(record, meta={}, form='{"shape": "atif"}'), Counter())
        atif.Trajectory.model_validate(row)


@pytest.mark.parametrize("shape", ["anthropic", "gemini", "responses", "atif"])
def test_a_conversation_with_calls_is_written_in_the_shape_and_reads_the_same(shape: str) -> None:
    lost: Counter[str] = Counter()
    row = write_source_row(replace(CALLING, form=json.dumps({"shape": shape})), lost)
    assert recognise([row]) == shape
    parsed = parse_row(row, shape)
    named = [turn._replace(name="") for turn in parsed.messages]
    assert named == list(CALLING.messages)
    assert len(parsed.tools) == 1
    assert not lost


# What a shape cannot hold


@pytest.mark.parametrize("shape", [shape.name for shape in FOREIGN])
def test_what_a_shape_cannot_hold_is_counted_or_refused(shape: str) -> None:
    """A record that has everything is never written as one that has less, without a word."""
    answer = Message("assistant", "A", "Thought.", weight=0.5, media=(Media("image", "a.png", 1),))
    rich = Record(
        "0123456789abcdef",
        (Message("system", "S"), Message("user", "Q", name="Ann"), answer),
        tools=(TOOL,),
        template_arguments={"enable_thinking": True},
        answers=(Candidate((answer,)), Candidate((Message("assistant", "B"),))),
        chosen=0,
    )
    lost: Counter[str] = Counter()
    rich = replace(rich, form=json.dumps({"shape": shape}))
    if shape in ("claude_code", "codex", "pi", "input_output"):
        with pytest.raises(BadShape, match="write it as messages"):
            write_source_row(rich, lost)
        return
    row = write_source_row(rich, lost)
    back = parse_row(row, shape)
    for field in ("tools", "template_arguments", "answers"):
        assert getattr(back, field) or lost[field], field
    said = {name for turn in back.messages for name in turn._fields if getattr(turn, name)}
    for field in ("reasoning", "weight", "media", "name"):
        assert field in said or lost[field], field
    assert back.messages[0].role == "system" or lost["system"]


@pytest.mark.parametrize("shape", ["oasst", "oasst_threads", "oasst_messages"])
def test_a_plain_conversation_can_be_a_tree(shape: str) -> None:
    record = replace(new_record("Q?", output="A."), form=json.dumps({"shape": shape}))
    row = write_source_row(record, Counter())
    assert parse_row(row, shape).messages == record.messages
    assert recognise(many_rows(row, shape_named(shape))) == shape
