"""The step that names each record's task from labelled examples."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from factory.data.record import Record
from factory.data.table import Table
from factory.errors import InputError
from factory.statistics.classify import Classifier, Predicted, cross_validate
from factory.statistics.interval import percent
from factory.step import Context, EmbeddingModelName, WholeSet

INPUT_CHARACTERS = 300
"""How much of an input is read: that there is one tells the task, what it says does not."""
TASK_COLUMNS = ("task", "category")
"""What the readers take a record's task from."""
FEWEST = 2
"""Examples that a label needs to be learnt."""


class TaskByExample(WholeSet):
    """Name each record's task from labelled examples: a linear classifier over embeddings, no chat model.

    `examples` is a file of rows like any other, whose `task` (or `category`) column is filled; `column` names
    another one. The manifest and the report say how well the classifier did on examples it had not seen
    (five-fold cross-validation), beside `majority`, the accuracy of always saying the commonest label. A record
    it is less sure of than `min_certainty` is left without a task, and counted.

    The linear classifiers are multinomial logistic regression and ridge regression; `centroid` takes the label
    whose mean embedding is nearest, which does best on a handful of examples.

    Example:
        - task_by_example: {examples: labelled.jsonl}
    """

    name: ClassVar[str] = "task_by_example"

    examples: Path = Field(description="the file of labelled rows")
    column: str = Field(
        "task", min_length=1, description="the column of the labels; task is read from category too"
    )
    method: Literal["logistic", "ridge", "centroid"] = Field("logistic", description="the classifier")
    min_certainty: float = Field(
        0.0, ge=0, lt=1, description="leave a record without a task where the classifier is less sure"
    )
    replace: bool = Field(False, description="name the task anew where a record has one already")
    model: EmbeddingModelName = Field(
        "", description="the embedding model; by default the only one, else the embedded one"
    )

    def inputs(self) -> tuple[Path, ...]:
        """See `Step.inputs`."""
        return (self.examples,)

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        examples = self._examples(context)
        embedder = context.embedder(self.model)
        vectors = await embedder.embed([task_text(record) for record in examples])
        labels = [self._label(record) for record in examples]
        validated = await asyncio.to_thread(cross_validate, vectors, labels, self.method)
        context.facts["validated"] = validated._asdict()
        if validated.low <= validated.majority:
            context.warn(
                f"{context.step}: on examples it had not seen the classifier was right for "
                f"{percent(validated.accuracy, (validated.low, validated.high), 0)}, no surer than always saying the "
                f"commonest task ({validated.majority:.0%}): give more examples"
            )
        wanted = [
            at
            for at, (task, text) in enumerate(zip(table.values("task"), table.texts("prompt"), strict=True))
            if (self.replace or not task) and text.strip()
        ]
        records = list(table.take(wanted).records())
        found = Predicted([], np.zeros(0))
        if records:
            unknown = await embedder.embed([task_text(record) for record in records])
            classifier = await asyncio.to_thread(Classifier, vectors, labels, self.method)
            found = classifier.predict(unknown)
        sure = (found.certainty >= self.min_certainty).tolist()
        tasks = {at: label for at, label, ok in zip(wanted, found.labels, sure, strict=True) if ok}
        context.count("named", len(tasks))
        context.count("unsure", len(wanted) - len(tasks))
        context.count("had_one", len(table) - len(wanted))
        context.facts["tasks"] = dict(sorted(Counter(tasks.values()).items()))
        return await asyncio.to_thread(lambda: Table.from_records(_named(table, tasks, context)))

    def _examples(self, context: Context) -> list[Record]:
        labelled = [
            record
            for record in context.read_records(self.examples)
            if self._label(record) and record.prompt.strip()
        ]
        counts = Counter(map(self._label, labelled))
        alone = sorted(task for task, count in counts.items() if count < FEWEST)
        if len(counts) - len(alone) < 2:
            raise InputError(
                f"{self.examples}: a classifier needs two tasks with {FEWEST} labelled rows or more each: "
                f"fill the column {self.column!r}, or name another with `column`"
            )
        if alone:
            context.warn(f"{context.step}: left out, with a single example each: {', '.join(alone[:10])}")
        return [record for record in labelled if counts[self._label(record)] >= FEWEST]

    def _label(self, record: Record) -> str:
        label = record.task if self.column in TASK_COLUMNS else record.meta.get(self.column)
        return str(label).strip() if isinstance(label, str | int) else ""


def task_text(record: Record) -> str:
    """What of a record tells its task: the instruction, and the beginning of its input."""
    return f"{record.instruction}\n{record.input[:INPUT_CHARACTERS]}".strip()


def _named(table: Table, tasks: dict[int, str], context: Context) -> Iterator[Record]:
    event = context.event("task")
    for at, record in enumerate(table.records()):
        if at in tasks:
            record = record.with_task(tasks[at], event)
        yield record
