"""Decide by a cheap model where it is sure, and by the strong judge elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field, PrivateAttr

from factory.data.record import Missing, Record
from factory.data.table import Table
from factory.statistics.bound import interval
from factory.statistics.lengths import ScoreLengths
from factory.step import ChatModelName, Context, EmbeddingModelName, WholeSet
from factory.steps.judging.grading.grader import Grader
from factory.steps.judging.grading.rubric import load_rubric
from factory.steps.judging.judge import exchanges, judge_record
from factory.steps.judging.verdicts.cascade import Cascade, Request, cascade
from factory.steps.judging.verdicts.features import (
    principal_components,
    score_features,
    simple_features,
    standardised,
)
from factory.steps.judging.verdicts.side_by_side import side_by_side
from factory.steps.keep import Condition, keep_where

if TYPE_CHECKING:
    from numpy.typing import NDArray


class JudgeCascade(WholeSet):
    """Keep the records that a strong judge would keep, asking it only where a cheap model is unsure.

    The strong judge grades a few records drawn at random, `labels`. They teach a cheap model, a logistic
    regression, which records meet `keep`: from the scores named in `cheap` (a weak model's, by a `judge`
    before this step), an embedding, and simple features such as lengths. Further records, held out from the
    teaching, tell how sure the cheap model must be for its decisions to stand. The strong judge is asked
    for the rest. Where the cheap model is of no use, that is every record: the agreement is kept, the saving
    is not.

    With `confidence`, at least `agreement` of all decisions are those the strong judge would have made, and at
    least `recall` of the records that it would keep are kept: where it keeps few, to drop all would agree with
    it nearly everywhere. Both are Clopper-Pearson bounds on the held-out records, which were drawn at random from
    the set and never taught on; the recall's on those of them that the judge keeps. The fewer it keeps, the more
    records the bound takes: about 150 kept ones must be held out. The bounds speak of this set, of records that the
    judge can grade, and of a judge at temperature 0.

    A record the strong judge was asked for has its grade as the score "judge_cascade.<rubric>"; the others
    lack it, as "not_asked". All have "judge_cascade_chance.<rubric>", the chance by the
    cheap model that the strong judge keeps it. A record that does not meet `keep` is dropped ("low_score"),
    or set aside where the judge gave no grade ("no_score"). At the end it says how many calls were saved, the
    recall with its interval, and what shares the cascade and the judge keep.

    Source: Learn then Test (arXiv 2110.01052) for the bound, FrugalGPT (arXiv 2305.05176) for the cascade.

    Example:
        - judge: {model: weak, rubric: quality}
        - judge_cascade: {model: strong, rubric: quality, keep: ">= 4", cheap: [judge.quality]}
    """

    name: ClassVar[str] = "judge_cascade"

    model: ChatModelName = ""
    """The strong judge."""
    rubric: str = "quality"
    """A shipped rubric, or the path of a rubric file that ends in .md."""
    keep: Condition
    """The decision: the condition that the strong judge's score must meet, such as ">= 4"."""
    cheap: str | tuple[str, ...] = ()
    """A score that the cheap model may use, such as judge.quality by a weak model, or a list of them."""
    embeddings: bool = True
    """Let the cheap model use an embedding of instruction and answer."""
    embedder: EmbeddingModelName = ""
    """The embedding model; by default the only one, else the embedded one."""
    agreement: float = Field(0.95, gt=0, lt=1)
    """The least share of decisions that must be the strong judge's."""
    recall: float = Field(0.95, ge=0, lt=1)
    """The least share of the records that the strong judge would keep that must be kept; 0 asks for none."""
    confidence: float = Field(0.95, gt=0, lt=1)
    """How sure that must be."""
    labels: int = Field(200, ge=2)
    """Records that the strong judge grades first: half to teach the cheap model, half to check it. Further
    rounds double them."""
    rounds: int = Field(3, ge=1)
    """Most rounds of teaching and checking; each takes its part of the doubt that `confidence` allows."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the strong judge's reason and score together."""

    _grader: Grader = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        rubrics = {language: load_rubric(self.rubric, language) for language in ("en", "zh")}
        self._grader = Grader(rubrics, (self.model,), max_tokens=self.max_tokens)

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: the cheap model may go without embeddings."""
        return super().models_of(kind) if kind == "chat" or self.embeddings else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        records = list(table.records())
        rubric = self._grader.rubric("en")
        score, chance = f"judge_cascade.{rubric.name}", f"judge_cascade_chance.{rubric.name}"

        async def judge(at: int) -> Record:
            return await judge_record(self._grader, records[at], context, score=score)

        # What has nothing to judge costs no call and is no draw.
        open_rows = [at for at, record in enumerate(records) if exchanges(record, rubric)]
        for at in set(range(len(records))) - set(open_rows):
            records[at] = keep_where(await judge(at), score, self.keep, context.step)

        async def ask(rows: Sequence[int]) -> list[bool | None]:
            places = [open_rows[row] for row in rows]
            for at, judged in zip(places, await side_by_side(judge, places), strict=True):
                records[at] = judged
            graded = [records[at].scores.get(score) for at in places]
            return [None if grade is None else self.keep.holds(grade) for grade in graded]

        features = await self._features([records[at] for at in open_rows], context)
        request = Request(self.agreement, self.confidence, self.labels, self.rounds, self.recall)
        found = await cascade(features, ask, request, context.random("draws"))
        for row, at in enumerate(open_rows):
            likely = float(found.chances[row])
            if np.isfinite(likely):
                records[at] = records[at].but(scores={**records[at].scores, chance: likely})
            if found.asked[row]:
                records[at] = keep_where(records[at], score, self.keep, context.step)
            else:
                records[at] = self._cheaply(records[at], score, likely, bool(found.decisions[row]), context)
        lengths = ScoreLengths()
        for record in records:
            lengths.note_scores(record, [score])
        context.facts.update(lengths.facts())
        if open_rows:
            calls = np.array([len(exchanges(records[at], rubric)) for at in open_rows])
            recall = found.recall(request)
            context.facts["cascade"] = {
                "records": len(open_rows),
                "asked": int(found.asked.sum()),
                "calls_saved": int(calls[~found.asked].sum()),
                "held_out": found.checked,
                "decided_otherwise": found.wrong,
                "held_out_that_the_judge_keeps": found.held_keeps,
                "lost": found.lost,
                "recall": None if recall is None else [round(value, 4) for value in recall],
                "keeps": found.kept_share(),
                "judge_keeps": found.judge_kept_share(self.confidence),
            }
            undecided = any(decision is None for decision in found.decisions)
            (context.warn if undecided else context.tell)(self._sentence(found, request, calls, context))
        return Table.from_records(records)

    async def rehearse(self, record: Record, context: Context) -> None:
        """See `WholeSet.rehearse`: where the cheap model is of no use, every record is asked for."""
        await judge_record(self._grader, record, context, score=self.name)

    async def _features(self, records: Sequence[Record], context: Context) -> NDArray[np.float64]:
        cheap = (self.cheap,) if isinstance(self.cheap, str) else self.cheap
        columns = [simple_features(records), score_features(records, cheap)]
        for name in cheap:
            if records and all(name not in record.scores for record in records):
                known = sorted({score for record in records for score in record.scores})
                context.warn(
                    f"{context.step}: no record has the score {name!r} (there are: "
                    f"{', '.join(known) or 'none'}); the cheap model goes without it"
                )
        plain = standardised(np.column_stack(columns))
        if not self.embeddings or not records:
            return plain
        texts = [f"{record.prompt}\n{record.output}" for record in records]
        vectors = await context.embedder(self.embedder).embed(texts)
        return np.column_stack([plain, await asyncio.to_thread(principal_components, vectors)])

    def _cheaply(self, record: Record, score: str, likely: float, kept: bool, context: Context) -> Record:
        note = (
            f"the strong judge was not asked: the cheap model's chance that it is {self.keep} is {likely:.3f}"
        )
        decided = record.with_score(score, Missing("not_asked", note), context.event(score))
        if kept:
            return decided
        return decided.drop(context.step, "low_score", f"{score}: {note}", {"chance": likely})

    def _sentence(self, found: Cascade, request: Request, calls: NDArray[np.int64], context: Context) -> str:
        """What was saved and what it costs; `calls` is how many each record takes, one for each turn judged."""
        rows, asked = len(found.asked), int(found.asked.sum())
        told = f"{context.step}: the strong judge was asked for {asked:,} of {rows:,} records"
        decided = [decision for decision in found.decisions if decision is not None]
        undecided = rows - len(decided)
        if undecided:
            told += f" and could grade {asked - undecided:,} of them"
        if undecided == asked:
            return told
        wanted = f"the agreement of {self.agreement:.0%}" + (
            f" and the recall of {self.recall:.0%}" if self.recall else ""
        )
        if asked == rows:
            return f"{told}: the cheap model is not sure enough of any to reach {wanted}"
        saved = int(calls[~found.asked].sum())
        told = (
            f"{told}, {saved:,} calls ({saved / calls.sum():.0%}) saved; at least "
            f"{self.agreement:.0%} of all decisions are its own with {self.confidence:.0%} confidence "
            f"({found.checked:,} records held out, {found.wrong:,} decided otherwise where the cheap model is sure; "
            f"rounds: {found.rounds})"
        )
        recall = found.recall(request)
        if recall is None:
            told += "; it keeps none of the records held out, so that nothing tells how many are lost"
        else:
            share, low, high = recall
            bound = "; no bound was asked for" if not self.recall else ""
            told += (
                f"; of the records that it would keep {share:.1%} are kept (interval {low:.1%} to {high:.1%}: of "
                f"{found.held_keeps:,} held out that it keeps {found.lost:,} would be lost{bound})"
            )
        low, high = interval(found.drawn_keeps, found.drawn, self.confidence)
        return (
            f"{told}; the cascade keeps {sum(decided) / len(decided):.1%}, the judge alone "
            f"{found.drawn_keeps / found.drawn:.1%} (interval {low:.1%} to {high:.1%})"
        )
