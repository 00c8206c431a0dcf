"""Choices of rows side by side: beside random draws and the longest rows, as a table, plots and overlaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.run_manifest import BESIDE, OVERLAPS, StepFacts
from factory.report.page.facts import fact_table
from factory.report.page.markup import Html, h, join

LOW, HIGH, MEAN = "random, low", "random, high", "random, "
"""What the rows of random draws are called: where chance ends on both sides, and (with their number) their mean."""
TITLES = {
    "length": "tokens of an answer",
    "score": "score",
    "tasks": "tasks, were they equally frequent",
    "tags": "share of the tags",
    "tags_each": "tags of a row",
    "nearest": "distance to the nearest chosen row",
    "reach": "distance of any row to the nearest chosen one",
    "novelsum": "NovelSum",
    "vendi": "Vendi score",
    "seconds": "seconds to choose",
}
LEAD = (
    "What each choice is beside the longest rows and random draws of the same size. The bar is where random draws lie: "
    "a mark on it is not told from chance. A method that chooses by a measure differs from chance in it as a matter of "
    "course, and nothing here says that a model trained on a choice is better."
)
OVERLAP_LEAD = "What share of the rows of a choice (line) the other one (column) has too."


def selection_section(steps: Sequence[StepFacts]) -> Html:
    """The choices of each step that made some; nothing where none did."""
    shown = [selection(step.facts, step.label) for step in steps if _rows(step.facts, BESIDE)]
    return join(h("p", LEAD, class_="lead"), *shown) if shown else join()


def selection(facts: Mapping[str, Any], title: str) -> Html:
    """One step's choices."""
    rows = _rows(facts, BESIDE)
    parts = [
        h("div", h("h3", title, dir="auto"), fact_table(BESIDE.replace("_", " "), rows), class_="card wide")
    ]
    plots = [plot for name, said in TITLES.items() if (plot := _plot(name, said, rows)) is not None]
    if plots:
        parts.append(h("div", *plots, class_="grid"))
    overlaps = _rows(facts, OVERLAPS)
    if overlaps:
        parts.append(h("div", h("h3", "overlap"), fact_table(OVERLAP_LEAD, overlaps), class_="card wide"))
    return join(*parts)


def _rows(facts: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = facts.get(name)
    if not isinstance(found, list):
        return []
    return [row for row in found if isinstance(row, Mapping) and isinstance(row.get("pick"), str)]


def _plot(name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> Html | None:
    """Each choice's value as a mark on one scale, before the bar of random draws; None where there are no two."""
    values = {str(row["pick"]): float(row[name]) for row in rows if _is_number(row.get(name))}
    band = values.pop(LOW, None), values.pop(HIGH, None)
    values = {pick: value for pick, value in values.items() if pick != "all"}
    ends = [*values.values(), *(end for end in band if end is not None)]
    if len(values) < 2:
        return None
    low, high = min(ends), max(ends)
    room = (high - low) or abs(high) or 1.0
    low, high = low - 0.04 * room, high + 0.04 * room

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low)

    lines = []
    for pick, value in values.items():
        marks = []
        if band[0] is not None and band[1] is not None:
            width = max(0.25, place(band[1]) - place(band[0]))
            marks.append(_rect("band", place(band[0]), width))
        marks.append(_rect("plain" if pick.startswith(MEAN) else "kept", place(value) - 0.75, 1.5))
        svg = h(
            "svg", *marks, class_="bar", viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true"
        )
        lines.append(
            h(
                "li",
                h("span", pick, class_="label", dir="auto", title=pick),
                svg,
                h("span", f"{value:.4g}", class_="number"),
            )
        )
    return h("div", h("h3", title), h("ul", *lines, class_="bars"), class_="card")


def _rect(kind: str, x: float, width: float) -> Html:
    return h("rect", class_=kind, x=f"{x:.3f}", y="0", width=f"{width:.3f}", height="1")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
