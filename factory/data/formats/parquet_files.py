"""Rows of a layout as Parquet: one file, or several where the set is large; the same rows the same bytes."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from factory.data.arrow import to_array
from factory.data.formats.layouts import Row, Written
from factory.data.formats.row_files import Rows, WrittenFile, written_file
from factory.data.formats.values import plain
from factory.data.record import Record
from factory.data.whole_file import cannot_write, whole_file

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_GROUP = 10_000
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")
_WAITING = re.compile(r"\.(.+)-\d{5}\.parquet")


class Shards(NamedTuple):
    """How large a file may grow before another is begun; None: as large as it gets.

    rows: rows of a file
    megabytes: bytes of a file, in millions; looked at after each 10,000 rows, so that a file is a little larger
    """

    rows: int | None = None
    megabytes: int | None = None


ONE_FILE = Shards()


def write_parquet(
    records: Iterable[Record], path: Path, written: Written, shards: Shards = ONE_FILE
) -> list[WrittenFile]:
    """Write the rows as one file, or as NAME-00000-of-00003.parquet and so on, which are named when all are there.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = Rows(records, written)
    left = iter(rows)
    head: list[Row] = []
    waiting: list[Path] = []
    numbers: list[int] = []
    try:
        while head or not waiting:
            place = path.with_name(f".{path.stem}-{len(waiting):05d}.parquet")
            numbers.append(_write_one(itertools.chain(head, left), place, written, shards))
            waiting.append(place)
            head = list(itertools.islice(left, 1))  # whether there is more
        total = len(waiting)
        names = [path] if total == 1 else [shard_name(path, at, total) for at in range(total)]
        for place, name in zip(waiting, names, strict=True):
            try:
                os.replace(place, name)
            except OSError as error:
                raise cannot_write(name, error) from error
    except BaseException:
        for place in waiting:
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)
        raise
    first, *others = (written_file(name, rows) for name in names)
    files = [first._replace(rows=numbers[0])]
    for file, number in zip(others, numbers[1:], strict=True):
        files.append(file._replace(rows=number, replaced=0, lost={}, left_out={}))
    return files


def shard_name(path: Path, at: int, total: int) -> Path:
    """The name of one of the files that stand for `path`, as the hub names them."""
    return path.with_name(f"{path.stem}-{at:05d}-of-{total:05d}{path.suffix}")


def part_of_shard(path: Path) -> str:
    """The part of a set that a file, one of several or not yet named, holds rows of."""
    found = _SHARD.fullmatch(path.stem) or _WAITING.fullmatch(path.name)
    return found[1] if found else path.stem


def _write_one(rows: Iterator[Row], path: Path, written: Written, shards: Shards) -> int:
    """Write one file until it is as large as it may be; gives how many rows it has."""
    import pyarrow.parquet as pq

    number, columns = 0, written.schema()
    with whole_file(path) as file, pq.ParquetWriter(file, columns, compression="zstd") as writer:
        while True:
            room = _ROW_GROUP if shards.rows is None else min(_ROW_GROUP, shards.rows - number)
            group = list(itertools.islice(rows, room))
            if not group:
                return number
            if written.ragged:
                group = [{one.name: _filled(row.get(one.name), one.type) for one in columns} for row in group]
            for batch in _batches(group, columns):
                writer.write_batch(batch)
            number += len(group)
            if shards.megabytes is not None and file.tell() >= shards.megabytes * 1_000_000:
                return number


def _filled(value: Any, kind: pa.DataType) -> Any:
    """A value with every key that its type has, in its order; what is no text where text stands, as JSON text."""
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_struct(kind):
        return tuple(_filled(value.get(field.name), field.type) for field in kind)
    if pa.types.is_list(kind):
        return [_filled(item, kind.value_type) for item in value]
    if pa.types.is_string(kind) and not isinstance(value, str):
        return orjson.dumps(plain(value)).decode()
    return value


def _batches(rows: Sequence[Row], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as one Arrow batch, or as several where their texts are too long for the offsets of one."""
    import pyarrow as pa

    try:
        arrays = [to_array([row[column.name] for row in rows], column.type) for column in columns]
    except OverflowError:
        if len(rows) == 1:
            raise
        half = len(rows) // 2
        yield from _batches(rows[:half], columns)
        yield from _batches(rows[half:], columns)
    else:
        yield pa.RecordBatch.from_arrays(arrays, schema=columns)
