"""The step that chooses rows by a method, and shows what the choice is beside random ones and the longest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from factory.data.record import Drop
from factory.data.run_manifest import BESIDE, OVERLAPS
from factory.data.table import Table
from factory.data.text import shorten
from factory.errors import RunStopped
from factory.models.base import Contact
from factory.statistics.arrays import Rows
from factory.statistics.ray_session import ray_contact, ray_session, require_ray
from factory.step import Context, EmbeddingModelName, ScoringModelName, WholeSet
from factory.steps.assemble.select.aiming import NEEDED_FILES, Files, aim
from factory.steps.assemble.select.blocks import Engine
from factory.steps.assemble.select.comparing import Comparison, Picked, compare, timed
from factory.steps.assemble.select.expression import Expression, SumOfScores
from factory.steps.assemble.select.gather import (
    Gathered,
    check_score,
    embed,
    embed_tags,
    gather,
    pick_score,
)
from factory.steps.assemble.select.moved import moved
from factory.steps.assemble.select.plain import highest_first
from factory.steps.assemble.select.pool import Choice, Method, Need, Settings
from factory.steps.assemble.select.registry import METHODS, MethodName
from factory.steps.assemble.select.within import choose_tokens, choose_within
from factory.steps.option_types import OneOrSeveral

Share = Annotated[float, Field(ge=0, lt=1)]


class Select(WholeSet):
    """Choose so many rows by a method, and show beside them what random draws and the longest rows would be.

    Independent studies find that at scale most published selectors do no better than random draws, that length is a
    strong rival, and that covering clusters is never worse (arXiv 2410.09335, 2503.01807): hence the default,
    `coverage`, and the table. It tells, for the choice, for the longest rows and for random draws of the same size:
    length, score, tasks, tags, distances, NovelSum and Vendi score, languages, what they share, and the seconds. In a
    measure that a method chooses by it differs from chance as a matter of course; of the others it is said where they
    lie outside what random draws give. None of it says that a model trained on the choice is better.

    The methods:

    - coverage: of each cluster by meaning its share, nearest to the centre first, above floors of length and quality
    - random: any rows, each as likely as the others
    - longest: the longest answers
    - top: the highest score
    - k_center: each row the farthest from those before (DiverseEvol, arXiv 2311.08182)
    - facility_location: rows that are near to all others (Superfiltering.D, arXiv 2402.00530)
    - repr_filter: the highest score first, but rows close to a chosen one (DEITA, arXiv 2312.15685)
    - d2: the highest score after messages between neighbours (D2 pruning, arXiv 2310.07931)
    - qdit: facility location and score, weighed by alpha (QDIT, arXiv 2311.14736)
    - complexity_first_diverse: most tags first, each row with a new one (InsTag, arXiv 2308.07074)
    - mig: information gain on the graph of tags (MIG, arXiv 2504.13835)
    - cluster_quality: the best of each cluster, then the best of all (CaR, arXiv 2402.18191)
    - learning_percentage: of each cluster its share, the lowest score first: what a model learnt last (arXiv
      2402.10430); the `score` is that of the step `learning_percentage`
    - nearest: the rows nearest to a `target`, each of its items taking one in turn
    - rds: nearest by the states of a causal model, an `embedder` of provider hidden_states (RDS+, arXiv 2503.01807)
    - target_path: the rows whose loss drops most when `model` learns from the `target` (arXiv 2605.09404)
    - gradient: the rows that pull `model` as the target's items do, each taking one in turn (LESS, arXiv 2402.04333,
      in the subspace of GIST, arXiv 2602.18584)
    - dsir: rows drawn so that their words are spread as the target's (DSIR, arXiv 2302.03169)
    - classifier: the rows most like `good` examples and unlike `bad` ones (phi-1, arXiv 2306.11644)
    - s1: tasks drawn alike, and in each the longest answers most likely (s1, arXiv 2501.19393)
    - s2l: of each source and each cluster of a small model's `losses` an equal share (S2L, arXiv 2403.07384)

    A record that is an item of the target is told. For target_path and gradient the `model` is one of provider
    transformers (`pip install 'sft-factory[torch]'`) and the target's rows have answers: small adapters beside the
    model are trained on 512 of the target's rows at most, or for gradient on 5% of the records, in seconds; the model
    itself stays as it is. target_path then reads each record twice, gradient once forward and once back.

    TAGS (arXiv 2601.13995), which samples by information gain on a tree of tags, is not among the methods: no text or
    code at hand defines its gain. `mig` does so on a graph of tags.

    `compare: [a, b, c]` shows several methods and drops nothing.

    `score` is the name of a score, or a sum of several ("judge.quality + 0.5 * ifd"). A record without it is set
    aside, neither low nor high. Rows are taken in the order of their ids, so that the order of the file does not
    matter, and of equals the first goes first. Those chosen stay in the order of the set; the others are dropped
    ("not_selected").

    Example:
        - select: {size: 1000, method: coverage}
        - select: {size: 1000, method: nearest, target: wanted.jsonl}
        - select: {size: 1000, method: top, score: judge.quality + 0.5 * ifd, stratify: task}
        - select: {size: 1000, score: judge.quality, compare: [coverage, top, qdit]}
    """

    name: ClassVar[str] = "select"

    size: int | None = Field(None, ge=1, description="number of rows to choose; this or `tokens`")
    tokens: int | None = Field(
        None, ge=1, description="tokens to choose at most, of prompts and answers (estimated); this or `size`"
    )
    method: MethodName = Field("coverage", description="how rows are chosen")
    compare: tuple[MethodName, ...] = Field(
        (), description="methods to show side by side; nothing is dropped then"
    )
    score: SumOfScores = Field(
        "",
        description='a score, or a sum of scores such as "judge.quality + 0.5 * ifd"; empty: the only judge score, '
        "where the method needs one",
    )
    stratify: Literal["", "task", "lang", "source"] = Field(
        "", description="a field whose values keep their shares: it is chosen within each"
    )
    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "prompt", description="the text that is embedded: instruction, prompt, output, or both"
    )
    embedder: EmbeddingModelName = Field(
        "",
        description="the embedding model; naming one has distances measured where the method needs none",
    )
    draws: int = Field(20, ge=5, le=1000, description="random draws that the choice is held against")
    clusters: int | None = Field(
        None, ge=1, description="clusters by meaning; none: the square root of half the rows"
    )
    length_floor: Share = Field(
        0.1, description="share of each language's shortest answers that coverage does not choose from"
    )
    quality_floor: Share = Field(
        0.1, description="share with the lowest `score`, if given, that coverage does not choose from"
    )
    neighbours: int = Field(
        10,
        ge=1,
        le=1000,
        description="nearest neighbours of a row in the graph of facility_location, qdit and d2",
    )
    threshold: float = Field(
        0.95,
        gt=-1,
        le=1,
        description="cosine from which repr_filter takes two rows, and mig two tags, for alike",
    )
    alpha: float = Field(0.5, ge=0, le=1, description="weight of quality in qdit; the rest is diversity's")
    gamma: float = Field(1.0, ge=0, description="how fast a message of d2 fades with the distance")

    target: OneOrSeveral[str] = Field(
        (),
        description="files of what to be like, rows or a benchmark, for nearest, rds and dsir: their questions are "
        "compared with `field`; for target_path and gradient rows with answers",
    )
    model: ScoringModelName = Field(
        "", description="the model that target_path and gradient ask, of provider transformers"
    )
    good: str = Field("", description="a file of good examples, for classifier")
    bad: str = Field("", description="a file of bad examples, for classifier")
    losses: str = Field(
        "",
        description='a file of rows {"id", "losses"}: a list, one for each checkpoint of a small model, for s2l',
    )
    solved: OneOrSeveral[str] = Field(
        (),
        description="scores above 0.5 where a reference model solves a record: these records are set aside, as s1 does",
    )

    engine: Literal["local", "ray"] = Field(
        "local",
        description="where coverage, top, nearest, rds and dsir go through the rows: in this process, or by Ray, on "
        "the cluster at RAY_ADDRESS or else started here; the result is the same",
    )
    workers: int = Field(1, ge=1, description="processors for a Ray started here; the result is the same")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.size is None) == (self.tokens is None):
            raise ValueError("give either `size` or `tokens`")
        if self.compare and "method" in self.model_fields_set:
            raise ValueError("`compare` shows several methods and chooses none: leave out `method`")
        for name, method in self._methods.items():
            for need, fields in NEEDED_FILES.items():
                if need in method.needs and not all(getattr(self, field) for field in fields):
                    raise ValueError(
                        f"{name} needs {' and '.join(f'`{field}`' for field in fields)}: name a file"
                    )
            if self.engine == "ray" and not method.blocks:
                raise ValueError(
                    f"{name} does not go block by block: `engine: ray` is for coverage, top, nearest, rds and dsir"
                )
        if self.target and self.field not in ("prompt", "instruction"):
            raise ValueError(
                "a target's questions are compared with a prompt: set `field` to prompt or instruction"
            )
        return self

    @property
    def _methods(self) -> dict[str, Method]:
        return {name: METHODS[name] for name in self.compare or (self.method,)}

    def _needs(self, need: Need) -> bool:
        return any(need in method.needs for method in self._methods.values())

    @property
    def _files(self) -> Files:
        return Files(
            self.target, self.good, self.bad, self.losses, self.solved, self.field, self.embedder, self.model
        )

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return self._files.paths()

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: only some methods embed, and few ask a model."""
        used = self._embeds if kind == "embedding" else self._needs("path") or self._needs("gradients")
        return super().models_of(kind) if used else iter(())

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        if self.engine == "ray":
            require_ray()

    def contacts(self) -> Iterator[Contact]:
        """The Ray cluster that is to answer before a run begins."""
        return ray_contact() if self.engine == "ray" else iter(())

    @property
    def _embeds(self) -> bool:
        return bool(self.embedder) or self._needs("vectors") or self._needs("tag_vectors")

    @property
    def _settings(self) -> Settings:
        return Settings(
            self.clusters,
            self.length_floor,
            self.quality_floor,
            self.neighbours,
            self.threshold,
            self.alpha,
            self.gamma,
        )

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            RunStopped: what the method chooses by is not there, or is the same for all.
        """
        if not len(table):
            return table
        if self.size is not None and self.size >= len(table):
            self._tell_all(len(table), len(table), context)
            return table
        needy = [name for name, method in self._methods.items() if "score" in method.needs]
        score = pick_score(table, self.score, needy, context)
        needed = frozenset(need for method in self._methods.values() for need in method.needs)
        gathered = gather(table, needed, score, context)
        await aim(table, gathered, self._files, needed, context)
        if self._embeds:
            await embed(table, gathered, self.field, self.embedder, context)
        if self._needs("tag_vectors"):
            await embed_tags(gathered, self.embedder, context)
        pool = gathered.pool
        if self.size is not None and self.size >= len(pool):
            self._tell_all(len(pool), len(table), context)
            return table.drop({} if self.compare else gathered.aside)
        check_score(pool, score, context)
        if self._needs("vectors") and _all_alike(pool.known_vectors):
            raise RunStopped(
                f"{context.step}: all {len(pool):,} records have the same embedding: choosing by it is chance; set "
                "`field` to a text in which they differ, or take `method: random`"
            )
        comparison = await asyncio.to_thread(self._compared_there, table, gathered, context)
        self._tell(table, gathered, comparison, context)
        if self.compare:
            return table
        return table.drop({**gathered.aside, **self._not_selected(gathered, comparison, score, context)})

    def _compared_there(self, table: Table, gathered: Gathered, context: Context) -> Comparison:
        if self.engine == "local":
            return self._compared(table, gathered, self._settings, context)
        with ray_session(self.workers) as processors:
            there = replace(self._settings, engine=Engine(processors))
            return self._compared(table, gathered, there, context)

    def _compared(self, table: Table, gathered: Gathered, settings: Settings, context: Context) -> Comparison:
        pool = gathered.pool
        groups: Sequence[str] = ()
        if self.stratify:
            groups = [value or "" for value in table.take(gathered.at).values(self.stratify)]
            if len(set(groups)) == 1:
                context.warn(f"{context.step}: all records have one {self.stratify}: nothing is stratified")

        def choose(method: Method, key: str) -> Choice:
            def some(size: int) -> Choice:
                random = np.random.default_rng(context.random(key).getrandbits(64))
                return choose_within(method, pool, size, random, settings, groups)

            if self.size is not None:
                return some(self.size)
            return choose_tokens(some, gathered.tokens, self.tokens or 0)

        try:
            picked = [timed(name, method, choose) for name, method in self._methods.items()]
            return compare(pool, picked, choose, self.draws)
        except RunStopped as error:
            raise RunStopped(f"{context.step}: {error}") from error

    def _tell_all(self, rows: int, all_rows: int, context: Context) -> None:
        aside = f" ({all_rows - rows:,} are set aside)" if rows < all_rows else ""
        context.warn(
            f"{context.step}: size {self.size:,} is not below the {rows:,} records there are to choose from{aside}: "
            "all of them are kept, and nothing is chosen"
        )

    def _tell(self, table: Table, gathered: Gathered, comparison: Comparison, context: Context) -> None:
        pool = gathered.pool
        context.facts[BESIDE] = comparison.rows()
        context.facts[OVERLAPS] = comparison.overlaps()
        if self._embeds:
            context.facts["seconds_to_embed"] = round(gathered.seconds, 2)
        for name in self._methods:
            one = comparison.picked[name]
            if one.choice.facts:
                context.facts[f"{name}_found"] = dict(one.choice.facts)
            rows = len(one.choice.rows)
            total = int(gathered.tokens[one.choice.rows].sum())
            size = f"{self.size:,} rows" if self.size is not None else f"{self.tokens:,} tokens"
            context.tell(
                f"{context.step}: {name} chooses {rows:,} of {len(pool):,} records, about {total:,} tokens, in "
                f"{one.seconds:.1f} s; asked for were {size}"
            )
            if self.size is not None and rows < self.size:
                context.warn(
                    f"{context.step}: {name} chose {rows:,}, not {self.size:,}: {one.choice.why_fewer}"
                )
            if one.choice.doubt:
                context.warn(f"{context.step}: {name}: {one.choice.doubt}")
            if one.choice.facts.get("clusters") == 1:
                context.warn(
                    f"{context.step}: {name} found one cluster, so it takes the rows nearest to the mean of all: raise "
                    "`clusters`, or take another method"
                )
            if not self.compare:
                self._tell_moved(table, gathered, one, context)
        if not self._embeds:
            context.tell(f"{context.step}: distances are not measured: name an `embedder` to have them")
        for sentence in comparison.sentences():
            context.tell(f"{context.step}: {sentence}")

    def _tell_moved(self, table: Table, gathered: Gathered, one: Picked, context: Context) -> None:
        before, chosen = gathered.at.tolist(), gathered.at[one.choice.rows].tolist()
        for field in ("lang", "task", "source"):
            found = moved(table.values(field), before, chosen)
            if found is not None:
                value, was, becomes = found
                context.tell(
                    f"{context.step}: {one.name} takes {field} {shorten(value, 30) or '(none)'} from {was:.0%} to "
                    f"{becomes:.0%} of the set"
                )

    def _not_selected(
        self, gathered: Gathered, comparison: Comparison, score: Expression | None, context: Context
    ) -> dict[int, Drop]:
        pool = gathered.pool
        chosen = comparison.picked[self.method].choice.rows
        left = np.setdiff1d(np.arange(len(pool)), chosen)
        ranks = np.empty(len(pool), np.int64)
        if pool.score is not None:
            ranks[highest_first(pool.score)] = np.arange(1, len(pool) + 1)
        drops = {}
        for row in left.tolist():
            reason = f"not among the {len(chosen):,} that {self.method} chose of {len(pool):,}"
            numbers = {"chosen": float(len(chosen)), "length": float(pool.lengths[row])}
            if pool.score is not None and score is not None:
                numbers |= {"score": float(pool.score[row]), "rank": float(ranks[row])}
                reason += f"; {score.text} is {pool.score[row]:g}, number {ranks[row]:,}"
            drops[int(gathered.at[row])] = context.drop("not_selected", reason, numbers)
        return drops


def _all_alike(vectors: Rows) -> bool:
    return bool((np.abs(vectors - vectors[0]).max(axis=1) < 1e-6).all())
