"""Reading a data file into records, one row at a time; a row that cannot be one is told apart, never lost."""

from __future__ import annotations

import difflib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from factory.data.formats.files import base_name, check_file, file_format
from factory.data.formats.grouped import grouped, one_each
from factory.data.formats.raw import RawRow
from factory.data.formats.record_rows import is_record_row, read_record_row
from factory.data.formats.rows import raw_rows
from factory.data.formats.shapes import (
    SHAPES,
    BadShape,
    Parsed,
    column_names,
    parse_row,
    recognise,
    shape_named,
    usual,
)
from factory.data.formats.shapes.media import absent_media
from factory.data.formats.shapes.spelled import decoded, kind_of
from factory.data.formats.shapes.usual import TURNS
from factory.data.record import Record, record_id
from factory.data.text import shorten
from factory.errors import InputError

_ENOUGH = 20  # good rows that decide the shape of a file
_PATIENCE = 1000  # rows held while looking for them
_SHOWN = 200  # characters of a bad row that are kept
_log = logging.getLogger("factory")


class BadRow(NamedTuple):
    """A row that is not a record.

    file: the file, or the name of the object, it came from
    line: line number from 1 (JSONL, CSV) or row number from 1 (JSON, Parquet, Python objects); 0 of a whole file
    reason: what is wrong and how to mend it, one sentence; that of a whole file names it
    text: the row, shortened to one line
    """

    file: str
    line: int
    reason: str
    text: str

    @property
    def sentence(self) -> str:
        """What is told of it."""
        return f"{self.file}:{self.line}: {self.reason}" if self.line else self.reason


def read_records(
    path: str | Path,
    *,
    format: str | None = None,
    shape: str | None = None,
    limit: int | None = None,
    source: str | None = None,
    encoding: str = "",
    tell: Callable[[str], None] | None = None,
) -> Iterator[Record | BadRow]:
    """The records of a data file, in its order, with a `BadRow` for each row that is not one.

    Reads as a stream, so that the file's size does not matter; only a JSON document is held whole. Lone
    surrogates in a text become U+FFFD. Blank lines are skipped. Ids are the same whenever the same content
    is read under the same source; identical rows are told apart by their order. A row of the `records` layout is
    read back as the record that it was.

    A row that is odd but can be kept is kept as it is, two user turns in a row say, or a call whose arguments are no
    JSON; when the rows are at an end, each kind of oddity is told once, with how many rows have it. A relative path
    of a picture, sound or file is looked for below the folder of the data file, never opened; others are not looked at.

    Args:
        path: the file; one packed by gzip, bzip2, xz or zstd is unpacked as it is read.
        format: "jsonl", "json", "csv", "tsv", "parquet" or "arrow"; by default what the name and the first bytes say.
        shape: one of `shapes.SHAPES`; by default what the first good rows are.
        limit: give at most this many records.
        source: where rows come from that have no `source` column; by default the file's name without endings.
        encoding: what the text of the file is in, such as "gb18030"; by default UTF-8, or what its mark says.
        tell: is told one sentence for each kind of oddity; by default the logger "factory" is, as a warning.

    Raises:
        InputError: the file is missing, empty or damaged, or none of its rows has a known shape.
    """
    path = Path(path)
    check_file(path)
    tell = tell or warn
    rows = raw_rows(path, file_format(path, format, tell), encoding, tell)
    source = base_name(path) if source is None else source
    return records_of(rows, str(path), source, shape=shape, limit=limit, tell=tell, folder=path.parent)


def records_of(
    rows: Iterable[RawRow],
    file: str,
    source: str,
    *,
    shape: str | None = None,
    limit: int | None = None,
    tell: Callable[[str], None] | None = None,
    folder: Path | None = None,
) -> Iterator[Record | BadRow]:
    """The records of raw rows; `file` names them in errors. A value that is a record already passes as it is.

    `tell` is as in `read_records`; `folder` is where relative paths of media begin, None where they are not looked at.

    Raises:
        InputError: there is no row, the shape asked for does not exist, or none is recognised.
    """
    if shape is not None and shape not in SHAPES:
        near = difflib.get_close_matches(shape, SHAPES, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(SHAPES)}"
        raise InputError(f"{file}: there is no shape {shape!r}: {hint}")
    odd: Counter[str] = Counter()
    tell = tell or warn
    records = _records(iter(rows), file, source, shape, odd, folder, tell)
    return _told(records, limit, file, odd, tell)


def warn(sentence: str) -> None:
    """Tells the logger "factory" one sentence."""
    _log.warning("%s", sentence)


def _told(
    rows: Iterator[Record | BadRow],
    limit: int | None,
    file: str,
    odd: Counter[str],
    tell: Callable[[str], None],
) -> Iterator[Record | BadRow]:
    """The first `limit` records, and what is told of them when they are at an end."""
    try:
        if limit is None:
            yield from rows
        else:
            left = limit
            while left > 0 and (row := next(rows, None)) is not None:
                left -= isinstance(row, Record)
                yield row
    finally:  # also where nobody asks for the rest
        for what, count in sorted(odd.items()):
            kept = "1 row (kept as it is)" if count == 1 else f"{count:,} rows (kept as they are)"
            tell(f"{file}: {what} in {kept}")


