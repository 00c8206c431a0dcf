"""Records as Arrow: their schema, a batch of them as columns, and columns of any version as records again.

The one place where records become columns and back.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from factory.data.arrow import to_array, to_numbers
from factory.data.record import (
    Candidate,
    Drop,
    Event,
    Media,
    Message,
    Missing,
    Record,
    Tag,
    ToolCall,
)
from factory.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("id", "messages", "source", "lang", "task", "tags", "scores", "notes", "events", "dropped", "meta")
"""What every file of records has; an earlier version's may lack the columns that came since (`to_schema`)."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@functools.cache
def record_schema() -> pa.Schema:
    """The Arrow schema of records at rest. What may be anything is JSON text, so that any source's columns fit."""
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
        [
            ("step", text),
            ("kind", text),
            ("reason", prose),
            ("numbers", numbers),
            ("failed", pa.bool_()),
            ("against", text),
        ]
    )
    call = pa.struct([("name", text), ("arguments", prose), ("id", text)])
    media = pa.struct([("kind", text), ("uri", prose), ("at", pa.int32()), ("extra", prose)])
    message = pa.struct(
        [
            ("role", text),
            ("content", prose),
            ("reasoning", prose),
            ("calls", pa.list_(call)),
            ("call_id", text),
            ("name", text),
            ("weight", pa.float64()),
            ("media", pa.list_(media)),
            ("extra", prose),
        ]
    )
    messages = pa.list_(message)
    candidate = pa.struct(
        [("turns", messages), ("model", text), ("scores", numbers), ("verdicts", pa.map_(text, prose))]
    )
    return pa.schema(
        [
            ("id", text),
            ("messages", messages),
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
            ("tools", prose),
            ("template_arguments", prose),
            ("answers", pa.list_(candidate)),
            ("chosen", pa.int32()),
            ("license", text),
            ("form", text),
            ("missing", pa.map_(text, pa.struct([("kind", text), ("reason", prose)]))),
        ]
    )


