"""AutoIF: a model writes checkers in code for constraints in words, and those that stand up to each other are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar, Literal

from pydantic import Field

from factory.data.record import Record
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.statistics.interval import percent, wilson
from factory.step import ChatModelName, Context, PerRecord
from factory.steps.judging.constraints.constraint import Judged
from factory.steps.judging.constraints.registry import BadConstraint
from factory.steps.judging.constraints.stated import Stated, stated_constraints, with_constraints
from factory.steps.judging.sandbox.program import Tier
from factory.steps.judging.sandbox.second import check_tier
from factory.steps.judging.written.write import Agreement, Draft, Plan, Written, write_checkers

_LOST = (
    "draft_failed",
    "draft_copied",
    "function_broken",
    "function_refused",
    "function_rejected",
    "case_rejected",
    "back_translation_contradiction",
    "back_translation_failed",
)
"""The counts of what was written and let go."""


class WriteCheckers(PerRecord):
    """Have a model write checkers in Python for the constraints that no code can check yet (AutoIF).

    For each constraint in the column `constraints` that a model judges, `drafts` replies are drawn, each with a
    function `evaluate(response)` and test cases. All functions are run on all cases, in the sandbox alone:

    - a case is kept where more than half of the functions get it right, and no two drafts disagree about it;
    - a function is kept where it gets more than half of those cases right;
    - the cases left must hold both answers that meet the constraint and answers that do not;
    - a function whose back-translation into words contradicts the constraint, as the model judges, is let go.

    What is left stands with the constraint as code, in `arguments.checkers`, and is run in place of a judge by what
    verifies answers: a constraint is met where more than half of its checkers say so. A constraint without any stays
    one for a judge. Code is only ever run in the sandbox: `first` is Monty, which has no way out and knows part of
    Python; `second` is all of Python behind walls that Linux offers, and is refused where they cannot be set up.

    The score "write_checkers" is the number of checkers kept, over all constraints of the record; its note tells what
    was rejected, and why. With `without: drop` the kind of the drop ends in the reason: "no_draft" (no reply could be
    read, or each copies an example of the prompt), "no_function" (none runs), "no_case", "one_sided", "no_agreement"
    or "contradiction".

    Source: AutoIF (arXiv 2406.13542), section 3.2. The paper's NLI model is here the chat model; it lets the
    whole constraint go where there is no checker (`without: drop`).

    Example:
        - write_checkers: {model: teacher, drafts: 4}
        - write_checkers: {model: teacher, without: drop}
    """

    name: ClassVar[str] = "write_checkers"

    model: ChatModelName = ""
    """The chat model that writes functions and cases, and puts functions back into words."""
    drafts: int = Field(4, ge=1)
    """Replies drawn for a constraint, each with a function and its test cases."""
    without: Literal["keep", "drop"] = "keep"
    """What becomes of a record of whose constraints one got no checker: it goes on and that constraint is judged, or
    it is let go."""
    sandbox: Tier = "first"
    """The tier of the sandbox that runs the code: first (part of Python, works everywhere) or second (all of it)."""
    back_translate: bool = True
    """Put each function back into words, and let it go where those contradict the constraint."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of the drafts."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of a draft."""

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        check_tier(self.sandbox, self.name)

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        stated = _stated(record)
        done: list[Stated] = []
        written: list[Written] = []
        for one in stated:
            if isinstance(one.constraint, Judged) and not one.constraint.checkers:
                found = await write_checkers(one.constraint.requirement, record, context, self._plan())
                written.append(found)
                one = _with_checkers(one, found)
            done.append(one)
        context.count("constraints_to_write_for", len(written))
        if not written:
            yield record
            return
        context.count("constraints_with_checkers", sum(bool(found.checkers) for found in written))
        for found in written:
            for name, number in found.counts().items():
                context.count(name, number)
        yield self._judged(with_constraints(record, done), written, context)

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`: says how many constraints got a checker, and what most often came in between."""
        facts = context.facts
        wanted, got = facts.get("constraints_to_write_for", 0), facts.get("constraints_with_checkers", 0)
        if not wanted:
            return
        share = percent(got / wanted, wilson(got, wanted))
        told = f"{context.step}: {got:,} of {wanted:,} constraints got a checker, {share}"
        lost = {name: facts[name] for name in _LOST if facts.get(name)}
        if got < wanted and lost:
            most = max(lost, key=lambda name: lost[name])
            told += f"; most often {most.replace('_', ' ')}, {lost[most]:,} times: see the records' notes"
        (context.tell if got else context.warn)(told)

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: every function is kept and put back into words; nothing is run."""
        for one in _stated(record):
            if not isinstance(one.constraint, Judged) or one.constraint.checkers:
                continue
            for sample in range(self.drafts):
                requirement = one.constraint.requirement
                sampling = Sampling(self.temperature, self.max_tokens)
                await context.ask(
                    self.model,
                    "checkers/write",
                    record,
                    sampling,
                    schema=Draft,
                    sample=sample,
                    requirement=requirement,
                )
                if self.back_translate:
                    code = "def evaluate(response):\n    return True\n" * 4
                    told = await context.ask(
                        self.model, "checkers/back_translate", record, Sampling(0.0, 256), function=code
                    )
                    await context.ask(
                        self.model,
                        "checkers/agree",
                        record,
                        Sampling(0.0, 64),
                        schema=Agreement,
                        premise=requirement,
                        hypothesis=told.answer.text,
                    )
        yield record

    def _plan(self) -> Plan:
        return Plan(
            self.model, self.drafts, self.sandbox, self.temperature, self.max_tokens, self.back_translate
        )

    def _judged(self, record: Record, written: list[Written], context: Context) -> Record:
        """The record with its score, or the reason why it has none, or let go."""
        answers = [answer for found in written for answer in found.answers]
        event = context.event("write_checkers", *answers)
        reason = next((found.reason for found in written if found.reason), "")
        note = "; ".join(_told(found) for found in written)
        scored = record.with_score(
            "write_checkers", float(sum(len(found.checkers) for found in written)), event, note
        )
        if reason and self.without == "drop":
            return scored.drop(context.step, f"no_checker_{reason}", f"a constraint got no checker: {note}")
        return scored


def _stated(record: Record) -> tuple[Stated, ...]:
    try:
        return stated_constraints(record)
    except BadConstraint as error:
        raise RecordFailed("bad_constraint", str(error)) from None


def _with_checkers(one: Stated, found: Written) -> Stated:
    if not found.checkers:
        return one
    return one._replace(constraint=one.constraint.model_copy(update={"checkers": found.checkers}))


def _told(found: Written) -> str:
    """What became of the drafts, with the first reason that each kind was rejected for."""
    counts = found.counts()
    functions = sum(number for name, number in counts.items() if name.startswith("function_"))
    cases = sum(number for name, number in counts.items() if name.startswith("case_"))
    kept = counts.get("function_kept", 0), counts.get("case_kept", 0)
    said = f"{kept[0]} of {functions} functions and {kept[1]} of {cases} cases stood up to each other"
    if lost := counts.get("back_translation_contradiction", 0) + counts.get("back_translation_failed", 0):
        said += f", {lost} of those functions say something else in words"
    first: dict[str, str] = {}
    for row in found.rows:
        if row["became"] in ("rejected", "broken", "refused", "failed", "copied", "contradiction"):
            first.setdefault(f"{row['what']} {row['became']}", row["why"])
    return ". ".join([said, *(f"{what}: {why}" for what, why in first.items())])