def _records(
    rows: Iterator[RawRow],
    file: str,
    source: str,
    shape: str | None,
    odd: Counter[str],
    folder: Path | None,
    tell: Callable[[str], None],
) -> Iterator[Record | BadRow]:
    asked = shape
    head, shape, names = first_rows(rows, file, shape)
    if names:
        told = ", ".join(f"{shorten(own, 30)!r} as {known}" for own, known in names.items())
        tell(f"{file}: its columns are read by other names: {told}")
    seen: dict[bytes, int] = {}
    known = shape_named(shape)
    for row in one_each(grouped(itertools.chain(head, rows), known), known):
        if isinstance(row.value, Record):
            yield row.value
            continue
        if row.odd:
            odd[row.odd] += 1
        try:
            if row.problem:
                raise BadShape(row.problem)
            if not isinstance(row.value, Mapping):
                raise BadShape("it is not an object with named fields: write one object for each row")
            if is_record_row(row.value):
                yield read_record_row(row.value).but(place=f"{file}:{row.place}")
            else:
                parsed = parse_row(row.value, shape, names)
                if parsed.told:
                    odd.update(set(parsed.told))
                if folder is not None and not parsed.exact:
                    odd.update(absent_media(parsed.messages, folder))
                yield _record(parsed, source, seen, f"{file}:{row.place}")
        except BadShape as error:
            other = "" if asked else _other_shape(row.value, names, shape)
            yield BadRow(file, row.place, other or str(error), row_shown(row))


def _other_shape(value: object, names: Mapping[str, str], shape: str) -> str:
    """What to say of a row that is one of another shape than the file's; "" where it is none."""
    if not isinstance(value, Mapping) or is_record_row(value):
        return ""
    own = recognise([usual(value, names)[0]])
    if own is None or own == shape:
        return ""
    return (
        f"it is a row of the shape {own}, and the file's other rows are {shape}: put the rows of each shape into a "
        "file of their own"
    )


def first_rows(
    rows: Iterator[RawRow], file: str, shape: str | None
) -> tuple[list[RawRow], str, dict[str, str]]:
    """The first rows, held until they tell the shape, the shape, and the columns that are to be renamed.

    Raises:
        InputError: there is no row, or none of them has a known shape.
    """
    head: list[RawRow] = []
    good = 0
    for row in itertools.islice(rows, _PATIENCE):
        head.append(row)
        good += isinstance(row.value, Mapping)
        if good == _ENOUGH:
            break
    if not head:
        raise InputError(f"{file} is empty: it needs at least one row")
    objects = [row.value for row in head if isinstance(row.value, Mapping)]
    names = column_names(objects)
    if shape is not None:
        return head, shape, names
    found = recognise([usual(row, names)[0] for row in objects])
    if found is None and objects:
        columns = ", ".join(shorten(str(name), 30) for name in itertools.islice(objects[0], 8))
        raise InputError(
            f"{file}: its rows have no known shape, only {columns or 'nothing'}: {_mend(objects[0])}"
        )
    return head, found or "alpaca", names


def _mend(row: Mapping[str, Any]) -> str:
    """What to do with a row that has no known shape."""
    turns = next((name for name in TURNS if name in row), None)
    if turns is not None:
        return f"its {turns} is {kind_of(decoded(row[turns]))}: make it a list of turns with a role and a content"
    return "name the columns 'instruction' and 'output', or 'messages' or 'conversations' for a list of turns"


def _record(row: Parsed, source: str, seen: dict[bytes, int], place: str) -> Record:
    source = row.source or source
    # What only some rows have tells them apart too; plain rows keep the ids that they always had.
    lineage = [source, *(repr(more) for more in (row.tools, row.answers) if more)]
    # The key is the id of a first occurrence, so that `seen` needs eight bytes for a row and no text.
    key = bytes.fromhex(record_id(row.messages, *lineage))
    occurrence = seen.get(key, 0)
    seen[key] = occurrence + 1
    return Record(
        id=record_id(row.messages, *lineage, str(occurrence)),
        messages=row.messages,
        source=source,
        lang=row.lang,
        task=row.task,
        tags=row.tags,
        meta=row.meta,
        input_chars=row.input_chars,
        tools=row.tools,
        template_arguments=row.template_arguments,
        answers=row.answers,
        chosen=row.chosen,
        license=row.license,
        form=orjson.dumps(row.form).decode() if row.form else "",
        place=place,
    )


def row_shown(row: RawRow) -> str:
    """A row, shortened to one line."""
    raw = row.raw
    if raw is None:
        try:
            raw = orjson.dumps(row.value, default=str)
        except (TypeError, ValueError):
            raw = str(row.value)[:_SHOWN]
    if isinstance(raw, bytes):
        raw = raw[: 4 * _SHOWN].decode("utf-8", "replace")
    return shorten(raw[: 4 * _SHOWN].encode("utf-8", "replace").decode(), _SHOWN)
