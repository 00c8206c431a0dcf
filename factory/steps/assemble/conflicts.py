"""The step that shows where groups of a set conflict, and parts or drops what contradicts."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from factory.data.record import Drop, Record
from factory.data.table import Table
from factory.data.text import shorten
from factory.data.user_columns import column_names, has_column, labels_of, with_columns
from factory.errors import RecordFailed, RunStopped, nearest
from factory.models.embed_texts import embed_texts
from factory.statistics.arrays import Floats, Ints, Rows
from factory.statistics.interval import number, percent, wilson
from factory.step import ChatModelName, Context, EmbeddingModelName, WholeSet
from factory.steps.assemble.conflicting.answers import Verdict, exact, judged
from factory.steps.assemble.conflicting.overlap import (
    COMPARED,
    Overlap,
    form_of,
    form_overlap,
    place_overlap,
    typical,
)
from factory.steps.assemble.select.gather import unit_rows
from factory.steps.dedup.close.pairs import THRESHOLDS, By, close_by
from factory.steps.dedup.joins.differences import differences, signature
from factory.steps.judging.verdicts.side_by_side import side_by_side

CONFLICT = "conflict"
"""The column that holds the group of each record whose answer contradicts another's, by `then: route`."""
FEWEST = 20
"""Rows of a group whose overlap with others is measured."""
MOST_GROUPS = 12
HELD_AGAIN = 20_000
"""Records that are held against others that are near to the same one."""


