"""A row of any shape read, and written again as it came: whatever a shape does not spell the same is kept beside it.

A row's form holds "shape" (its name), "labels" (the columns of lang, task, source, license and tags), "names" (its own
names of columns, each with the one that it is read by), what the shape itself notes, and "odd": how the row differs
from what would be written, {"keys": {...}, "absent": [...]}. A difference is written only as long as the row, so
written, reads as the record that it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from factory.data.formats.shapes.base import BadShape, Parsed, Row
from factory.data.formats.shapes.registry import shape_named
from factory.data.formats.shapes.spelled import changed, changes, decoded
from factory.data.formats.shapes.usual import renamed_back, unread_answer, usual
from factory.data.formats.values import plain
from factory.data.record import Record, Tag
from factory.data.text import detect_language

_LABELS = {
    "lang": ("lang", "language"),
    "task": ("task", "category"),
    "source": ("source",),
    "license": ("license", "licence"),
}


def parse_row(row: Mapping[str, Any], shape: str, names: Mapping[str, str] = {}) -> Parsed:
    """Read one row of `shape`, one of `SHAPES`; `names` are those of its columns that are to be renamed (see `usual`).

    Columns that are not part of the shape go to `meta`, but for lang/language, task/category, source,
    license/licence and tags.

    Raises:
        BadShape: the row cannot be a record.
    """
    try:
        values = plain(row)
    except (ValueError, RecursionError) as error:
        raise BadShape(str(error)) from error
    reader = shape_named(shape)
    assert reader is not None, shape
    made, unusual = usual(values, names)
    parsed = reader.read(made)
    left = parsed.meta if isinstance(parsed.meta, dict) else dict(parsed.meta)
    parsed.meta = left
    labels: dict[str, str] = {}
    exact = parsed.exact and not unusual
    if left:
        for name, keys in _LABELS.items():
            if (text := _label(left, name, keys, labels)) and not getattr(parsed, name):
                setattr(parsed, name, text)
        if "tags" in left:
            parsed.tags = (*parsed.tags, *_tags(left))
            if "tags" not in left:
                labels["tags"] = "tags"
                exact = False
        exact = exact and all(values.get(key) == getattr(parsed, name) for name, key in labels.items())
    parsed.lang = parsed.lang or _language(parsed)
    unanswered = not parsed.answers and parsed.messages and parsed.messages[-1].role == "user"
    if left and unanswered and (column := unread_answer(left)) is not None:
        told = f"no answer, and a column {column!r} that is not read as one (name it 'output'),"
        parsed.told = (*parsed.told, told)
    parsed.form = form = {"shape": shape, **({"labels": labels} if labels else {}), **parsed.form}
    if names and (renamed := {own: known for own, known in names.items() if own in values}):
        form["names"] = renamed
    if not exact:
        odd = changes(_write(_as_record(parsed), form, Counter()), values)
        if odd:
            form["odd"] = odd
    return parsed


def write_source_row(record: Record, lost: Counter[str]) -> Row:
    """A record as a row of the shape that it was read from, with the user's own columns; `messages` where it has none.

    What is not written is counted in `lost` by its name.

    Raises:
        BadShape: the shape cannot hold the record.
    """
    form = form_of(record)
    row = _write(record, form, lost)
    odd = form.get("odd")
    if not isinstance(odd, Mapping):
        return row
    whole = changed(row, odd)
    if _reads_as(whole, record, form):
        return whole
    for key in (*odd.get("keys", ()), *odd.get("absent", ())):
        tried = changed(row, _only(odd, key))
        if _reads_as(tried, record, form):
            row = tried
    return row


def form_of(record: Record) -> Mapping[str, Any]:
    """How a record's source spelled its row; {} where that is not known."""
    try:
        form = orjson.loads(record.form) if record.form else {}
    except ValueError:
        return {}
    return form if isinstance(form, dict) else {}


