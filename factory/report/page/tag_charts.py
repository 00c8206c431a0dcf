"""Tags as tables and charts: what the report of a run and the page of two sets both show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from factory.report.measures import TaggedSet
from factory.report.page.charts import bar_list
from factory.report.page.markup import Html, h
from factory.report.plain import count
from factory.steps.tags.tag_sets.measure import TagSummary, coverage_curve, rare_tags, top_pairs

SHOWN = 10
WIDTH, HEIGHT = 560, 220
COVERAGE_LEAD = (
    "How many tags a random subset of so many records has, on average. A curve that is still steep at its end "
    "says that more records would bring more tags."
)


def summary_table(sets: Sequence[Sequence[TagSummary]]) -> Html:
    """The measures of sets as a table: each set, and below it its sources, a little to the right."""
    heads = ("records", "tagged", "tags", "of one record", "diversity", "complexity")
    lines = [
        h(
            "tr",
            h("td", row.name, dir="auto", class_="part" if at else None),
            *(number(count(n)) for n in (row.records, row.tagged, row.tags, row.once)),
            number("none" if row.diversity is None else f"{row.diversity:.3f}"),
            number("none" if row.complexity is None else f"{row.complexity:.2f}"),
        )
        for one in sets
        for at, row in enumerate(one)
    ]
    return table([h("th", "set"), *(h("th", head, class_="number") for head in heads)], lines)


def number(text: str) -> Html:
    """A table's cell that holds a number."""
    return h("td", text, class_="number")


def table(heads: Sequence[Html], rows: Sequence[Html]) -> Html:
    """A table as a card."""
    found = h("table", h("thead", h("tr", *heads)), h("tbody", *rows))
    return h("div", h("div", found, class_="scroll"), class_="card")


def least_used(counts: Counter[str]) -> Html:
    """The least used tags as bars."""
    return bar_list(dict(rare_tags(counts, SHOWN)))


def pairs(tagged: TaggedSet) -> Html:
    """The pairs of tags that most records have together, as bars."""
    found = top_pairs(tagged.tag_lists, SHOWN)
    if not found:
        return h("p", "No two tags come together in two records.", class_="soft")
    return bar_list({f"{pair.first} + {pair.second}": pair.records for pair in found})


def curves(sets: Sequence[TaggedSet]) -> Html:
    """The coverage curves of one set or two on one scale."""
    found = [coverage_curve(one.tag_lists) for one in sets]
    points = [point for curve in found for point in curve]
    most = (
        max((point.records for point in points), default=1),
        max((point.tags for point in points), default=1),
    )
    lines = []
    for kind, curve in zip(("kept", "dropped"), found, strict=False):
        way = " ".join(
            f"{'L' if at else 'M'}{WIDTH * p.records / most[0]:.1f} {HEIGHT * (1 - p.tags / most[1]):.1f}"
            for at, p in enumerate(curve)
        )
        if way:
            lines.append(
                h(
                    "path",
                    d=way,
                    fill="none",
                    stroke=f"var(--{kind})",
                    stroke_width="2",
                    stroke_linecap="round",
                )
            )
    labels = [
        h("text", f"{count(most[0])} records", class_="last", x=str(WIDTH), y=str(HEIGHT + 16)),
        h("text", f"{count(round(most[1]))} tags", class_="first", x="0", y="-6"),
    ]
    return h("svg", *lines, *labels, class_="curves", viewBox=f"0 -20 {WIDTH} {HEIGHT + 42}", role="img")
