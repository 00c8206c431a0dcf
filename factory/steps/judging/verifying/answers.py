"""What the steps share that hold answers against what a row knows: verdicts, pass rate, choice, and what is told."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import PrivateAttr

from factory.data.answers import with_chosen
from factory.data.record import Candidate, Event, Missing, Record
from factory.statistics.interval import percent, share_interval, wilson
from factory.step import Context, PerRecord
from factory.steps.judging.verifying.share_range import ShareRange

PASSED, REFERENCE = "passed", "reference"
"""Verdicts: an answer is verified; an answer is what the others are held against, and counts as none."""


class Verdict(NamedTuple):
    """What was found of one answer.

    said: "passed", or in what way it did not ("failed", "timeout", ...); or why there is no verdict
    found: what was found in the answer, one line
    """

    said: str | Missing
    found: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is verified."""
        return self.said == PASSED


class VerifiesAnswers(PerRecord):
    """A step that gives each answer of a record a verdict, and the record its pass rate.

    A subclass says by `verdicts` what is found of each answer; `what` names its verdicts in `Candidate.verdicts`, and
    `needs` is what a row must have for it, as a sentence says it.
    """

    what: ClassVar[str]
    needs: ClassVar[str]

    keep: Literal["all", "verified"] = "all"
    """Keep all records, or those alone whose answer, the one that ends the conversation, is verified."""
    choose: Literal["as_it_is", "verified"] = "as_it_is"
    """Which of several answers ends the conversation: that which does, or a verified one (the first, unless that which
    does is verified). A record that has none stays as it is."""
    keep_pass_rate: ShareRange | None = None
    """Keep the records whose pass rate lies in this range, ends included, such as "0.1..0.9": neither too hard nor too
    easy for the model that answered."""

    _work: dict[int, tuple[dict[str, Any], Tally]] = PrivateAttr(default_factory=dict)

    @abstractmethod
    async def verdicts(
        self, record: Record, answers: Sequence[Candidate], context: Context
    ) -> list[Verdict] | Missing:
        """A verdict for each answer; or why the row allows none."""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        tally = self._tally(context)
        answers = answers_of(record)
        found: list[Verdict] | Missing
        if answers:
            found = await self.verdicts(record, answers, context)
        else:
            found = Missing("no_answer", "there is no answer to verify")
        if isinstance(found, Missing):
            tally.without[found.kind] += 1
            tally.reasons.setdefault(found.kind, found.reason)
            yield self._kept(self._scored(record, [], -1, found, context), context)
            return
        tally.add(found)
        ends, record = self._chosen(with_verdicts(record, self.what, found), found, context)
        yield self._kept(self._scored(record, found, ends, None, context), context)

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        _, tally = self._work.pop(id(context.facts), (None, None))
        if tally is None:
            return
        context.facts.update(tally.facts())
        if tally.without:
            some = "; ".join(
                f"{number:,} {kind}: {tally.reasons[kind]}"
                for kind, number in sorted(tally.without.items(), key=lambda one: (-one[1], one[0]))
            )
            records = sum(tally.without.values()) + tally.records
            context.warn(
                f"{context.step}: {sum(tally.without.values()):,} of {records:,} records have no verdict ({some}); "
                f"this step needs {self.needs}"
            )
        if unknown := sum(tally.unknown.values()):
            context.warn(
                f"{context.step}: {unknown:,} of {unknown + len(tally.flags):,} answers have no verdict ("
                + "; ".join(
                    f"{number:,} {kind}: {tally.reasons[kind]}"
                    for kind, number in sorted(tally.unknown.items(), key=lambda one: (-one[1], one[0]))
                )
                + "); pass rates are over the others"
            )

    def _tally(self, context: Context) -> Tally:
        """What this run has counted so far; its facts are kept with it, so that no other run has their address."""
        if id(context.facts) not in self._work:
            self._work[id(context.facts)] = context.facts, Tally()
        return self._work[id(context.facts)][1]

    def _chosen(self, record: Record, found: Sequence[Verdict], context: Context) -> tuple[int, Record]:
        """Which answer ends the conversation, -1 where none of those with a verdict does, and the record with it."""
        if not record.answers:
            return 0, record
        ends = record.chosen
        if self.choose == "as_it_is" or (ends >= 0 and found[ends].passed):
            return ends, record
        verified = next((at for at, one in enumerate(found) if one.passed), None)
        if verified is None:
            context.count("records_without_a_verified_answer")
            return ends, record
        context.count("chose_another_answer")
        return verified, with_chosen(record, record.answers, verified)

    def _scored(
        self, record: Record, found: Sequence[Verdict], ends: int, why: Missing | None, context: Context
    ) -> Record:
        """The record with its scores: the verdict of the answer that ends it, the pass rate, and over how many."""
        passed, rate, over = self.name, f"{self.name}.pass_rate", f"{self.name}.n"
        fails = f"{self.name}.fail_rate"
        names = (passed, rate, over, fails)
        scores = {name: value for name, value in record.scores.items() if name not in names}
        missing = {name: value for name, value in record.missing.items() if name not in names}
        notes = {name: value for name, value in record.notes.items() if name not in names}
        held = [one for one in found if one.said != REFERENCE]
        known = [one for one in held if not isinstance(one.said, Missing)]
        if known:
            good = sum(one.passed for one in known)
            scores[rate], scores[over] = good / len(known), float(len(known))
            scores[fails] = (len(known) - good) / len(known)
            share = percent(good / len(known), wilson(good, len(known)))
            notes[rate] = f"{good} of {len(known)} answers passed, {share}"
            if len(known) < len(held):
                notes[rate] += f"; {len(held) - len(known)} more have no verdict"
        else:
            missing[rate] = why or _first_missing(found)
        if ends >= 0 and found[ends].said != REFERENCE:
            said = found[ends].said
            if isinstance(said, Missing):
                missing[passed] = said
            else:
                scores[passed] = float(said == PASSED)
                notes[passed] = _line(found[ends])
        else:
            missing[passed] = why or Missing(
                "not_asked", "the answer that ends the conversation is none of those with a verdict"
            )
        event = Event(context.step, self.name)
        return replace(record, scores=scores, missing=missing, notes=notes, events=(*record.events, event))

    def _kept(self, record: Record, context: Context) -> Record:
        passed, rate, over = self.name, f"{self.name}.pass_rate", f"{self.name}.n"
        if self.keep_pass_rate is not None:
            if rate not in record.scores:
                return self._no_verdict(record, rate, context)
            share, n = record.scores[rate], record.scores[over]
            if not self.keep_pass_rate.holds(share):
                hard = share < self.keep_pass_rate.low
                return record.drop(
                    context.step,
                    "too_hard" if hard else "too_easy",
                    f"its pass rate is not in {self.keep_pass_rate}: {record.notes[rate]}",
                    {"pass_rate": share, "answers": n},
                )
        if self.keep == "verified" and record.scores.get(passed) != 1:
            if passed not in record.scores:
                return self._no_verdict(record, passed, context)
            return record.drop(
                context.step, "not_verified", f"its answer is not verified: {record.notes[passed]}"
            )
        return record

    def _no_verdict(self, record: Record, name: str, context: Context) -> Record:
        reason = f"{name} is missing: {record.missing[name].reason}"
        return record.drop(context.step, "no_verdict", reason, failed=True)


