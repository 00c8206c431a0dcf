"""Records as a table: Arrow in memory, Parquet on disk, and the columns that whole-set steps ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from factory.data.arrow import to_array, to_numbers
from factory.data.at_rest import (
    conversations,
    drop_row,
    from_batch,
    read_message,
    record_schema,
    to_batch,
    to_schema,
)
from factory.data.record import (
    INPUT_SEPARATOR,
    Drop,
    Event,
    Record,
    record_id,
)
from factory.data.text import call_text, turn_text
from factory.data.whole_file import whole_file

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

BATCH = 1024
"""Records that become one Parquet row group and are held in memory at a time while streaming."""


class Table:
    """All records of a set as an Arrow table, with the columns that whole-set steps ask for."""

    def __init__(self, arrow: pa.Table) -> None:
        self.arrow = arrow.combine_chunks()

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    @classmethod
    def from_records(cls, records: Iterable[Record]) -> Self:
        """A table of these records, in their order."""
        import pyarrow as pa

        batches, held = [], []
        for record in records:
            held.append(record)
            if len(held) == BATCH:
                batches.append(to_batch(held))
                held = []
        batches.append(to_batch(held))
        return cls(pa.Table.from_batches(batches, schema=record_schema()))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The table in a Parquet file that `write_records` or `write` made."""
        import pyarrow.parquet as pq

        # Not `read_table`: it imports pandas wherever that is installed.
        with pq.ParquetFile(path) as file:
            known = [name for name in record_schema().names if name in file.schema_arrow.names]
            return cls(to_schema(file.read(columns=known)))

    def write(self, path: Path) -> None:
        """Write the table to a Parquet file, whole or not at all."""
        with write_records(path) as writer:
            for batch in self.arrow.to_batches(max_chunksize=BATCH):
                writer.write_batch(batch)

    def records(self) -> Iterator[Record]:
        """The records, in order; only a batch of them exists at a time."""
        for batch in self.arrow.to_batches(max_chunksize=BATCH):
            yield from from_batch(batch)

    def ids(self) -> list[str]:
        """The ids, in order."""
        return self.values("id")

    def values(self, column: str) -> list[Any]:
        """A plain column ("id", "source", "lang", "task") as a list."""
        values: list[Any] = self.arrow.column(column).to_pylist()
        return values

    def texts(self, field: str, *, compared: bool = False) -> list[str]:
        """The text of each record: "instruction", "input", "output", "prompt", or "both" (prompt and output).

        The prompt is the last user turn, the output all that was answered to it; each turn is read as
        `text.turn_text` reads it, but that the instruction and the input are words alone.

        compared: as duplicates are compared. The turns before the prompt stand before it, a system turn apart: two
            conversations that end in the same words ("go on") are not the same then. And the tools that the
            answer calls stand behind it: two records that differ in their calls alone are not the same either.
        """
        messages = self.arrow.column("messages").combine_chunks()
        offsets = to_numbers(messages.offsets)
        first, last = int(offsets[0]), int(offsets[-1])
        # Of a part of a table the values are those of the whole.
        turns, offsets = messages.values.slice(first, last - first), offsets - first
        roles, contents = turns.field("role").to_pylist(), turns.field("content").to_pylist()
        spoken, called = contents, [""] * len(contents)
        if any(turns.field(name).null_count < len(turns) for name in ("calls", "media")):
            whole = list(map(read_message, turns.to_pylist()))
            spoken = list(map(turn_text, whole))
            called = ["\n".join(map(call_text, turn.calls)) for turn in whole]
        asked = (
            contents if field in ("instruction", "input") else spoken
        )  # words alone, or all that they show
        input_chars = self.arrow.column("input_chars").to_pylist()
        result = []
        for start, end, chars in zip(offsets[:-1].tolist(), offsets[1:].tolist(), input_chars, strict=True):
            at = end - 1
            while at >= start and roles[at] != "user":
                at -= 1
            prompt = asked[at] if at >= start else ""
            if field == "input":
                result.append(prompt[-chars:] if chars else "")
                continue
            answer = range(max(at, start - 1) + 1, end)
            answered = end > start and roles[end - 1] == "assistant"
            output = "\n".join([spoken[turn] for turn in answer]) if answered else ""
            if field == "output":
                result.append(output)
                continue
            if field == "instruction" and chars:
                prompt = prompt[: -chars - len(INPUT_SEPARATOR)]
            if compared:
                before = [spoken[turn] for turn in range(start, max(at, start)) if roles[turn] != "system"]
                calls = [called[turn] for turn in answer if called[turn] and field != "both"]
                if before or calls:
                    prompt = "\n".join([*before, prompt, *calls])
            result.append(f"{prompt}\n{output}" if field == "both" else prompt)
        return result

    def turn_texts(self) -> Iterator[list[str]]:
        """The texts of each record's turns, each as `text.turn_text` reads it, with its reasoning before it."""
        for batch in self.arrow.select(["messages"]).to_batches(max_chunksize=BATCH):
            for messages in conversations(batch.column("messages")):
                yield [
                    f"{turn.reasoning}\n{turn_text(turn)}" if turn.reasoning else turn_text(turn)
                    for turn in messages
                ]

    def lineages(self) -> list[int]:
        """A number for each record, from 0, the same for those that were made from one seed."""
        numbers: dict[str, int] = {}
        lineages = []
        for batch in self.arrow.select(["id", "events"]).to_batches(max_chunksize=BATCH):
            for id, events in zip(
                *(batch.column(name).to_pylist() for name in ("id", "events")), strict=True
            ):
                root = next((event["parents"][0] for event in events or () if event["parents"]), id)
                lineages.append(numbers.setdefault(root, len(numbers)))
        return lineages

    def scores(self, name: str) -> NDArray[np.float64]:
        """A score as float64, shape (rows,); NaN where it is missing."""
        import numpy as np

        values = (dict(pairs).get(name, np.nan) for pairs in self.values("scores"))
        return np.fromiter(values, dtype=np.float64, count=len(self))

    def score_names(self) -> list[str]:
        """Names of all scores that at least one record has, sorted."""
        return sorted({name for pairs in self.values("scores") for name, _ in pairs})

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Self:
        """The rows at these positions, in that order."""
        import pyarrow as pa

        return type(self)(self.arrow.take(to_array(indices, pa.int64())))

    def repeated(self, indices: Sequence[int] | NDArray[np.int64], step: str, epoch: int) -> Self:
        """Copies of the rows at these positions, each a record of its own, whose history says of which it is one.

        epoch: which time the rows are taken, from 2
        """
        import numpy as np
        import pyarrow as pa

        rows = self.take(indices).arrow
        ids = rows.column("id").to_pylist()
        copies = [record_id((), step, "repeat", str(epoch), id) for id in ids]
        events = rows.column("events").combine_chunks()
        events = events.chunk(0) if isinstance(events, pa.ChunkedArray) else events
        kind = record_schema().field("events").type
        last = to_array([[Event(step, "repeat", parents=(id,), round=epoch)] for id in ids], kind).values
        offsets = to_numbers(events.offsets).astype(np.int64)
        lengths = np.diff(offsets)
        ends = np.cumsum(lengths + 1)
        places = np.empty(int(ends[-1]) if len(ends) else 0, np.int64)
        own = np.ones(len(places), bool)
        own[ends - 1] = False
        places[own] = np.arange(offsets[0], offsets[-1]) if len(offsets) else 0
        places[~own] = len(events.values) + np.arange(len(ids))
        joined = pa.concat_arrays([events.values, last]).take(to_array(places, pa.int64()))
        starts = np.concatenate([[0], ends]).astype(np.int32)
        whole = pa.ListArray.from_arrays(to_array(starts, pa.int32()), joined, type=kind)
        for name, column in (("id", to_array(copies, pa.string())), ("events", whole)):
            field = record_schema().field(name)
            rows = rows.set_column(rows.schema.get_field_index(name), field, column)
        return type(self)(rows)

    def with_rows(self, *others: Self) -> Self:
        """The table with the rows of others behind its own; nothing is copied."""
        import pyarrow as pa

        joined = type(self).__new__(type(self))
        joined.arrow = pa.concat_tables([self.arrow, *(other.arrow for other in others)])
        return joined

    def parts(self, rows: int) -> Iterator[Self]:
        """The table in parts of so many rows, one after another; nothing is copied."""
        for start in range(0, len(self), rows):
            yield type(self)(self.arrow.slice(start, rows))

    def drop(self, drops: Mapping[int, Drop]) -> Self:
        """The same table with the rows at these positions marked as let go; marks that were there stay."""
        values = [None if was is None else tuple(was.values()) for was in self.values("dropped")]
        for index, drop in drops.items():
            values[index] = drop_row(drop)
        at = self.arrow.schema.get_field_index("dropped")
        column = to_array(values, record_schema().field("dropped").type)
        return type(self)(self.arrow.set_column(at, record_schema().field("dropped"), column))

    def split(self) -> tuple[Self, Self]:
        """The rows that live on, and those that were let go."""
        import pyarrow.compute as pc

        live = pc.is_null(self.arrow.column("dropped"))
        return type(self)(self.arrow.filter(live)), type(self)(self.arrow.filter(pc.invert(live)))


class RecordWriter:
    """Adds records to a Parquet file as they come. See `write_records`."""

    def __init__(self, parquet: pq.ParquetWriter) -> None:
        self.rows = 0
        self._held: list[Record] = []
        self._parquet = parquet

    def write(self, record: Record) -> None:
        """Add one record."""
        self._held.append(record)
        if len(self._held) == BATCH:
            self.flush()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Add an Arrow batch of records."""
        self._parquet.write_batch(batch)
        self.rows += batch.num_rows

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        if held:
            self.write_batch(to_batch(held))


@contextlib.contextmanager
def write_records(path: Path) -> Iterator[RecordWriter]:
    """A writer of records to a Parquet file, which appears under its name only when it is complete.

    Raises:
        OutputError: the file cannot be written, or a record holds what no JSON can.
    """
    import pyarrow.parquet as pq

    with whole_file(path, "free some space, or name another folder") as file:
        parquet = pq.ParquetWriter(file, record_schema(), compression="zstd")
        writer = RecordWriter(parquet)
        try:
            yield writer
            writer.flush()
        except BaseException:
            with contextlib.suppress(OSError):  # the error that came first is the one to tell
                parquet.close()
            raise
        parquet.close()
