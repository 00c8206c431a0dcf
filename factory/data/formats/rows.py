"""Raw rows of a data file, one at a time, each with its place; what each row means is decided in `shapes`."""

from __future__ import annotations

import csv
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonlines

from factory.data.formats.files import byte_lines, is_packed, open_bytes, read_error, read_whole
from factory.data.formats.shapes import recognise
from factory.data.formats.values import loads
from factory.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST_FIELD = 2**31 - 1  # the csv module's own limit of 128 KiB is below many an answer


class RawRow(NamedTuple):
    """A row before its shape is known.

    place: line number from 1 (JSONL, CSV) or row number from 1 (JSON, Parquet, Python objects)
    value: what was read, a mapping where the row is good
    raw: the text it was read from, None where `value` is all there is
    problem: why the row could not be read, "" where it could
    """

    place: int
    value: Any
    raw: bytes | str | None = None
    problem: str = ""


def raw_rows(path: Path, format: str) -> Iterator[RawRow]:
    """The rows of a file in one of `files.FORMATS`. JSON documents are read whole, the others as a stream.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    if format == "parquet":
        return _parquet_rows(path)
    if format in ("csv", "tsv"):
        return _csv_rows(path, "\t" if format == "tsv" else ",")
    return _json_rows(path, document=format == "json")


class _Lines:
    """Counts the lines that pass and holds the last one, which `jsonlines` does not tell."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.lines = lines
        self.number = 0
        self.line = b""

    def __iter__(self) -> Iterator[bytes]:
        for line in self.lines:
            self.number, self.line = self.number + 1, line
            yield line


def _json_line_rows(lines: Iterator[bytes]) -> Iterator[RawRow]:
    seen = _Lines(lines)
    reader = jsonlines.Reader(seen, loads=loads)
    while True:
        try:
            value = reader.read(skip_empty=True, allow_none=True)
        except EOFError:
            return
        except jsonlines.InvalidLineError as error:
            yield RawRow(seen.number, None, seen.line, _line_problem(error, seen.line))
        else:
            yield RawRow(seen.number, value, seen.line)


def _line_problem(error: jsonlines.InvalidLineError, line: bytes) -> str:
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        byte = f"byte {cause.start + 1} of the line (0x{line[cause.start]:02x})"
        return f"{byte} is not UTF-8: convert the file to UTF-8"
    if b"\0" in line:
        return "the line holds NUL bytes, from damage or from UTF-16 without its mark: save the file as UTF-8"
    where = f"{cause.msg}, column {cause.colno}" if isinstance(cause, json.JSONDecodeError) else str(cause)
    return f"the line is not JSON ({where}): put one whole object on each line"


def _json_rows(path: Path, *, document: bool) -> Iterator[RawRow]:
    """JSON Lines or one JSON document, whichever the file is: names are often wrong about that."""
    lines = byte_lines(path)
    head: list[bytes] = []
    for line in lines:
        head.append(line)
        if line.strip() and (not document or sum(bool(old.strip()) for old in head) == 2):
            break
    text = b"".join(head).lstrip()
    whole = itertools.chain(head, lines)
    first = text.partition(b"\n")[0]
    if text.startswith(b"[") or (document and not (_is_object(first) and text[len(first) :].strip())):
        return _document_rows(path, b"".join(whole))
    return _json_line_rows(whole)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(loads(line), dict)
    except ValueError:
        return False


def _document_rows(path: Path, text: bytes) -> Iterator[RawRow]:
    if not text.strip():
        return
    try:
        value = loads(text)
    except ValueError as error:
        lines = text.splitlines(keepends=True)
        if text.lstrip().startswith(b"{") and any(_is_object(line) for line in lines[:20]):
            yield from _json_line_rows(iter(lines))
            return
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        why = getattr(error, "msg", "") or str(error)
        raise InputError(f"{path} is not JSON{where} ({why}): mend it, or fetch it again") from error
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list)]
        # {"data": [rows]} wraps its rows; {"messages": [turns]} is a row.
        value = lists[0] if recognise([value]) is None and len(lists) == 1 else [value]
    if not isinstance(value, list):
        raise InputError(f"{path} holds a single {type(value).__name__}: it needs a list of objects")
    for number, item in enumerate(value, 1):
        yield RawRow(number, item)


