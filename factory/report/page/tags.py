"""The tags of a run: what the result covers of them, and which names were brought together."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from factory.report.measures import TaggedSet
from factory.report.page.charts import bar_list
from factory.report.page.markup import Html, h, join
from factory.report.page.tag_charts import (
    COVERAGE_LEAD,
    curves,
    least_used,
    number,
    pairs,
    summary_table,
    table,
)
from factory.report.plain import clip, count, counts
from factory.report.run_files.rows import dropped_files, kept_files, open_rows
from factory.steps.tags.tag_sets.measure import tag_counts

MERGES = 10
MOST_SOURCES = 30
NAME_CHARACTERS = 120


def tags_section(folder: Path) -> Html:
    """Diversity, complexity and coverage of a run's result, its common and rare tags, and the merges of names.

    Diversity is the share of the pool's tags. The pool is the set whose tags were normalised last, or else all
    records of the run, so that a set that was chosen from it shows what it left behind. Nothing where no record
    of the run has a tag.

    Raises:
        InputError: one of the run's files is damaged.
    """
    files = kept_files(folder)
    if not any(map(_has_tags, [*files, *dropped_files(folder)])):
        return join()
    result = TaggedSet.read("the result", files[0])
    normalized = [path for path in files if path.parent.name.endswith("-normalize_tags")]
    pool: Counter[str] = Counter()
    for path in normalized[:1] or [files[0], *dropped_files(folder)]:
        pool += tag_counts(TaggedSet.read("", path).tag_lists)
    merges = _merges(normalized[0].with_name("tag_map.jsonl")) if normalized else join()
    found = tag_counts(result.tag_lists)
    missing = len(result.tag_lists) - sum(map(bool, result.tag_lists))
    lead = (
        f"Diversity is the share of the {count(len(pool))} tags of the run's records, complexity the mean number of "
        "tags of a tagged record."
    )
    if missing:
        lead += (
            f" {count(missing)} of {count(len(result.tag_lists))} records have no tag, and count for neither."
        )
    rows = result.summaries(pool)
    cut = f"And {count(len(rows) - 1 - MOST_SOURCES)} more sources." if len(rows) - 1 > MOST_SOURCES else ""
    lost = Counter({tag: uses for tag, uses in pool.items() if tag not in found})
    cards = [
        _card("most used", bar_list(found)),
        _card("together in most records", pairs(result)),
        _card("least used", least_used(found)),
        *([_card("in the run, but not in the result", bar_list(lost))] if lost else []),
    ]
    return join(
        h("p", lead, class_="lead"),
        summary_table([rows[: MOST_SOURCES + 1]]),
        h("p", cut, class_="under") if cut else "",
        h("div", _card("coverage", curves([result]), COVERAGE_LEAD), class_="wide"),
        h("div", *cards, class_="grid"),
        merges,
    )


def _has_tags(path: Path) -> bool:
    batches = open_rows(path).iter_batches(batch_size=1 << 14, columns=["tags"])
    return any(len(batch.column("tags").flatten()) for batch in batches)


def _card(title: str, content: Html, under: str = "") -> Html:
    return h("div", h("h3", title), content, h("p", under, class_="under") if under else "", class_="card")


def _merges(path: Path) -> Html:
    """How many names each rule brought together or dropped, and the most used of them, every rule in turn."""
    rows = [row for row in _rows(path) if row["rule"]]
    if not rows:
        return join()
    merged: dict[str, list[Mapping[str, Any]]] = {}
    dropped: Counter[str] = Counter()
    for row in rows:
        if row["final"]:
            merged.setdefault(row["rule"].replace(", ", " + "), []).append(row)
        else:
            dropped[row["rule"].replace(", ", " + ")] += 1
    said = []
    if merged:
        said.append(f"brought together by {counts({rule: len(found) for rule, found in merged.items()})}")
    if dropped:
        said.append(f"dropped as {counts(dropped)}")
    for found in merged.values():
        found.sort(key=lambda row: (-row["records"], row["raw"]))
    turns = itertools.chain.from_iterable(itertools.zip_longest(*(merged[rule] for rule in sorted(merged))))
    shown = list(itertools.islice((row for row in turns if row is not None), MERGES))
    lines = [
        h(
            "tr",
            h("td", clip(row["raw"], NAME_CHARACTERS), dir="auto"),
            h("td", clip(row["final"], NAME_CHARACTERS), dir="auto"),
            h("td", row["rule"]),
            number(count(row["records"])),
        )
        for row in shown
    ]
    heads = [h("th", "given"), h("th", "became"), h("th", "by"), h("th", "records", class_="number")]
    where = f"All of them are in {path.parent.parent.name}/{path.parent.name}/{path.name}, to read, edit and apply."
    return join(
        h("p", f"Names {'; '.join(said)}. {where}", class_="lead"),
        table(heads, lines) if lines else "",
    )


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    """The rows of a tag map; it may have been edited by hand, so that what is no row is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    wanted = {"raw": str, "final": str, "rule": str, "records": int}
    for line in lines:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(row, dict) and all(isinstance(row.get(name), kind) for name, kind in wanted.items()):
            yield row
