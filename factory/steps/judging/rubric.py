"""Have models write a checklist for each instruction, and grade its answers by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from factory.data.answers import answers_of, with_chosen
from factory.data.record import Candidate, Missing, Record
from factory.step import ChatModelNames, Context, PerRecord
from factory.steps.judging.checklists.biases import Biases
from factory.steps.judging.checklists.checklist import with_checklist
from factory.steps.judging.checklists.checklists import (
    SCORE,
    Checklists,
    best_place,
    scored,
    tell_biases,
    told,
)
from factory.steps.judging.checklists.grade import ChecklistJudge
from factory.steps.judging.checklists.write import ChecklistWriter
from factory.steps.judging.grading.reference import note_reference, reference_of
from factory.steps.keep import Condition, keep_where

NO_ANSWER = Missing("no_answer", "there is no answer to grade")


class WritesRubric(PerRecord):
    """Write a checklist for each instruction, by one or several models, and grade the record's answers by it.

    A criterion is something that an answer does or does not, with a weight of 1 to 10. Each of `model` writes its own
    list; the first of them makes one of all. Then `judge` says of each answer which criteria it meets, and with
    `harder` the first model compares the answer that meets the most with the one that meets the least (in an order
    drawn by the seed, and it is not told which is which) and writes further criteria that the better one meets and the
    other does not, or that only an excellent one would; all answers are graded by these too. A checklist that never
    tells two answers apart is of no use to choose by: the facts say how many of the harder criteria do.

    The score "rubric" of each answer is the share of the weights whose criteria it meets, from 0 to 1, the mean over
    the judges; the verdicts "rubric.1", "rubric.2", ... say "met", "failed" or "split" of each criterion, and the note
    what is not met. The checklist is the record's column `checklist`; a row that has one already is graded by that, and
    nothing is written for it. With `choose: best` the answer with the highest score becomes the record's, of equals the
    one that it has or else the first: best of n. `pair: {score: rubric}` makes pairs by it, and `respond: {samples: 8,
    choose: rubric}` does all of this with the answers that it draws.

    A verdict that could not be had is missing, never "not met": an answer one of whose criteria no judge gave a verdict
    on has no score, and is not chosen. A record without a checklist (the replies fit no schema, copy the prompt, or
    hold fewer than two criteria) has no score either; `missing` says why. With `keep` the record is dropped where its
    answer's score does not meet the condition ("low_score"), and set aside as failed where it has none ("no_score").
    The authors keep the best of several answers where it has more than 0.6.

    The biases of judges are told with their intervals. Place: the criteria are shown in an order drawn for each record,
    so that the first half of the lists should be met as often as the second. Length: in how many pairs of a prompt's
    answers the longer one scores higher; compare with pairs matched in length (`pair: {length_ratio: 1.5}`).
    Self-preference: in how many pairs of its own and another's answer a judge's own scores higher, where it graded its
    own. A judge who did not answer, or several, are better.

    Source: RubricHub (arXiv 2601.08430) for criteria by principles and from a reference, several writers, harder
    criteria from two answers, and the score; it takes them from two strong answers of other models, this from the
    record's own. Criteria that take points off are left out, as there.

    Example:
        - rubric: {model: teacher, choose: best, keep: ">= 0.6"}
        - rubric: {model: [teacher, other], judge: third, reference: true}
    """

    name: ClassVar[str] = "rubric"

    model: ChatModelNames = ""
    """The chat model that writes the checklist, or a list of them, each of which writes one."""
    judge: ChatModelNames = ()
    """The chat model that grades answers by it, or a list of them; by default the first that writes."""
    criteria: int = Field(8, ge=2, le=30)
    """Most criteria that each model writes."""
    harder: int = Field(4, ge=0, le=15)
    """Most criteria that are added by comparing two answers; 0: none are."""
    choose: Literal["as_it_is", "best"] = "as_it_is"
    """Which of several answers ends the conversation: that which does, or the one with the highest score."""
    keep: Condition | None = None
    """Condition that the score must meet for a record to be kept, such as ">= 0.6"; without it all are kept."""
    reference: bool | str = False
    """Show the writers a reference answer: the name of the source's column that holds it, or true, as for `judge`."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature of criteria and verdicts."""
    max_tokens: int = Field(2048, ge=1)
    """Most tokens of a checklist, and of the verdicts on one answer."""

    _checklists: Checklists = PrivateAttr()
    _work: dict[int, tuple[dict[str, Any], Biases]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _some_model(self) -> Self:
        if self.model == ():
            raise ValueError("`model` names no model: name one, or leave it out")
        return self

    def model_post_init(self, context: object) -> None:
        writers = (self.model,) if isinstance(self.model, str) else self.model
        judges = (self.judge,) if isinstance(self.judge, str) else self.judge
        self._checklists = self.checklists(writers, judges or writers[:1])

    def checklists(self, writers: tuple[str, ...], judges: tuple[str, ...]) -> Checklists:
        """What writes and grades with the options of this step, by these models."""
        return Checklists(
            ChecklistWriter(writers, self.criteria, self.harder, self.temperature, self.max_tokens),
            ChecklistJudge(judges, self.temperature, self.max_tokens),
        )

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        yield await self._graded(record, context, rehearsing=False)

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: harder criteria are written for each record."""
        yield await self._graded(record, context, rehearsing=True)

    async def _graded(self, record: Record, context: Context, *, rehearsing: bool) -> Record:
        answers, own = answers_of(record)
        if not answers:
            context.count("records_without_answer")
            return keep_where(
                record.with_score(SCORE, NO_ANSWER, context.event(self.name)), SCORE, self.keep, context.step
            )
        reference = reference_of(record, self.reference)
        note_reference(context, self.reference, reference)
        graded = await self._checklists.graded(
            record,
            answers,
            context,
            self._biases(context),
            reference=reference,
            rehearsing=rehearsing,
        )
        told_of = tuple(told(answer, graded, at) for at, answer in enumerate(answers))
        scores = graded.scores() or [None] * len(answers)
        context.count("answers_graded", sum(score is not None for score in scores))
        context.count("answers_without_score", sum(score is None for score in scores))
        if record.answers:  # one that stands in the conversation alone has its score on the record
            record = record.but(answers=told_of[: len(record.answers)])
        if not isinstance(graded.criteria, Missing):
            record = with_checklist(record, graded.criteria)
        if self.choose == "best":
            record, own = self._chosen(record, told_of, scores, own, context)
        record = record.but(events=(*record.events, *graded.events))
        return keep_where(scored(record, graded, own, context), SCORE, self.keep, context.step)

    def _chosen(
        self,
        record: Record,
        answers: tuple[Candidate, ...],
        scores: list[float | None],
        own: int,
        context: Context,
    ) -> tuple[Record, int]:
        """The record with its best answer, and that one's place."""
        at = best_place(scores, own)
        context.count("another_answer_chosen", at is not None and at != own)
        context.count("no_answer_to_choose", at is None)
        if at is None or at == own:
            return record, own
        return with_chosen(record, answers, at), at

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`: what the verdicts say of the judges."""
        _, biases = self._work.pop(id(context.facts), (None, None))
        if biases is not None:
            tell_biases(biases, context)

    def _biases(self, context: Context) -> Biases:
        """What this run has seen so far; its facts are kept with it, so that no other run has their address."""
        if id(context.facts) not in self._work:
            self._work[id(context.facts)] = context.facts, Biases()
        return self._work[id(context.facts)][1]