def _csv_rows(path: Path, delimiter: str) -> Iterator[RawRow]:
    # Bytes that are not UTF-8 pass as lone surrogates, so that one bad row does not end the file.
    lines = _Lines(_text_lines(path))
    text = (line.decode("utf-8", "surrogateescape") for line in lines)
    csv.field_size_limit(_LARGEST_FIELD)
    # strict: a quote that is never closed is an error, not one huge field that swallows the other rows.
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    place = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield RawRow(place, None, lines.line, f"its quotes do not match ({error}): close or double them")
            place = reader.line_num + 1
            continue
        start, place = place, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        raw = delimiter.join(cells)
        if header is None:
            header = _header(path, cells, delimiter)
        elif (bad := _not_utf8(raw)) is not None:
            yield RawRow(start, None, raw, f"byte 0x{bad:02x} is not UTF-8: convert the file to UTF-8")
        elif len(cells) != len(header):
            yield RawRow(
                start,
                None,
                raw,
                f"it has {len(cells)} cells, the header has {len(header)}: quote its cells",
            )
        else:
            yield RawRow(start, dict(zip(header, cells, strict=True)), raw)


def _text_lines(path: Path) -> Iterator[bytes]:
    r"""Lines split at \r\n, \n or \r, which all end a row of CSV."""
    for line in byte_lines(path):
        yield from line.splitlines(keepends=True) if b"\r" in line else (line,)


def _not_utf8(text: str) -> int | None:
    """The first byte that was not UTF-8, of text decoded with surrogateescape."""
    if text.isascii():
        return None
    return next((ord(c) - 0xDC00 for c in text if "\udc80" <= c <= "\udcff"), None)


def _header(path: Path, cells: list[str], delimiter: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    if (bad := _not_utf8(delimiter.join(header))) is not None:
        raise InputError(f"{path}: byte 0x{bad:02x} of the header is not UTF-8: convert the file to UTF-8")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the header names the column {twice!r} twice: rename one of them")
    if len(header) == 1:
        for other, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
            if other != delimiter and other in header[0]:
                hint = "save it as .csv with commas or .tsv with tabs"
                raise InputError(f"{path}: its columns are separated by {name}: {hint}")
    return [name or f"column {number}" for number, name in enumerate(header, 1)]


def _parquet_rows(path: Path) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_bytes(path) as stream:
            # A plain file is read by row groups; a packed one is unpacked whole, Parquet begins at its end.
            source = pa.BufferReader(read_whole(path, stream)) if is_packed(stream) else pa.PythonFile(stream)
            with pq.ParquetFile(source) as file:
                names = file.schema_arrow.names
                if len(set(names)) < len(names):
                    raise InputError(f"{path}: two of its columns have the same name: rename one of them")
                yield from arrow_rows(file.iter_batches(batch_size=1024))
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise read_error(path, error) from error


def arrow_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[RawRow]:
    """The rows of Arrow batches, numbered from 1."""
    place = 0
    for batch in batches:
        batch = _without_nanoseconds(batch)
        try:
            rows = [RawRow(place, row) for place, row in enumerate(batch.to_pylist(), place + 1)]
        except (ValueError, OverflowError):
            rows = [_arrow_row(batch, index, place + 1 + index) for index in range(batch.num_rows)]
        place += len(rows)
        yield from rows


def _arrow_row(batch: pa.RecordBatch, index: int, place: int) -> RawRow:
    """One row of a batch in which some value cannot be had: text that is not UTF-8, a year beyond 9999."""
    try:
        return RawRow(place, batch.slice(index, 1).to_pylist()[0])
    except (ValueError, OverflowError) as error:
        return RawRow(place, None, "", f"a value cannot be read ({error}): mend it where the file was made")


def _without_nanoseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times cut to microseconds, the finest that Python's own type holds."""
    import pyarrow as pa

    for index, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            cut = batch.column(index).cast(pa.timestamp("us", field.type.tz), safe=False)
            batch = batch.set_column(index, field.name, cut)
    return batch
