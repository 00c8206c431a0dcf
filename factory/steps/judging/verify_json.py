"""Hold the JSON of each answer, and the arguments of its calls, against their schemas."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from factory.data.record import Candidate, Missing, Record
from factory.step import Context
from factory.steps.judging.verifying.answers import Verdict, VerifiesAnswers
from factory.steps.judging.verifying.schemas.fit import fit_answer
from factory.steps.judging.verifying.schemas.wanted import Schema, schema_of, tool_schemas


class VerifyJSON(VerifiesAnswers):
    """Hold the JSON of each answer against a JSON schema, and the arguments of its calls against its tools' schemas.

    The schema is the step's `json_schema` ({} takes any JSON), else that of the row, in the column that `column` names
    or the first of json_schema, schema, response_format, response_schema, output_schema, guided_json; a response_format
    may stand as OpenAI's requests have it. A call must name a tool that the record offers, and its arguments fit the
    tool's parameters. A record without a schema is verified by its calls alone.

    The answer is JSON by the letter: no NaN, no key twice. All of it is, or unless `bare` the one fenced block in it.

    Verdicts are "passed", "not_json", "failed" (it does not fit; the first place is told), "bad_call" and
    "unknown_tool"; of several answers they stand beside each. Schemas are checked in a process apart that is ended
    after `seconds`, and nothing that a schema refers to is fetched: such a schema, one that is none, or none at all
    leaves a record without a verdict, which is counted and told.

    The score "verify_json" is 1 where the answer that ends the conversation passes and else 0; "verify_json.pass_rate"
    is the share of the answers that pass, "verify_json.n" over how many. The facts have the share of answers that pass
    with its 95 % interval; "verify_json.fail_rate" is 1 less the pass rate. What fits a schema need not be true: use it
    as a floor. Verification alone brought no gain
    in the largest study of it, on mathematics and code (OpenThoughts, arXiv 2506.04178).

    With `keep` or `keep_pass_rate` a record is dropped as "not_verified", "too_hard" or "too_easy", and set aside as
    failed ("no_verdict") where the score that it goes by is missing.

    Source: JSON Schema, drafts 3 to 2020-12 as `$schema` says, by the package jsonschema.

    Example:
        - verify_json: {keep: verified}
        - verify_json: {json_schema: {type: object, required: [name]}, bare: true}
    """

    name: ClassVar[str] = "verify_json"
    what: ClassVar[str] = "json"
    needs: ClassVar[str] = (
        "a JSON schema in a column of the row, which `column` names, in `json_schema`, or tools"
    )

    json_schema: dict[str, Any] | None = None
    """The schema of all answers; without it each row's own."""
    column: str = ""
    """The column that holds the schema; "" looks for the usual ones."""
    bare: bool = False
    """Take only answers that are JSON and nothing else, without a fence or words around it."""
    seconds: float = Field(5.0, gt=0, le=600)
    """Most time that holding one value against a schema may take."""

    async def verdicts(
        self, record: Record, answers: Sequence[Candidate], context: Context
    ) -> list[Verdict] | Missing:
        """See `VerifiesAnswers.verdicts`."""
        found = self.json_schema if self.json_schema is not None else schema_of(record, self.column)
        tools = tool_schemas(record)
        schema: Schema | None
        if isinstance(found, Missing):
            calls = any(turn.calls for answer in answers for turn in answer.turns)
            if found.kind != "no_schema" or not (calls or tools):
                return found
            if not calls:
                return Missing("no_calls", "it has no JSON schema, and no answer calls a tool")
            schema = None
        else:
            schema = found
        return list(
            await asyncio.gather(
                *(fit_answer(one, schema, tools, bare=self.bare, seconds=self.seconds) for one in answers)
            )
        )
