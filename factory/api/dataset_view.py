"""What a dataset looks like: the table that a notebook or a terminal shows."""

from __future__ import annotations

import html
import itertools
from collections.abc import Sequence
from typing import NamedTuple

from factory.data.table import Table
from factory.data.text import shorten
from factory.step import Step

SHOWN = 8
"""Records that are shown."""
WHY_CHARACTERS = 200


class Shown(NamedTuple):
    """What is shown of a dataset: its first records, and what is still to be run on them."""

    table: Table
    dropped: Table
    pending: tuple[Step, ...]
    warnings: Sequence[str] = ()

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """The heads of the columns, and the cells of the first records."""
        first = list(itertools.islice(self.table.records(), SHOWN))
        why = ["why"] if any(record.dropped for record in first) else []
        row_id = ["row_id"] if any(record.meta.get("id") is not None for record in first) else []
        columns = ["id", *row_id, "lang", "task", "instruction", "output", "tags", "scores", *why]
        rows = []
        for record in first:
            scores = ", ".join(f"{name} {value:.3g}" for name, value in sorted(record.scores.items()))
            tags = ", ".join(tag.name for tag in record.tags)
            told = f"{record.dropped.kind}: {record.dropped.reason}" if record.dropped else ""
            texts = [shorten(text, 60) for text in (record.instruction, record.output, tags, scores)]
            # A reason may be as long as it is: it is what one looks for here.
            texts += [shorten(told, WHY_CHARACTERS)] if why else []
            own_id = record.meta.get("id")
            own = ["" if own_id is None else shorten(str(own_id), 60)] if row_id else []
            rows.append([record.id, *own, record.lang, record.task, *texts])
        return columns, rows

    def caption(self) -> str:
        """How many records there are, and which steps are pending."""
        count = f"{len(self.table):,} records" + (
            f", {len(self.dropped):,} dropped" if len(self.dropped) else ""
        )
        if self.warnings:
            count += f"; warnings: {len(self.warnings):,} (see .progress.warnings)"
        if not self.pending:
            return count
        steps = " -> ".join(step.name for step in self.pending)
        return f"{count}; pending: {steps} (nothing has run yet: call .run())"

    def as_text(self) -> str:
        """A table for a terminal."""
        columns, rows = self.rows()
        wide = [WHY_CHARACTERS if name == "why" else 28 for name in columns]
        short = [
            [shorten(cell, most) for cell, most in zip(row, wide, strict=True)] for row in [columns, *rows]
        ]
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
