"""Rows that are one conversation together, made one row, and such a row made many again; a row that holds several
examples, made one for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from factory.data.formats.raw import RawRow
from factory.data.formats.record_rows import is_record_row
from factory.data.formats.shapes.alpaca import INSTANCES, Alpaca
from factory.data.formats.shapes.base import Row, Shape
from factory.data.formats.shapes.many import LINES, ManyRows


def grouped(rows: Iterable[RawRow], shape: Shape | None) -> Iterator[RawRow]:
    """The rows of a shape in which many are one conversation, a row {"lines": [...]} each; other rows as they are.

    Holds one conversation at a time. A row that says of no conversation belongs to the one before it, or to the first.
    What is no object passes alone; so does a record.
    """
    if not isinstance(shape, ManyRows):
        yield from rows
        return
    lines: list[Any] = []
    place, current = 0, ""
    for row in rows:
        if row.problem or not isinstance(row.value, Mapping) or is_record_row(row.value):
            yield row
            continue
        key = shape.key(row.value)
        if lines and key and current and key != current:
            yield RawRow(place, {LINES: lines})
            lines, current = [], ""
        place = place if lines else row.place
        lines.append(row.value)
        current = key or current
    if lines:
        yield RawRow(place, {LINES: lines})


def one_each(rows: Iterable[RawRow], shape: Shape | None) -> Iterator[RawRow]:
    """The rows of a file; of a row of the shape alpaca with several `instances` (Self-Instruct) one for each of these.

    They are one task with other inputs, so that each is an example of its own.
    """
    for row in rows:
        several = _instances(row.value) if isinstance(shape, Alpaca) else []
        if len(several) < 2:
            yield row
            continue
        odd = "several instances, each of which is read as a record of its own,"
        for number, one in enumerate(several):
            yield row._replace(value={**row.value, INSTANCES: [one]}, odd="" if number else row.odd or odd)


def holds_several(row: Any) -> bool:
    """Whether a row may be several records."""
    return isinstance(row, Mapping) and INSTANCES in row


def _instances(row: Any) -> list[Any]:
    several = row.get(INSTANCES) if isinstance(row, Mapping) and not is_record_row(row) else None
    whole = isinstance(several, list) and all(isinstance(one, Mapping) for one in several)
    return several if whole and several is not None else []


def many_rows(row: Row, shape: Shape | None) -> list[Row]:
    """What a shape wrote, as the rows of a file: one, or the many of a conversation."""
    lines: Any = row.get(LINES)
    return lines if isinstance(shape, ManyRows) and isinstance(lines, list) else [row]
