"""Humpback: have a model write the instruction that a text answers, and keep the pairs that it grades highest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

from pydantic import Field, PrivateAttr

from factory.data.record import Message, Record
from factory.data.text import detect_language, is_blank, word_count
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.interval import percent, wilson
from factory.step import ChatModelName, Context, PerRecord
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.flaws.yields import note_yield, tell_yield
from factory.steps.agents.grounding.wording import speaks_of_text
from factory.steps.agents.inventing.single import copy_flaw, task_flaw
from factory.steps.judging.grading.grader import Grader
from factory.steps.judging.grading.rubric import load_rubric

SCORE = "judge.answer_as_is"
"""The score of a pair, by the rubric of this name."""


class Backtranslate(PerRecord):
    """Write the instruction that a text is the answer to, and keep the pairs that a model grades highest (Humpback).

    The record's text, such as a chunk of a document or a row of plain text, becomes the answer as it stands; a model
    writes the instruction (self-augmentation). Then the pair is graded (self-curation) by the paper's scale of five
    points, in the words of the rubric `answer_as_is`: 5 is an answer that an assistant might have given, complete and
    without a sentence too many, 1 is promotion, a forum post, off the point. The grade stands alone on the last line
    and is read there or nowhere: a reply such as "Score: 728" has none, and is never taken for one. How many of the
    replies could be read is told.

    A pair is let go, marked with its reason: graded below `keep` ("low_score"), without a grade ("no_score"), an
    instruction that is cut, empty, a refusal, in another language, copied from the prompt or the text ("unchanged"),
    or that points at a text ("speaks_of_the_text"). The text's record is its parent.

    Differs from the paper, which trains the backward model on reversed seeds and the grading one on the seeds, and goes
    round twice: here a model that follows instructions does both by prompts. Put `respond` of a trained model and this
    step in a second recipe for a second round.

    Source: Humpback, self-alignment with instruction backtranslation (arXiv 2308.06259).

    Example:
        - backtranslate: {model: teacher}
        - backtranslate: {model: teacher, keep: 4, max_words: 800}
    """

    name: ClassVar[str] = "backtranslate"

    model: ChatModelName = ""
    """The chat model that writes the instruction."""
    judge: ChatModelName = ""
    """The chat model that grades the pair; the one that writes, if not given."""
    keep: int = Field(5, ge=1, le=5)
    """The least grade that is kept; the paper keeps 5."""
    least_words: int = Field(20, ge=1)
    """A text of fewer words, or Chinese characters, is no answer to learn from ("too_short")."""
    max_words: int = Field(1000, ge=1)
    """A text of more words, or Chinese characters, is let go ("too_long")."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature of the instruction; the grade is greedy."""
    max_tokens: int = Field(256, ge=1)
    """Most tokens of an instruction."""
    judge_max_tokens: int = Field(512, ge=1)
    """Most tokens of the grade and its reason."""

    _grader: Grader = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        """Read the rubric with the recipe."""
        rubrics = {language: load_rubric("answer_as_is", language) for language in ("en", "zh")}
        judge = self.judge or self.model
        self._grader = Grader(rubrics, (judge,), max_tokens=self.judge_max_tokens, reply="line")

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        yield await self._pair(record, context)

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: every text is written for and graded."""
        yield await self._graded(await self._written(record, context), context)

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`: the yield, and how many grades could be read."""
        tell_yield(context)
        graded, read = context.facts.get("pairs_graded", 0), context.facts.get("grades_read", 0)
        if graded:
            share = percent(read / graded, wilson(read, graded))
            say = context.tell if read else context.warn
            say(f"{context.step}: the grade of {read:,} of {graded:,} pairs could be read, {share}")

    async def _pair(self, record: Record, context: Context) -> Record:
        """The pair that a text becomes, kept or dropped."""
        made = await self._written(record, context)
        if made.dropped is None:
            made = await self._graded(made, context)
        note_yield(context, int(made.dropped is None), [made.dropped] if made.dropped else [])
        return made

    async def _written(self, record: Record, context: Context) -> Record:
        """The pair of a text and the instruction that a model wrote for it, or marked with what is wrong with it."""
        text = record.asked.content.strip() if record.asked is not None else ""
        if is_blank(text):
            raise RecordFailed("no_text", "it has no text to write an instruction for")
        words = word_count(text)
        if words < self.least_words:
            return record.drop(
                context.step, "too_short", f"{words:,} words, {self.least_words:,} at the least"
            )
        if words > self.max_words:
            return record.drop(context.step, "too_long", f"{words:,} words, {self.max_words:,} at the most")
        prompt = context.prompt("backtranslate/instruction", record)
        reply, event = await context.ask(
            self.model,
            "backtranslate/instruction",
            record,
            Sampling(self.temperature, self.max_tokens),
            text=text,
        )
        instruction = " ".join(clean_instruction(reply.text).split())
        made = record.child(instruction, event)
        made = made.but(messages=(Message("user", instruction), Message("assistant", text)))
        flaw = task_flaw(instruction, reply, [text], {detect_language(text)}, prompt, "instruction")
        flaw = flaw or copy_flaw(instruction, text, "instruction")
        if flaw is None and (said := speaks_of_text(instruction, text)):
            flaw = Flaw("speaks_of_the_text", f"it says {said!r}, and the text is the answer")
        return made if flaw is None else made.drop(context.step, *flaw)

    async def _graded(self, made: Record, context: Context) -> Record:
        """The pair with its grade, dropped where that is too low or not there."""
        grade = await self._grader.grade(made.conversation, made.output, made.language, context)
        event = context.event(SCORE, *grade.answers, prompt=self._grader.prompt(made.language))
        context.count("pairs_graded")
        if grade.level is None:
            return made.with_event(event).drop(
                context.step, "no_score", f"it has no grade: {grade.reason}", failed=True
            )
        context.count("grades_read")
        made = made.with_score(SCORE, grade.level, event, grade.reason)
        if grade.level >= self.keep:
            return made
        reason = f"graded {grade.level:g}, and {self.keep} is kept"
        return made.drop(context.step, "low_score", reason, {"score": grade.level})
