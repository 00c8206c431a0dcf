"""What a dataset looks like: its columns, and the table that a notebook or a terminal shows."""

from __future__ import annotations

import html
import itertools
from typing import Any, NamedTuple

from factory.data.table import Table
from factory.data.text import shorten
from factory.step import Step

SHOWN = 8
"""Records that are shown."""


def columns_of(table: Table) -> dict[str, list[Any]]:
    """The records by column, one for each score, in which None is a score that is missing."""
    columns: dict[str, list[Any]] = {
        "id": table.ids(),
        "instruction": table.texts("instruction"),
        "input": table.texts("input"),
        "output": table.texts("output"),
        "lang": table.values("lang"),
        "task": table.values("task"),
        "source": table.values("source"),
        "tags": [[tag["name"] for tag in tags] for tags in table.values("tags")],
    }
    for name in table.score_names():
        columns[name] = [None if value != value else value for value in table.scores(name).tolist()]
    drops = table.values("dropped")
    if any(drops):
        columns["dropped_by"] = [drop["step"] if drop else "" for drop in drops]
        columns["reason"] = [drop["reason"] if drop else "" for drop in drops]
    return columns


class Shown(NamedTuple):
    """What is shown of a dataset: its first records, and what is still to be run on them."""

    table: Table
    dropped: Table
    pending: tuple[Step, ...]

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """The heads of the columns, and the cells of the first records."""
        first = list(itertools.islice(self.table.records(), SHOWN))
        last = "reason" if any(record.dropped for record in first) else "scores"
        columns = ["id", "lang", "task", "instruction", "output", "tags", last]
        rows = []
        for record in first:
            scores = ", ".join(f"{name} {value:.3g}" for name, value in sorted(record.scores.items()))
            tags = ", ".join(tag.name for tag in record.tags)
            told = f"{record.dropped.kind}: {record.dropped.reason}" if record.dropped else scores
            texts = [record.instruction, record.output, tags, told]
            rows.append([record.id, record.lang, record.task, *(shorten(text, 60) for text in texts)])
        return columns, rows

    def caption(self) -> str:
        """How many records there are, and which steps are pending."""
        count = f"{len(self.table):,} records" + (
            f", {len(self.dropped):,} dropped" if len(self.dropped) else ""
        )
        if not self.pending:
            return count
        steps = " -> ".join(step.name for step in self.pending)
        return f"{count}; pending: {steps} (nothing has run yet: call .run())"

    def as_text(self) -> str:
        """A table for a terminal."""
        columns, rows = self.rows()
        short = [[shorten(cell, 28) for cell in row] for row in [columns, *rows]]
        widths = [max(len(row[at]) for row in short) for at in range(len(columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in short
        ]
        return "\n".join([f"Dataset: {self.caption()}", *(lines if rows else [])])

    def as_html(self) -> str:
        """A table for a notebook."""
        columns, rows = self.rows()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        return f"<p>{html.escape(self.caption())}</p><table><tr>{head}</tr>{body}</table>"
