"""What steps told of their work beside their counts: the tags after each stage, how well a classifier did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from factory.data.run_manifest import BESIDE, CLEANING, OVERLAPS, StepFacts
from factory.data.text import shorten
from factory.report.cleaning import cleaning_lines
from factory.report.page.markup import Html, h, join
from factory.report.plain import clip, fact, visible

CHARACTERS = 400
MOST_ROWS = 50
APART = (BESIDE, OVERLAPS, CLEANING)
"""What has a section of its own on the page."""


def facts_section(steps: Sequence[StepFacts]) -> Html:
    """A card for each step that told something; nothing where none did."""
    cards = [
        h("div", h("h3", step.label, dir="auto"), *map(_fact, facts.items()), class_="card")
        for step in steps
        if (facts := {name: value for name, value in step.facts.items() if name not in APART})
    ]
    if not cards:
        return join()
    return join(h("p", "What the steps found beside the records.", class_="lead"), *cards)


def facts_lines(facts: Mapping[str, Any], rows: int | None = MOST_ROWS) -> Iterator[str]:
    """What one step told, as lines for a terminal; of a table so many rows at the most.

    What was looked for and not found stands in the last one.
    """
    none = [name for name, value in facts.items() if type(value) is int and value == 0]
    for name, value in facts.items():
        if name in none:
            continue
        if name == CLEANING:
            yield from cleaning_lines(value)
            continue
        name = visible(name.replace("_", " "))
        if not _is_table(value):
            yield f"{name}: {shorten(visible(fact(value)), CHARACTERS)}"
            continue
        columns = list(value[0])
        cells = [
            [visible(cell) for cell in row]
            for row in (columns, *([fact(row.get(column)) for column in columns] for row in value[:rows]))
        ]
        widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
        yield f"{name}:"
        for row in cells:
            padded = [
                cell.rjust(width) if isinstance(value[0][column], int | float) else cell.ljust(width)
                for cell, width, column in zip(row, widths, columns, strict=True)
            ]
            yield "    " + "  ".join(padded).rstrip()
        if rows is not None and (more := len(value) - rows) > 0:
            yield f"    and {more:,} more"
    if none:
        yield f"none: {shorten(visible(', '.join(none).replace('_', ' ')), CHARACTERS)}"


def _fact(item: tuple[str, Any]) -> Html:
    name, value = item
    name = name.replace("_", " ")
    if _is_table(value):
        return fact_table(name, value)
    said = clip(fact(value), CHARACTERS)
    return h("p", h("span", f"{name}: ", class_="soft"), h("span", said, dir="auto"))


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def fact_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    """Rows as a table, with what they are above it."""
    columns = list(rows[0])
    kinds = {column: "number" if isinstance(rows[0][column], int | float) else None for column in columns}
    heads = [h("th", column.replace("_", " "), class_=kinds[column]) for column in columns]
    lines = [
        h("tr", *(h("td", clip(fact(row.get(c)), CHARACTERS), class_=kinds[c], dir="auto") for c in columns))
        for row in rows[:MOST_ROWS]
    ]
    table = h("table", h("thead", h("tr", *heads)), h("tbody", *lines))
    more = len(rows) - MOST_ROWS
    told = [h("p", f"and {more:,} more", class_="soft")] if more > 0 else []
    return h("div", h("p", name, class_="soft"), table, *told, class_="scroll")
