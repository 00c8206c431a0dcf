"""What steps told of their work beside their counts: the tags after each stage, how well a classifier did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from factory.report.markup import Html, h, join
from factory.report.plain import clip, fact

CHARACTERS = 400
MOST_ROWS = 50


def facts_section(steps: Sequence[Mapping[str, Any]]) -> Html:
    """A card for each step that told something; nothing where none did. `steps` as the manifest has them."""
    cards = [
        h("div", h("h3", str(step.get("label", "")), dir="auto"), *map(_fact, facts.items()), class_="card")
        for step in steps
        if isinstance(facts := step.get("facts"), Mapping) and facts
    ]
    if not cards:
        return join()
    return join(h("p", "What the steps found beside the records.", class_="lead"), *cards)


def _fact(item: tuple[str, Any]) -> Html:
    name, value = item
    name = name.replace("_", " ")
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        return _table(name, value)
    return h("p", h("span", f"{name}: ", class_="soft"), h("span", clip(fact(value), CHARACTERS), dir="auto"))


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    columns = list(rows[0])
    kinds = {column: "number" if isinstance(rows[0][column], int | float) else None for column in columns}
    heads = [h("th", column.replace("_", " "), class_=kinds[column]) for column in columns]
    lines = [
        h("tr", *(h("td", clip(fact(row.get(c)), CHARACTERS), class_=kinds[c], dir="auto") for c in columns))
        for row in rows[:MOST_ROWS]
    ]
    table = h("table", h("thead", h("tr", *heads)), h("tbody", *lines))
    return h("div", h("p", name, class_="soft"), table, class_="scroll")
