"""The step that drops what says the same as a record kept before it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from factory.data.record import IN_REFERENCE, Drop
from factory.data.references import TAKES, reference_files
from factory.data.table import Table
from factory.data.text import shorten
from factory.errors import RunStopped
from factory.models.base import Contact
from factory.models.embed_texts import embed_texts
from factory.statistics.arrays import Ints, Rows
from factory.statistics.interval import percent, wilson
from factory.statistics.loops import load_loops
from factory.statistics.ray_session import ray_contact, ray_session, require_ray
from factory.step import Context, EmbeddingModelName, WholeSet
from factory.steps.dedup.joins.compared import texts_and_inputs
from factory.steps.dedup.joins.differences import Difference, noted, signature, tell_differences
from factory.steps.dedup.joins.forms import exact_form
from factory.steps.dedup.joins.reference import Known
from factory.steps.dedup.semantic.approximate import LISTED, SEMDEDUP_ROWS, ivf_join, semdedup
from factory.steps.dedup.semantic.join import CosineMatches, cosine_join
from factory.steps.dedup.semantic.on_ray import cosine_join_on_ray


class DedupSemantic(WholeSet):
    """Drop a record whose meaning is too close to one kept before it.

    Keeps one of each family: the first in the order of the set, or with `keep: best` that of the highest
    `score` (a record without it comes last, of equals the first stays). Drops when the cosine is greater than
    `threshold`. A blank text is never close to anything. Earlier turns of a conversation stand before its last
    one, a system turn apart. By the prompt, records with different inputs are never close: one instruction for two
    inputs stays twice.

    Exact: each record meets every kept one, and at tens of thousands of records nothing below is faster. The
    decisions are those of FAISS's `IndexFlatIP.range_search`, but that a cosine within 1e-6 of the threshold,
    which float32 may round to either side, is decided in float64, the same on every machine.

    Two ways may miss some: `approximate` looks in the nearest lists of a FAISS inverted file (4,096 records of one
    input and more; fewer are compared exactly), and tells the share of the duplicates in a sample that it found;
    `method: semdedup` (arXiv 2303.09540) looks within clusters of k-means, as many as the square root of the
    records, found in 20 rounds from `semdedup_rows` of them at most, and keeps, as the paper does, those least like
    their cluster's centre (`semdedup_keep: hard`).

    Signs, numbers and a "not" have no rule of their own here: whether 12 + 7 is close to 12 - 7 is for the embedding
    model to say, and most models find what should and what should not be done alike. How many of the dropped differ
    so from what they lost against is counted and told; with `guard: [numbers, negation]` they are never close. It is
    off unless asked for, since it also keeps true duplicates: "two rivers, not lakes" beside "2 rivers".

    With `reference`, a record too close to one of an earlier release, run or file is dropped as well.

    What a cosine means depends on the embedding model. With the embedded one (multilingual e5-small),
    unrelated texts lie at about 0.80 and paraphrases above 0.94, whatever the language: hence the default.
    Embeddings are journalled, so none is computed twice. A record whose text the model does not take (most often
    because it is too long) is set aside as failed.

    Example:
        - dedup_semantic: {threshold: 0.95, keep: best, score: judge.quality}
    """

    name = "dedup_semantic"

    threshold: float = Field(0.95, ge=-1, le=1, description="largest cosine that two kept records may have")
    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "prompt",
        description="the text compared: the instruction, the prompt (the instruction, where the inputs are the same), "
        "each with the tools that the answer calls, the output, or both (prompt and output)",
    )
    model: EmbeddingModelName = Field(
        "", description="the embedding model; by default the only one, else the embedded one"
    )
    keep: Literal["first", "best"] = Field(
        "first", description="which of a family stays: the first of the set, or the best by `score`"
    )
    score: str = Field("", description="the name of the score that `keep: best` goes by")
    method: Literal["greedy", "semdedup"] = Field(
        "greedy", description="greedy: compare with every record kept before; semdedup: within clusters"
    )
    semdedup_keep: Literal["hard", "easy", "random"] = Field(
        "hard",
        description="which of a family `method: semdedup` keeps: the one least like its cluster's centre (hard), most "
        "like it (easy), or any",
    )
    semdedup_rows: int = Field(
        SEMDEDUP_ROWS,
        ge=1,
        description="records that the clusters of `method: semdedup` are found from, at most; random ones where "
        "there are more",
    )
    approximate: bool = Field(
        False,
        description="look for close records in an inverted file, which misses some, and tell the recall",
    )
    reference: str | tuple[str, ...] = Field(
        (), description=f"records that count as kept before all others: {TAKES}"
    )
    guard: tuple[Difference, ...] = Field(
        (),
        description="records that differ in one of these are no duplicates: numbers, units, negation, opposites (min "
        "and max, the languages of a translation), operators (== and !=); by lists of words, English and Chinese",
    )
    engine: Literal["local", "ray"] = Field(
        "local",
        description="where it is compared exactly: in this process, or by Ray, on the cluster at RAY_ADDRESS or "
        "else started here; the result is the same",
    )
    workers: int = Field(
        1,
        ge=1,
        description="threads that compare exactly, or processors for a Ray started here; the result is the same",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.keep == "best") != bool(self.score):
            raise ValueError("`keep: best` goes with the name of a `score`, and `score` with `keep: best`")
        if self.method == "semdedup" and (self.approximate or self.keep == "best"):
            raise ValueError("`method: semdedup` goes neither with `approximate` nor with `keep: best`")
        chosen = (self.semdedup_keep, self.semdedup_rows) != ("hard", SEMDEDUP_ROWS)
        if chosen and self.method != "semdedup":
            raise ValueError("`semdedup_keep` and `semdedup_rows` go with `method: semdedup`")
        if self.engine == "ray" and (self.approximate or self.method == "semdedup"):
            raise ValueError("`engine: ray` compares exactly: leave out `approximate` and `method: semdedup`")
        return self

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return reference_files(self.reference)

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        if self.engine == "ray":
            require_ray()

    def contacts(self) -> Iterator[Contact]:
        """The Ray cluster that is to answer before a run begins."""
        return ray_contact() if self.engine == "ray" else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            MissingDependency: `engine: ray` without Ray.
            RunStopped: no record has the score that `keep: best` goes by, or the cluster cannot be reached.
        """
        if self.engine == "ray":
            require_ray()
        reference = Known.read(self.reference, context)
        known = len(reference)
        both = reference.before(table)
        texts = both.texts(self.field, compared=True)
        written = np.array([index for index, text in enumerate(texts) if text.strip()], np.int64)
        first = int((written < known).sum())  # where the set's own begin among what is embedded
        context.count("records_without_text", len(table) - (len(written) - first))
        if first == len(written):
            return table
        order = self._order(both, written, known)
        embedder = context.embedder(self.model)
        vectors, failed = await embed_texts(embedder, [texts[index] for index in written.tolist()])
        matches = await asyncio.to_thread(
            self._matches, vectors, order, self._inputs(both, written), first, context
        )
        ids = both.ids()
        drops = {
            int(written[at]) - known: Drop(context.step, error.kind, str(error), failed=True)
            for at, error in failed.items()
            if at >= first
        }
        lost, fell = len(failed) - len(drops), len(drops)
        if lost:
            context.count("references_without_embedding", lost)
            context.warn(
                f"{context.step}: {lost:,} records of the reference cannot be embedded, and nothing is near them"
            )
        for at in (matches.nearest >= 0).nonzero()[0].tolist():
            kept, cosine = int(written[matches.nearest[at]]), float(matches.cosine[at])
            where = reference.where(kept) if kept < known else ""
            reason = f"cosine {cosine:.3f} with {ids[kept]}{where} ({shorten(texts[kept], 60)})"
            reason = noted(reason, texts[written[at]], texts[kept], context)
            numbers = {"cosine": cosine, **(IN_REFERENCE if kept < known else {})}
            drop = Drop(context.step, "same_meaning", reason, numbers, against=ids[kept])
            drops[int(written[at]) - known] = drop
        tell_differences(context, len(drops) - fell)
        return table.drop(drops)

    def _order(self, table: Table, written: Ints, known: int) -> Ints | None:
        """The order in which records are kept, where it is not that of the set; those of the reference come first."""
        if self.keep == "first":
            return None
        scores = table.scores(self.score)[written]
        if np.isnan(scores[written >= known]).all():
            names = ", ".join(table.score_names()) or "none"
            raise RunStopped(
                f"no record has the score `{self.score}` that `keep: best` goes by (there are: {names}): "
                "put the step that gives it before this one"
            )
        order: Ints = np.lexsort((np.where(np.isnan(scores), np.inf, -scores), written >= known))
        return order

    def _inputs(self, table: Table, written: Ints) -> list[Ints]:
        """The rows to be compared with each other: those of one input and, with `guard`, signature; the most first."""
        groups: defaultdict[object, list[int]] = defaultdict(list)
        texts, inputs = texts_and_inputs(table, self.field)
        for row, at in enumerate(written.tolist()):
            groups[exact_form(inputs[at]), signature(texts[at], self.guard)].append(row)
        return [np.array(rows, np.int64) for rows in sorted(groups.values(), key=len, reverse=True)]

    def _matches(
        self, vectors: Rows, order: Ints | None, inputs: Sequence[Ints], known: int, context: Context
    ) -> CosineMatches:
        """known: the first so many vectors are those of the reference."""
        if self.method == "semdedup":
            groups = np.zeros(len(vectors), np.int64)
            for number, rows in enumerate(inputs):
                groups[rows] = number
            semantic = semdedup(
                vectors,
                self.threshold,
                groups=groups,
                known=known,
                rows_to_train_on=self.semdedup_rows,
                keep=self.semdedup_keep,
                seed=context.seed,
            )
            context.facts["clusters"] = {"number": semantic.clusters, "trained_on": semantic.trained_on}
            return CosineMatches(semantic.nearest, semantic.cosine)
        load_loops("factory.steps.dedup.semantic.kernel", context.tell)
        place = np.arange(len(vectors)) if order is None else np.argsort(order)
        nearest, cosine = np.full(len(vectors), -1, np.int64), np.full(len(vectors), np.nan)
        close = found = 0
        for number, rows in enumerate(inputs):
            if len(rows) == 1 and number:
                break  # and so are all behind it
            some = vectors if len(rows) == len(vectors) else vectors[rows]
            ordered = np.argsort(place[rows])
            before = int((rows < known).sum())
            if self.approximate and (number == 0 or len(rows) >= LISTED):
                matches, *sampled = ivf_join(
                    some, self.threshold, order=ordered, known=before, seed=context.seed
                )
                close, found = close + sampled[0], found + sampled[1]
            else:
                matches = self._exact(some, ordered, before, largest=number == 0)
            nearest[rows] = np.where(matches.nearest >= 0, rows[matches.nearest], -1)
            cosine[rows] = matches.cosine
        if self.approximate:
            self._tell_recall(close, found, context)
        return CosineMatches(nearest, cosine)

    def _exact(self, vectors: Rows, order: Ints, known: int, *, largest: bool) -> CosineMatches:
        if self.engine == "ray" and largest:
            with ray_session(self.workers):
                return cosine_join_on_ray(vectors, self.threshold, order=order, known=known)
        return cosine_join(vectors, self.threshold, order=order, known=known, workers=self.workers)

    def _tell_recall(self, close: int, found: int, context: Context) -> None:
        context.facts["recall_in_a_sample"] = round(found / close, 4) if close else None
        said = "no duplicate"
        if close:
            said = f"{percent(found / close, wilson(found, close))} of the duplicates"
        say = context.warn if found < close else context.tell
        say(
            f"{context.step}: the approximate search found {said} in a sample of at most 1,000 records, which "
            "were compared with all that are kept"
        )
