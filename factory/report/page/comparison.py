"""Sets side by side by their tags: one page that needs nothing beside it, and runs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from textwrap import wrap

from factory.data.text import shorten
from factory.report.measures import TaggedSet, summary_lines
from factory.report.page.charts import bar_list
from factory.report.page.file import POLICY, write_page
from factory.report.page.markup import Html, h
from factory.report.page.tag_charts import (
    COVERAGE_LEAD,
    curves,
    least_used,
    number,
    pairs,
    summary_table,
    table,
)
from factory.report.plain import clip, count, visible
from factory.statistics.interval import NOT_TOLD_APART, difference
from factory.steps.tags.tag_sets.measure import Difference, differences, other_spellings, tag_counts

SHOWN = 20
TAG_CHARACTERS = 100
"""A given tag may be a whole text."""
LINE_CHARACTERS = 50
"""And on a line of the terminal has so much room."""
INTERVALS = (
    "The difference is told in points of a hundred, with its 95 % interval, each of its tag alone: of twenty tags that "
    "do not differ, about one looks as if it did."
)


def write_comparison(path: Path, first: TaggedSet, second: TaggedSet) -> None:
    """Write the page to `path`, whole or not at all; its folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    write_page(path, render_comparison(first, second), "name another file with --out")


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
            summary_table([one.summaries(pool) for one in sets]),
        ),
        (
            "Coverage",
            COVERAGE_LEAD,
            h("div", curves(sets), _key(sets), class_="card"),
        ),
        (
            "Tags of one set only",
            " ".join(
                [
                    f"{count(len(shared))} tag{'s are' if len(shared) != 1 else ' is'} in both sets.",
                    *_spellings(*counts),
                ]
            ),
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
            f"Shares of the tagged records of each set. {INTERVALS}",
            _differences(sets),
        ),
        ("Most used", "", _pair(sets, [bar_list(found) for found in counts])),
        ("Pairs", "Tags that most records have together.", _pair(sets, [pairs(one) for one in sets])),
        ("Least used", "", _pair(sets, [least_used(found) for found in counts])),
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


def _differences(sets: Sequence[TaggedSet]) -> Html:
    unequal = _unequal(sets[0], sets[1], SHOWN)
    if not unequal:
        return h("p", " ".join(_untagged(sets)) or "There is none.", class_="soft")
    lines = [
        h(
            "tr",
            h("td", clip(found.tag, TAG_CHARACTERS), dir="auto"),
            number(f"{found.first:.1%}"),
            number(f"{found.second:.1%}"),
            number(difference(found.first - found.second, found.interval)),
            h("td", "" if found.told_apart else NOT_TOLD_APART),
        )
        for found in unequal
    ]
    heads = [
        h("th", "tag"),
        *(h("th", one.name, class_="number", dir="auto") for one in sets),
        h("th", "difference", class_="number"),
        h("th", ""),
    ]
    return table(heads, lines)


def _unequal(first: TaggedSet, second: TaggedSet, number: int) -> list[Difference]:
    return differences(first.tag_lists, second.tag_lists, number, (first.lineages, second.lineages))


def _untagged(sets: Sequence[TaggedSet]) -> list[str]:
    """What is to be said of sets that have no shares."""
    return [
        f"{shorten(visible(one.name), LINE_CHARACTERS)} has no tagged record, so that there are no shares to compare."
        for one in sets
        if not any(one.tag_lists)
    ]


def _pair(sets: Sequence[TaggedSet], contents: Sequence[Html]) -> Html:
    cards = [
        h("div", h("h3", one.name, dir="auto"), content, class_="card")
        for one, content in zip(sets, contents, strict=True)
    ]
    return h("div", *cards, class_="grid")


def _key(sets: Sequence[TaggedSet]) -> Html:
    names = zip(("kept", "dropped"), sets, strict=True)
    return h("p", *(h("span", one.name, class_=kind, dir="auto") for kind, one in names), class_="key")


def _spellings(first: Collection[str], second: Collection[str]) -> list[str]:
    """What is to be said of tags that both sets have under different spellings; nothing where there are none."""
    found = other_spellings(first, second)
    if not found:
        return []
    one, other = (shorten(tag, 60) for tag in found[0])
    number = "1 more is" if len(found) == 1 else f"{count(len(found))} more are"
    return [
        f"{number} in both under different spellings, such as {one!r} and {other!r}: normalise both sets with one "
        "tag map to compare them by meaning."
    ]


def comparison_lines(first: TaggedSet, second: TaggedSet) -> list[str]:
    """The page in short, as lines to print."""
    counts = tag_counts(first.tag_lists), tag_counts(second.tag_lists)
    pool, shared = counts[0].keys() | counts[1].keys(), counts[0].keys() & counts[1].keys()
    lines = list(summary_lines([one.summaries(pool) for one in (first, second)]))
    lines += ["", f"{count(len(pool))} tags in all, {count(len(shared))} in both sets"]
    lines += [visible(sentence) for sentence in _spellings(*counts)]
    lines += _untagged((first, second))
    unequal = _unequal(first, second, 10)
    if unequal:
        lines += [
            "",
            "largest differences, as shares of the tagged records of each set",
            *wrap(INTERVALS, 100),
        ]
    for found in unequal:
        apart = "" if found.told_apart else f" ({NOT_TOLD_APART})"
        lines.append(
            f"{found.first:>8.1%} {found.second:>8.1%} {difference(found.first - found.second, found.interval):>24}  "
            f"{shorten(visible(found.tag), LINE_CHARACTERS)}{apart}"
        )
    return lines
