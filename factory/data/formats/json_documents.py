"""The rows that one JSON document holds: a list of them, or a table in one of the ways in which tools write tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from factory.data.formats.shapes import BadShape, column_names, parse_row, recognise, usual
from factory.data.text import shorten
from factory.errors import InputError

Tell = Callable[[str], None]


def rows_of_document(value: Any, path: Path, tell: Tell | None = None) -> list[Any]:
    """The rows of a document.

    A list is its rows. An object is a row itself where it can be read as one; else it wraps the one list of rows that
    it holds, or it is a table: by columns (lists, or objects by index), by index (an object for each row), or split
    into columns and data, as pandas writes them (`orient`). What is left out is told.

    Raises:
        InputError: it holds no rows, or several lists of them.
    """
    if isinstance(value, list):
        return _named(value) or _one_conversation(value) or value
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a single {type(value).__name__}: it needs a list of objects")
    if _reads([value]):
        return [value]
    for way in (_wrapped, _by_column, _by_index, _split):
        rows, left = way(value)
        if rows and _reads(rows):
            if left and tell is not None:
                names = ", ".join(shorten(name, 30) for name in left)
                tell(f"{path}: its rows were read, what stands beside them was left out: {names}")
            return rows
    splits = {str(name): rows for name, rows in value.items() if isinstance(rows, list) and _reads(rows)}
    if len(splits) > 1:
        counted = ", ".join(f"{shorten(name, 30)} ({len(rows):,})" for name, rows in splits.items())
        raise InputError(f"{path} holds several lists of rows, {counted}: save each as a file of its own")
    lists = [item for item in value.values() if isinstance(item, list)]
    # {"data": [rows]} wraps its rows, whatever they are; else it is a row, and said what is wrong with it.
    return lists[0] if recognise([value]) is None and len(lists) == 1 else [value]


def _reads(rows: Sequence[Any]) -> bool:
    """Whether the first of some rows can be read."""
    first = rows[0] if rows else None
    if not isinstance(first, Mapping):
        return False
    names = column_names([first])
    shape = recognise([usual(first, names)[0]])
    if shape is None:
        return False
    try:
        parse_row(first, shape, names)
    except BadShape:
        return len(rows) > 1 and _reads(rows[1:20])
    return True


def _wrapped(value: Mapping[str, Any]) -> tuple[list[Any], list[str]]:
    """{"data": [rows], "version": "1.0"}: the one list of rows, and the other keys."""
    found = {name: item for name, item in value.items() if isinstance(item, list) and _reads(item)}
    if len(found) != 1:
        return [], []
    ((name, rows),) = found.items()
    return rows, [other for other in value if other != name]


def _by_column(value: Mapping[str, Any]) -> tuple[list[Any], list[str]]:
    """{"instruction": [...], "output": [...]} or {"instruction": {"0": ..., "1": ...}, ...}."""
    columns = list(value.values())
    if all(isinstance(column, list) for column in columns):
        return (_zipped(value) if len({len(column) for column in columns}) == 1 else []), []
    if columns and all(isinstance(column, dict) for column in columns):
        places = list(columns[0])
        if all(list(column) == places for column in columns):
            return [{name: column[place] for name, column in value.items()} for place in places], []
    return [], []


def _zipped(value: Mapping[str, list[Any]]) -> list[Any]:
    return [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)]


def _by_index(value: Mapping[str, Any]) -> tuple[list[Any], list[str]]:
    """{"0": {row}, "1": {row}}; keys that do not only count rows are their ids."""
    rows = list(value.values())
    if not all(isinstance(row, dict) for row in rows):
        return [], []
    counting = list(value) in ([str(at) for at in range(len(rows))], [str(at + 1) for at in range(len(rows))])
    if counting or any("id" in row for row in rows):
        return rows, []
    return [{"id": name, **row} for name, row in value.items()], []


def _split(value: Mapping[str, Any]) -> tuple[list[Any], list[str]]:
    """{"columns": [names], "data": [[cells], ...]}, with an index or without."""
    names, data = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(data, list):
        return [], []
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        return [], []
    left = [name for name in value if name not in ("columns", "data", "index")]
    return [dict(zip(map(str, names), row, strict=True)) for row in data], left


def _named(value: list[Any]) -> list[Any]:
    """[[names], [cells], ...] as rows."""
    if len(value) < 2 or not all(isinstance(row, list) and len(row) == len(value[0]) for row in value):
        return []
    names = value[0]
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return []
    rows = [dict(zip(names, row, strict=True)) for row in value[1:]]
    return rows if _reads(rows) else []


def _one_conversation(value: list[Any]) -> list[Any]:
    """A list of turns is one row."""
    for key, name, content in (("messages", "role", "content"), ("conversations", "from", "value")):
        if value and all(isinstance(turn, dict) and name in turn and content in turn for turn in value):
            return [{key: value}] if not _reads(value) else []
    return []
