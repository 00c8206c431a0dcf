"""Having models write a checklist for one instruction: each its own, one of them all, and harder ones by contrast."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from factory.data.record import Candidate, Event, Missing, Record
from factory.data.text import normal_form, shorten
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.judging.checklists.checklist import (
    MOST_WEIGHT,
    Criterion,
    checklist_schema,
    joined,
    numbered,
)
from factory.steps.judging.grading.grader import transcript

LEAST = 2
"""Fewer criteria are no checklist."""


@dataclass(frozen=True, slots=True)
class ChecklistWriter:
    """Writes checklists. The options are those of the step `rubric`, which says what they mean."""

    models: tuple[str, ...]
    criteria: int
    harder: int
    temperature: float
    max_tokens: int

    async def write(
        self, record: Record, context: Context, reference: str = "", *, rehearsing: bool = False
    ) -> tuple[list[Criterion] | Missing, list[Event]]:
        """A checklist for the last turn of the record, or why there is none.

        reference: an answer that is known to be good, "" where there is none
        """
        found = await asyncio.gather(
            *(self._written(model, record, context, reference, rehearsing) for model in self.models)
        )
        lists = [criteria for criteria, _ in found if not isinstance(criteria, Missing)]
        events = [event for _, event in found if event is not None]
        context.count("checklists_not_had", len(found) - len(lists))
        if not lists:
            first = found[0][0]
            assert isinstance(first, Missing)
            return first, events
        criteria, equal = joined(lists)
        if len(lists) > 1:
            merged, event = await self._merged(record, criteria, context, rehearsing)
            events += [event] if event is not None else []
            if merged is not None:
                criteria = merged
        context.count("criteria_equal_to_another", equal)
        if len(criteria) < LEAST:
            why = f"a checklist has {LEAST} criteria at the least, and {len(criteria)} came that differ"
            return Missing("no_checklist", why), events
        return criteria, events

    async def contrast(
        self,
        record: Record,
        criteria: Sequence[Criterion],
        answers: tuple[Candidate, Candidate],
        context: Context,
        *,
        rehearsing: bool = False,
    ) -> tuple[list[Criterion], Event | None]:
        """Harder criteria by what the better of two answers has and the other lacks; none where no reply could be had.

        Which of them is shown first is drawn by the seed; which is better, the model is not told.
        """
        first, second = answers
        if context.random("contrast", record.id).random() < 0.5:
            first, second = second, first
        values = {
            "checklist": numbered(criteria),
            "answer_a": first.text,
            "answer_b": second.text,
            "most": str(self.harder),
        }
        try:
            found, event = await self._asked(
                self.models[0], "harder", record, context, values, self.harder, rehearsing
            )
        except RecordFailed as error:
            context.count("contrasts_not_had")
            context.log.info("%s: no harder criteria: %s", context.step, error)
            return [], None
        known = {normal_form(one.text) for one in criteria}
        new = [one._replace(harder=True) for one in found if normal_form(one.text) not in known]
        context.count("criteria_equal_to_another", len(found) - len(new))
        return new, event

    async def _written(
        self, model: str, record: Record, context: Context, reference: str, rehearsing: bool
    ) -> tuple[list[Criterion] | Missing, Event | None]:
        values = {"most": str(self.criteria), **({"reference": reference} if reference else {})}
        name = "write_reference" if reference else "write"
        try:
            return await self._asked(model, name, record, context, values, self.criteria, rehearsing)
        except RecordFailed as error:
            return Missing(error.kind, f"no checklist: {error}"), None

    async def _merged(
        self, record: Record, criteria: Sequence[Criterion], context: Context, rehearsing: bool
    ) -> tuple[list[Criterion] | None, Event | None]:
        """The lists of several models as one; None where no reply could be had, so that all stand side by side."""
        most = self.criteria * len(self.models)
        values = {"checklist": numbered(criteria, weights=True), "most": str(most)}
        try:
            merged, event = await self._asked(
                self.models[0], "merge", record, context, values, most, rehearsing
            )
        except RecordFailed as error:
            context.count("merges_not_had")
            context.log.info("%s: checklists stand side by side: %s", context.step, error)
            return None, None
        return (merged, event) if len(merged) >= LEAST else (None, event)

    async def _asked(
        self,
        model: str,
        prompt: str,
        record: Record,
        context: Context,
        values: dict[str, Any],
        most: int,
        rehearsing: bool,
    ) -> tuple[list[Criterion], Event]:
        """The criteria of one reply, each once, the first `most` of them; what copies the prompt is left out.

        rehearsing: the reply is a stand-in, for which as many stand as there may be
        """
        name = f"checklist/{prompt}"
        asked = await context.ask(
            model,
            name,
            record,
            Sampling(self.temperature, self.max_tokens),
            schema=checklist_schema(most),
            operation=f"checklist_{prompt}",
            conversation=transcript(record.conversation, record.language),
            **values,
        )
        shown = normal_form(" ".join(text for _, text in context.prompt(name, record).turns))
        written = [Criterion(one.criterion, one.weight) for one in asked.answer.data.criteria]
        if rehearsing:
            many = [Criterion(f"{prompt} {at}: {written[0].text}", MOST_WEIGHT) for at in range(most)]
            return many, asked.event
        own = [one for one in written if normal_form(one.text) not in shown]
        context.count("criteria_copied_from_the_prompt", len(written) - len(own))
        if not own:
            raise RecordFailed(
                "copied_checklist",
                f"all criteria of {asked.answer.model} are those of its prompt: {shorten(written[0].text, 80)!r}",
            )
        distinct, equal = joined([own])
        context.count("criteria_equal_to_another", equal)
        context.count("criteria_beyond_the_most", max(0, len(distinct) - most))
        context.count("criteria_written", min(len(distinct), most))
        return distinct[:most], asked.event
