"""What filling works on: the parts of a run, what went its way before, and where records come from."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from pydantic import PrivateAttr

from factory.data.lacking import Lacking
from factory.data.record import Record
from factory.data.table import Table, write_records
from factory.data.text import shorten
from factory.step import Context, PerRecord

AGAIN = "again"
SHOWN = 6
"""Groups that are named."""


@runtime_checkable
class Filled(Protocol):
    """A whole-set step whose set can be filled by going back to the steps before it that make records."""

    def fills(self) -> bool:
        """Whether the engine is to go back, as long as `lacking` says that something is."""
        ...

    def lacking(self, table: Table, context: Context) -> Lacking:
        """What the records that come in lack; asked before `run`."""
        ...


class Part(NamedTuple):
    """A stretch of the recipe between borders that has run: steps `first` to `end`, and the records that it kept."""

    first: int
    end: int
    kept: Path

    @property
    def dropped(self) -> Path:
        """The records that it let go."""
        return self.kept.with_name("dropped.parquet")


class Known(PerRecord):
    """Ends the way of a record that went it before; stands behind a step that makes records."""

    name: ClassVar[str] = AGAIN
    _ids: set[str] = PrivateAttr(default_factory=set)
    _again: int = PrivateAttr(default=0)

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        if record.id in self._ids:
            self._again += 1
            yield record.drop(context.step, AGAIN, "it was made in an earlier round")
        else:
            self._ids.add(record.id)
            yield record

    def know(self, ids: Iterable[str]) -> None:
        """Take these records for known."""
        self._ids.update(ids)

    def take_count(self) -> int:
        """How many were ended since this was asked last."""
        again, self._again = self._again, 0
        return again


def round_seed(seed: int, number: int) -> int:
    """The seed of a round of filling."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/fill/{number}".encode(), digest_size=4).digest(), "big")


def parents_of(record: Record) -> set[str]:
    """The ids of the records that it comes of."""
    return {parent for event in record.events for parent in event.parents}


def lineage_of(table: Table) -> set[str]:
    """The ids of records and of all that they come of."""
    found = set(table.ids())
    for events in table.values("events"):
        for event in events or ():
            found.update(event["parents"])
    return found


def append(path: Path, records: Sequence[Record]) -> None:
    """Write records behind those of a file."""
    if not records:
        return
    before = Table.read(path)
    with write_records(path) as writer:
        for batch in before.arrow.to_batches(max_chunksize=1024):
            writer.write_batch(batch)
        for record in records:
            writer.write(record)


def listed(lack: Lacking) -> str:
    """What is lacking, as the beginning of a sentence."""
    groups = sorted(lack.missing.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{number:,} of {shorten(group, 30)!r}" for group, number in groups[:SHOWN])
    more = f" and of {len(groups) - SHOWN:,} more groups" if len(groups) > SHOWN else ""
    return f"about {named}{more} are"


def silent(sentence: str) -> None:
    """It was said in the first pass."""