def to_batch(records: Sequence[Record]) -> pa.RecordBatch:
    """Records as one Arrow batch. A lone surrogate, which no UTF-8 file can hold, becomes U+FFFD.

    Raises:
        OutputError: what may be anything (`meta`, tools, extra keys of a turn) is not plain JSON.
    """
    import pyarrow as pa

    plain = all(message.is_plain for r in records for message in r.messages)
    columns: list[list[Any]] = [
        [r.id for r in records],
        [[m[:2] if plain else _message_row(m, r) for m in r.messages] for r in records],
        [r.source for r in records],
        [r.lang for r in records],
        [r.task for r in records],
        [r.tags for r in records],
        [list(r.scores.items()) for r in records],
        [list(r.notes.items()) for r in records],
        [r.events for r in records],
        [drop_row(r.dropped) for r in records],
        [_json(r.meta, r) for r in records],
        [r.input_chars for r in records],
        [_json(r.tools, r) if r.tools else None for r in records],
        [_json(r.template_arguments, r) if r.template_arguments else None for r in records],
        [tuple(_candidate_row(one, r) for one in r.answers) or None for r in records],
        [r.chosen if r.answers else None for r in records],
        [r.license or None for r in records],
        [r.form or None for r in records],
        [list(r.missing.items()) or None for r in records],
    ]
    schema = record_schema()
    try:
        arrays = [_column(values, column.type) for values, column in zip(columns, schema, strict=True)]
    except UnicodeEncodeError:
        mended = [_mended(values) for values in columns]
        arrays = [_column(values, column.type) for values, column in zip(mended, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    unused = values.count(None) == len(values)
    return pa.nulls(len(values), kind) if unused else to_array(values, kind)


def drop_row(drop: Drop | None) -> tuple[Any, ...] | None:
    """A drop as its column holds it."""
    return None if drop is None else (*drop[:3], list(drop.numbers.items()), drop.failed, drop.against)


def _message_row(message: Message, record: Record) -> tuple[Any, ...]:
    """A turn as its columns hold it; what most turns have not is null."""
    role, content, reasoning, calls, call_id, name, weight, media, extra = message
    shown = tuple((*one[:3], _json(one.extra, record) if one.extra else None) for one in media)
    more = _json(extra, record) if extra else None
    return (
        role, content, reasoning or None, calls or None, call_id or None, name or None, weight, shown or None, more
    )  # fmt: skip


def _candidate_row(candidate: Candidate, record: Record) -> tuple[Any, ...]:
    turns, model, scores, verdicts = candidate
    rows = tuple(_message_row(turn, record) for turn in turns)
    return (rows, model, list(scores.items()), list(verdicts.items()))


def _json(value: Any, record: Record) -> str:
    try:
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # a lone surrogate, or what no JSON can hold
            return orjson.dumps(_mended(value)).decode()
    except TypeError as error:
        raise OutputError(
            f"record {record.id}: what its source carried along cannot be kept as JSON ({error}): make it plain "
            "text, numbers and lists"
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
    """The records of an Arrow batch or table in `record_schema`."""
    columns = {name: _values(name, batch.column(name)) for name in batch.schema.names}
    for row in zip(*(columns[name] for name in record_schema().names), strict=True):
        (
            id, messages, source, lang, task, tags, scores, notes, events, dropped, meta, input_chars,
            tools, template_arguments, answers, chosen, license, form, missing,
        ) = row  # fmt: skip
        yield Record(
            id=id,
            messages=messages,
            source=source,
            lang=lang,
            task=task,
            tags=tuple(Tag(t["name"], t["explanation"]) for t in tags),
            scores=dict(scores),
            notes=dict(notes),
            events=tuple(
                Event(**{**e, "calls": tuple(e["calls"]), "parents": tuple(e["parents"])}) for e in events
            ),
            dropped=read_drop(dropped) if dropped else None,
            meta=orjson.loads(meta),
            input_chars=input_chars,
            tools=tuple(orjson.loads(tools)) if tools else (),
            template_arguments=orjson.loads(template_arguments) if template_arguments else {},
            answers=tuple(map(_candidate, answers)) if answers else (),
            chosen=-1 if chosen is None else chosen,
            license=license or "",
            form=form or "",
            missing={name: Missing(**why) for name, why in missing} if missing else {},
        )


def read_drop(row: Mapping[str, Any]) -> Drop:
    """A drop as its column tells it; one of an older file names no record that it lost against."""
    return Drop(**{**row, "numbers": dict(row["numbers"]), "against": row.get("against") or ""})


def _values(name: str, column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """A column's values; the messages as such."""
    if name == "messages":
        return conversations(column)
    unused = column.null_count == len(column)
    return [None] * len(column) if unused else column.to_pylist()


def conversations(column: pa.Array | pa.ChunkedArray) -> list[tuple[Message, ...]]:
    """The messages of each row; columns that no turn uses are not unpacked."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # what older versions of pyarrow give for no chunk
        return []
    turns = array.flatten()
    used = [at for at in range(turns.type.num_fields) if turns.field(at).null_count < len(turns) or at < 2]
    if used == [0, 1]:
        flat = list(map(Message, turns.field(0).to_pylist(), turns.field(1).to_pylist()))
    else:
        flat = list(map(read_message, turns.to_pylist()))
    offsets = to_numbers(array.offsets).tolist()
    first = offsets[0] if offsets else 0
    return [tuple(flat[start - first : end - first]) for start, end in itertools.pairwise(offsets)]


def read_message(row: Mapping[str, Any]) -> Message:
    """A turn as the column `messages` tells it."""
    return Message(
        row["role"],
        row["content"],
        row["reasoning"] or "",
        tuple(ToolCall(**call) for call in row["calls"] or ()),
        row["call_id"] or "",
        row["name"] or "",
        row["weight"],
        tuple(
            Media(one["kind"], one["uri"], one["at"], orjson.loads(one["extra"]) if one["extra"] else {})
            for one in row["media"] or ()
        ),
        orjson.loads(row["extra"]) if row["extra"] else {},
    )


def _candidate(row: Mapping[str, Any]) -> Candidate:
    turns = tuple(map(read_message, row["turns"]))
    return Candidate(turns, row["model"], dict(row["scores"]), dict(row["verdicts"]))


def to_schema(table: pa.Table) -> pa.Table:
    """A table of records that an earlier version wrote, with the columns that came since: null in every row."""
    import pyarrow as pa

    schema = record_schema()
    if table.schema.equals(schema):
        return table
    table = table.combine_chunks()
    arrays = [
        _grown(table.column(column.name), column.type)
        if column.name in table.schema.names
        else pa.nulls(len(table), column.type)
        for column in schema
    ]
    return pa.table(arrays, schema=schema)


def _grown(column: Any, kind: pa.DataType) -> Any:
    """An array as the type it has today: structs have more fields, wherever they are nested."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([_grown(chunk, kind) for chunk in column.chunks], kind)
    if column.type.equals(kind):
        return column
    if pa.types.is_struct(kind):
        names = [field.name for field in column.type]
        parts = [
            _grown(column.field(field.name), field.type)
            if field.name in names
            else pa.nulls(len(column), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=column.is_null())
    if pa.types.is_list(kind):
        values = _grown(column.flatten(), kind.value_type)
        offsets = pa.array([o - column.offsets[0].as_py() for o in column.offsets.to_pylist()], pa.int32())
        return pa.ListArray.from_arrays(offsets, values, type=kind)
    return column.cast(kind)
