"""Holding the JSON of answers, and the arguments of calls, against schemas."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from step_context import process, scripted_context

from factory.data.record import Candidate, Message, Record, ToolCall, new_record
from factory.steps.judging.verify_json import VerifyJSON

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
TOOL = {"type": "function", "function": {"name": "find", "parameters": SCHEMA}}


def record_of(
    *answers: str,
    meta: dict[str, Any] | None = None,
    calls: tuple[ToolCall, ...] = (),
    tools: tuple[Any, ...] = (),
) -> Record:
    record = new_record("Who?", meta={"schema": SCHEMA} if meta is None else meta)
    turns = [(Message("assistant", text, "", calls),) for text in answers]
    record = replace(record, messages=(*record.messages, *turns[0]), tools=tools)
    if len(answers) == 1:
        return record
    return replace(record, answers=tuple(map(Candidate, turns)), chosen=0)


def verified(record: Record, **options: Any) -> Record:
    context, _ = scripted_context(lambda ask: "", step="02-verify_json")
    (made,) = process(VerifyJSON(**options), record, context)
    return made


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"age": 3}', "passed"),
        ('Here it is:\n```json\n{"age": 3}\n```', "passed"),
        ('{"age": "three"}', "failed: $.age: 'three' is not of type 'integer'"),
        ("{}", "failed: $: 'age' is a required property"),
        ("three", "not_json: Expecting value in line 1, column 1"),
        ('{"age": 3', "not_json: Expecting ',' delimiter in line 1, column 10"),
        ('{"age": 3, "age": 4}', "not_json: the key 'age' stands twice in one object"),
        ('{"age": NaN}', "not_json: NaN is no JSON"),
        (
            '```json\n{"age": 3}\n```\n```json\n{"age": 4}\n```',
            "not_json: Expecting value in line 1, column 1",
        ),
    ],
)
def test_an_answer_is_held_against_the_schema_of_its_row(answer: str, said: str) -> None:
    made = verified(record_of(answer))
    assert made.notes["verify_json"] == said
    assert made.scores["verify_json"] == float(said == "passed")


def test_bare_answers_have_no_fence_around_them() -> None:
    assert verified(record_of('```json\n{"age": 3}\n```'), bare=True).scores["verify_json"] == 0
    assert verified(record_of('{"age": 3}'), bare=True).scores["verify_json"] == 1


def test_the_schema_of_the_step_goes_before_that_of_the_row() -> None:
    assert verified(record_of("[1]"), json_schema={}).scores["verify_json"] == 1
    assert verified(record_of('{"age": 3}'), json_schema={"type": "array"}).scores["verify_json"] == 0


@pytest.mark.parametrize(
    "meta",
    [
        {"json_schema": json.dumps(SCHEMA)},
        {"json_schema": {"name": "person", "strict": True, "schema": SCHEMA}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}},
        {"response_format": json.dumps({"type": "json_object"})},
    ],
)
def test_schemas_in_the_shapes_of_requests_are_read(meta: dict[str, Any]) -> None:
    made = verified(record_of('{"age": 3}', "[]", meta=meta))
    assert [answer.verdicts["json"] for answer in made.answers] == ["passed", "failed"]
    assert made.scores["verify_json.pass_rate"] == 0.5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (ToolCall("find", '{"age": 3}'), "passed: 1 calls"),
        (ToolCall("find", '{"age": "x"}'), "bad_call: find: $.age: 'x' is not of type 'integer'"),
        (
            ToolCall("find", "age=3"),
            "bad_call: the arguments of 'find' are no JSON: Expecting value in line 1, column 1",
        ),
        (ToolCall("lose", "{}"), "unknown_tool: it calls 'lose', which is not offered"),
    ],
)
def test_calls_are_held_against_the_tools_of_the_record(call: ToolCall, said: str) -> None:
    assert verified(record_of("", meta={}, calls=(call,), tools=(TOOL,))).notes["verify_json"] == said


def test_parameters_that_only_name_arguments_tell_which_there_are() -> None:
    tool = {"name": "find", "parameters": {"age": {"type": "int", "description": "How old."}}}
    for arguments, score in (('{"age": 3}', 1), ('{"size": 3}', 0)):
        made = verified(record_of("", meta={}, calls=(ToolCall("find", arguments),), tools=(tool,)))
        assert made.scores["verify_json"] == score


@pytest.mark.parametrize(
    ("meta", "kind"),
    [
        ({}, "no_schema"),
        ({"schema": "{"}, "bad_schema"),
        ({"schema": 7}, "bad_schema"),
        ({"schema": {"type": "person"}}, "bad_schema"),
        ({"schema": {"$ref": "http://127.0.0.1:9/schema.json"}}, "bad_schema"),
        ({"schema": {"$ref": "#/nowhere"}}, "bad_schema"),
        ({"schema": {"$ref": "#"}}, "verifier_failed"),
    ],
)
def test_a_schema_that_is_missing_or_none_leaves_no_verdict(meta: dict[str, Any], kind: str) -> None:
    made = verified(record_of('{"age": 3}', meta=meta))
    assert made.scores == {}
    assert made.missing["verify_json"].kind == kind
    assert made.dropped is None


@pytest.mark.slow
def test_a_pattern_that_takes_forever_is_ended() -> None:
    hostile = {"schema": {"type": "string", "pattern": "^(a+)+$"}}
    made = verified(record_of(json.dumps("a" * 40 + "!"), meta=hostile), seconds=0.5)
    assert made.missing["verify_json"].kind == "timeout"
    assert verified(record_of('{"age": 3}')).scores["verify_json"] == 1


def test_json_that_is_nested_without_end_is_none() -> None:
    assert verified(record_of("[" * 100_000)).notes["verify_json"].startswith("not_json: ")
