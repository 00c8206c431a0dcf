"""Hold each answer against its constraints, in code wherever that is possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field, field_validator

from factory.data.record import Event, Missing, Record
from factory.data.text import shorten
from factory.statistics.interval import number, percent
from factory.step import ChatModelNames, Context, PerRecord
from factory.steps.judging.constraints.rates import (
    Rate,
    Tally,
    answer_rate,
    consecutive_levels,
    constraint_rate,
    level_rates,
)
from factory.steps.judging.constraints.registry import BadConstraint
from factory.steps.judging.constraints.stated import (
    COLUMN,
    Stated,
    as_column,
    bad_constraint,
    stated_constraints,
)
from factory.steps.judging.constraints.strictness import Variants
from factory.steps.judging.constraints.verdicts import Verified, one_model, verify_answer
from factory.steps.judging.sandbox.program import Tier
from factory.steps.judging.sandbox.second import check_tier
from factory.steps.keep import Condition

HARD, SOFT = "verify.hsr", "verify.ssr"
LOOSE = "_loose"
_SAID_CHARACTERS = 120


class Verify(PerRecord):
    """Hold each answer against its constraints: by checkers in code, and by a judge where no code can tell.

    The constraints stand in the row's column `constraints`, as the step `constrain` writes it: a list such as
    [{"kind": "length_constraints:number_words", "arguments": {"relation": "at least", "num_words": 300}}]. Without
    it IFEval's `instruction_id_list` and `kwargs` are read. What can be counted or parsed is checked in code, the 25
    instructions of IFEval to their published meaning; content, situation, style and examples (kinds "judged:...") go to
    the model, all constraints of a record in one call. One that has checkers which a model wrote (the step
    `write_checkers`) is checked by those, in the sandbox alone; it is met where more than half of them say so.

    Each record has "verify.hsr", 1 where its answer meets all constraints and else 0, and "verify.ssr", the share that
    it meets; the verdicts stand beside the constraints in the column, with what was found. A verdict that could not be
    had is missing, never guessed: then "verify.ssr" is missing, and "verify.hsr" too unless another constraint fails.
    At the end it says, by the number of constraints (the level), HSR and SSR, the means of these, and over the seeds
    that have several levels CSL, how many levels in a row from the first are met, each with its 95 % interval.
    Levels go together by their history: CSL is told where the step `constrain` made them in the same run.

    With `keep`, a record that does not meet enough of them is dropped ("constraint_failed"), and one that lacks a
    verdict or an answer is set aside as failed ("no_verdict"). Records without constraints pass, and are counted. A
    record whose constraints cannot be read is set aside as failed ("bad_constraint").

    Source: FollowBench (arXiv 2310.20410) for HSR, SSR and CSL; IFEval (arXiv 2311.07911) for checkers.

    Example:
        - verify: {model: teacher, keep: ">= 1"}
        - verify: {loose: true}
    """

    name: ClassVar[str] = "verify"

    model: ChatModelNames = ()
    """The chat model that judges what no code can check; without one such a constraint has no verdict."""
    keep: Condition | None = None
    """Condition that the share of constraints met must meet for a record to be kept: ">= 1" keeps those whose answer
    meets all; without it all are kept."""
    loose: bool = False
    """Also tell IFEval's loose reading, in which a checker may pass over asterisks and the first or last line:
    "verify.hsr_loose" and "verify.ssr_loose". `keep` then goes by it."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the judge's reasons and verdicts together."""

    sandbox: Tier = "first"
    """The tier of the sandbox for checkers that a model wrote: first (part of Python, works everywhere), or second (all
    of it, on Linux)."""

    # By run. pydantic's private attributes would take longer to read than a checker to run.
    _work: ClassVar[dict[int, _Work]] = {}

    @field_validator("model")
    @classmethod
    def _one(cls, model: str | tuple[str, ...]) -> str | tuple[str, ...]:
        one_model(model)
        return model

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        check_tier(self.sandbox, self.name)

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        try:
            stated = stated_constraints(record)
        except BadConstraint as error:
            raise bad_constraint(error, record, context) from None
        if not stated:
            context.count("records_without_constraints")
            yield record
            return
        answer = Variants(record.output)
        if answer.blank:
            why = Missing("no_answer", "there is no answer to verify")
            yield self._kept(self._without(record, why, context), context)
            return
        verified = await verify_answer(
            record,
            stated,
            context,
            model=one_model(self.model),
            max_tokens=self.max_tokens,
            loose=self.loose,
            sandbox=self.sandbox,
            answer=answer,
        )
        self._of(context).add(record, verified, self.loose)
        yield self._kept(with_verdicts(record, verified, loose=self.loose), context)

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        _, work = self._work.pop(id(context.facts), (None, None))
        if work is not None:
            context.facts.update(work.facts())

    def _of(self, context: Context) -> _Tallies:
        """What this run has counted so far; its facts are kept with it, so that no other run has their address."""
        work = self._work.get(id(context.facts))
        if work is None:
            work = self._work[id(context.facts)] = context.facts, _Tallies()
        return work[1]

    def _without(self, record: Record, why: Missing, context: Context) -> Record:
        event = Event(context.step, self.name)
        names = _names(self.loose)
        scores = {name: value for name, value in record.scores.items() if name not in names}
        missing = {**record.missing, **dict.fromkeys(names, why)}
        return record.but(scores=scores, missing=missing, events=(*record.events, event))

    def _kept(self, record: Record, context: Context) -> Record:
        if self.keep is None:
            return record
        soft = SOFT + LOOSE * self.loose
        share = record.scores.get(soft)
        if share is not None and self.keep.holds(share):
            return record
        if share is None and (record.scores.get(HARD + LOOSE * self.loose) != 0 or not self._needs_all()):
            return record.drop(
                context.step, "no_verdict", f"{soft} is missing: {record.missing[soft].reason}", failed=True
            )
        said = record.notes.get(HARD, f"{soft} is not {self.keep}")
        numbers = {"share": share} if share is not None else {}
        return record.drop(context.step, "constraint_failed", said, numbers)

    def _needs_all(self) -> bool:
        """Whether one constraint that fails is one too many."""
        return self.keep is not None and not self.keep.holds(0.999999)