def _only(odd: Mapping[str, Any], key: str) -> dict[str, Any]:
    keys = odd.get("keys", {})
    return {"keys": {key: keys[key]}} if key in keys else {"absent": [key]}


def _write(record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
    shape = shape_named(form.get("shape", "messages")) or shape_named("messages")
    assert shape is not None
    row = shape.write(record, form, lost)
    labels = form.get("labels", {})
    for name in _LABELS:
        if name in labels:
            row[labels[name]] = getattr(record, name)
    if "tags" in labels:
        row["tags"] = [
            {"tag": tag.name, "explanation": tag.explanation} if tag.explanation else tag.name
            for tag in record.tags
        ]
    elif record.tags:
        lost["tags"] += 1
    for key, value in record.meta.items():
        there = row.get(key)
        if isinstance(there, dict) and isinstance(value, Mapping):
            row[key] = {**value, **there}
        else:
            row.setdefault(key, value)
    return renamed_back(row, form.get("names", {}))


def _as_record(parsed: Parsed) -> Record:
    return Record(
        id="",
        messages=parsed.messages,
        source=parsed.source,
        lang=parsed.lang,
        task=parsed.task,
        tags=parsed.tags,
        meta=parsed.meta,
        input_chars=parsed.input_chars,
        tools=parsed.tools,
        template_arguments=parsed.template_arguments,
        answers=parsed.answers,
        chosen=parsed.chosen,
        license=parsed.license,
    )


def _reads_as(row: Row, record: Record, form: Mapping[str, Any]) -> bool:
    """Whether a row reads as the record, as far as the row tells of it."""
    shape = shape_named(form.get("shape", ""))
    if shape is None:
        return False
    try:
        parsed = shape.read(usual(plain(row), form.get("names", {}))[0])
        left = dict(parsed.meta)
        labels: dict[str, str] = {}
        found = {name: _label(left, name, keys, labels) for name, keys in _LABELS.items()}
        tags = (*parsed.tags, *_tags(left))
    except (BadShape, ValueError):
        return False
    told = form.get("labels", {})
    return (
        all(found[name] == getattr(record, name) for name in _LABELS if name in told)
        and (tags == record.tags or "tags" not in told)
        and parsed.messages == record.messages
        and _answers(parsed) == _answers(record)
        and (parsed.tools, parsed.chosen, parsed.input_chars)
        == (tuple(map(dict, record.tools)), record.chosen, record.input_chars)
        and parsed.template_arguments == record.template_arguments
    )


def _answers(of: Parsed | Record) -> list[Any]:
    return [(one.turns, dict(one.scores), dict(one.verdicts)) for one in of.answers]


def _language(parsed: Parsed) -> str:
    texts = {
        turn.role: turn.content for turn in parsed.messages if turn.role != "system"
    }  # the last of each role
    return detect_language(texts.get("user", "")) or detect_language(texts.get("assistant", ""))


def _label(row: Row, name: str, keys: tuple[str, ...], labels: dict[str, str]) -> str:
    """Takes the first of `keys` that is a text out of the row; "" where none is."""
    for key in keys:
        if isinstance(row.get(key), str):
            labels[name] = key
            text: str = row.pop(key)
            return text.strip()
    return ""


def _tags(row: Row) -> tuple[Tag, ...]:
    """Takes a list of tags out of the row: texts, or objects of a tag (or name) and its explanation.

    A list that holds anything else is no list of tags, and stays where it is.
    """
    values = decoded(row.get("tags"))
    if not isinstance(values, list):
        return ()
    tags = []
    for value in values:
        fields = value if isinstance(value, dict) else {"tag": value}
        name, explanation = fields.get("tag", fields.get("name")), fields.get("explanation", "")
        if not isinstance(name, str) or not isinstance(explanation, str):
            return ()
        if name.strip():
            tags.append(Tag(" ".join(name.split()), " ".join(explanation.split())))
    del row["tags"]
    return tuple(tags)