class Conflicts(WholeSet):
    """Show where groups of the set conflict: in form, in place, and in near-identical questions answered otherwise.

    For each pair of groups of `by` (task, lang, source, or a column of yours; the 12 largest of 20 records and more) it
    tells how far they overlap, from 0 (apart) to 1 (as one), with 95 % intervals: the forms of their answers (code,
    lists, headings, tables, formulas, JSON, plain, and how long), and where their prompts lie (how often a prompt's
    nearest neighbour is the other group's). Groups that lie together and are answered in different forms get in each
    other's way: the ten pairs where that is most so come first.

    Then pairs of records whose prompts are near (as `dedup_rouge` or `dedup_semantic` has it; by meaning between
    languages too, with an embedding model of both) are asked whether their answers contradict each other: exact ones by
    themselves (a number, an option, yes or no, the final answer of a solution; only where the questions do not differ
    in numbers, units or a "not"), the others by a judge with a prompt of three classes, contradiction, agreement,
    neutral. `judge: exact` asks no model, and counts what it leaves open. Each record is held against the nearest of
    those before it that are near to none themselves, as those steps do, and against the nearest before it of those that
    are near to the same one.

    `then` says what becomes of a contradiction: `show` lists it in `conflicts.jsonl` in the step's folder; `drop` lets
    the one of the lower `score` go, else the later; `route` gives both the column `conflict`, their group, by which
    `schedule: {method: experts, by: conflict}` keeps them apart.

    Source: abilities conflict where formats and distributions are alike, DMT (arXiv 2310.05492).

    Example:
        - conflicts: {by: source, judge: exact}
        - conflicts: {by: lang, near: semantic, model: teacher, then: drop, score: judge.quality}
    """

    name: ClassVar[str] = "conflicts"

    by: str = Field(
        "task", min_length=1, description="the column of the groups: task, lang, source, or your own"
    )
    near: By = Field("rouge", description="by what prompts are near: words, passages or meaning")
    threshold: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="above it two prompts are near; none: that of the dedup step of the measure",
    )
    judge: Literal["model", "exact"] = Field(
        "model",
        description="who says whether answers contradict: exact ones by themselves, then a model or nobody",
    )
    model: ChatModelName = Field("", description="the chat model that judges")
    embedder: EmbeddingModelName = Field(
        "", description="the embedding model; by default the only one, else the embedded one"
    )
    places: bool = Field(
        True, description="tell how far the groups' prompts overlap, which embeds up to 500 of each"
    )
    then: Literal["show", "drop", "route"] = Field("show", description="what becomes of a contradiction")
    score: str = Field(
        "", description="the score by which `then: drop` keeps the better; empty: the earlier stays"
    )
    max_tokens: int = Field(512, ge=1, description="most tokens of the judge's reason and verdict")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.score and self.then != "drop":
            raise ValueError("`score` says which one `then: drop` keeps: leave it out, or drop")
        return self

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: what is asked depends on `judge`, `near` and `places`."""
        used = self.judge == "model" if kind == "chat" else self.places or self.near == "semantic"
        return super().models_of(kind) if used else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            RunStopped: no record has a group, or the score of `score`.
        """
        if not len(table):
            return table
        if not has_column(table, self.by):
            raise RunStopped(
                f"{context.step}: no record has a {self.by!r}{nearest(self.by, column_names(table))}"
            )
        if self.score and self.score not in table.score_names():
            raise RunStopped(
                f"{context.step}: no record has the score {self.score!r}{nearest(self.score, table.score_names())}"
            )
        groups = labels_of(table, self.by)
        await self._overlaps(table, groups, context)
        threshold = THRESHOLDS[self.near] if self.threshold is None else self.threshold
        close = await close_by(self.near, table, "prompt", threshold, self.embedder, context)
        found, missed = await asyncio.to_thread(close.in_families, HELD_AGAIN)
        context.count("not_held_within_their_family", missed)
        pairs = [
            Pair(int(other), int(one), float(near))
            for one, other, near in zip(*(part.tolist() for part in found), strict=True)
        ]
        verdicts = await self._verdicts(table, pairs, context)
        self._tell(table, groups, pairs, verdicts, context)
        against = [
            pair
            for pair, verdict in zip(pairs, verdicts, strict=True)
            if isinstance(verdict, Verdict) and verdict.relation == "contradiction"
        ]
        if self.then == "drop":
            return self._dropped(table, against, context)
        if self.then == "route":
            sides = {at for pair in against for at in pair[:2]}
            column = [(groups[at] or "(none)") if at in sides else None for at in range(len(table))]
            return with_columns(table, {CONFLICT: column})
        return table

    async def rehearse(self, record: Record, context: Context) -> None:
        """See `WholeSet.rehearse`: a record is of two pairs at the most in which it is the later one."""
        for _ in range(2 if self.judge == "model" else 0):
            await judged(record, record, self.model, self.max_tokens, context)

    async def _overlaps(self, table: Table, groups: Sequence[str], context: Context) -> None:
        counts = Counter(groups)
        names = [name for name, rows in counts.most_common() if rows >= FEWEST][:MOST_GROUPS]
        context.count("groups_not_measured", len(counts) - len(names))
        if len(names) < 2:
            context.tell(
                f"{context.step}: fewer than two groups of {self.by} have {FEWEST} records: no overlap is measured"
            )
            return
        rows = {name: np.flatnonzero(np.array([group == name for group in groups])) for name in names}
        answers = table.texts("output")
        lineages = np.array(table.lineages(), np.int64)
        forms = {name: [form_of(answers[at]) for at in own.tolist()] for name, own in rows.items()}
        vectors = await self._vectors(table, rows, context) if self.places else {}
        random = np.random.default_rng(context.random("places").getrandbits(64))
        told = await asyncio.to_thread(_measured, rows, forms, vectors, lineages, context.seed, random)
        context.facts["overlaps"] = [one.facts() for one in told]
        context.facts["forms"] = {name or "(none)": typical(own) for name, own in forms.items()}
        for one in told[:10]:
            mine, theirs = (shorten(name, 30) or "(none)" for name in one.names)
            lie = f", of place {number(*one.place, '.2f')}" if one.place else ""
            context.tell(
                f"{context.step}: {mine} and {theirs}: overlap of form {number(*one.form, '.2f')}{lie}"
            )

    async def _vectors(
        self, table: Table, rows: Mapping[str, Ints], context: Context
    ) -> dict[str, tuple[Ints, Rows]]:
        """Some rows of each group whose prompt has an embedding, and these, of length 1."""
        random = np.random.default_rng(context.random("embedded").getrandbits(64))
        some = {name: np.sort(random.permutation(own)[:COMPARED]) for name, own in rows.items()}
        at = np.concatenate(list(some.values()))
        texts = table.take(at).texts("prompt", compared=True)
        written = np.array([place for place, text in enumerate(texts) if text.strip()], np.int64)
        embedded = await embed_texts(
            context.embedder(self.embedder), [texts[place] for place in written.tolist()]
        )
        usable, unit = unit_rows(embedded.vectors)
        context.count("prompts_without_embedding", len(at) - int(usable.sum()))
        kept = at[written[usable]]
        return {name: (kept[np.isin(kept, own)], unit[np.isin(kept, own)]) for name, own in some.items()}

    async def _verdicts(
        self, table: Table, pairs: Sequence[Pair], context: Context
    ) -> list[Verdict | RecordFailed | None]:
        """Of each pair how its answers stand to each other; why there is no verdict; None: nobody was asked."""
        rows = sorted({at for pair in pairs for at in pair[:2]})
        records = dict(zip(rows, table.take(rows).records(), strict=True)) if rows else {}

        async def verdict(pair: Pair) -> Verdict | RecordFailed | None:
            one, other = records[pair.one], records[pair.other]
            if not one.answered or not other.answered:
                return RecordFailed("no_answer", "one of them has no answer")
            told = exact(one.output, other.output, same_question=_same_question(one, other))
            if told is not None or self.judge == "exact":
                return told
            try:
                return await judged(one, other, self.model, self.max_tokens, context)
            except RecordFailed as error:
                return error

        return await side_by_side(verdict, pairs)

    def _tell(
        self,
        table: Table,
        groups: Sequence[str],
        pairs: Sequence[Pair],
        verdicts: Sequence[Verdict | RecordFailed | None],
        context: Context,
    ) -> None:
        said = [(pair, one) for pair, one in zip(pairs, verdicts, strict=True) if isinstance(one, Verdict)]
        found = [(pair, one) for pair, one in said if one.relation == "contradiction"]
        missed = context.facts.get("not_held_within_their_family", 0)
        open_, failed = verdicts.count(None), sum(isinstance(one, RecordFailed) for one in verdicts)
        context.count("near_pairs", len(pairs))
        context.count("contradictions", len(found))
        context.count("not_judged", open_)
        context.count("without_verdict", failed)
        context.facts["verdicts"] = dict(
            sorted(Counter(f"{one.relation} ({one.by})" for _, one in said).items())
        )
        between = Counter(tuple(sorted((groups[pair.one], groups[pair.other]))) for pair, _ in found)
        context.facts["contradictions_between"] = [
            {"groups": list(names), "pairs": rows} for names, rows in between.most_common()
        ]
        rows = sorted({at for pair, _ in found for at in pair[:2]})
        records = dict(zip(rows, table.take(rows).records(), strict=True)) if rows else {}
        context.tables["conflicts"] = [
            {
                "near": round(pair.near, 4),
                "told_by": one.by,
                "reason": one.reason,
                **{
                    f"{side}_{name}": value
                    for side, at in (("one", pair.one), ("other", pair.other))
                    for name, value in (
                        ("id", records[at].id),
                        ("group", groups[at]),
                        ("prompt", records[at].prompt),
                        ("answer", records[at].output),
                    )
                },
            }
            for pair, one in found
        ]
        share = percent(len(found) / len(said), wilson(len(found), len(said))) if said else "none"
        within = sum(rows for names, rows in between.items() if names[0] == names[1])
        say = context.warn if found and self.then == "show" else context.tell
        say(
            f"{context.step}: of {len(pairs):,} near pairs {len(said):,} have a verdict, {share} contradict: "
            f"{len(found) - within:,} between groups of {self.by}, {within:,} within one"
            + (f"; nobody judged {open_:,} (`judge: exact`)" if open_ else "")
            + (f"; {failed:,} could not be judged" if failed else "")
            + (f"; {missed:,} were held against one of those near to them alone" if missed else "")
        )

    def _dropped(self, table: Table, against: Sequence[Pair], context: Context) -> Table:
        ids = table.ids()
        scores: Floats = table.scores(self.score) if self.score else np.full(len(table), np.nan)
        drops: dict[int, Drop] = {}
        for pair in against:
            if pair.one in drops or pair.other in drops:
                continue
            # A missing score is neither better nor worse: the earlier stays.
            lost, kept = (pair.other, pair.one) if not scores[pair.one] < scores[pair.other] else pair[:2]
            drops[lost] = context.drop(
                "contradiction",
                f"its answer contradicts that of {ids[kept]}, which asks nearly the same",
                {"near": pair.near},
                against=ids[kept],
            )
        return table.drop(drops)


