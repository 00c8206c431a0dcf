"""Records as a table: Arrow in memory, Parquet on disk. The one place where records become columns and back."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from factory.columns import to_array, to_numbers
from factory.errors import OutputError
from factory.record import INPUT_SEPARATOR, Drop, Event, Message, Record, Tag

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

BATCH = 1024
"""Records that become one Parquet row group and are held in memory at a time while streaming."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@functools.cache
def record_schema() -> pa.Schema:
    """The Arrow schema of records at rest. `meta` is JSON text, so that any source's columns fit."""
    import pyarrow as pa

    # A million answers hold more than the 2 GiB that the offsets of a plain string column reach.
    text, prose = pa.string(), pa.large_string()
    event = pa.struct(
        [
            ("step", text),
            ("operation", text),
            ("model", text),
            ("prompt", text),
            ("calls", pa.list_(prose)),
            ("parents", pa.list_(text)),
            ("round", pa.int32()),
        ]
    )
    numbers = pa.map_(text, pa.float64())
    drop = pa.struct(
        [("step", text), ("kind", text), ("reason", prose), ("numbers", numbers), ("failed", pa.bool_())]
    )
    return pa.schema(
        [
            ("id", text),
            ("messages", pa.list_(pa.struct([("role", text), ("content", prose)]))),
            ("source", text),
            ("lang", text),
            ("task", text),
            ("tags", pa.list_(pa.struct([("name", text), ("explanation", prose)]))),
            ("scores", numbers),
            ("notes", pa.map_(text, prose)),
            ("events", pa.list_(event)),
            ("dropped", drop),
            ("meta", prose),
            ("input_chars", pa.int32()),
        ]
    )


