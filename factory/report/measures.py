"""The measures of a whole set, gathered, and as lines for a terminal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from factory.data.text import shorten
from factory.report.plain import count, visible
from factory.report.run_files.rows import evenly, open_rows
from factory.statistics.dispersion import sampled
from factory.statistics.interval import number
from factory.statistics.lexical import FEWEST_TOKENS, compression_ratio, text_diversity
from factory.statistics.words import distinct_n, language_mix, lengths
from factory.steps.tags.tag_sets.measure import (
    Lineages,
    TagLists,
    TagSummary,
    by_source,
    coverage_curve,
    rare_tags,
    summarize,
    tag_counts,
    top_pairs,
    top_tags,
)

if TYPE_CHECKING:
    from factory.data.table import Table

NAME_CHARACTERS = 44
SHOWN = 10
DISTINCT = (1, 2, 3)
READ = 1000
"""Texts that lexical diversity is measured on at most, evenly spaced: it takes no longer for a million rows."""
HEAD = 4000
"""Characters of each of these that are read."""
TITLES = {
    "verb_noun": "verb-noun pairs",
    "vendi": "Vendi score",
    "novelsum": "NovelSum",
    "knn_distance": "k-NN distance",
    "radius": "radius",
    "log_determinant": "log-determinant",
}
"""Measures that say themselves what they found, in the order in which they are printed."""


class TaggedSet(NamedTuple):
    """A set by its tags: its name, the tags of each record, where each is from, and its lineage, where known."""

    name: str
    tag_lists: TagLists
    sources: Sequence[str]
    lineages: Lineages = None

    @classmethod
    def of(cls, name: str, table: Table) -> TaggedSet:
        """The tags of a table."""
        tag_lists = [[tag["name"] for tag in tags] for tags in table.values("tags")]
        sources = [source or "(none)" for source in table.values("source")]
        return cls(name, tag_lists, sources, table.lineages())

    @classmethod
    def read(cls, name: str, path: Path) -> Self:
        """The tags in a Parquet file of records, without reading anything else.

        Raises:
            InputError: the file is damaged.
        """
        import pyarrow.compute as pc

        known: dict[str, str] = {}  # each name is held once, however many records have it
        tag_lists: list[list[str]] = []
        sources: list[str] = []
        for batch in open_rows(path).iter_batches(batch_size=1 << 14, columns=["tags", "source"]):
            tags = batch.column("tags")
            names = iter(pc.list_flatten(tags).field("name").to_pylist())
            tag_lists += (
                [known.setdefault(tag, tag) for tag in itertools.islice(names, number)]
                for number in pc.list_value_length(tags).to_pylist()
            )
            sources += (source or "(none)" for source in batch.column("source").to_pylist())
        return cls(name, tag_lists, sources)

    def summaries(self, pool: Collection[str]) -> list[TagSummary]:
        """The measures of the set, then of each of its sources where there are several."""
        sources = by_source(self.tag_lists, self.sources, pool)
        return [summarize(self.name, self.tag_lists, pool), *(sources if len(sources) > 1 else [])]


def measures(table: Table, name: str, pool: Collection[str] | None = None) -> dict[str, Any]:
    """All measures of a set that need no model, as plain JSON. What is not there is None, never 0.

    Args:
        pool: the tags that diversity is a share of; by default the set's own, of which it has all.
    """
    tagged = TaggedSet.of(name, table)
    counts = tag_counts(tagged.tag_lists)
    texts = {field: table.texts(field) for field in ("prompt", "output")}
    return {
        "records": len(table),
        "languages": _ordered(language_mix(texts["prompt"], table.values("lang"))),
        "tasks": _ordered(Counter(task or "(none)" for task in table.values("task"))),
        "words": {
            field: (found._asdict() if (found := lengths(rows)) else None) for field, rows in texts.items()
        },
        "distinct": {field: {str(n): distinct_n(rows, n) for n in DISTINCT} for field, rows in texts.items()},
        "mtld": {field: _mtld(rows) for field, rows in texts.items()},
        "compression": {field: _compression(rows) for field, rows in texts.items()},
        "pool": None if pool is None else len(set(pool)),
        "tags": [asdict(row) for row in tagged.summaries(counts if pool is None else pool)],
        "coverage": [point._asdict() for point in coverage_curve(tagged.tag_lists, 10)],
        "top_tags": [list(item) for item in top_tags(counts)],
        "rare_tags": [list(item) for item in rare_tags(counts)],
        "top_pairs": [list(pair) for pair in top_pairs(tagged.tag_lists)],
    }


def _mtld(texts: Sequence[str]) -> dict[str, Any]:
    """The mean MTLD of at most `READ` texts, evenly spaced, of the beginning of each."""
    some = _some(texts)
    found = text_diversity(some)
    said = number(found.mean, found.interval, ".1f") if found.mean is not None else "none"
    said += f", of {found.texts:,} of {len(some):,} texts"
    if found.short:
        said += f"; {found.short:,} have fewer than {FEWEST_TOKENS} words"
    if found.unrepeated:
        said += f"; {found.unrepeated:,} say no word twice"
    return {**found._asdict(), "of": len(some), "said": said}


def _compression(texts: Sequence[str]) -> dict[str, Any]:
    """How many times smaller gzip makes random halves of at most `READ` texts, evenly spaced."""
    some = _some(texts)
    if not some:
        return {"mean": None, "deviation": None, "size": 0, "of": 0, "said": "none: there is no text"}
    halves = sampled(
        lambda at: compression_ratio(some[row] for row in at.tolist()) or 0.0, len(some), -(-len(some) // 2)
    )
    spread = f" ± {halves.deviation:.3f}" if halves.size < len(some) else ""
    said = f"{halves.mean:.3f}{spread}, of random halves of {len(some):,} texts, a number of the whole set"
    return {**halves._asdict(), "of": len(some), "said": said}


def _some(texts: Sequence[str]) -> list[str]:
    written = [text for text in texts if text.strip()]
    return [written[at][:HEAD] for at in evenly(len(written), READ)]


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def measure_lines(found: dict[str, Any]) -> Iterator[str]:
    """What `measures` found, as lines to print."""
    yield f"{count(found['records'])} records"
    for name in ("languages", "tasks"):
        yield f"{name:<12}{_listed(found[name].items())}"
    yield ""
    heads = ("mean", "deviation", "smallest", "lower", "median", "upper", "largest")
    yield " ".join([f"{'words':<14}", *(f"{head:>10}" for head in heads)])
    for field, row in found["words"].items():
        cells = [f"{row[head]:>10,.1f}" for head in heads] if row else ["(none)"]
        yield " ".join([f"{field:<14}", *cells])
    yield ""
    yield " ".join([f"{'distinct':<14}", *(f"{f'{n}-grams':>10}" for n in DISTINCT)])
    for field, row in found["distinct"].items():
        yield " ".join([f"{field:<14}", *(f"{_share(row[str(n)]):>10}" for n in DISTINCT)])
    for key, title in (("mtld", "MTLD"), ("compression", "gzip ratio")):
        for field, row in found[key].items():
            yield f"{title} of the {field}s: {row['said']}"
    for key, title in TITLES.items():
        if key in found:
            yield f"{title}: {found[key]['said']}"
    yield ""
    yield from summary_lines([[TagSummary(**row) for row in found["tags"]]])
    if found["top_tags"]:
        own = found["pool"] is None
        whose = (
            "of the set's own tags: --pool names the set that it was chosen from"
            if own
            else "of the pool's tags"
        )
        yield f"diversity is the share {whose}"
    if found["coverage"]:
        points = ", ".join(f"{p['records']:,}: {p['tags']:,.0f}" for p in found["coverage"])
        yield f"tags of a random subset   {points}"
    if found["top_tags"]:
        yield f"most used   {_listed(found['top_tags'][:SHOWN])}"
        yield f"least used  {_listed(found['rare_tags'][:SHOWN])}"
    if found["top_pairs"]:
        yield f"together    {_listed((f'{a} + {b}', n) for a, b, n in found['top_pairs'][:SHOWN])}"


def summary_lines(sets: Sequence[Sequence[TagSummary]]) -> Iterator[str]:
    """The measures of sets as a table: each set, and below it its sources, a little to the right."""
    heads = ("records", "tagged", "tags", "once", "diversity", "complexity")
    rows = [
        (_name(row.name) if at == 0 else f"  {_name(row.name)}", row)
        for one in sets
        for at, row in enumerate(one)
    ]
    width = max([len("tags"), *(len(name) for name, _ in rows)])
    yield "  ".join(["tags".ljust(width), *(f"{head:>10}" for head in heads)])
    for name, row in rows:
        cells = [
            *(count(number) for number in (row.records, row.tagged, row.tags, row.once)),
            _share(row.diversity),
            "none" if row.complexity is None else f"{row.complexity:.2f}",
        ]
        yield "  ".join([name.ljust(width), *(f"{cell:>10}" for cell in cells)])


def _name(text: str) -> str:
    return shorten(visible(text), NAME_CHARACTERS)


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _listed(items: Any) -> str:
    items = list(items)
    said = ", ".join(f"{_name(name)} {number:,}" for name, number in items[:SHOWN])
    return said + (f", and {count(len(items) - SHOWN)} more" if len(items) > SHOWN else "")
