"""Holding an answer against its constraints: code checks what it can, a model judges the rest in one call."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from factory.data.record import Event, Record
from factory.data.text import is_blank, shorten
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.judging.constraints.constraint import CannotCheck, Checked, Judged
from factory.steps.judging.constraints.stated import Stated
from factory.steps.judging.constraints.strictness import Variants, follows
from factory.steps.judging.grading.grader import REASON_CHARACTERS, transcript
from factory.steps.judging.sandbox.program import Tier
from factory.steps.judging.written.checkers import check_answer

FOUND_CHARACTERS = 200


class JudgedOne(BaseModel):
    """What a model says of one constraint."""

    model_config = ConfigDict(extra="forbid")

    constraint: int
    reason: str = Field(json_schema_extra={"maxLength": REASON_CHARACTERS})
    satisfied: Literal["yes", "no"]


class JudgedAll(BaseModel):
    """What a model says of several; `judged_schema` adds their number."""

    model_config = ConfigDict(extra="forbid")

    verdicts: list[JudgedOne]


@functools.lru_cache(maxsize=64)
def judged_schema(number: int) -> type[JudgedAll]:
    """The schema of a reply on so many constraints: a verdict on each, in order."""
    exactly = Annotated[list[JudgedOne], Field(min_length=number, max_length=number)]
    return create_model("JudgedExactly", __base__=JudgedAll, verdicts=(exactly, ...))


@dataclass(slots=True)
class Verified:
    """An answer's verdicts.

    stated: the constraints with their verdicts, in order
    loose: whether each is met by IFEval's loose reading; None where there is no verdict. Of a judged one, as `stated`
    event: what the record's history says of it
    failed, unknown: those that are not met, and those of which there is no verdict
    """

    stated: tuple[Stated, ...]
    loose: tuple[bool | None, ...]
    event: Event
    failed: list[Stated] = field(init=False, default_factory=list)
    unknown: list[Stated] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        for one in self.stated:
            satisfied = one.satisfied
            if satisfied is not True:
                (self.unknown if satisfied is None else self.failed).append(one)

    @property
    def satisfied(self) -> int:
        """How many are met."""
        return len(self.stated) - len(self.failed) - len(self.unknown)


def one_model(names: str | Sequence[str]) -> str | None:
    """The one model of a field that may name none.

    Raises:
        ValueError: it names several.
    """
    if isinstance(names, str):
        return names
    if len(names) > 1:
        raise ValueError("names several models: name one, or none")
    return names[0] if names else None


async def verify_answer(
    record: Record,
    stated: Sequence[Stated],
    context: Context,
    *,
    model: str | None,
    max_tokens: int = 1024,
    loose: bool = False,
    operation: str = "verify",
    sandbox: Tier = "first",
    answer: Variants | None = None,
) -> Verified:
    """The record's answer held against its constraints. A verdict that could not be had is None, with why in `found`.

    Args:
        model: the chat model that judges what no code can check; it is not asked where there is nothing to judge.
            None: there is none, so that such a constraint has no verdict.
        loose: whether to tell IFEval's loose reading too.
        sandbox: the tier of the sandbox that runs checkers which a model wrote; where all of a constraint's say
            nothing (they fail, or the tier cannot run them) the model is asked, which is counted.
        answer: the record's, where it was read already.
    """
    if answer is None:
        answer = Variants(record.output)
    found: list[Stated] = []
    loosely: list[bool | None] = []
    judged = []
    for at, one in enumerate(stated):
        constraint = one.constraint
        if isinstance(constraint, Checked):
            met, seen, relaxed = _checked(constraint, answer, loose)
            found.append(Stated(constraint, one.text, met, seen))
            loosely.append(relaxed)
        elif (by_code := await _by_code(one, answer.text, context, sandbox)) is not None:
            found.append(by_code)
            loosely.append(by_code.satisfied)
        else:
            judged.append(at)
            found.append(one.with_verdict(None, "not judged"))
            loosely.append(None)
    event = Event(context.step, operation)
    if judged:
        if answer.blank:
            verdicts: Sequence[tuple[bool | None, str]] = [(False, "the answer is empty")] * len(judged)
        elif model is None:
            context.count("verdicts_not_had", len(judged))
            context.warn(
                f"{context.step}: some constraints no code can check, and no model is named to judge them: they have "
                "no verdict"
            )
            verdicts = [(None, "no model is named to judge it")] * len(judged)
        else:
            verdicts, event = await _judge(
                record, [stated[at] for at in judged], context, model, max_tokens, operation
            )
        for at, (satisfied, reason) in zip(judged, verdicts, strict=True):
            found[at] = stated[at].with_verdict(satisfied, reason)
            loosely[at] = satisfied
    return Verified(tuple(found), tuple(loosely), event)


async def _by_code(stated: Stated, answer: str, context: Context, sandbox: Tier) -> Stated | None:
    """The verdict of the checkers that a model wrote for a constraint; None where there are none, or none says any."""
    checkers = stated.constraint.checkers if isinstance(stated.constraint, Judged) else None
    if not checkers or is_blank(answer):
        return None
    meets, said = await check_answer(checkers, answer, sandbox)
    if meets is None:
        context.count("constraints_whose_checkers_say_nothing")
        context.log.info("%s: the model judges a constraint, since %s", context.step, said)
        return None
    context.count("constraints_checked_by_written_code")
    return stated.with_verdict(meets, said)


def _checked(constraint: Checked, answer: Variants, loose: bool) -> tuple[bool | None, str, bool | None]:
    """Whether the answer meets a constraint, what was found in its place, and whether it is met loosely."""
    try:
        if not answer.blank and constraint.check(answer.strict):
            return _MET
        found = constraint.found(answer.strict)
        relaxed = loose and follows(constraint, answer, loose=True)
    except CannotCheck as error:
        return None, str(error), None
    return False, shorten(found, FOUND_CHARACTERS) if found else "", relaxed


_MET = True, "", True


async def _judge(
    record: Record, stated: Sequence[Stated], context: Context, model: str, max_tokens: int, operation: str
) -> tuple[list[tuple[bool | None, str]], Event]:
    """A model's verdicts on constraints, in order, each with its reason."""
    lines = [f"{number}. {one.words(record.language)}" for number, one in enumerate(stated, start=1)]
    try:
        asked = await context.ask(
            model,
            "constraints/verify",
            record,
            Sampling(0.0, max_tokens),
            schema=judged_schema(len(stated)),
            operation=operation,
            conversation=transcript(record.conversation, record.language),
            constraints="\n".join(lines),
            answer=record.output,
        )
    except RecordFailed as error:
        context.count("verdicts_not_had", len(stated))
        event = context.event(operation, prompt=context.prompt("constraints/verify", record))
        return [(None, f"no verdict: {error}")] * len(stated), event
    by_number = {verdict.constraint: verdict for verdict in asked.answer.data.verdicts}
    if sorted(by_number) != list(range(1, len(stated) + 1)):
        context.count("verdicts_not_had", len(stated))
        return [(None, "no verdict: the judge did not number its verdicts as the constraints are")] * len(
            stated
        ), asked.event
    ordered = [by_number[number] for number in range(1, len(stated) + 1)]
    return [
        (verdict.satisfied == "yes", shorten(verdict.reason, FOUND_CHARACTERS)) for verdict in ordered
    ], asked.event