def to_batch(records: Sequence[Record]) -> pa.RecordBatch:
    """Records as one Arrow batch. A lone surrogate, which no UTF-8 file can hold, becomes U+FFFD.

    Raises:
        OutputError: a record's `meta` is not plain JSON.
    """
    import pyarrow as pa

    columns: list[list[Any]] = [
        [r.id for r in records],
        [r.messages for r in records],
        [r.source for r in records],
        [r.lang for r in records],
        [r.task for r in records],
        [r.tags for r in records],
        [list(r.scores.items()) for r in records],
        [list(r.notes.items()) for r in records],
        [r.events for r in records],
        [_drop_row(r.dropped) for r in records],
        [_meta_json(r) for r in records],
        [r.input_chars for r in records],
    ]
    schema = record_schema()
    try:
        arrays = [to_array(values, column.type) for values, column in zip(columns, schema, strict=True)]
    except UnicodeEncodeError:
        mended = [_mended(values) for values in columns]
        arrays = [to_array(values, column.type) for values, column in zip(mended, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _drop_row(drop: Drop | None) -> tuple[Any, ...] | None:
    return None if drop is None else (*drop[:3], list(drop.numbers.items()), drop.failed)


def _meta_json(record: Record) -> str:
    try:
        try:
            return orjson.dumps(record.meta).decode()
        except TypeError:  # a lone surrogate, or what no JSON can hold
            return orjson.dumps(_mended(record.meta)).decode()
    except TypeError as error:
        raise OutputError(
            f"record {record.id}: its meta cannot be kept as JSON ({error}): make it plain text, numbers and lists"
        ) from error


def _mended(value: Any) -> Any:
    """`value` with each lone surrogate of its texts replaced, character by character: `input_chars` holds."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_mended(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def from_batch(batch: pa.RecordBatch | pa.Table) -> Iterator[Record]:
    """The records of an Arrow batch or table."""
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    for row in zip(*(columns[name] for name in record_schema().names), strict=True):
        id, messages, source, lang, task, tags, scores, notes, events, dropped, meta, input_chars = row
        yield Record(
            id=id,
            messages=tuple(Message(m["role"], m["content"]) for m in messages),
            source=source,
            lang=lang,
            task=task,
            tags=tuple(Tag(t["name"], t["explanation"]) for t in tags),
            scores=dict(scores),
            notes=dict(notes),
            events=tuple(
                Event(**{**e, "calls": tuple(e["calls"]), "parents": tuple(e["parents"])}) for e in events
            ),
            dropped=Drop(**{**dropped, "numbers": dict(dropped["numbers"])}) if dropped else None,
            meta=orjson.loads(meta),
            input_chars=input_chars,
        )


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
        """The table in a Parquet file that `RecordWriter` or `write` made."""
        import pyarrow.parquet as pq

        # Not `read_table`: it imports pandas wherever that is installed.
        with pq.ParquetFile(path) as file:
            return cls(file.read(columns=record_schema().names).cast(record_schema()))

    def write(self, path: Path) -> None:
        """Write the table to a Parquet file, whole or not at all."""
        with RecordWriter(path) as writer:
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

    def texts(self, field: str, *, earlier_turns: bool = False) -> list[str]:
        """The text of each record: "instruction", "input", "output", "prompt", or "both" (prompt and output).

        The prompt is the last user turn. With `earlier_turns` the turns before it stand before it, a system turn
        apart: two conversations that end in the same words ("go on") are not the same then.
        """
        messages = self.arrow.column("messages").combine_chunks()
        offsets = to_numbers(messages.offsets)
        roles = messages.values.field("role").to_pylist()
        contents = messages.values.field("content").to_pylist()
        input_chars = self.arrow.column("input_chars").to_pylist()
        result = []
        for start, end, chars in zip(offsets[:-1].tolist(), offsets[1:].tolist(), input_chars, strict=True):
            at = end - 1
            while at >= start and roles[at] != "user":
                at -= 1
            prompt = contents[at] if at >= start else ""
            if field == "input":
                result.append(prompt[-chars:] if chars else "")
                continue
            output = contents[end - 1] if end > start and roles[end - 1] == "assistant" else ""
            if field == "output":
                result.append(output)
                continue
            if field == "instruction" and chars:
                prompt = prompt[: -chars - len(INPUT_SEPARATOR)]
            if earlier_turns and at > start:
                before = [contents[turn] for turn in range(start, at) if roles[turn] != "system"]
                prompt = "\n".join([*before, prompt])
            result.append(f"{prompt}\n{output}" if field == "both" else prompt)
        return result

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

    def drop(self, drops: Mapping[int, Drop]) -> Self:
        """The same table with the rows at these positions marked as let go; marks that were there stay."""
        values = [None if was is None else tuple(was.values()) for was in self.values("dropped")]
        for index, drop in drops.items():
            values[index] = _drop_row(drop)
        at = self.arrow.schema.get_field_index("dropped")
        column = to_array(values, record_schema().field("dropped").type)
        return type(self)(self.arrow.set_column(at, record_schema().field("dropped"), column))

    def split(self) -> tuple[Self, Self]:
        """The rows that live on, and those that were let go."""
        import pyarrow.compute as pc

        live = pc.is_null(self.arrow.column("dropped"))
        return type(self)(self.arrow.filter(live)), type(self)(self.arrow.filter(pc.invert(live)))


class RecordWriter:
    """Writes records to a Parquet file as they come; the file appears under its name only when complete."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._part = path.with_name(path.name + ".part")
        self._held: list[Record] = []
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            with contextlib.suppress(OSError):  # the error that came first is the one to tell
                if self._writer is not None:
                    self._writer.close()
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)

    def write(self, record: Record) -> None:
        """Add one record."""
        self._held.append(record)
        if len(self._held) == BATCH:
            self._flush()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Add an Arrow batch of records."""
        import pyarrow.parquet as pq

        try:
            if self._writer is None:
                self._part.parent.mkdir(parents=True, exist_ok=True)
                self._writer = pq.ParquetWriter(self._part, record_schema(), compression="zstd")
            self._writer.write_batch(batch)
        except OSError as error:
            raise self._cannot(error) from error
        self.rows += batch.num_rows

    def _flush(self) -> None:
        held, self._held = self._held, []
        self.write_batch(to_batch(held))

    def close(self) -> None:
        """Write what is held and put the file in its place."""
        if self._held or self._writer is None:
            self._flush()
        try:
            self._writer.close()
            self._writer = None
            self._part.replace(self.path)
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> OutputError:
        why = error.strerror or str(error)
        return OutputError(f"{self.path}: cannot be written ({why}); free some space, or name another folder")
