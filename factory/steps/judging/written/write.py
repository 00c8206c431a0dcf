"""Has a model write checkers for a requirement in words, and keeps those that stand up to each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from factory.data.record import Record
from factory.data.text import shorten
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import Context
from factory.steps.judging.sandbox.program import Tier
from factory.steps.judging.written.checkers import Said, ask_checker
from factory.steps.judging.written.cross_validation import CrossValidated, cross_validate


class Case(BaseModel):
    """A test case as the model writes it: an answer, and whether it is to meet the requirement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    response: str
    meets: bool


class Draft(BaseModel):
    """One reply: a function and test cases."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: str
    # The prompt asks for four; the bound is for a server that decodes by the schema.
    cases: Annotated[tuple[Case, ...], Field(json_schema_extra={"maxItems": 8})]


class Agreement(BaseModel):
    """How what the function demands relates to the requirement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relation: Literal["entailment", "neutral", "contradiction"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How checkers are written; see the step `write_checkers`."""

    model: str
    drafts: int
    tier: Tier
    temperature: float
    max_tokens: int
    back_translate: bool


@dataclass(slots=True)
class Written:
    """What came of a requirement.

    checkers: the functions kept, as code
    reason: why there are none, "" where there are
    answers: every reply that was used
    rows: one for each draft, function and case: what became of it and why, as plain JSON
    """

    checkers: tuple[str, ...] = ()
    reason: str = ""
    answers: list[Answer[Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def counts(self) -> Mapping[str, int]:
        """How many functions and cases were kept, and rejected for which reason."""
        return Counter(f"{row['what']}_{row['became']}" for row in self.rows)


class _Function(NamedTuple):
    code: str
    said: tuple[Said, ...]


async def write_checkers(requirement: str, record: Record, context: Context, plan: Plan) -> Written:
    """Draft, cross-validate and back-translate checkers for a requirement on the answer to `record`.

    Source: AutoIF (arXiv 2406.13542), section 3.2; see `cross_validation.py` for what is kept.
    """
    written = Written()
    drafts = await _drafts(requirement, record, context, plan, written)
    drafts = _without_copies(drafts, requirement, record, context, written)
    if not drafts:
        written.reason = "no_draft"
        return written
    codes = list(dict.fromkeys(draft.function.strip() for draft in drafts if draft.function.strip()))
    cases = _cases(drafts, written)
    functions = [_Function(code, await _said(code, cases, plan.tier)) for code in codes]
    found = cross_validate(
        [[one.meets for one in function.said] for function in functions], [case.meets for case in cases]
    )
    _tell(found, functions, cases, written)
    kept = [functions[at].code for at in found.functions]
    if plan.back_translate:
        kept = [code for code in kept if await _agrees(code, requirement, record, context, plan, written)]
    written.reason = found.reason or ("" if kept else "contradiction")
    written.checkers = tuple(kept)
    return written


async def _drafts(
    requirement: str, record: Record, context: Context, plan: Plan, written: Written
) -> list[Draft]:
    """The drafts that can be read; the others are told of."""
    sampling = Sampling(plan.temperature, plan.max_tokens)

    async def draft(sample: int) -> Draft | RecordFailed:
        try:
            asked = await context.ask(
                plan.model,
                "checkers/write",
                record,
                sampling,
                schema=Draft,
                sample=sample,
                requirement=requirement,
            )
        except RecordFailed as error:
            return error
        written.answers.append(asked.answer)
        return asked.answer.data

    replies = await asyncio.gather(*(draft(sample) for sample in range(plan.drafts)))
    failed = [reply for reply in replies if isinstance(reply, RecordFailed)]
    for error in failed:
        written.rows.append(_row("draft", "failed", error.kind, str(error)))
    return [reply for reply in replies if isinstance(reply, Draft)]


def _without_copies(
    drafts: Sequence[Draft], requirement: str, record: Record, context: Context, written: Written
) -> list[Draft]:
    """The drafts whose function is not that of another requirement, copied from the prompt's examples.

    Copies agree with each other, and with the copied cases.
    """
    shown = set()
    for (_, asked), (role, reply) in pairwise(context.prompt("checkers/write", record).turns):
        if role == "assistant" and requirement.strip() not in asked:
            with contextlib.suppress(ValidationError):  # a person's own prompt may show none
                shown.add(Draft.model_validate_json(reply).function.strip())
    copies = [draft for draft in drafts if draft.function.strip() in shown]
    for draft in copies:
        written.rows.append(_row("draft", "copied", draft.function, "copied from an example of the prompt"))
    return [draft for draft in drafts if draft not in copies]


def _cases(drafts: Sequence[Draft], written: Written) -> list[Case]:
    """All cases once; where two drafts disagree about the same answer, neither counts."""
    meets: dict[str, set[bool]] = {}
    for draft in drafts:
        for case in draft.cases:
            meets.setdefault(case.response, set()).add(case.meets)
    for response, both in meets.items():
        if len(both) > 1:
            written.rows.append(_row("case", "rejected", response, "two drafts say the opposite of it"))
    return [Case(response=text, meets=both.pop()) for text, both in meets.items() if len(both) == 1]


async def _said(code: str, cases: Sequence[Case], tier: Tier) -> tuple[Said, ...]:
    return tuple(await asyncio.gather(*(ask_checker(code, case.response, tier) for case in cases)))


def _tell(
    found: CrossValidated, functions: Sequence[_Function], cases: Sequence[Case], written: Written
) -> None:
    """Note what became of each function and each case."""
    for at, function in enumerate(functions):
        silent = [one.why for one in function.said if one.meets is None]
        if at in found.functions:
            share = found.shares[found.functions.index(at)]
            written.rows.append(_row("function", "kept", function.code, f"right in {share:.0%} of the cases"))
        elif len(silent) == len(function.said):
            why = silent[0] if silent else "there is no case"
            kind = "refused" if why.startswith("refused") else "broken"
            written.rows.append(_row("function", kind, function.code, why))
        else:
            why = found.reason or "wrong in half of the cases or more"
            written.rows.append(_row("function", "rejected", function.code, why))
    for at, case in enumerate(cases):
        kept = at in found.cases
        why = "" if kept else found.reason or "half of the functions or more say otherwise"
        written.rows.append(_row("case", "kept" if kept else "rejected", case.response, why))


async def _agrees(
    code: str, requirement: str, record: Record, context: Context, plan: Plan, written: Written
) -> bool:
    """Whether what the code demands, put in words, does not contradict the requirement."""
    try:
        told = await context.ask(
            plan.model, "checkers/back_translate", record, Sampling(0.0, 256), function=code
        )
        written.answers.append(told.answer)
        compared = await context.ask(
            plan.model,
            "checkers/agree",
            record,
            Sampling(0.0, 64),
            schema=Agreement,
            premise=requirement,
            hypothesis=told.answer.text.strip(),
        )
    except RecordFailed as error:
        written.rows.append(_row("back_translation", "failed", code, str(error)))
        return False
    written.answers.append(compared.answer)
    relation = compared.answer.data.relation
    written.rows.append(_row("back_translation", relation, code, told.answer.text.strip()))
    return relation != "contradiction"


def _row(what: str, became: str, text: str, why: str) -> dict[str, Any]:
    return {"what": what, "became": became, "text": text, "why": shorten(why, 300)}
