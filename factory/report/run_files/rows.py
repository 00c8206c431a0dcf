"""Records of a run at rest: which Parquet files hold them, and fetching a few without reading the rest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from factory.data.arrow import to_array
from factory.data.at_rest import COLUMNS, from_batch, to_schema
from factory.data.record import Record
from factory.errors import InputError

if TYPE_CHECKING:
    import pyarrow.parquet as pq


def kept_files(folder: Path) -> list[Path]:
    """What lived after each border, the last border first."""
    return sorted(folder.glob("steps/*/kept.parquet"), reverse=True)


def dropped_files(folder: Path) -> list[Path]:
    """What was let go: the run's one file of it, or those of the borders of a run that was stopped."""
    whole = folder / "dropped.parquet"
    return [whole] if whole.is_file() else sorted(folder.glob("steps/*/dropped.parquet"), reverse=True)


def open_rows(path: Path) -> pq.ParquetFile:
    """A Parquet file of records.

    Raises:
        InputError: it is damaged, or holds no records.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the recipe again to make it anew") from error
    if missing := [name for name in COLUMNS if name not in file.schema_arrow.names]:
        raise InputError(f"{path}: lacks the column {missing[0]}; it was not written by a run")
    return file


def rows_at(path: Path, positions: Iterable[int]) -> list[Record]:
    """The records at these positions of a file, in ascending order; only their row groups are read."""
    import pyarrow as pa

    file = open_rows(path)
    wanted = sorted(set(positions))
    records: list[Record] = []
    start = at = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        here = []
        while at < len(wanted) and wanted[at] < end:
            here.append(wanted[at] - start)
            at += 1
        if here:
            records.extend(from_batch(to_schema(file.read_row_group(group).take(to_array(here, pa.int64())))))
        start = end
    return records


def evenly(total: int, number: int) -> list[int]:
    """Up to `number` positions spread evenly over `total`, the first and the last among them."""
    if total <= number:
        return list(range(total))
    if number == 1:
        return [0]
    return [at * (total - 1) // (number - 1) for at in range(number)]
