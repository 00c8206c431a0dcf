"""Finds records in a run's folder: by id, by the beginning of an id, by the id their source row had."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from factory.data.record import Record
from factory.data.text import shorten
from factory.errors import InputError
from factory.report.plain import visible
from factory.report.run_files.manifest import read_manifest
from factory.report.run_files.rows import dropped_files, kept_files, open_rows, rows_at
from factory.report.run_files.state import run_state

if TYPE_CHECKING:
    import pyarrow as pa

SHORTEST_PREFIX = 4
MOST_NAMED = 5
"""How many records a message names where several fit."""


class Lookup:
    """The records of one run. Where a record lies in several files, the last that became of it counts."""

    def __init__(self, folder: Path) -> None:
        # What was let go is in no later file; among what lived, the last border knows most.
        self.files = [*dropped_files(folder), *kept_files(folder)]
        self.folder = folder
        self._ids: dict[Path, pa.Array] = {}

    def find(self, wanted: str) -> Record:
        """The record with this id, else the one whose source row had it, else whose id begins with it.

        Raises:
            InputError: there is none, or several fit.
        """
        wanted = wanted.strip()
        found = self.by_id({wanted}).get(wanted)
        return found or self._by_source_id(wanted) or self._by_prefix(wanted)

    def by_id(self, wanted: Collection[str]) -> dict[str, Record]:
        """Those of the records with these ids that the run still has."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found: dict[str, Record] = {}
        for path in self.files:
            missing = [id for id in wanted if id not in found]
            if not missing:
                break
            hits = pc.is_in(self._column(path), value_set=pa.array(missing, pa.string()))
            positions = pc.indices_nonzero(hits).to_pylist()
            found |= {record.id: record for record in rows_at(path, positions)}
        return found

    def lives(self, id: str) -> bool:
        """Whether the record came through the last border there is."""
        last = kept_files(self.folder)[:1]
        return bool(last) and id in self._column(last[0]).to_pylist()

    def made_from(self, id: str) -> list[Record]:
        """The records that have this one among their ancestors, as they ended."""
        import pyarrow.compute as pc

        found: dict[str, Record] = {}
        for path in [*dropped_files(self.folder), *kept_files(self.folder)[:1]]:
            positions: list[int] = []
            for start, batch in batches(path, ["events"]):
                events = batch.column("events")
                parents = pc.list_flatten(events).field("parents")
                hits = pc.indices_nonzero(pc.equal(pc.list_flatten(parents), id))
                rows = pc.list_parent_indices(events).take(pc.list_parent_indices(parents).take(hits))
                positions += [start + row for row in rows.to_pylist()]
            found |= {record.id: record for record in rows_at(path, positions)}
        return list(found.values())

    def _by_prefix(self, wanted: str) -> Record:
        import pyarrow.compute as pc

        matches: set[str] = set()
        if len(wanted) >= SHORTEST_PREFIX:
            for path in self.files:
                ids = self._column(path)
                matches.update(ids.filter(pc.starts_with(ids, wanted)).to_pylist())
        if len(matches) == 1:
            return self.by_id(matches)[matches.pop()]
        if matches:
            raise InputError(
                f"{len(matches)} records of {self.folder} have an id that begins with {visible(wanted)}: "
                f"{_first(sorted(matches))}; give more of it"
            )
        total = len({id for path in self.files for id in self._column(path).to_pylist()})
        if not total:
            state = run_state(self.folder, read_manifest(self.folder))
            raise InputError(
                f"{self.folder} holds no records yet ({state or 'it is finished'}): they are written when all have "
                "passed the steps up to the first that sees them all at once"
            )
        short = len(wanted) < SHORTEST_PREFIX
        hint = f" (the beginning of an id is enough from {SHORTEST_PREFIX} characters on)" if short else ""
        raise InputError(
            f"none of the {total:,} records of {self.folder} has the id {shorten(wanted, 60)!r}{hint}: "
            "ids are in the id column of the files in dataset/, and in dropped.parquet"
        )

    def _by_source_id(self, wanted: str) -> Record | None:
        """The record a source made of the row with this id; what was made from it carries that id along."""
        import pyarrow.compute as pc

        found: dict[str, Record] = {}
        needle = orjson.dumps(wanted)[1:-1].decode()
        for path in self.files:
            positions = []
            for start, batch in batches(path, ["meta"]):
                meta = batch.column("meta")
                for row in pc.indices_nonzero(pc.match_substring(meta, needle)).to_pylist():
                    value = orjson.loads(meta[row].as_py()).get("id")
                    if value is not None and str(value) == wanted:
                        positions.append(start + row)
            for record in rows_at(path, positions):
                found.setdefault(record.id, record)
        seeds = [record for record in found.values() if not any(event.parents for event in record.events)]
        candidates = seeds or list(found.values())
        if len(candidates) > 1:
            raise InputError(
                f"{len(candidates)} records of {self.folder} come from a row with the id "
                f"{shorten(wanted, 60)!r}: {_first([record.id for record in candidates])}; give one of these"
            )
        return candidates[0] if candidates else None

    def _column(self, path: Path) -> pa.Array:
        import pyarrow as pa

        if path not in self._ids:
            chunks = [batch.column("id") for _, batch in batches(path, ["id"])]
            self._ids[path] = pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())
        return self._ids[path]


def batches(path: Path, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of some columns of a file, each with the position of its first row."""
    start = 0
    for batch in open_rows(path).iter_batches(batch_size=1 << 16, columns=columns):
        yield start, batch
        start += batch.num_rows


def _first(ids: list[str]) -> str:
    return ", ".join(ids[:MOST_NAMED]) + (", ..." if len(ids) > MOST_NAMED else "")
