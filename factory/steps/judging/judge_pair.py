"""Have a model compare two answers to each instruction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from factory.data.record import Missing, Record
from factory.data.table import Table
from factory.data.text import prompt_language
from factory.errors import RecipeError, RecordFailed
from factory.models.base import Answer, Sampling
from factory.statistics.interval import group_numbers
from factory.step import Asked, ChatModelName, Context, WholeSet
from factory.steps.judging.grading.grader import REASON_CHARACTERS, transcript
from factory.steps.judging.grading.reference import note_reference, reference_of
from factory.steps.judging.grading.rubric import Rubric, load_rubric
from factory.steps.judging.verdicts.pairs import LOSS, TIE, WIN, decide, summarise
from factory.steps.judging.verdicts.side_by_side import side_by_side
from factory.steps.keep import Condition, keep_where


class JudgePair(WholeSet):
    """Compare two answers to each record's last turn by a rubric, in both orders.

    The judge sees the answers as A and B twice, the first of them shown first and shown second. An answer
    wins only where both orders say so; anything else is a tie. The score "judge_pair.<rubric>" is 1 where the
    first answer wins, 0.5 for a tie, 0 where the second wins; "judge_pair_given.<rubric>" and
    "judge_pair_swapped.<rubric>" hold the same by each order alone. The note has the judge's reason. A pair
    of which one order has no verdict has no score, and `missing` says why.

    At the end it says how often the first answers win, at their lengths and at equal lengths, how often both
    orders agree, which place in the prompt is favoured where they do not, and how often the longer wins; each
    share with its 95 % interval, in which the pairs of one prompt count together. Where nearly all first answers are
    longer, or shorter, no pair shows what happens at equal lengths, and it says so.

    Source: MT-bench (arXiv 2306.05685) for both orders; length control as AlpacaEval 2 (arXiv 2404.04475) in
    a simplified form, without the term for the difficulty of an instruction.

    Example:
        - judge_pair: {model: teacher, second: reference_answer}
        - judge_pair: {model: teacher, first: response1, second: response2, rubric: helpfulness}
    """

    name: ClassVar[str] = "judge_pair"

    model: ChatModelName = ""
    """The chat model that compares."""
    first: str = ""
    """The column of the source that holds the first answers; empty: the record's own answer."""
    second: str = Field(min_length=1)
    """The column of the source that holds the second answers."""
    reference: bool | str = False
    """Show the judge a reference answer: the name of the source's column that holds it, or true, as for `judge`. A
    pair without one is judged without, which is counted."""
    rubric: str = "quality"
    """A shipped rubric, or the path of a rubric file that ends in .md, that rates an answer."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept: "== 1" keeps those whose first answer wins."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 gives the same verdict each time."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the reason and the verdict together."""

    _rubrics: dict[str, Rubric] = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        self._rubrics = {language: load_rubric(self.rubric, language) for language in ("en", "zh")}
        if not self._rubrics["en"].judges_answer:
            raise RecipeError(f"the rubric {self.rubric!r} rates instructions: name one that rates answers")

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        names = self._names()

        async def judge(record: Record) -> Record:
            return await self._judge(record, context)

        records = await side_by_side(judge, list(table.records()))
        judged = Table.from_records(
            keep_where(record, names[0], self.keep, context.step) for record in records
        )
        self._report(records, context)
        return judged

    async def rehearse(self, record: Record, context: Context) -> None:
        """See `WholeSet.rehearse`."""
        await self._judge(record, context)

    def _names(self) -> tuple[str, str, str]:
        rubric = self._rubrics["en"].name
        return f"judge_pair.{rubric}", f"judge_pair_given.{rubric}", f"judge_pair_swapped.{rubric}"

    def _answers(self, record: Record) -> tuple[str, str]:
        first = record.output if not self.first else record.meta.get(self.first)
        second = record.meta.get(self.second)
        for column, answer in ((self.first or "output", first), (self.second, second)):
            if not isinstance(answer, str) or not answer.strip():
                raise RecordFailed("no_answer", f"there is no answer in {column!r} to compare")
        return str(first), str(second)

    async def _judge(self, record: Record, context: Context) -> Record:
        score, *each = self._names()
        name, known = self._prompt(record)
        prompt = context.prompt(name, record)
        note_reference(context, self.reference, known)
        record = record.but(scores={key: old for key, old in record.scores.items() if key not in each})
        try:
            first, second = self._answers(record)
            given, swapped = await asyncio.gather(
                self._compare(record, first, second, context),
                self._compare(record, second, first, context),
            )
        except RecordFailed as error:
            event = context.event(score, prompt=prompt)
            return record.with_score(score, Missing(error.kind, str(error)), event)
        verdicts = (_WINS[given.data.better], WIN - _WINS[swapped.data.better])
        event = context.event(score, given, swapped, prompt=prompt)
        scores = {**record.scores, **dict(zip(each, verdicts, strict=True))}
        reason = given.data.reason.strip()
        if verdicts[0] != verdicts[1]:
            reason = f"shown first: {reason}\nshown second: {swapped.data.reason.strip()}"
        return record.but(scores=scores).with_score(score, decide(*verdicts), event, reason)

    def _prompt(self, record: Record) -> tuple[str, str]:
        """The name of the prompt, and the reference answer that it shows; "" where it shows none."""
        known = reference_of(record, self.reference)
        return ("judge/pair_reference" if known else "judge/pair"), known

    async def _compare(
        self, record: Record, first: str, second: str, context: Context
    ) -> Answer[PairVerdict]:
        name, known = self._prompt(record)
        more: dict[str, Any] = {"reference": known} if known else {}
        asked: Asked[PairVerdict] = await context.ask(
            self.model,
            name,
            record,
            Sampling(self.temperature, self.max_tokens),
            schema=PairVerdict,
            rubric=self._rubrics[prompt_language(record.language)].text,
            conversation=transcript(record.conversation, record.language),
            answer_a=first,
            answer_b=second,
            **more,
        )
        return asked.answer

    def _report(self, records: Sequence[Record], context: Context) -> None:
        import numpy as np

        score, *each = self._names()
        judged = [record for record in records if score in record.scores]
        given, swapped = (np.array([record.scores[name] for record in judged]) for name in each)
        pairs = [self._answers(record) for record in judged]
        longer = np.array([len(first) - len(second) for first, second in pairs], np.float64)
        missing = len(records) - len(judged)
        note = f"; {missing:,} have no verdict" if missing else ""
        # Pairs of one prompt tell less than as many pairs of their own.
        summary = summarise(given, swapped, longer, group_numbers([record.prompt for record in judged]))
        context.facts["pairs"] = {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(summary).items()
            if name not in ("intervals", "extrapolated")
        }
        context.facts["intervals"] = {
            name: [round(edge, 4) for edge in sure] for name, sure in summary.intervals.items()
        }
        if summary.extrapolated:
            context.facts["extrapolated"] = summary.extrapolated
        (context.warn if summary.extrapolated else context.tell)(
            f"{context.step}: {summary.sentence()}{note}"
        )


class PairVerdict(BaseModel):
    """What the judge of a pair replies."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(json_schema_extra={"maxLength": REASON_CHARACTERS})
    better: Literal["A", "B", "tie"]


_WINS = {"A": WIN, "B": LOSS, "tie": TIE}
"""What each verdict is for the answer shown first."""
