"""The step that drops what repeats, word for word, a record kept before it."""

from __future__ import annotations

import asyncio
import functools
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from factory.data.record import IN_REFERENCE, Drop
from factory.data.references import TAKES, reference_files
from factory.data.table import Table
from factory.data.text import shorten
from factory.models.base import Contact
from factory.statistics.loops import load_loops
from factory.statistics.ray_session import ray_contact, ray_session, require_ray
from factory.step import Context, WholeSet
from factory.steps.dedup.joins.compared import Compared
from factory.steps.dedup.joins.differences import Difference, noted, tell_differences
from factory.steps.dedup.joins.reference import Known
from factory.steps.dedup.joins.signs import Signs
from factory.steps.dedup.rouge.check import check_decisions
from factory.steps.dedup.rouge.join import RougeMatches, rouge_join
from factory.steps.dedup.rouge.on_ray import rouge_join_on_ray
from factory.steps.dedup.rouge.rows import Near, Rows


class DedupRouge(WholeSet):
    """Drop a record whose text is too close, word for word, to one kept before it.

    Keeps the first of each family, in the order of the set. Exact: the result is that of comparing every pair
    with rouge-score, without doing so; `check: 200` holds so many of its decisions against that package, which knows
    ASCII alone and is given this step's words for other texts. Chinese counts too: each character is a word. Earlier
    turns of a conversation stand before its instruction, a system turn apart.

    Words do not show signs: to ROUGE-L 12 + 7 is 12 - 7, C is C++, and an emoji nothing. So two texts of the same
    letters and digits are close only where the signs between them are the same too: operators, the point and the
    minus of numbers, currencies, %, arrows, emoji. Punctuation is no sign (`.` `,` `;` `:` `!` `?`, quotes, brackets,
    dashes between words, their Chinese forms, Markdown's marks). The step counts the records that their signs kept.
    A text without any word, of signs or emoji alone, is never close to anything, and counted; by `both`, so is
    one whose prompt has none.

    To ROUGE-L "the least of 7 km" is close to "the largest of 8 cm", too. How many of the dropped differ in numbers,
    units, a "not" or such from what they lost against is counted and told; `guard: [numbers, units]` keeps them apart.
    It is off by default, as in the paper, and since it also keeps true duplicates.

    With `reference`, a record too close to one of an earlier release, run or file is dropped as well, so that nothing
    comes back that the seeds or an earlier release hold.

    Similarity: ROUGE-L F-measure (Lin, 2004) over `text.rouge_tokens`. Drops when it is greater than
    `threshold`, as Self-Instruct does (arXiv 2212.10560), which compares the instruction alone: that is
    `field: instruction`. By default the instructions of records with the same input are compared, none of which most
    records have: one instruction for two inputs stays twice.

    Example:
        - dedup_rouge: {threshold: 0.7, reference: seeds.jsonl}
    """

    name = "dedup_rouge"

    threshold: float = Field(0.7, gt=0, le=1, description="largest ROUGE-L F that two kept records may have")
    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "prompt",
        description="the text compared: the instruction, the prompt (the instruction, where the inputs are the same), "
        "each with the tools that the answer calls, the output, or both (prompt and output)",
    )
    reference: str | tuple[str, ...] = Field(
        (), description=f"records that count as kept before all others: {TAKES}"
    )
    scope: Literal["set", "task"] = Field(
        "set", description="what a record is compared with: the whole set, or the records of its own task"
    )
    guard: tuple[Difference, ...] = Field(
        (),
        description="records that differ in one of these are no duplicates: numbers, units, negation, opposites (min "
        "and max, the languages of a translation), operators (== and !=); by lists of words, English and Chinese",
    )
    engine: Literal["local", "ray"] = Field(
        "local",
        description="where it is compared: in this process, or by Ray, on the cluster at RAY_ADDRESS or else "
        "started here; the result is the same",
    )
    workers: int = Field(
        1,
        ge=1,
        description="threads that compare, or processors for a Ray started here; the result is the same",
    )
    check: int = Field(
        0,
        ge=0,
        description="so many random decisions, half of them drops, to decide again with the package rouge-score, "
        "and to tell how many it decides alike; takes 0.2 ms for two short texts, a second for two of 2,000 words",
    )

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
            RunStopped: the cluster cannot be reached.
        """
        if self.engine == "ray":
            require_ray()
        reference = Known.read(self.reference, context)
        own = Compared.of(table, self.field)
        own.tell(context)
        rows = Rows.of((reference.table, table), (Compared.of(reference.table, self.field), own))
        if self.scope == "task" and len(table) and not any(table.values("task")):
            context.warn(
                f"{context.step}: no record has a task, so all are compared with all: put `task`, or another step "
                "that names tasks, before this one"
            )
        drops = await asyncio.to_thread(self._all_drops, rows, context)
        dropped = {
            row - rows.references: self._drop(rows, row, near, reference, context)
            for row, near in drops.items()
        }
        tell_differences(context, len(dropped))
        return table.drop(dropped)

    def _all_drops(self, rows: Rows, context: Context) -> dict[int, Near]:
        """Of each dropped record, by number, that which it is too close to."""
        groups = rows.groups(self.scope, self.guard)
        if rows.ids:
            load_loops("factory.statistics.rouge.kernel", context.tell)
        if self.engine == "ray":
            with ray_session(self.workers):
                drops = dict(self._join(rouge_join_on_ray, rows, groups, rows.signs))
        else:
            join = functools.partial(rouge_join, workers=self.workers)
            drops = dict(self._join(join, rows, groups, rows.signs))
        ambiguous = rows.ambiguous() - drops.keys()
        spared = self._join(
            rouge_join, rows, [[row for row in group if row in ambiguous] for group in groups]
        )
        context.count("kept_for_their_signs", sum(1 for _ in spared))
        if self.check:
            self._check(rows, groups, drops, context)
        return drops

    def _join(
        self,
        join: Callable[..., RougeMatches],
        rows: Rows,
        groups: Sequence[Sequence[int]],
        signs: Signs | None = None,
    ) -> Iterator[tuple[int, Near]]:
        for group in groups:
            known = bisect_left(group, rows.references)
            if known == len(group):
                continue
            matches = join(
                [rows.tokens(row) for row in group[known:]],
                self.threshold,
                reference=[rows.tokens(row) for row in group[:known]],
                signs=signs and signs.take(group),
            )
            for at in (matches.nearest >= 0).nonzero()[0].tolist():
                near = int(matches.nearest[at]) + (0 if matches.in_reference[at] else known)
                yield group[known + at], Near(group[near], float(matches.f[at]))

    def _drop(self, rows: Rows, row: int, near: Near, reference: Known, context: Context) -> Drop:
        known_before = near.kept < rows.references
        where = reference.where(near.kept) if known_before else ""
        id, text = rows.ids[near.kept], rows.texts[near.kept]
        reason = f"ROUGE-L {near.f:.2f} with {id}{where} ({shorten(text, 60)})"
        reason = noted(reason, rows.texts[row], text, context)
        numbers = {"rouge_l": near.f, **(IN_REFERENCE if known_before else {})}
        return context.drop("near_duplicate", reason, numbers, against=id)

    def _check(
        self, rows: Rows, groups: Sequence[Sequence[int]], drops: Mapping[int, Near], context: Context
    ) -> None:
        """Tell how rouge-score decides on some of the pairs."""
        chance = context.random("check")
        agreement = check_decisions(rows, groups, drops, self.threshold, self.check, chance)
        context.facts["check_against_rouge_score"] = agreement.facts()
        say = context.tell if agreement.full else context.warn
        say(f"{context.step}: {agreement.sentence()}")
        for decision, f in agreement.disagreements:
            said = "dropped for" if decision.kind == "drop" else "kept beside"
            ours = "" if decision.f is None else f" at ROUGE-L {decision.f:.6f}"
            row, other = (
                f"{rows.ids[at]} ({shorten(rows.texts[at], 60)})" for at in (decision.row, decision.other)
            )
            context.warn(f"{context.step}: {row} was {said} {other}{ours}, rouge-score gives {f:.6f}")
