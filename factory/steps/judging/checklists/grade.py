"""Grading answers by a checklist: a verdict on each criterion by each judge, and the weighted share that is met."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from factory.data.record import Event, Missing, Record
from factory.data.text import is_blank
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.judging.checklists.checklist import Criterion, numbered
from factory.steps.judging.constraints.verdicts import JudgedAll, judged_schema
from factory.steps.judging.grading.grader import transcript


class Opinion(NamedTuple):
    """What one judge said of one answer: whether each criterion is met, in the checklist's order."""

    judge: str
    met: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class AnswerVerdicts:
    """What all judges said of one answer.

    opinions: of those that gave a verdict on each criterion
    problem: why there is none, where there is none
    """

    opinions: tuple[Opinion, ...]
    problem: Missing | None = None

    def shares(self) -> list[float]:
        """What share of the judges holds each criterion met."""
        return [sum(met) / len(met) for met in zip(*(one.met for one in self.opinions), strict=True)]

    def joined(self, more: AnswerVerdicts) -> AnswerVerdicts:
        """These verdicts with those on further criteria, by the judges that gave both."""
        others = {one.judge: one.met for one in more.opinions}
        both = tuple(
            Opinion(one.judge, one.met + others[one.judge]) for one in self.opinions if one.judge in others
        )
        problem = self.problem or more.problem
        if not both and problem is None:
            problem = Missing("bad_reply", "no judge gave a verdict on all criteria")
        return AnswerVerdicts(both, None if both else problem)


def score_of(criteria: Sequence[Criterion], verdicts: AnswerVerdicts) -> float | None:
    """The share of the weights whose criteria are met, the mean over judges, from 0 to 1; None without a verdict.

    RubricHub (arXiv 2601.08430), section 3.3.
    """
    if not verdicts.opinions:
        return None
    total = sum(one.weight for one in criteria)
    return sum(one.weight * share for one, share in zip(criteria, verdicts.shares(), strict=True)) / float(
        total
    )


@dataclass(frozen=True, slots=True)
class ChecklistJudge:
    """Asks judges whether answers meet criteria."""

    models: tuple[str, ...]
    temperature: float
    max_tokens: int

    async def verdicts(
        self, record: Record, answers: Sequence[str], criteria: Sequence[Criterion], context: Context
    ) -> tuple[list[AnswerVerdicts], list[Event]]:
        """The verdicts on each answer, and what the history says of them.

        A judge sees one answer at a time, and the criteria in an order drawn for the record: all its answers are
        graded alike, and over many records it can be told what the place in the list does.
        """
        order = shown_order(record, len(criteria), context)
        told = await asyncio.gather(
            *(
                self._of_one(model, record, answer, criteria, order, context)
                for answer in answers
                for model in self.models
            )
        )
        events = [event for _, event in told if event is not None]
        found = []
        for at in range(len(answers)):
            said = [opinion for opinion, _ in told[at * len(self.models) : (at + 1) * len(self.models)]]
            opinions = tuple(one for one in said if isinstance(one, Opinion))
            lacking = [one for one in said if isinstance(one, Missing)]
            context.count("graded_by_some_judges_only", bool(opinions and lacking))
            found.append(AnswerVerdicts(opinions, lacking[0] if lacking and not opinions else None))
        return found, events

    async def _of_one(
        self,
        model: str,
        record: Record,
        answer: str,
        criteria: Sequence[Criterion],
        order: Sequence[int],
        context: Context,
    ) -> tuple[Opinion | Missing, Event | None]:
        if is_blank(answer):
            return Missing("no_answer", "the answer is empty"), None
        try:
            asked = await context.ask(
                model,
                "checklist/grade",
                record,
                Sampling(self.temperature, self.max_tokens),
                schema=judged_schema(len(criteria)),
                operation="rubric",
                conversation=transcript(record.conversation, record.language),
                constraints=numbered([criteria[at] for at in order]),
                answer=answer,
            )
        except RecordFailed as error:
            context.count("verdicts_not_had", len(criteria))
            return Missing(error.kind, f"no verdicts: {error}"), None
        met = _read(asked.answer.data, order)
        if met is None:
            context.count("verdicts_not_had", len(criteria))
            why = f"{asked.answer.model} did not number its verdicts as the criteria are"
            return Missing("bad_reply", why), asked.event
        return Opinion(asked.answer.model, met), asked.event


def shown_order(record: Record, criteria: int, context: Context) -> list[int]:
    """In which order judges see the criteria of a record: the place of each in the checklist."""
    order = list(range(criteria))
    context.random("order", record.id, criteria).shuffle(order)
    return order


def _read(reply: JudgedAll, order: Sequence[int]) -> tuple[bool, ...] | None:
    """Whether each criterion is met, in the checklist's order; None where one has no verdict, or two."""
    said = {one.constraint: one.satisfied == "yes" for one in reply.verdicts}
    if sorted(said) != list(range(1, len(order) + 1)):
        return None
    met = [False] * len(order)
    for place, at in enumerate(order, start=1):
        met[at] = said[place]
    return tuple(met)
