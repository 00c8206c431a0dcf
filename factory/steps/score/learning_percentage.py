"""How much of what a model learns of an example it learns early: a small model's choice for a large one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from pydantic import Field

from factory.data.table import Table
from factory.errors import TextsFailed
from factory.step import Context, EmbeddingModelName, WholeSet
from factory.steps.keep import Condition, keep_where, lacks_score
from factory.steps.score.clusters.hardest import hardest_in_clusters
from factory.steps.score.clusters.meaning import cluster_count, clusters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factory.data.record import Drop, Record

    Numbers: TypeAlias = "NDArray[np.float64]"


def learning_percentage(before: Numbers, after: Numbers, end: Numbers | None = None) -> Numbers:
    """LP(1) = (P0 - P1) / (P0 - Pn) of each example, from its perplexities; the low ones are the hard examples.

    Without `end`, the approximation (P0 - P1) / P0, which needs one epoch of training only. 0 where the
    denominator is 0, as in the authors' code; NaN where a perplexity is.

    Args:
        before: perplexities under the model before training (P0), shape (rows,).
        after: under the checkpoint after the first epoch (P1).
        end: under the last checkpoint (Pn; the paper trains three epochs).

    Source: Mekala et al. (arXiv 2402.10430), section 3.
    """
    gained = before - after
    total = before - end if end is not None else before
    lacking = np.isnan(gained) | np.isnan(total)
    result = np.divide(gained, total, out=np.zeros_like(gained), where=(total != 0) & ~lacking)
    result[lacking] = np.nan
    return result


class LearningPercentage(WholeSet):
    """Score how early a model learned each record, from its perplexities, and keep the hardest of each cluster.

    LP = (P0 - P1) / (P0 - Pn): the share of the drop in perplexity over the whole training that came in the
    first epoch; with no `end`, (P0 - P1) / P0. Easy records are learned early; low scores mark hard ones,
    which the paper keeps. The perplexities are scores that the records have already: those of the `perplexity`
    step under the model and its checkpoints, each with a name of its own. Stored as "learning_percentage".

    With `share`, that part of the records with the lowest scores is kept: of each cluster by meaning, as the paper
    does, so that hard topics do not crowd the others out; of each value of a column; or of the set as a whole
    (`within: set`). Clusters are k-means over embeddings of instruction and answer. Every cluster gives at least one
    record, so that 10% is a little more than that.

    Where a perplexity is missing so is the score, and `missing` says which; with `share` such a record is set aside.
    With `keep`, as in `judge`.

    The authors score the answers after the prompt of Stanford Alpaca: `template: alpaca`. With `template: bare`,
    as the other scores have it, the ranking differs a little.

    Source: Mekala et al., Smaller Language Models are capable of selecting Instruction-Tuning Training Data for
    Larger Language Models (arXiv 2402.10430). In its published perplexities of Alpaca a 350M model ranks the
    rows as a 13B one does with a Spearman correlation of 0.71.

    Example:
        - perplexity: {model: untrained, score: ppl.0, template: alpaca}
        - perplexity: {model: epoch1, score: ppl.1, template: alpaca}
        - perplexity: {model: epoch3, score: ppl.3, template: alpaca}
        - learning_percentage: {before: ppl.0, after: ppl.1, end: ppl.3, share: 0.1}
    """

    name: ClassVar[str] = "learning_percentage"

    before: str = Field(min_length=1)
    """The score that holds the perplexity before training."""
    after: str = Field(min_length=1)
    """The score that holds the perplexity after one epoch."""
    end: str = ""
    """The score that holds the perplexity after the last epoch; empty: the approximation that needs none."""
    share: float | None = Field(None, gt=0, le=1)
    """Share of the records to keep, those with the lowest scores; none: all are kept, with their scores."""
    within: str = Field("meaning", min_length=1)
    """What the share is taken of: each cluster by "meaning", the "set" as a whole, or each value of "task", "lang",
    "source" or one of the user's own columns."""
    clusters: int | None = Field(None, ge=1)
    """Clusters by meaning; by default the paper's 1,000, or one for every 39 records where there are fewer."""
    embedder: EmbeddingModelName = ""
    """The embedding model of the clusters."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept, such as "< 0.9"; without it all are kept."""

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: clusters alone need a model."""
        needed = self.share is not None and self.within == "meaning"
        return super().models_of(kind) if needed else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        scored = Table.from_records(
            keep_where(self._scored(record, context), self.name, self.keep, context.step)
            for record in table.records()
        )
        if self.share is None or not len(table):
            return scored
        drops: dict[int, Drop] = {}
        scores = scored.scores(self.name)
        live = np.array([drop is None for drop in scored.values("dropped")])
        for at in np.flatnonzero(np.isnan(scores) & live).tolist():
            drops[at] = context.drop("no_score", f"{self.name} is missing", failed=True)
        ranked = np.flatnonzero(~np.isnan(scores) & live)
        groups = await self._groups(scored, ranked, drops, context)
        ranked = np.array([at for at in ranked.tolist() if at not in drops], np.int64)
        chosen = set(ranked[hardest_in_clusters(scores[ranked], groups, 100 * self.share)].tolist())
        sizes = np.bincount(groups, minlength=1)
        wanted = Counter(
            int(group) for at, group in zip(ranked.tolist(), groups, strict=True) if at in chosen
        )
        for at, group in zip(ranked.tolist(), groups.tolist(), strict=True):
            if at not in chosen:
                reason = (
                    f"{self.name} is {scores[at]:.3g}, not among the lowest {wanted[group]:,} of "
                    f"{sizes[group]:,} in its {'cluster' if self.within == 'meaning' else self.within}"
                )
                drops[at] = context.drop("not_top", reason, {self.name: float(scores[at])})
        context.facts["clusters"] = len(np.unique(groups))
        context.count("chosen", len(chosen))
        return scored.drop(drops)

    def _scored(self, record: Record, context: Context) -> Record:
        names = [name for name in (self.before, self.after, self.end) if name]
        lacking = [name for name in names if name not in record.scores]
        event = context.event(self.name)
        if lacking:
            return record.with_score(self.name, lacks_score(lacking[0]), event)
        columns = [np.array([record.scores[name]]) for name in names]
        return record.with_score(self.name, float(learning_percentage(*columns)[0]), event)

    async def _groups(
        self, table: Table, rows: NDArray[np.int64], drops: dict[int, Drop], context: Context
    ) -> NDArray[np.int64]:
        """The number of the group of each of these rows; a row that cannot be embedded is dropped, and has none."""
        if self.within == "meaning":
            return await self._by_meaning(table, rows, drops, context)
        if self.within == "set":
            return np.zeros(len(rows), np.int64)
        if self.within in ("task", "lang", "source"):
            values = table.take(rows).values(self.within)
        else:
            values = [record.meta.get(self.within) for record in table.take(rows).records()]
        if len(rows) and all(value in (None, "") for value in values):
            context.warn(
                f"{context.step}: no record has a value in {self.within!r}, so the share is of the whole set: "
                "`within` is meaning, set, task, lang, source or the name of a column"
            )
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(str(value or ""), len(numbers)) for value in values], np.int64)

    async def _by_meaning(
        self, table: Table, rows: NDArray[np.int64], drops: dict[int, Drop], context: Context
    ) -> NDArray[np.int64]:
        if not len(rows):
            return np.zeros(0, np.int64)
        # The text as the authors embed it (clustering.py of dheeraj7596/Small2Large).
        some = table.take(rows)
        texts = [
            f"Instruction: {prompt.strip()} Response: {output.strip()}"
            for prompt, output in zip(some.texts("prompt"), some.texts("output"), strict=True)
        ]
        embedder = context.embedder(self.embedder)
        try:
            vectors = await embedder.embed(texts)
        except TextsFailed as error:
            if len(error.failed) == len(texts):
                raise
            for at, why in error.failed.items():
                drops[int(rows[at])] = context.drop(why.kind, str(why), failed=True)
            # By now those that can be embedded lie in the journal.
            vectors = await embedder.embed([text for at, text in enumerate(texts) if at not in error.failed])
        return clusters_of(vectors, self.clusters or cluster_count(len(vectors)), context.seed)
