"""Sets side by side by their tags: one page that needs nothing beside it, and runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from factory.errors import OutputError
from factory.report.charts import bar_list
from factory.report.markup import Html, h
from factory.report.measures import TaggedSet, summary_lines
from factory.report.page import POLICY
from factory.report.plain import count, visible
from factory.tags.measure import (
    TagSummary,
    coverage_curve,
    differences,
    rare_tags,
    tag_counts,
    top_pairs,
    top_tags,
)

SHOWN = 20
WIDTH, HEIGHT = 560, 220


def write_comparison(path: Path, first: TaggedSet, second: TaggedSet) -> None:
    """Write the page to `path`.

    Raises:
        OutputError: it cannot be written.
    """
    page = render_comparison(first, second)
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); name another file with --out"
        ) from error


def render_comparison(first: TaggedSet, second: TaggedSet) -> str:
    """The page's HTML. Diversity is each set's share of the tags of both."""
    sets = (first, second)
    counts = [tag_counts(one.tag_lists) for one in sets]
    pool = counts[0].keys() | counts[1].keys()
    shared = counts[0].keys() & counts[1].keys()
    sections = [
        (
            "Measures",
            f"Diversity is the share of the {count(len(pool))} tags of both sets, complexity the mean number "
            "of tags of a tagged record.",
            _summaries([row for one in sets for row in one.summaries(pool)]),
        ),
        (
            "Coverage",
            "How many tags a random subset of so many records has, on average. A curve that is still steep at "
            "its end says that more records would bring more tags.",
            h("div", _curves(sets), _key(sets), class_="card"),
        ),
        (
            "Tags of one set only",
            f"{count(len(shared))} tags are in both sets.",
            _pair(
                sets,
                [
                    bar_list(Counter({tag: n for tag, n in own.items() if tag not in shared}))
                    for own in counts
                ],
            ),
        ),
        (
            "Largest differences",
            "Shares of the tagged records of each set.",
            _differences(sets),
        ),
        ("Most used", "", _pair(sets, [bar_list(dict(top_tags(found, SHOWN))) for found in counts])),
        (
            "Pairs",
            "Tags that most records have together.",
            _pair(
                sets,
                [
                    bar_list({f"{p.first} + {p.second}": p.records for p in top_pairs(one.tag_lists, 10)})
                    for one in sets
                ],
            ),
        ),
        ("Least used", "", _pair(sets, [bar_list(dict(rare_tags(found, 10))) for found in counts])),
    ]
    body = [
        h("section", h("h2", title), h("p", lead, class_="lead") if lead else "", content)
        for title, lead, content in sections
    ]
    title = f"{first.name} beside {second.name}"
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", http_equiv="Content-Security-Policy", content=POLICY),
        h("meta", name="referrer", content="no-referrer"),
        h("title", title),
        h("style", Html(style)),
    )
    header = h("header", h("h1", title, dir="auto"), h("p", "Two sets by their tags.", class_="outcome"))
    return f"<!doctype html>\n{h('html', head, h('body', header, h('main', *body)), lang='en')}\n"


def _summaries(rows: Sequence[TagSummary]) -> Html:
    heads = ("records", "tagged", "tags", "of one record", "diversity", "complexity")
    lines = [
        h(
            "tr",
            h("td", row.name, dir="auto"),
            *(_number(count(n)) for n in (row.records, row.tagged, row.tags, row.once)),
            _number("none" if row.diversity is None else f"{row.diversity:.3f}"),
            _number("none" if row.complexity is None else f"{row.complexity:.2f}"),
        )
        for row in rows
    ]
    return _table([h("th", "set"), *(h("th", head, class_="number") for head in heads)], lines)


def _differences(sets: Sequence[TaggedSet]) -> Html:
    lines = [
        h(
            "tr",
            h("td", found.tag, dir="auto"),
            _number(f"{found.first:.1%}"),
            _number(f"{found.second:.1%}"),
        )
        for found in differences(sets[0].tag_lists, sets[1].tag_lists, SHOWN)
    ]
    heads = [h("th", "tag"), *(h("th", one.name, class_="number", dir="auto") for one in sets)]
    return _table(heads, lines)


def _number(text: str) -> Html:
    return h("td", text, class_="number")


def _table(heads: Sequence[Html], rows: Sequence[Html]) -> Html:
    table = h("table", h("thead", h("tr", *heads)), h("tbody", *rows))
    return h("div", h("div", table, class_="scroll"), class_="card")


def _pair(sets: Sequence[TaggedSet], contents: Sequence[Html]) -> Html:
    cards = [
        h("div", h("h3", one.name, dir="auto"), content, class_="card")
        for one, content in zip(sets, contents, strict=True)
    ]
    return h("div", *cards, class_="grid")


def _curves(sets: Sequence[TaggedSet]) -> Html:
    """Both coverage curves on one scale."""
    curves = [coverage_curve(one.tag_lists) for one in sets]
    points = [point for curve in curves for point in curve]
    most = (
        max((point.records for point in points), default=1),
        max((point.tags for point in points), default=1),
    )
    lines = []
    for kind, curve in zip(("kept", "dropped"), curves, strict=True):
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
        h("text", count(most[0]), class_="last", x=str(WIDTH), y=str(HEIGHT + 16)),
        h("text", f"{count(round(most[1]))} tags", class_="first", x="0", y="-6"),
    ]
    return h("svg", *lines, *labels, viewBox=f"0 -20 {WIDTH} {HEIGHT + 42}", role="img")


def _key(sets: Sequence[TaggedSet]) -> Html:
    names = zip(("kept", "dropped"), sets, strict=True)
    return h("p", *(h("span", one.name, class_=kind, dir="auto") for kind, one in names), class_="key")


def comparison_lines(first: TaggedSet, second: TaggedSet) -> list[str]:
    """The page in short, as lines to print."""
    counts = tag_counts(first.tag_lists), tag_counts(second.tag_lists)
    pool, shared = counts[0].keys() | counts[1].keys(), counts[0].keys() & counts[1].keys()
    lines = list(summary_lines([row for one in (first, second) for row in one.summaries(pool)]))
    lines += ["", f"{count(len(pool))} tags in all, {count(len(shared))} in both sets"]
    for found in differences(first.tag_lists, second.tag_lists, 10):
        lines.append(f"{found.first:>8.1%} {found.second:>8.1%}  {visible(found.tag)}")
    return lines
