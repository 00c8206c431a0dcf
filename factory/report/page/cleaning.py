"""What `clean` found, on the page of a run: a table of rules with examples, and what each group of rows loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.run_manifest import CLEANING, StepFacts
from factory.report.cleaning import (
    KINDS,
    GroupRow,
    RuleRow,
    group_rows,
    headline,
    lost_means,
    rule_rows,
)
from factory.report.page.markup import Html, h, join
from factory.report.plain import clip, count, counts

CHARACTERS = 400
LEAD = (
    "What the rules of cleaning found in the rows as they came to the step. A rule may be wrong about a row: the "
    "examples are drawn by chance, to be read before anything is dropped."
)
GROUPS_LEAD = (
    "How much each group loses: {what}. The bar is the 95 % interval, the mark the share. A group that loses more than "
    "the others, not by chance, is named so: a filter that takes a dialect, a source or a task for a fault shows here."
)


def cleaning_section(steps: Sequence[StepFacts]) -> Html:
    """What each step `clean` found; nothing where there is none."""
    shown = [
        _step(step.label, tally)
        for step in steps
        if isinstance(tally := step.facts.get(CLEANING), Mapping) and tally.get("rows")
    ]
    return join(h("p", LEAD, class_="lead"), *shown) if shown else join()


def _step(label: str, tally: Mapping[str, Any]) -> Html:
    rows = rule_rows(tally)
    parts = [h("h3", label, dir="auto"), h("p", headline(tally) + ".")]
    if rows:
        heads = [h("th", name, class_="number" if name in ("rows", "share") else None) for name in _HEADS]
        table = h("table", h("thead", h("tr", *heads)), h("tbody", *map(_rule, rows)))
        parts.append(h("div", table, class_="scroll"))
    for name, told in sorted(tally.get("raised", {}).items()):
        parts.append(
            h("p", f"The rule {name} failed on {count(told['rows'])} rows: {told['why']}", class_="alarm")
        )
    cards = [h("div", *parts, class_="card wide"), *map(_examples, rows)]
    groups = group_rows(tally)
    if groups:
        cards.append(h("p", GROUPS_LEAD.format(what=lost_means(tally)), class_="lead"))
        drawn = [_groups(kind, [row for row in groups if row.kind == kind]) for kind in KINDS]
        cards.append(h("div", *filter(None, drawn), class_="grid"))
    return join(*cards)


_HEADS = ("rule", "rows", "share", "action", "languages", "sources")


def _rule(row: RuleRow) -> Html:
    share = f"{row.share:.1%}"
    if row.interval is not None:
        share += f" ({row.interval[0]:.1%} to {row.interval[1]:.1%})"
    cells = [
        h("td", row.name, title=row.finds),
        h("td", count(row.rows), class_="number"),
        h("td", share, class_="number"),
        h("td", row.action),
        h("td", clip(counts(dict(row.languages)), CHARACTERS), dir="auto"),
        h("td", clip(counts(dict(row.sources)), CHARACTERS), dir="auto"),
    ]
    return h("tr", *cells)


def _examples(row: RuleRow) -> Html:
    lines = []
    for shown in row.examples:
        where = f"{shown.get('place') or shown.get('id', '')} {shown.get('role', '')}: "
        said = [h("span", where, class_="soft")]
        if "fault" in shown:
            said += [
                h("span", clip(shown.get("before", ""), CHARACTERS), dir="auto"),
                h("mark", shown["fault"], dir="auto"),
                h("span", clip(shown.get("after", ""), CHARACTERS), dir="auto"),
            ]
        if shown.get("note"):
            said.append(h("span", f" ({clip(shown['note'], 120)})", class_="soft"))
        lines.append(h("li", *said))
    title = h("summary", f"{row.name}: {row.finds}")
    return h("details", title, h("ul", *lines), class_="card wide")


def _groups(kind: str, rows: Sequence[GroupRow]) -> Html | None:
    """Each group's share as a mark on the bar of its interval, all on one scale."""
    if not rows:
        return None
    widest = max(row.interval[1] for row in rows) or 1.0
    lines = []
    for row in rows:
        low, high, at = (100 * value / widest for value in (*row.interval, row.share))
        marks = [
            _rect("band", low, max(0.5, high - low)),
            _rect("dropped" if row.more else "plain", at - 0.75, 1.5),
        ]
        svg = h(
            "svg", *marks, class_="bar", viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true"
        )
        told = f"{row.share:.1%} of {count(row.rows)}" + (f", others {row.others:.1%}" if row.more else "")
        title = f"{row.lost:,} of {row.rows:,}, 95 % interval {row.interval[0]:.1%} to {row.interval[1]:.1%}"
        lines.append(
            h(
                "li",
                h("span", row.name, class_="label", dir="auto", title=title),
                svg,
                h("span", told, class_="number"),
            )
        )
    return h("div", h("h3", kind), h("ul", *lines, class_="bars"), class_="card")


def _rect(kind: str, x: float, width: float) -> Html:
    return h("rect", class_=kind, x=f"{max(0.0, x):.3f}", y="0", width=f"{width:.3f}", height="1")