def _line(verdict: Verdict) -> str:
    return f"{verdict.said}: {verdict.found}" if verdict.found else f"{verdict.said}"


def _first_missing(found: Sequence[Verdict]) -> Missing:
    none = Missing("no_answer", "there is no answer beside the reference")
    return next((one.said for one in found if isinstance(one.said, Missing)), none)


def answers_of(record: Record) -> tuple[Candidate, ...]:
    """The answers that are verified: the record's several answers, or where it has none the one that ends it."""
    if record.answers:
        return record.answers
    return (Candidate(record.messages[record.last_user + 1 :]),) if record.answered else ()


def with_verdicts(record: Record, what: str, found: Sequence[Verdict]) -> Record:
    """The record with the verdicts beside its answers, where it has several; one that could not be had is absent."""
    if not record.answers:
        return record
    answers = []
    for answer, verdict in zip(record.answers, found, strict=True):
        verdicts = {name: said for name, said in answer.verdicts.items() if name != what}
        if not isinstance(verdict.said, Missing):
            verdicts[what] = verdict.said
        answers.append(answer._replace(verdicts=verdicts))
    return replace(record, answers=tuple(answers))


@dataclass(slots=True)
class Tally:
    """What one run of a step counted.

    records: how many had answers and what they are held against
    flags, groups: of each answer with a verdict, whether it passed, and which record's it is
    rates: of each record with a verdict, its pass rate
    said: how many answers had each verdict; unknown, without: answers, and records, without one, by why
    """

    records: int = 0
    flags: list[bool] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    said: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    without: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, found: Sequence[Verdict]) -> None:
        """Count one record's verdicts."""
        self.records += 1
        held = [one for one in found if one.said != REFERENCE]
        known = [one.passed for one in held if not isinstance(one.said, Missing)]
        for one in held:
            if isinstance(one.said, Missing):
                self.unknown[one.said.kind] += 1
                self.reasons.setdefault(one.said.kind, one.said.reason)
            else:
                self.said[one.said] += 1
        if known:
            self.flags += known
            self.groups += [len(self.rates)] * len(known)
            self.rates.append(sum(known) / len(known))

    def facts(self) -> dict[str, Any]:
        """What the run's manifest and report tell."""
        told: dict[str, Any] = {}
        if self.flags:
            groups = np.array(self.groups, np.int64)
            share = float(np.mean(self.flags))
            told["answers_that_passed"] = (
                f"{percent(share, share_interval(self.flags, groups))} of {len(self.flags):,} answers"
                f" to {len(self.rates):,} records"
            )
            told["records_none_of_whose_answers_passed"] = sum(rate == 0 for rate in self.rates)
            told["records_some_of_whose_answers_passed"] = sum(0 < rate < 1 for rate in self.rates)
            told["records_all_of_whose_answers_passed"] = sum(rate == 1 for rate in self.rates)
            told["verdicts"] = _table("verdict", "answers", self.said)
        if self.unknown:
            told["answers_without_verdict"] = _table("why", "answers", self.unknown)
        if self.without:
            told["records_without_verdict"] = _table("why", "records", self.without)
        return told


def _table(kind: str, what: str, counts: Counter[str]) -> list[dict[str, Any]]:
    return [{kind: name, what: number} for name, number in sorted(counts.items())]
