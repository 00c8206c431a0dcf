"""The lossless layout: a record with all that is known of it as one row of JSON, and back.

Every field of `Record` stands there under its own name, and the last exchange a second time as instruction, input and
output, so that the file is of use to any tool; on reading, `messages` counts. A turn has the keys that say something:
role and content, and of its other fields those that are not empty. `record` is the layout's version; rows of version
1, which knew no more than plain turns, are read too.

In a Parquet file the key `record` holds the row itself as JSON text, beside columns for other tools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from factory.data.at_rest import read_drop
from factory.data.formats.shapes import BadShape
from factory.data.formats.values import loads, plain
from factory.data.record import Candidate, Drop, Event, Media, Message, Missing, Record, Tag, ToolCall

VERSION = 2
_KNOWN = (1, VERSION)
_TEXT_START = '{"record":'


def record_row(record: Record) -> dict[str, Any]:
    """The record as a row; numbers that JSON cannot hold become null, lone surrogates U+FFFD."""
    drop = None if record.dropped is None else record.dropped._asdict()
    row: dict[str, Any] = plain(
        {
            "record": VERSION,
            "id": record.id,
            "source": record.source,
            "license": record.license,
            "lang": record.lang,
            "task": record.task,
            "messages": [_turn(message) for message in record.messages],
            "instruction": record.instruction,
            "input": record.input,
            "output": record.output,
            "tools": record.tools,
            "template_arguments": record.template_arguments,
            "answers": [
                {**answer._asdict(), "turns": [_turn(turn) for turn in answer.turns]}
                for answer in record.answers
            ],
            "chosen": record.chosen,
            "tags": [tag._asdict() for tag in record.tags],
            "scores": record.scores,
            "missing": {name: why._asdict() for name, why in record.missing.items()},
            "notes": record.notes,
            "events": [event._asdict() for event in record.events],
            "dropped": drop,
            "meta": record.meta,
            "form": record.form,
        }
    )
    return row


def _turn(message: Message) -> dict[str, Any]:
    if message.is_plain:
        return {"role": message.role, "content": message.content}
    row = {
        **message._asdict(),
        "calls": [call._asdict() for call in message.calls],
        "media": [one._asdict() for one in message.media],
    }
    empty: tuple[Any, ...] = ("", None, [], {})
    return {key: value for key, value in row.items() if key in ("role", "content") or value not in empty}


def record_text(record: Record) -> str:
    """The row as the JSON text that a column of a table holds."""
    return orjson.dumps(record_row(record)).decode()


def is_record_row(row: Any) -> bool:
    """Whether a row is one that `record_row` made, or holds one as text."""
    if not isinstance(row, Mapping):
        return False
    version = row.get("record")
    if isinstance(version, str):
        return version.startswith(_TEXT_START)
    return version in _KNOWN and "messages" in row and "events" in row


def read_record_row(row: Mapping[str, Any]) -> Record:
    """The record that `record_row` wrote.

    Raises:
        BadShape: something in it is not as it was written.
    """
    try:
        values = plain(loads(row["record"]) if isinstance(row["record"], str) else row)
        messages = tuple(map(_message, values["messages"]))
        input_chars = len(_text(values["input"]))
        answers = tuple(map(_candidate, values.get("answers", [])))
        record = Record(
            id=_text(values["id"]),
            messages=messages,
            source=_text(values["source"]),
            lang=_text(values["lang"]),
            task=_text(values["task"]),
            tags=tuple(Tag(_text(tag["name"]), _text(tag["explanation"])) for tag in values["tags"]),
            scores=_numbers(values["scores"]),
            notes={name: _text(value) for name, value in values["notes"].items()},
            events=tuple(_event(event) for event in values["events"]),
            dropped=None if values["dropped"] is None else _drop(values["dropped"]),
            meta=dict(values["meta"]),
            input_chars=input_chars,
            tools=tuple(dict(tool) for tool in values.get("tools", [])),
            template_arguments=dict(values.get("template_arguments", {})),
            answers=answers,
            chosen=int(values.get("chosen", -1)),
            license=_text(values.get("license", "")),
            form=_text(values.get("form", "")),
            missing={
                name: Missing(_text(why["kind"]), _text(why["reason"]))
                for name, why in values.get("missing", {}).items()
            },
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
    if not -1 <= record.chosen < max(len(answers), 1):
        raise BadShape("its `chosen` is the number of no answer: write -1 where none is chosen")
    return record


def _message(row: Mapping[str, Any]) -> Message:
    weight = row.get("weight")
    return Message(
        _text(row["role"]),
        _text(row["content"]),
        _text(row.get("reasoning", "")),
        tuple(ToolCall(*(_text(call[key]) for key in ToolCall._fields)) for call in row.get("calls", ())),
        _text(row.get("call_id", "")),
        _text(row.get("name", "")),
        None if weight is None else float(weight),
        tuple(
            Media(_text(one["kind"]), _text(one["uri"]), int(one["at"]), dict(one["extra"]))
            for one in row.get("media", ())
        ),
        dict(row.get("extra", {})),
    )


def _candidate(row: Mapping[str, Any]) -> Candidate:
    return Candidate(
        tuple(map(_message, row["turns"])),
        _text(row["model"]),
        _numbers(row["scores"]),
        {name: _text(verdict) for name, verdict in row["verdicts"].items()},
    )


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Scores by name; one that JSON could not hold is null, and none."""
    return {name: float(value) for name, value in row.items() if value is not None}


def _drop(row: Mapping[str, Any]) -> Drop:
    return read_drop({**row, "numbers": _numbers(row["numbers"])})


def _event(row: Mapping[str, Any]) -> Event:
    calls, parents = (tuple(_text(value) for value in row[name]) for name in ("calls", "parents"))
    return Event(**{**row, "calls": calls, "parents": parents})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not text")
    return value
