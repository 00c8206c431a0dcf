"""Whether the JSON of an answer, and the arguments of its calls, fit their schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from factory.data.record import Candidate, Missing
from factory.data.text import is_blank, shorten
from factory.steps.judging.verifying.answers import PASSED, Verdict
from factory.steps.judging.verifying.schemas.wanted import Schema
from factory.steps.judging.verifying.worker.pool import JobFailed, do_job

NOT_JSON, FAILED, BAD_CALL, UNKNOWN_TOOL = "not_json", "failed", "bad_call", "unknown_tool"
_FENCED = re.compile(r"```[ \t]*(?:json|JSON|jsonc)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_SAID = 160


class NotJSON(Exception):
    """A text is no JSON; says why."""


def read_json(text: str) -> Any:
    """What a text is as JSON by the letter: no NaN or Infinity, no key twice in one object.

    Raises:
        NotJSON: it is none.
    """

    def constant(name: str) -> Any:
        raise NotJSON(f"{name} is no JSON")

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            keys = [key for key, _ in found]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise NotJSON(f"the key {shorten(twice, 40)!r} stands twice in one object")
        return made

    try:
        return json.loads(text, parse_constant=constant, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg} in line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise NotJSON(shorten(str(error), _SAID)) from None


def read_answer(text: str, *, bare: bool) -> Any:
    """The JSON that an answer is, or unless `bare` that the one fenced block in it holds.

    Raises:
        NotJSON: there is none.
    """
    _, _, text = text.rpartition("</think>")
    try:
        return read_json(text.strip())
    except NotJSON:
        blocks = [] if bare else _FENCED.findall(text)
        if len(blocks) != 1:
            raise
        return read_json(blocks[0].strip())


async def fit_answer(
    answer: Candidate,
    schema: Schema | None,
    tools: Mapping[str, Schema],
    *,
    bare: bool,
    seconds: float,
) -> Verdict:
    """The verdict on an answer: its calls against the tools' schemas, its last text against the row's.

    schema: None where the row has none: the calls alone count
    """
    calls = [call for turn in answer.turns for call in turn.calls]
    for call in calls:
        if call.name not in tools:
            return Verdict(UNKNOWN_TOOL, f"it calls {shorten(call.name, 60)!r}, which is not offered")
        try:
            arguments = read_json(call.arguments or "{}")
        except NotJSON as error:
            return Verdict(BAD_CALL, f"the arguments of {shorten(call.name, 60)!r} are no JSON: {error}")
        verdict = await _fits(arguments, tools[call.name], seconds, f"{shorten(call.name, 60)}: ")
        if verdict.said == FAILED:
            return Verdict(BAD_CALL, verdict.found)
        if not verdict.passed:
            return verdict
    said = answer.turns[-1].content if answer.turns else ""
    if schema is None or (calls and is_blank(said)):
        return Verdict(PASSED, f"{len(calls)} calls")
    try:
        value = read_answer(said, bare=bare)
    except NotJSON as error:
        return Verdict(NOT_JSON, str(error))
    return await _fits(value, schema, seconds, "")


async def _fits(value: Any, schema: Schema, seconds: float, where: str) -> Verdict:
    try:
        told = await do_job("schema", {"value": value, "schema": schema}, seconds)
    except JobFailed as error:
        return Verdict(Missing(error.kind, str(error)))
    if "bad_schema" in told:
        return Verdict(Missing("bad_schema", f"the schema is none that can be used: {told['bad_schema']}"))
    if not told["errors"]:
        return Verdict(PASSED)
    first = told["errors"][0]
    return Verdict(FAILED, f"{where}{first['at']}: {shorten(first['said'], _SAID)}")
