"""The step that drops what repeats, word for word, a record kept before it."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from factory.data.record import IN_REFERENCE, Drop
from factory.data.table import Table
from factory.data.text import normal_form, rouge_tokens, shorten
from factory.step import Context, WholeSet, named_files
from factory.steps.dedup.joins.compared import texts_and_inputs
from factory.steps.dedup.joins.ray import ray_session, require_ray, rouge_join_on_ray
from factory.steps.dedup.rouge.join import RougeMatches, rouge_join


class DedupRouge(WholeSet):
    """Drop a record whose text is too close, word for word, to one kept before it.

    Keeps the first of each family, in the order of the set. Exact: the result is that of comparing every pair
    with rouge-score, without doing so. Chinese counts too: each character is a word. A text without any word
    is never close to anything. Earlier turns of a conversation stand before its instruction, a system turn apart.

    With `reference`, a record too close to one of those files' records is dropped as well, so that nothing
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
        (),
        description="a file of records that count as kept before all others, or a list of files, in any format "
        "that `read` reads, or `factory:seeds`",
    )
    scope: Literal["set", "task"] = Field(
        "set", description="what a record is compared with: the whole set, or the records of its own task"
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

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return named_files(self.reference)

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            MissingDependency: `engine: ray` without Ray.
            RunStopped: the cluster cannot be reached.
        """
        if self.engine == "ray":
            require_ray()
        rows = _Rows.of(table, self.field)
        reference = _Rows.of(
            Table.from_records(record for path in self.inputs() for record in context.read_records(path)),
            self.field,
        )
        if self.scope == "task" and len(rows.tasks) and not any(rows.tasks):
            context.warn(
                f"{context.step}: no record has a task, so all are compared with all: put `task`, or another step "
                "that names tasks, before this one"
            )
        context.count("records_without_text", sum(not text.strip() for text in rows.texts))
        return table.drop(await asyncio.to_thread(self._all_drops, rows, reference, context.step))

    def _all_drops(self, rows: _Rows, reference: _Rows, step: str) -> dict[int, Drop]:
        if self.engine == "local":
            join = functools.partial(rouge_join, workers=self.workers)
            return dict(self._drops(join, rows, reference, step))
        with ray_session(self.workers):
            return dict(self._drops(rouge_join_on_ray, rows, reference, step))

    def _drops(
        self, join: Callable[..., RougeMatches], rows: _Rows, reference: _Rows, step: str
    ) -> Iterator[tuple[int, Drop]]:
        known = reference.groups(self.scope)
        for task, members in rows.groups(self.scope).items():
            before = known.get(task, [])
            matches = join(
                [rows.tokens(index) for index in members],
                self.threshold,
                reference=[reference.tokens(index) for index in before],
            )
            for at in (matches.nearest >= 0).nonzero()[0].tolist():
                f, near = float(matches.f[at]), int(matches.nearest[at])
                known_before = bool(matches.in_reference[at])
                source, index = (reference, before[near]) if known_before else (rows, members[near])
                where = " of the reference" if known_before else ""
                numbers = {"rouge_l": f, **(IN_REFERENCE if known_before else {})}
                id = source.ids[index]
                reason = f"ROUGE-L {f:.2f} with {id}{where} ({shorten(source.texts[index], 60)})"
                yield members[at], Drop(step, "near_duplicate", reason, numbers, against=id)


class _Rows(NamedTuple):
    """What the step needs of each record."""

    ids: list[str]
    texts: list[str]
    inputs: list[str]
    tasks: list[str]

    @classmethod
    def of(cls, table: Table, field: str) -> _Rows:
        texts, inputs = texts_and_inputs(table, field)
        return cls(table.ids(), texts, [normal_form(text) for text in inputs], table.values("task"))

    def tokens(self, index: int) -> list[str]:
        """The words compared; those of different inputs have nothing in common."""
        words = rouge_tokens(self.texts[index])
        if not self.inputs[index]:
            return words
        mark = hashlib.blake2b(self.inputs[index].encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return [f"{word} {mark}" for word in words]

    def groups(self, scope: str) -> dict[str, list[int]]:
        """The records to be compared with each other, by task, or all under one name."""
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for index, task in enumerate(self.tasks):
            groups[task if scope == "task" else ""].append(index)
        return groups