_Work = tuple[dict[str, Any], "_Tallies"]


@dataclass(slots=True)
class _Tallies:
    """What one run of the step counted.

    kinds: by kind, how many constraints were met, failed, and without verdict
    """

    strict: Tally = field(default_factory=Tally)
    loose: Tally = field(default_factory=Tally)
    kinds: Counter[tuple[str, bool | None]] = field(default_factory=Counter)

    def add(self, record: Record, verified: Verified, loose: bool) -> None:
        group = record.id
        for event in record.events:
            if event.parents:
                group = event.parents[0]
                break
        level, unknown = len(verified.stated), len(verified.unknown)
        self.strict.add(record.id, group, level, level - len(verified.failed) - unknown, unknown)
        if loose:
            self.loose.add(record.id, group, level, sum(map(bool, verified.loose)), unknown)
        kinds = self.kinds
        for constraint, _, satisfied, _ in verified.stated:
            kinds[constraint.kind, satisfied] += 1

    def facts(self) -> dict[str, Any]:
        """What the run's manifest and report tell."""
        columns = self.strict.columns()
        told: dict[str, Any] = {
            "answers_that_meet_all_constraints": _said(answer_rate(*columns)),
            "constraints_met": _said(constraint_rate(*columns)),
        }
        if len(self.loose):
            loosely = self.loose.columns()
            told["answers_that_meet_all_constraints_loose"] = _said(answer_rate(*loosely))
            told["constraints_met_loose"] = _said(constraint_rate(*loosely))
        told["by_level"] = [
            {"level": rates.level, "answers": rates.hsr.answers + rates.hsr.missing}
            | {"HSR": _said(rates.hsr), "SSR": _said(rates.ssr)}
            for rates in level_rates(*columns)
        ]
        if (csl := consecutive_levels(*columns)) is not None:
            told["CSL"] = _said(csl, "seeds", share=False)
        told["by_kind"] = [
            {"kind": kind, "met": self.kinds[kind, True], "failed": self.kinds[kind, False]}
            | {"no_verdict": self.kinds[kind, None]}
            for kind in sorted({kind for kind, _ in self.kinds})
        ]
        return told


def _said(rate: Rate, of: str = "", *, share: bool = True) -> str:
    """A rate with its interval, and of how many it is missing."""
    said = percent(rate.value, rate.interval) if share else number(rate.value, rate.interval, ".2f")
    said += f" of {rate.answers:,} {of}" if of else ""
    return said + (f", {rate.missing:,} without verdict" if rate.missing else "")


def _names(loose: bool) -> tuple[str, ...]:
    return (HARD, SOFT, HARD + LOOSE, SOFT + LOOSE) if loose else (HARD, SOFT)


def with_verdicts(record: Record, verified: Verified, *, loose: bool = False) -> Record:
    """The record with the verdicts in its column, and HSR and SSR as scores or with why they are missing."""
    level, unknown = len(verified.stated), verified.unknown
    names = _names(loose)
    readings = [(HARD, SOFT, verified.satisfied)]
    if loose:
        readings.append((HARD + LOOSE, SOFT + LOOSE, sum(map(bool, verified.loose))))
    scores, missing, notes = dict(record.scores), dict(record.missing), dict(record.notes)
    if scores or missing or notes:  # mostly there is nothing yet
        for name in names:
            for old in (scores, missing, notes):
                old.pop(name, None)
    for hard, soft, satisfied in readings:
        if not unknown:
            scores[hard], scores[soft] = 1.0 if satisfied == level else 0.0, satisfied / level
            continue
        why = Missing(
            "no_verdict", f"of {len(unknown)} of {level} constraints there is no verdict: {unknown[0].found}"
        )
        missing[soft] = why
        if satisfied + len(unknown) < level:
            scores[hard] = 0.0
        else:
            missing[hard] = why
    if verified.failed:
        notes[HARD] = what_failed(verified.failed, level, record.language)
    meta = {**record.meta, COLUMN: as_column(verified.stated, verified=True)}
    events = (*record.events, verified.event)
    return record.but(meta=meta, scores=scores, missing=missing, notes=notes, events=events)


def what_failed(failed: Sequence[Stated], level: int, language: str) -> str:
    """Which constraints an answer does not meet, and what was found in their place."""
    said = []
    for one in failed:
        words = shorten(one.words(language), _SAID_CHARACTERS)
        said.append(f"{words} (found: {one.found})" if one.found else words)
    return f"{len(failed)} of {level} constraints not met: {'; '.join(said)}"
