"""Score how like good examples and unlike bad ones each record is: a small classifier of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from factory.data.named_files import named_files
from factory.data.record import Missing, Record
from factory.data.table import Table
from factory.data.text import word_count
from factory.errors import InputError, RunStopped
from factory.models.embed_texts import embed_texts
from factory.statistics.arrays import Floats
from factory.statistics.interval import group_numbers, number, percent
from factory.statistics.lengths import ScoreLengths
from factory.statistics.quality import QualityModel, fit_quality
from factory.step import Context, EmbeddingModelName, WholeSet
from factory.steps.judging.verdicts.features import simple_features
from factory.steps.keep import Condition, keep_where

MOST_EXAMPLES = 20_000
"""Examples that are learnt from: more take long, and teach a linear classifier little."""
_NO_ANSWER = Missing("no_answer", "there is no answer to score")


class ScoresQuality(WholeSet):
    """Score how likely each record is to be a good one, by a classifier of your good and bad examples.

    The examples are two files of rows (`good`, `bad`), or the records that a judge has graded already: those whose
    score `judged` meets `good_where` or `bad_where`, such as a sample that `judge` was asked about. The classifier is a
    logistic regression over cheap features (lengths, form, repetition), and, with an `embedder`, over the embedding of
    `field` too. Stored as "quality", a probability: it is calibrated (Platt) on examples that the classifier had not
    seen. A record that is one of the examples gets what a classifier says that has not seen it.

    It proves itself first, by five-fold cross-validation in which the answers to one prompt stay together: where the
    interval of its accuracy is not above that of always naming the commoner kind, the run stops and says so. What it
    owes to length is told: how its scores go with the length of the answers, and how well length alone does; where it
    is not surely better than that, it warns. Kinds of rows that the examples lack it knows nothing of.

    A record without an answer, or without an embedding, has no score, and `missing` says why. With `keep`, as in
    `judge`.

    Source: phi-1 (arXiv 2306.11644), section 2.1, for a classifier of quality from labelled examples; Platt (1999).

    Example:
        - quality_model: {good: good.jsonl, bad: bad.jsonl, keep: ">= 0.5"}
        - quality_model: {judged: judge.quality, good_where: ">= 4", bad_where: "<= 2", embedder: local}
    """

    name: ClassVar[str] = "quality_model"

    good: str = ""
    """A file of good rows, with their answers."""
    bad: str = ""
    """A file of bad rows, with their answers."""
    judged: str = ""
    """In place of files: a score that some records have, such as "judge.quality"."""
    good_where: Condition = Condition.parse(">= 4")
    """What the score `judged` of a good record meets."""
    bad_where: Condition = Condition.parse("<= 2")
    """What the score `judged` of a bad record meets; a record that meets neither teaches nothing."""
    embedder: EmbeddingModelName = ""
    """The embedding model; without one the classifier goes by cheap features alone."""
    field: Literal["both", "prompt", "output"] = "both"
    """The text that is embedded: prompt and answer, or one of them."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept, such as ">= 0.5"; without it all are kept."""

    @model_validator(mode="after")
    def _taught(self) -> Self:
        if bool(self.good) != bool(self.bad) or bool(self.good) == bool(self.judged):
            raise ValueError(
                "give `good` and `bad`, a file each, or `judged`, a score that some of the records have"
            )
        return self

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return named_files([self.good, self.bad]) if self.good else ()

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: without an embedder nothing is embedded."""
        return super().models_of(kind) if self.embedder else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            InputError: a file of examples has no row with an answer.
            RunStopped: the examples are too few, or cannot be told apart.
        """
        records = list(table.records())
        if not records:
            return table
        examples = self._examples(records, context)
        known = await self._rows(examples.records, context)
        usable = np.array(np.isfinite(known).all(axis=1), bool)
        context.count("examples_without_embedding", int((~usable).sum()))
        taught = [record for record, use in zip(examples.records, usable.tolist(), strict=True) if use]
        is_good = np.array(examples.is_good, bool)[usable]
        lengths = [float(word_count(record.output)) for record in taught]
        groups = group_numbers([record.prompt for record in taught])
        try:
            model = await asyncio.to_thread(
                fit_quality, known[usable], is_good.tolist(), lengths, groups, _seed(context)
            )
        except ValueError as error:
            raise RunStopped(f"{context.step}: {error}") from None
        self._tell(model, context)
        answered = [record for record in records if record.output.strip()]
        rows = await self._rows(answered, context)
        scores = dict(zip((record.id for record in answered), self._scores(model, rows), strict=True))
        unseen = {_text(record): value for record, value in zip(taught, model.unseen.tolist(), strict=True)}
        event, lengths_told = context.event(self.name), ScoreLengths()
        made = []
        for record in records:
            value = unseen.get(_text(record), scores.get(record.id, _NO_ANSWER))
            scored = record.with_score(self.name_of_score, value, event)
            lengths_told.note_scores(scored, [self.name_of_score])
            made.append(keep_where(scored, self.name_of_score, self.keep, context.step))
        context.count("scored", sum(self.name_of_score in record.scores for record in made))
        context.count("scored_by_a_model_that_had_not_seen_it", sum(_text(r) in unseen for r in records))
        context.facts.update(lengths_told.facts())
        return Table.from_records(made)

    name_of_score: ClassVar[str] = "quality"

    def _examples(self, records: Sequence[Record], context: Context) -> Examples:
        if self.judged:
            named = [
                (record, record.scores[self.judged]) for record in records if self.judged in record.scores
            ]
            if not named:
                raise RunStopped(
                    f"{context.step}: no record has the score {self.judged!r}: put the step that gives it before, or "
                    "name files of examples (`good`, `bad`)"
                )
            good = [record for record, score in named if self.good_where.holds(score)]
            bad = [record for record, score in named if self.bad_where.holds(score)]
            context.count("judged_between", len(named) - len(good) - len(bad))
        else:
            good, bad = self._read(self.good, context), self._read(self.bad, context)
        kinds = {_text(record) for record in good} & {_text(record) for record in bad}
        context.count("examples_of_both_kinds", len(kinds))
        if kinds:
            context.warn(
                f"{context.step}: {len(kinds):,} examples are good and bad at once, and teach nothing: left out"
            )
        chosen: dict[str, tuple[Record, bool]] = {}
        for some, kind in ((good, True), (bad, False)):
            for record in some:
                if record.output.strip() and _text(record) not in kinds:
                    chosen.setdefault(_text(record), (record, kind))
        context.count(
            "examples_without_answer_or_double", len(good) + len(bad) - len(chosen) - 2 * len(kinds)
        )
        found = list(chosen.values())
        if len(found) > MOST_EXAMPLES:
            context.tell(
                f"{context.step}: of {len(found):,} examples {MOST_EXAMPLES:,} are drawn to learn from"
            )
            drawn = sorted(context.random("examples").sample(range(len(found)), MOST_EXAMPLES))
            found = [found[at] for at in drawn]
        return Examples([record for record, _ in found], [kind for _, kind in found])

    def _read(self, name: str, context: Context) -> list[Record]:
        paths = named_files([name])
        read = [record for path in paths for record in context.read_records(path) if record.dropped is None]
        if not any(record.output.strip() for record in read):
            raise InputError(f"{name}: no row has an answer to learn from")
        return read

    async def _rows(self, records: Sequence[Record], context: Context) -> Floats:
        """What the classifier reads of each record, shape (records, dimensions); NaN where it has no embedding."""
        rows = simple_features(records)
        if not self.embedder or not records:
            return rows
        texts = [_text(record) if self.field == "both" else getattr(record, self.field) for record in records]
        embedded = await embed_texts(context.embedder(self.embedder), texts)
        return np.concatenate([rows, embedded.vectors.astype(np.float64)], axis=1)

    def _scores(self, model: QualityModel, rows: Floats) -> list[float | Missing]:
        usable = np.isfinite(rows).all(axis=1)
        values = np.full(len(rows), np.nan)
        values[usable] = model.predict(rows[usable])
        lacking = Missing("unscored", "its text has no embedding")
        return [value if np.isfinite(value) else lacking for value in values.tolist()]

    def _tell(self, model: QualityModel, context: Context) -> None:
        found, length = model.validated, model.by_length
        context.facts["validated"] = {
            **found._asdict(),
            "auc": round(model.auc, 4),
            "brier": round(model.brier, 4),
            "brier_of_always_the_share": round(model.of_share, 4),
            "accuracy_of_length_alone": round(length.accuracy, 4),
            "interval_of_length_alone": [round(length.low, 4), round(length.high, 4)],
            "spearman_with_length": None
            if model.length_correlation is None
            else round(model.length_correlation, 4),
        }
        context.facts["intervals"] = {
            name: [round(edge, 4) for edge in sure] for name, sure in model.intervals.items()
        }
        said = percent(found.accuracy, (found.low, found.high))
        if not model.proven:
            more = "" if self.embedder else ", or name an `embedder`"
            raise RunStopped(
                f"{context.step}: the classifier cannot tell good from bad: it is right for {said} of "
                f"{found.examples:,} examples that it has not seen, and always naming the commoner kind is for "
                f"{found.majority:.1%}: give more examples, or others{more}"
            )
        context.tell(
            f"{context.step}: of {found.examples:,} examples that it had not seen the classifier is right for {said}; "
            f"always naming the commoner kind is for {found.majority:.1%}, the length of the answer alone for "
            f"{percent(length.accuracy, (length.low, length.high))}; a good one is above a bad one in "
            f"{percent(model.auc, model.intervals.get('auc'))}"
        )
        correlation = number(model.length_correlation, model.intervals.get("length_correlation"), ".2f")
        context.tell(
            f"{context.step}: Spearman's correlation of its score with the length of the answer is {correlation}"
        )
        if not model.beyond_length:
            context.warn(
                f"{context.step}: it cannot be told apart from a rule on the length of the answer: what it scores may "
                "be length; give good and bad examples of like lengths"
            )


class Examples(NamedTuple):
    """Records to learn from, and which of them are good."""

    records: list[Record]
    is_good: list[bool]


def _text(record: Record) -> str:
    return f"{record.prompt}\n{record.output}"


def _seed(context: Context) -> int:
    return context.random("folds").getrandbits(31)
