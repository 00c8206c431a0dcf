"""What models say of a drafted row: whether its answer follows, and whether anybody needs the passage for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from factory.data.record import Event, Record
from factory.data.text import normal_form, shorten
from factory.errors import RecordFailed
from factory.models.base import Fields, Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.step import Context
from factory.steps.agents.grounding.drafts import Draft
from factory.steps.agents.grounding.nearest import NearestPassages
from factory.steps.agents.grounding.passages import SPANS


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    # The reason comes first, so that the verdict follows from it.
    reason: str = Field(json_schema_extra={"maxLength": 300})


class Supported(_Verdict):
    """Whether an answer follows from the words quoted."""

    verdict: Literal["supported", "partly", "unsupported"]


class Alone(_Verdict):
    """Whether a question can be understood by who has not read the passage."""

    understood: bool


class Declined(_Verdict):
    """Whether a passage answers a question, and whether an answer declines it and adds only what the passage says."""

    passage_answers: bool
    declines: bool


class Known(BaseModel):
    """What a model says to a question without the passage."""

    model_config = ConfigDict(extra="forbid")

    known: bool
    answer: str


class Same(_Verdict):
    """Whether two answers say the same."""

    same: bool


@dataclass(slots=True)
class Judged:
    """Asks models about one draft, question after question, and notes the calls.

    model, judge: who is asked without the passage, and who judges
    rehearsing: ask all there is to ask, whatever is replied
    """

    draft: Draft
    model: str
    judge: str
    max_tokens: int
    context: Context
    rehearsing: bool = False

    async def passed(self, row: Record, nearest: NearestPassages, *, alone: bool, general: bool) -> Record:
        """The row with what was asked about it in its history, or marked with the first thing that is wrong.

        alone, general: ask whether the question is understood, and whether it is answered, without the passage
        """
        events: list[Event] = []
        flaw: Flaw | None = None
        declines = self.draft.slot.kind == "unanswerable"
        try:
            if declines:
                flaw = await self._answerable(nearest, events)
            else:
                flaw = await self._unsupported(row, events)
            if alone and (flaw is None or self.rehearsing):
                flaw = flaw or await self._not_alone(events)
            if general and not declines and (flaw is None or self.rehearsing):
                flaw = flaw or await self._known(events)
        except RecordFailed as error:
            row = row.but(events=(*row.events, *events))
            return row.drop(self.context.step, error.kind, str(error), failed=True)
        row = row.but(events=(*row.events, *events))
        return row if flaw is None else row.drop(self.context.step, *flaw)

    async def _unsupported(self, row: Record, events: list[Event]) -> Flaw | None:
        """That an answer does not follow from the words that it quotes, as the judge says."""
        said: list[str] = []
        for at, turn in enumerate(self.draft.turns):
            spans = [span for span in row.meta[SPANS] if span["turn"] == at]
            asked = "\n\n".join([*said, turn.question])
            verdict = await self._ask(
                self.judge,
                "supported",
                Supported,
                events,
                question=asked,
                answer=turn.answer,
                evidence="\n".join(_evidence(self.draft, spans)),
            )
            if verdict.verdict != "supported" and not self.rehearsing:
                kind = "unsupported" if verdict.verdict == "unsupported" else "partly_supported"
                return Flaw(kind, f"the answer does not follow from its span: {shorten(verdict.reason, 200)}")
            said += [turn.question, turn.answer]
        return None

    async def _not_alone(self, events: list[Event]) -> Flaw | None:
        """That the question cannot be understood without the passage; of a conversation the first."""
        found = await self._ask(self.judge, "alone", Alone, events, question=self.draft.turns[0].question)
        if found.understood or self.rehearsing:
            return None
        reason = f"it cannot be understood without the passage: {shorten(found.reason, 200)}"
        return Flaw("not_understood_alone", reason)

    async def _known(self, events: list[Event]) -> Flaw | None:
        """That a model gives the same answer without the passage; of a conversation to the first question."""
        turn = self.draft.turns[0]
        told = await self._ask(self.model, "closed_book", Known, events, question=turn.question)
        if not self.rehearsing:
            if not told.known or not told.answer.strip():
                return None
            if normal_form(told.answer) == normal_form(turn.answer):
                return Flaw("general_knowledge", "the model gives the same answer without the passage")
        same = await self._ask(
            self.judge,
            "same_answer",
            Same,
            events,
            question=turn.question,
            first=turn.answer,
            second=told.answer,
        )
        if not same.same or self.rehearsing:
            return None
        return Flaw("general_knowledge", f"without the passage the model says {shorten(told.answer, 120)!r}")

    async def _answerable(self, nearest: NearestPassages, events: list[Event]) -> Flaw | None:
        """That a question has an answer, there or in the passage nearest to it, or that it is not declined."""
        (turn,) = self.draft.turns
        own = self.draft.slot.passages[0]
        other = nearest.to(turn.question, {own.id})
        for passage in [own] if other is None else [own, other]:
            found = await self._ask(
                self.judge,
                "declined",
                Declined,
                events,
                passage=passage.shown,
                question=turn.question,
                answer=turn.answer,
            )
            if self.rehearsing:
                continue
            if found.passage_answers:
                where = "its passage" if passage is own else f"the record {passage.id}"
                return Flaw("answerable", f"{where} answers the question: {shorten(found.reason, 200)}")
            if passage is own and not found.declines:  # what it adds rests on its own passage
                return Flaw("not_declined", f"the answer does not decline: {shorten(found.reason, 200)}")
        return None

    async def _ask(
        self, model: str, name: str, schema: type[Fields], events: list[Event], **values: str
    ) -> Fields:
        first = self.draft.slot.passages[0]
        prompt = self.context.prompt(f"documents/{name}", first.record)
        sampling = Sampling(0.0, self.max_tokens)
        answer = await self.context.chat(model).ask(prompt.render(**values), sampling, schema=schema)
        events.append(self.context.event(name, answer, prompt=prompt))
        return answer.data


def _evidence(draft: Draft, spans: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The words quoted, each under the headings of its passage, which tell what "it" is."""
    headings = {passage.record.id: passage.headings for passage in draft.slot.passages}
    for quote, own in dict.fromkeys((span["quote"], headings[span["record"]]) for span in spans):
        yield f"[{own}] {quote}" if own else quote
