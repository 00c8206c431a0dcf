"""The step that puts a set in the order in which it is trained on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from factory.data.formats.set_parts import MANY, slug
from factory.data.table import Table
from factory.data.text import shorten
from factory.data.user_columns import (
    EXPERT,
    SPLIT,
    STAGE,
    column_names,
    has_column,
    known_scores,
    labels_of,
    score_values,
    with_columns,
)
from factory.errors import RunStopped, nearest
from factory.models.embed_texts import embed_texts
from factory.statistics.arrays import Ints, Rows
from factory.statistics.interval import number
from factory.step import Context, EmbeddingModelName, WholeSet
from factory.steps.assemble.mixing.groups import too_many
from factory.steps.assemble.scheduling import conditioned as c_rlft
from factory.steps.assemble.scheduling.orders import (
    COMPARED,
    PER_SET,
    Tags,
    curriculum,
    distance,
    dual_stage,
    replay,
)
from factory.steps.assemble.scheduling.plan import tell_plan
from factory.steps.assemble.scheduling.routing import tell_router
from factory.steps.assemble.scheduling.stages import Stage, staged
from factory.steps.assemble.select.expression import Expression, SumOfScores
from factory.steps.assemble.select.gather import unit_rows
from factory.steps.option_types import OneOrSeveral

ROUTED = 2000
"""Prompts that a router is made from and evaluated on, at most."""
SHARED = "general"
"""The expert of records that are of no group."""
_OPTIONS: Mapping[str, frozenset[str]] = {
    "curriculum": frozenset({"score", "stages", "hard_first"}),
    "dual_stage": frozenset({"by", "first", "share"}),
    "replay": frozenset({"by", "order", "share", "model"}),
    "experts": frozenset({"by", "model"}),
    "conditioned": frozenset({"by", "weights", "place"}),
}
"""What each method heeds."""


class Schedule(WholeSet):
    """Put the set in the order in which it is trained on: a curriculum, stages, replay, experts, or conditions.

    - curriculum: easy to hard by `score` (any score or sum of scores, low is easy), in `stages` of equal size, drawn
      within each, or with `stages: 1` smoothly, row by row
    - dual_stage: the specialised groups (`first`, values of `by`) first, then all others and a `share` of the
      specialised again, 1/256 unless told (DMT, arXiv 2310.05492)
    - replay: a stage for each value of `by`, in `order`; in each, rows of the earlier ones come again: 200 for each
      earlier set, more of the less similar (Wasserstein distance of the prompts' embeddings; InsCL, arXiv 2403.11435),
      those first whose tags say most; or with `share` a plain share of the stage's own rows, alike from each
    - experts: a set for each value of `by`, a table of which is whose, and a router over embeddings that is evaluated
      on prompts whose lineage it has not seen (arXiv 2302.03202); records without a value are of "general"
    - conditioned: each record learned under its source as the condition, and weighed by what that is worth (`weights`,
      {gpt4: 1, gpt35: 0.1}; C-RLFT, arXiv 2309.11235); `place` puts the condition among the chat template's arguments,
      in the system turn, or in the column `condition` alone

    Each record carries its column `stage` (or `expert`), and `export` writes a file for each, in this order: trainers
    shuffle the rows of a file, but are started on one file after the other. `plan.json` in the step's folder says what
    each stage holds and which setting keeps the order of rows in which trainer. A row that comes again is a record of
    its own, whose history names the one that it repeats. What `split` held out stays as it is and comes last.

    Example:
        - schedule: {method: curriculum, score: ifd, stages: 3}
        - schedule: {method: dual_stage, first: [math, code], share: 0.01}
        - schedule: {method: replay, by: source, order: [general, medical, law]}
        - schedule: {method: conditioned, weights: {gpt4: 1.0, gpt35: 0.1}}
    """

    name: ClassVar[str] = "schedule"

    method: Literal["curriculum", "dual_stage", "replay", "experts", "conditioned"] = Field(
        description="what orders the set"
    )
    by: str = Field("", description="the column of the groups; empty: task, for conditioned source")
    score: SumOfScores = Field(
        "", description='a score, or a sum such as "ifd + 0.1 * evolve.added_words", for curriculum'
    )
    stages: int = Field(3, ge=1, le=MANY, description="stages of a curriculum; 1: smoothly, row by row")
    hard_first: bool = Field(False, description="the highest score first")
    first: OneOrSeveral[str] = Field((), description="the specialised groups of dual_stage")
    order: OneOrSeveral[str] = Field(
        (), description="the sets of replay in turn; empty: as they first come in the set"
    )
    share: float | None = Field(
        None,
        ge=0,
        description="of dual_stage the share of the specialised rows that come again (1/256 unless told); of replay, "
        "in place of InsCL, earlier rows as a share of a stage's own",
    )
    weights: dict[str, float] = Field(
        default_factory=dict, description="what each condition is worth, from 0 to 1, for conditioned"
    )
    place: c_rlft.Place = Field(
        "template",
        description="where a condition stands: among the chat template's arguments, in the system turn, or in its "
        "column alone",
    )
    model: EmbeddingModelName = Field(
        "",
        description="the embedding model of replay and experts; by default the only one, else the embedded one",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in sorted(self.model_fields_set - {"method"} - _OPTIONS[self.method]):
            raise ValueError(
                f"`method: {self.method}` has no `{name}`: it heeds {', '.join(sorted(_OPTIONS[self.method]))}"
            )
        for method, option in (("curriculum", "score"), ("dual_stage", "first"), ("conditioned", "weights")):
            if self.method == method and not getattr(self, option):
                raise ValueError(f"`method: {method}` needs `{option}`")
        for name, weight in self.weights.items():
            if not 0 <= weight <= 1:
                raise ValueError(f"the weight of {name!r} is {weight:g}: weights are from 0 to 1")
        if self.method == "dual_stage" and (self.share or 0) > 1:
            raise ValueError("`share` of dual_stage is a share of the specialised rows, at most 1")
        return self

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: experts, and replay by distance, embed."""
        embeds = self.method == "experts" or (self.method == "replay" and self.share is None)
        return super().models_of(kind) if embeds else iter(())

    @property
    def _by(self) -> str:
        return self.by or ("source" if self.method == "conditioned" else "task")

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            RunStopped: a group or score is unknown, or a stage would be empty.
        """
        if not len(table):
            return table
        held = np.array([value in ("validation", "test") for value in labels_of(table, SPLIT)])
        rows, rest = np.flatnonzero(~held), np.flatnonzero(held)
        if not len(rows):
            raise RunStopped(
                f"{context.step}: all {len(table):,} records are held out: there is nothing to train on"
            )
        for name in (STAGE, EXPERT):
            if has_column(table, name):
                context.warn(f"{context.step}: records had a column `{name}` already, which is replaced")
                table = with_columns(table, {name: [None] * len(table)})
        if self.method == "experts":
            return await self._experts(table, rows, context)
        if self.method == "conditioned":
            return await asyncio.to_thread(self._conditioned, table, rows, context)
        random = np.random.default_rng(context.random("schedule").getrandbits(64))
        if self.method == "curriculum":
            table, stages, lacking = await asyncio.to_thread(self._curriculum, table, rows, random, context)
            rest = np.concatenate([rest, lacking])
        elif self.method == "dual_stage":
            groups = self._groups(table, rows, self.first, context)
            special = np.sort(np.concatenate([groups[name] for name in self.first]))
            share = 1 / 256 if self.share is None else self.share
            stages = dual_stage(special, np.setdiff1d(rows, special), share, random)
        else:
            stages = await self._replay(table, rows, random, context)
        for at, stage in enumerate(stages, start=1):
            if stage.again.all():
                raise RunStopped(
                    f"{context.step}: stage {at} ({shorten(stage.name, 40)}) would be empty: no record is left for it; "
                    "change what the stages are made of, or bring such records"
                )
        ordered = self.method == "curriculum" and self.stages == 1
        tell_plan(self.method, stages, len(rest), ordered=ordered, context=context)
        return await asyncio.to_thread(staged, table, stages, rest, context.step)

    def _curriculum(
        self, table: Table, rows: Ints, random: np.random.Generator, context: Context
    ) -> tuple[Table, list[Stage], Ints]:
        """The stages over rows that have the score; those that lack it are let go."""
        expression = Expression.parse(self.score)
        known = known_scores(table, expression.names)
        for name in expression.names:
            if name not in known:
                scored = (
                    nearest(name, known) or ": score them before, as with the step `ifd`, or `factory score`"
                )
                raise RunStopped(f"{context.step}: no record has the score {name!r}{scored}")
        score = expression.values(lambda name: score_values(table, name))[rows]
        lacking = rows[np.isnan(score)]
        rows, score = rows[~np.isnan(score)], score[~np.isnan(score)]
        context.count("let_go_without_score", len(lacking))
        if len(lacking):
            context.warn(
                f"{context.step}: {len(lacking):,} of {len(lacking) + len(rows):,} records have no {self.score}, are "
                "neither easy nor hard, and are let go"
            )
            reason = context.drop(
                "no_score", f"{self.score} is missing: it has no place in the order", failed=True
            )
            table = table.drop(dict.fromkeys(lacking.tolist(), reason))
        if len(rows) and score.min() == score.max():
            raise RunStopped(
                f"{context.step}: {self.score} is {score[0]:g} for all {len(rows):,} records: it orders nothing"
            )
        stages = curriculum(score, self.stages, self.hard_first, random)
        whole = [Stage(stage.name, rows[stage.rows], stage.again, stage.facts) for stage in stages]
        return table, whole, lacking

    def _groups(self, table: Table, rows: Ints, named: Sequence[str], context: Context) -> dict[str, Ints]:
        """The rows of each group, by the first row that has it; "" are those of none."""
        if not has_column(table, self._by):
            names = column_names(table)
            raise RunStopped(f"{context.step}: no record has a {self._by!r}{nearest(self._by, names)}")
        values = np.array(labels_of(table, self._by), dtype=object)[rows]
        order = list(dict.fromkeys(values.tolist()))
        for name in named:
            if name not in order:
                raise RunStopped(
                    f"{context.step}: no record is of {self._by} {name!r}{nearest(name, [one for one in order if one])}"
                )
        if many := too_many(len(order), len(rows), self._by):
            context.warn(f"{context.step}: {many}")
        codes = {name: at for at, name in enumerate(order)}
        numbers = np.fromiter((codes[value] for value in values), np.int64, len(values))
        return {name: rows[numbers == at] for name, at in codes.items()}

    async def _replay(
        self, table: Table, rows: Ints, random: np.random.Generator, context: Context
    ) -> list[Stage]:
        groups = self._groups(table, rows, self.order, context)
        order = self.order or tuple(groups)
        left_out = [name for name in groups if name not in order]
        if left_out:
            lacking = ", ".join(shorten(one, 30) or "(none)" for one in left_out)
            raise RunStopped(
                f"{context.step}: `order` leaves out {self._by} {lacking}: name each, or let them go before"
            )
        if len(order) < 2 or len(order) > MANY:
            raise RunStopped(
                f"{context.step}: {self._by} has {len(order):,} values: replay needs two sets or more, at most {MANY:,}"
            )
        sets = {name or "(none)": groups[name] for name in order}
        if self.share is not None:
            totals = [round(self.share * len(own)) if at else 0 for at, own in enumerate(sets.values())]
            return replay(sets, totals, [[1.0] * at for at in range(len(sets))], None, random)
        weights = await self._distances(table, sets, random, context)
        tags = [[tag["name"] for tag in found or ()] for found in table.values("tags")]
        known = Tags.of(tags) if any(tags) else None
        if known is None:
            context.tell(
                f"{context.step}: no record has tags, so what is replayed of a set is drawn, not chosen"
            )
        return replay(sets, [PER_SET * at for at in range(len(sets))], weights, known, random)

    async def _distances(
        self, table: Table, sets: Mapping[str, Ints], random: np.random.Generator, context: Context
    ) -> list[list[float]]:
        vectors = {
            name: await self._embedded(table, rows, 2 * COMPARED, random, context)
            for name, rows in sets.items()
        }
        names, told = list(sets), []
        weights: list[list[float]] = []
        for at, name in enumerate(names):
            weights.append([])
            for earlier in names[:at]:
                found, sure = await asyncio.to_thread(distance, vectors[earlier][1], vectors[name][1], random)
                weights[-1].append(found)
                told.append({"from": earlier, "to": name, "distance": round(found, 4), "interval": sure})
                context.tell(
                    f"{context.step}: {shorten(earlier, 30)} lies {number(found, sure)} from {shorten(name, 30)}"
                )
        context.facts["distances"] = told
        return weights

    async def _embedded(
        self, table: Table, rows: Ints, most: int, random: np.random.Generator, context: Context
    ) -> tuple[Ints, Rows]:
        """Some of these rows that have an embedding of their prompt, and these, of length 1."""
        some = np.sort(random.permutation(rows)[:most])
        texts = table.take(some).texts("prompt", compared=True)
        written = np.array([at for at, text in enumerate(texts) if text.strip()], np.int64)
        if not len(written):
            raise RunStopped(f"{context.step}: none of {len(some):,} records has a prompt to embed")
        embedded = await embed_texts(context.embedder(self.model), [texts[at] for at in written.tolist()])
        usable, unit = unit_rows(embedded.vectors)
        context.count("prompts_without_embedding", len(some) - int(usable.sum()))
        return some[written[usable]], unit

    async def _experts(self, table: Table, rows: Ints, context: Context) -> Table:
        groups = self._groups(table, rows, (), context)
        if SHARED in groups and "" in groups:
            groups[SHARED] = np.sort(np.concatenate([groups[SHARED], groups.pop("")]))
        groups = {name or SHARED: own for name, own in groups.items()}
        files: dict[str, str] = {}
        for name in groups:
            other = files.setdefault(slug(name), name)
            if other != name:
                raise RunStopped(
                    f"{context.step}: {self._by} {other!r} and {name!r} would have the same file: rename one"
                )
        if len(groups) < 2:
            raise RunStopped(f"{context.step}: all records are of one {self._by}: there is nothing to route")
        random = np.random.default_rng(context.random("experts").getrandbits(64))
        expert: list[str | None] = [None] * len(table)
        for name, own in groups.items():
            for at in own.tolist():
                expert[at] = name
        embedder = context.embedder(self.model)
        some, vectors = await self._embedded(table, rows, ROUTED, random, context)
        labels = [str(expert[at]) for at in some.tolist()]
        lineages = np.array(table.lineages(), np.int64)[some]
        await asyncio.to_thread(
            tell_router,
            vectors,
            labels,
            lineages,
            {name: len(own) for name, own in groups.items()},
            # Who routes needs the model itself: a recipe's name for it says nothing elsewhere.
            getattr(embedder, "identity", embedder.name),
            context,
        )
        return with_columns(table, {EXPERT: expert})

    def _conditioned(self, table: Table, rows: Ints, context: Context) -> Table:
        groups = self._groups(table, rows, (), context)
        unknown = [name for name in groups if name not in self.weights]
        if unknown:
            raise RunStopped(
                f"{context.step}: {self._by} {', '.join(repr(shorten(one, 30)) for one in unknown[:8])} has no weight: "
                f"`weights` has {', '.join(self.weights)}"
            )
        for name in self.weights:
            if name not in groups:
                context.warn(f"{context.step}: no record is of {self._by} {name!r}, which `weights` names")
        conditions = [""] * len(table)
        for name, own in groups.items():
            for at in own.tolist():
                conditions[at] = name
        best = max(self.weights, key=lambda name: self.weights[name])
        context.facts["conditions"] = {
            name: {"rows": len(own), "weight": self.weights[name]} for name, own in groups.items()
        }
        context.facts["best_condition"] = best
        context.tell(
            f"{context.step}: "
            + ", ".join(
                f"{shorten(name, 30)} {len(own):,} rows of weight {self.weights[name]:g}"
                for name, own in groups.items()
            )
            + f"; in use the condition to ask for is {shorten(best, 30)}"
        )
        event = context.event("condition")
        made = c_rlft.conditioned(table.records(), conditions, self.weights, self.place, event)
        return Table.from_records(made)
