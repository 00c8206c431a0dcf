"""Check a judge: does a record get another grade where a man is a woman, or has another group's name?"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from pydantic import Field, PrivateAttr

from factory.data.record import Missing, Record
from factory.data.table import Table
from factory.errors import RecipeError
from factory.step import ChatModelName, Context, WholeSet
from factory.steps.judging.grading.grader import Grade, Grader
from factory.steps.judging.grading.rubric import load_rubric
from factory.steps.judging.judge import exchanges
from factory.steps.judging.swapping.pairs import By, Pair, compare_pairs, make_pair
from factory.steps.judging.verdicts.side_by_side import side_by_side


class JudgeCounterfactual(WholeSet):
    """Check a judge by counterfactual pairs: the same record about a man and about a woman, or with other names.

    Of each record that is drawn the judge grades the last answer in both forms, prompt and answer swapped alike, by the
    rubric. Told are the mean difference with its 95 % interval, and the share of pairs that get another level with its
    own; where the interval of the difference holds 0, it cannot be told apart from none. The records go on as they
    came, with "judge_counterfactual.<rubric>", the first form's score less the second's.

    `by: gender` swaps pronouns, words for people and given names, in English and Chinese ("her" and "his" by what
    follows); the first form is the one about men, and a record with as many words of either is in the share alone.
    `by: names` puts names of two groups in place of given names that it knows: those of Bertrand and Mullainathan
    (2004), white and black, and in Chinese those of the Han, and of Tibetans and Uyghurs. A record with a full name is
    left out, since facts about a known person are no matter of wording; so is one with nothing to swap. Both are
    counted. Swapped texts are not always idiomatic: read some before a judge is blamed.

    Source: counterfactual pairs as in Gender Bias in Coreference Resolution (WinoBias, arXiv 1804.06876).

    Example:
        - judge_counterfactual: {model: teacher, rubric: quality, pairs: 300}
    """

    name: ClassVar[str] = "judge_counterfactual"

    model: ChatModelName = ""
    """The chat model that grades."""
    rubric: str = "quality"
    """A shipped rubric, or the path of a rubric file that ends in .md."""
    by: By = "gender"
    """What is swapped: words and names of men and women, or names of two groups."""
    pairs: int = Field(200, ge=1)
    """Records that are asked about at most, two calls each, drawn by lot."""
    expectation: bool = True
    """Take as score the expectation over the levels by log-probabilities, where the server tells them."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the reason and the score together."""

    _grader: Grader = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        rubrics = {language: load_rubric(self.rubric, language) for language in ("en", "zh")}
        if not rubrics["en"].judges_answer:
            raise RecipeError(f"the rubric {self.rubric!r} rates instructions: name one that rates answers")
        self._grader = Grader(rubrics, (self.model,), 1, 0.0, self.max_tokens, "json", self.expectation)

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        records = list(table.records())
        found = {at: pair for at, record in enumerate(records) if (pair := self._pair(record, context))}
        drawn = sorted(found)
        if len(drawn) > self.pairs:
            # By the records' own ids, so that the order of the set does not matter.
            drawn = sorted(
                sorted(drawn, key=lambda at: context.random("drawn", records[at].id).random())[: self.pairs]
            )
        context.count("records_without_pair", len(records) - len(found))
        context.count("pairs_not_drawn", len(found) - len(drawn))

        async def grade(at: int) -> tuple[Grade, Grade]:
            return await self._grade(found[at], context)

        graded = dict(zip(drawn, await side_by_side(grade, drawn), strict=True))
        scores, levels, oriented = [], [], []
        for at, (one, other) in graded.items():
            records[at] = self._noted(records[at], one, other, context)
            if one.score is None or other.score is None or one.level is None or other.level is None:
                context.count("pairs_without_score")
                continue
            scores.append((one.score, other.score))
            levels.append((one.level, other.level))
            oriented.append(found[at].oriented)
        compared = compare_pairs(scores, levels, oriented)
        context.facts["counterfactual"] = {
            name: [round(edge, 4) for edge in value]
            if isinstance(value, tuple)
            else round(value, 4)
            if isinstance(value, float)
            else value
            for name, value in compared._asdict().items()
        }
        if not compared.pairs:
            context.warn(
                f"{context.step}: no pair has two grades: of {len(records):,} records {len(found):,} have an answer "
                "and a word to swap"
            )
        else:
            tell = context.warn if compared.told_apart else context.tell
            tell(f"{context.step}: {compared.sentence(self.by)}")
        return Table.from_records(records)

    def asks_about(self) -> int:
        """See `rehearsal.AsksAboutSome`."""
        return self.pairs

    async def rehearse(self, record: Record, context: Context) -> None:
        """See `WholeSet.rehearse`."""
        pair = self._pair(record, context)
        if pair is not None:
            await self._grade(pair, context)

    def _pair(self, record: Record, context: Context) -> Pair | None:
        if not record.output.strip():
            return None
        return make_pair(record, self.by, context.random("names", record.id))

    async def _grade(self, pair: Pair, context: Context) -> tuple[Grade, Grade]:
        language = pair.first.language

        async def one(record: Record) -> Grade:
            *_, last = exchanges(record, self._grader.rubric(language))
            return await self._grader.grade(*last, language, context)

        first, second = await asyncio.gather(one(pair.first), one(pair.second))
        return first, second

    def _noted(self, record: Record, first: Grade, second: Grade, context: Context) -> Record:
        name = f"judge_counterfactual.{self._grader.rubric('en').name}"
        prompt = self._grader.prompt(record.language)
        event = context.event(name, *first.answers, *second.answers, prompt=prompt)
        if first.score is None or second.score is None:
            lacking = first if first.score is None else second
            return record.with_score(name, Missing(lacking.kind, lacking.reason), event)
        note = "" if first.score == second.score else f"first: {first.reason}\nsecond: {second.reason}"
        return record.with_score(name, first.score - second.score, event, note)
