"""Rows of Parquet files, of Arrow's own files (Feather among them), and of Arrow batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.data.formats.files import is_packed, open_bytes, read_error, read_whole
from factory.data.formats.packed import DAMAGED
from factory.data.formats.raw import RawRow
from factory.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def parquet_rows(path: Path) -> Iterator[RawRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_bytes(path) as stream:
            # A plain file is read by row groups; a packed one is unpacked whole, Parquet begins at its end.
            source = pa.BufferReader(read_whole(path, stream)) if is_packed(stream) else pa.PythonFile(stream)
            with pq.ParquetFile(source) as file:
                _check_names(file.schema_arrow, path)
                yield from arrow_rows(file.iter_batches(batch_size=1024))
    except (pa.ArrowException, *DAMAGED) as error:
        raise read_error(path, error) from error


def arrow_file_rows(path: Path) -> Iterator[RawRow]:
    """The rows of a file of Arrow's: a file or a stream of batches, as Feather and `save_to_disk` write them.

    Raises:
        InputError: it is damaged, or two columns have one name.
    """
    import pyarrow as pa

    try:
        with open_bytes(path) as stream:
            source = pa.BufferReader(read_whole(path, stream)) if is_packed(stream) else pa.PythonFile(stream)
            yield from arrow_rows(_arrow_batches(source, path))
    except (pa.ArrowException, *DAMAGED) as error:
        raise read_error(path, error) from error


def count_arrow_rows(path: Path, format: str) -> int:
    """How many rows a Parquet file or a file of Arrow's holds, as it says itself where it does.

    Raises:
        InputError: it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_bytes(path) as stream:
            source = pa.BufferReader(stream.read()) if is_packed(stream) else pa.PythonFile(stream)
            if format == "parquet":
                with pq.ParquetFile(source) as file:
                    rows: int = file.metadata.num_rows
                    return rows
            return sum(batch.num_rows for batch in _arrow_batches(source, path))
    except (pa.ArrowException, *DAMAGED) as error:
        raise read_error(path, error) from error


def _arrow_batches(source: pa.NativeFile, path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    from pyarrow import feather

    head = source.read(6)
    source.seek(0)
    if head.startswith(b"FEA1"):
        table = feather.read_table(source)
        _check_names(table.schema, path)
        yield from table.to_batches()
    elif head == b"ARROW1":
        with pa.ipc.open_file(source) as file:
            _check_names(file.schema, path)
            yield from (file.get_batch(number) for number in range(file.num_record_batches))
    else:
        with pa.ipc.open_stream(source) as stream:
            _check_names(stream.schema, path)
            yield from stream


def _check_names(schema: pa.Schema, path: Path) -> None:
    if len(set(schema.names)) < len(schema.names):
        raise InputError(f"{path}: two of its columns have the same name: rename one of them")


def arrow_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[RawRow]:
    """The rows of Arrow batches, numbered from 1."""
    place = 0
    for batch in batches:
        batch = _without_nanoseconds(batch)
        maps = [field.name for field in batch.schema if _has_maps(field.type)]
        try:
            rows = [RawRow(place, row) for place, row in enumerate(batch.to_pylist(), place + 1)]
        except (ValueError, OverflowError):
            rows = [_arrow_row(batch, index, place + 1 + index) for index in range(batch.num_rows)]
        for row in rows if maps else ():
            for name in maps if row.value else ():
                row.value[name] = _with_objects(row.value[name], batch.schema.field(name).type)
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


def _has_maps(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_map(kind):
        return True
    return any(_has_maps(kind.field(number).type) for number in range(kind.num_fields))


def _with_objects(value: Any, kind: pa.DataType) -> Any:
    """A value with each map, which Arrow gives as a list of pairs, as an object."""
    import pyarrow as pa

    if value is None:
        return None
    if pa.types.is_map(kind):
        return {str(key): _with_objects(item, kind.item_type) for key, item in value}
    if pa.types.is_struct(kind):
        return {name: _with_objects(item, kind.field(name).type) for name, item in value.items()}
    if kind.num_fields == 1:  # a list of any sort
        return [_with_objects(item, kind.field(0).type) for item in value]
    return value
