"""The lossless layout: a record with all that is known of it as one row of JSON, and back.

id, source, lang, task, messages, instruction, input, output, tags (name and explanation), scores, notes, events,
dropped, and meta, which holds the columns that the source carried along. `record` is the layout's version. The
last exchange stands there twice, in `messages` and in instruction, input and output, so that the file is of use
to any tool; on reading, `messages` counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes import BadShape
from factory.data.formats.values import plain
from factory.data.record import Event, Message, Record, Tag
from factory.data.table import read_drop

VERSION = 1


def record_row(record: Record) -> dict[str, Any]:
    """The record as a row; numbers that JSON cannot hold become null, lone surrogates U+FFFD."""
    drop = None if record.dropped is None else record.dropped._asdict()
    row: dict[str, Any] = plain(
        {
            "record": VERSION,
            "id": record.id,
            "source": record.source,
            "lang": record.lang,
            "task": record.task,
            "messages": [message._asdict() for message in record.messages],
            "instruction": record.instruction,
            "input": record.input,
            "output": record.output,
            "tags": [tag._asdict() for tag in record.tags],
            "scores": record.scores,
            "notes": record.notes,
            "events": [event._asdict() for event in record.events],
            "dropped": drop,
            "meta": record.meta,
        }
    )
    return row


def is_record_row(row: Any) -> bool:
    """Whether a row is one that `record_row` made."""
    return isinstance(row, Mapping) and row.get("record") == VERSION and "messages" in row and "events" in row


def read_record_row(row: Mapping[str, Any]) -> Record:
    """The record that `record_row` wrote.

    Raises:
        BadShape: something in it is not as it was written.
    """
    try:
        values = plain(row)
        messages = tuple(Message(_text(m["role"]), _text(m["content"])) for m in values["messages"])
        input_chars = len(_text(values["input"]))
        record = Record(
            id=_text(values["id"]),
            messages=messages,
            source=_text(values["source"]),
            lang=_text(values["lang"]),
            task=_text(values["task"]),
            tags=tuple(Tag(_text(tag["name"]), _text(tag["explanation"])) for tag in values["tags"]),
            scores={name: float(value) for name, value in values["scores"].items() if value is not None},
            notes={name: _text(value) for name, value in values["notes"].items()},
            events=tuple(_event(event) for event in values["events"]),
            dropped=None if values["dropped"] is None else read_drop(values["dropped"]),
            meta=dict(values["meta"]),
            input_chars=input_chars,
        )
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadShape(
            f"it is not the record that was written ({type(error).__name__}: {error}): write it anew, or take its "
            "`record` column out"
        ) from error
    if not record.id.isprintable() or record.id.split() != [record.id]:
        raise BadShape("its id is not one printable word: give it another, or take its `record` column out")
    if not any(message.role == "user" for message in messages):
        raise BadShape("it has no user turn: add the request that is answered")
    if record.input != values["input"]:
        raise BadShape("its input is not the end of its last user turn: change both, or take `record` out")
    return record


def _event(row: Mapping[str, Any]) -> Event:
    calls, parents = (tuple(_text(value) for value in row[name]) for name in ("calls", "parents"))
    return Event(**{**row, "calls": calls, "parents": parents})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return value
