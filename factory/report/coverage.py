"""What of the documents is in the set: chunks, facts, headings and pages with a kept row, and why others have none.

Read from a run's files: the chunks and rows that it kept and let go, and the facts that `from_documents` noted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson

from factory.data.document import CHUNK, DOCUMENT, Chunk, chunk_in
from factory.data.whole_file import write_whole
from factory.report.plain import count, counts, visible
from factory.report.run_files.lookup import batches
from factory.report.run_files.rows import dropped_files, kept_files

COVERAGE = "coverage.jsonl"
"""The file in a run's folder that tells the coverage of each document."""
MEASURES = ("chunks", "facts", "headings", "pages")
SPANS = "spans"
"""The key of a row's `meta` under which it keeps the words that it rests on."""
MADE_OF = "chunk"
"""The kind of drop of a chunk that rows were made of."""
NOT_ASKED = "not_asked"

Key: TypeAlias = "tuple[str, str, int]"
"""A chunk: its document, its file, its number."""


class Part(NamedTuple):
    """So many of a kind that a document has, and so many of them with a row in the set."""

    there: int = 0
    covered: int = 0


@dataclass(slots=True)
class FileCoverage:
    """What of one file is in the set.

    rows: kept rows with a span in it
    parts: by the names of `MEASURES`
    why: of its chunks without a row, by the kind of reason; of a file without chunks, why it has none
    """

    file: str
    rows: int = 0
    parts: dict[str, Part] = field(default_factory=dict)
    why: Counter[str] = field(default_factory=Counter)

    def as_row(self) -> dict[str, Any]:
        """As a row of the file."""
        told: dict[str, Any] = {"file": self.file, "rows": self.rows}
        for name in MEASURES:
            part = self.parts.get(name, Part())
            told |= {name: part.there, f"{name}_with_a_row": part.covered}
        return {**told, "why_not": dict(self.why.most_common())}


def write_coverage(folder: Path) -> list[FileCoverage]:
    """Tell the coverage of each document of a run in its folder; nothing where it has no documents.

    Raises:
        InputError: a file of the run is damaged.
        OutputError: the file cannot be written.
    """
    found = coverage(folder)
    if found:
        lines = [orjson.dumps(one.as_row()) + b"\n" for one in found]
        write_whole(folder / COVERAGE, b"".join(lines))
    return found


def coverage(folder: Path) -> list[FileCoverage]:
    """The coverage of each document, in the order of their names; none where a run asked nothing about documents.

    A chunk, and a fact, is covered where a kept row has a span in it; a heading and a page, where a chunk below or on
    it is. Of a row that keeps no spans all of its chunk counts.

    Raises:
        InputError: a file of the run is damaged.
    """
    read = _Read()
    for path in dropped_files(folder):
        for row in _rows(path):
            read.take(row, kept=False)
    for path in kept_files(folder)[:1]:
        for row in _rows(path):
            read.take(row, kept=True)
    asked = read.own or read.spans or read.whole or read.why_row
    return read.by_file(_facts(folder)) if asked else []


def coverage_lines(folder: Path) -> list[str]:
    """What a person is told of it at the end of a run, in two or three lines; none where there is none."""
    path = folder / COVERAGE
    if not path.is_file():
        return []
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    named = []
    for name in MEASURES:
        there, covered = (sum(row[key] for row in rows) for key in (name, f"{name}_with_a_row"))
        if there:
            named.append(f"{count(covered)} of {count(there)} {name} ({covered / there:.0%})")
    lines = [f"covered  {', '.join(named)} of {count(len(rows))} {'files' if len(rows) > 1 else 'file'}"]
    why: Counter[str] = Counter()
    for row in rows:
        why.update(row["why_not"])
    if why:
        lines.append(f"         without a row: {counts(why)}")
    least = min(rows, key=lambda row: (row["chunks_with_a_row"] / (row["chunks"] or 1), -row["chunks"]))
    if len(rows) > 1 and least["chunks_with_a_row"] < least["chunks"]:
        lines.append(
            f"         least of {visible(least['file'])}: {count(least['chunks_with_a_row'])} of "
            f"{count(least['chunks'])} chunks; {COVERAGE} has each file"
        )
    return lines


class _Row(NamedTuple):
    id: str
    meta: Mapping[str, Any]
    parents: frozenset[str]
    last_parents: frozenset[str]
    dropped: str