class Pair(NamedTuple):
    """Two rows whose prompts are near, the earlier first, and how near."""

    one: int
    other: int
    near: float


class Measured(NamedTuple):
    """How far two groups overlap; `place` is None where it was not measured."""

    names: tuple[str, str]
    form: Overlap
    place: Overlap | None

    def facts(self) -> dict[str, object]:
        """The same as plain JSON."""
        place = (
            None if self.place is None else {"share": self.place.share, "interval": list(self.place.interval)}
        )
        return {
            "groups": list(self.names),
            "form": {"share": self.form.share, "interval": list(self.form.interval)},
            "place": place,
        }


def _measured(
    rows: Mapping[str, Ints],
    forms: Mapping[str, Sequence[str]],
    vectors: Mapping[str, tuple[Ints, Rows]],
    lineages: Ints,
    seed: int,
    random: np.random.Generator,
) -> list[Measured]:
    """All pairs of groups: those first that lie together and are answered in other forms."""
    found = []
    for one, other in itertools.combinations(rows, 2):
        both = np.unique(lineages[np.concatenate([rows[one], rows[other]])], return_inverse=True)[1]
        form = form_overlap(forms[one], forms[other], both, seed)
        place = None
        if vectors and min(len(vectors[one][0]), len(vectors[other][0])) >= FEWEST:
            lineage = lineages[np.concatenate([vectors[one][0], vectors[other][0]])]
            place = place_overlap(vectors[one][1], vectors[other][1], lineage, random)
        found.append(Measured((one, other), form, place))
    return sorted(found, key=lambda pair: -(pair.place.share if pair.place else 1.0) * (1 - pair.form.share))


def _same_question(one: Record, other: Record) -> bool:
    """Whether two near prompts do not differ in what makes two results right; of two languages numbers alone tell."""
    if one.language == other.language:
        return not differences(one.prompt, other.prompt)
    return signature(one.prompt, ["numbers"]) == signature(other.prompt, ["numbers"])