@dataclass(slots=True)
class _Read:
    """What the rows of a run tell. why: by chunk, the kinds of reason of what it or its rows were let go for."""

    chunks: dict[Key, Chunk] = field(default_factory=dict)
    keys: dict[str, list[Key]] = field(default_factory=lambda: defaultdict(list))
    own: dict[Key, str] = field(default_factory=dict)
    why: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    why_row: dict[Key, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    spans: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    whole: set[Key] = field(default_factory=set)
    rows: Counter[str] = field(default_factory=Counter)
    without: dict[str, str] = field(default_factory=dict)

    def take(self, row: _Row, *, kept: bool) -> None:
        """Note a record that the run kept or let go."""
        about = chunk_in(row.meta)
        if about is None:
            document = row.meta.get(DOCUMENT)
            if isinstance(document, Mapping) and row.dropped:
                self.without[str(document.get("file", ""))] = row.dropped
            return
        key = about.document, about.file, about.number
        self.chunks.setdefault(key, about)
        spans = row.meta.get(SPANS)
        if spans is None and row.last_parents <= {key[0]}:  # the chunk itself
            self.keys[row.id].append(key)
            if row.dropped and row.dropped != MADE_OF:
                self.own[key] = row.dropped
        elif not kept:
            self.why_row[key][row.dropped] += 1
            for parent in row.parents:
                self.why[parent][row.dropped] += 1
        elif spans is None:
            self.whole.add(key)
            self.rows[key[1]] += 1
        else:
            for span in spans:
                self.spans[span["record"]].append((span["start"], span["end"]))
            self.rows.update({span["file"] for span in spans if span.get("file")})

    def by_file(self, facts: Iterator[Mapping[str, Any]]) -> list[FileCoverage]:
        """What of each file is in the set."""
        covered = self.whole | {key for id in self.spans for key in self.keys.get(id, ())}
        files: dict[str, list[Key]] = defaultdict(list)
        for key, chunk in sorted(self.chunks.items(), key=lambda one: one[0]):
            files[chunk.file].append(key)
        stated = {name: [0, 0] for name in files}
        for fact in facts:
            found = stated.get(str(fact.get("file", "")))
            if found is not None:
                found[0] += 1
                found[1] += self._has(fact)
        ids = {key: id for id, keys in self.keys.items() for key in keys}
        told = []
        for name, keys in sorted(files.items()):
            one = FileCoverage(name, self.rows[name])
            has = [key for key in keys if key in covered]
            for measure, of in (("headings", _headings), ("pages", _pages)):
                one.parts[measure] = Part(
                    len({part for key in keys for part in of(self.chunks[key])}),
                    len({part for key in has for part in of(self.chunks[key])}),
                )
            one.parts["chunks"] = Part(len(keys), len(has))
            one.parts["facts"] = Part(*stated[name])
            one.why.update(self._why(key, ids.get(key, "")) for key in keys if key not in covered)
            told.append(one)
        for name, kind in sorted(self.without.items()):
            if name not in files:
                told.append(FileCoverage(name, why=Counter({kind: 1})))
        return told

    def _has(self, fact: Mapping[str, Any]) -> bool:
        """Whether kept spans hold half of a fact's words at the least."""
        start, end = fact["start"], fact["end"]
        best = max(
            (min(end, to) - max(start, at) for at, to in self.spans.get(fact["record"], ())), default=0
        )
        return bool(2 * best >= end - start)

    def _why(self, key: Key, id: str) -> str:
        """The kind of reason why a chunk has no row: its own, or that of most rows that were made of it."""
        if key in self.own:
            return self.own[key]
        kinds = self.why.get(id) or self.why_row.get(key)
        return min(kinds, key=lambda kind: (-kinds[kind], kind)) if kinds else NOT_ASKED


def _headings(chunk: Chunk) -> list[tuple[str, ...]]:
    return [chunk.headings] if chunk.headings else []


def _pages(chunk: Chunk) -> range:
    return range(chunk.first_page, chunk.last_page + 1) if chunk.first_page else range(0)


def _rows(path: Path) -> Iterator[_Row]:
    """The records of a file that are documents, chunks, or made of chunks."""
    import pyarrow.compute as pc

    for _, batch in batches(path, ["id", "meta", "events", "dropped"]):
        about = pc.or_(
            pc.match_substring(batch.column("meta"), f'"{CHUNK}":'),
            pc.match_substring(batch.column("meta"), f'"{DOCUMENT}":'),
        )
        for row in batch.filter(about).to_pylist():
            parents = [event["parents"] for event in row["events"] or () if event["parents"]]
            yield _Row(
                row["id"],
                orjson.loads(row["meta"]),
                frozenset(parent for own in parents for parent in own),
                frozenset(parents[-1] if parents else ()),
                row["dropped"]["kind"] if row["dropped"] else "",
            )


def _facts(folder: Path) -> Iterator[Mapping[str, Any]]:
    """The facts that a step noted, those of rounds that filled the set among them, each once."""
    seen = set()
    for path in sorted(folder.glob("steps/*/*facts.jsonl")):
        for line in path.read_bytes().splitlines():
            fact = orjson.loads(line)
            key = fact.get("record"), fact.get("start"), fact.get("end"), fact.get("fact")
            if None not in key and key not in seen:
                seen.add(key)
                yield fact
