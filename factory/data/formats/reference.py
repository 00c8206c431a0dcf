"""Files that a step compares its records with (a benchmark, an earlier set): read, never passed on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from factory.data.at_rest import COLUMNS
from factory.data.formats.files import check_file, file_format
from factory.data.formats.read import BadRow, read_records
from factory.data.formats.rows import raw_rows
from factory.data.record import Record
from factory.data.table import Table
from factory.errors import InputError

_OURS = re.compile(r"[0-9a-f]{16}")


def reference_records(path: Path, warn: Callable[[str], None]) -> Iterator[Record]:
    """The records of a file; a row that is no record is left out and `warn` told so.

    A file that a run left of its records is read as it is. A row of an earlier export has the id that it had there, by
    which `factory why` finds it in the run that made it.

    Raises:
        InputError: the file is missing, empty or damaged, or no row of it is a record.
    """
    check_file(path)
    if is_at_rest(path):
        yield from Table.read(path).records()
        return
    none = True
    for row in read_records(path, tell=warn):
        if isinstance(row, BadRow):
            warn(f"left out: {row.file}:{row.line}: {row.reason}")
        else:
            none = False
            own = row.meta.get("id")
            given = isinstance(own, str) and own != row.id and _OURS.fullmatch(own)
            yield replace(row, id=str(own)) if given else row
    if none:
        raise InputError(f"{path}: none of its rows can be read: mend the file, or name another")


def is_at_rest(path: Path) -> bool:
    """Whether a file is one of the Parquet files in which a run leaves records (`at_rest.record_schema`)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() != ".parquet":
        return False
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            return set(COLUMNS) <= set(names) and pa.types.is_struct(file.schema_arrow.field("dropped").type)
    except (OSError, pa.ArrowException):  # told where it is read
        return False


def reference_rows(
    path: Path, warn: Callable[[str], None], encoding: str = ""
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a file as mappings, each with its line or row number from 1.

    A row that is not a mapping is left out and `warn` told so.

    encoding: what text is in; by default UTF-8, or what its mark says

    Raises:
        InputError: the file is missing, empty or damaged, or no row of it is a mapping.
    """
    check_file(path)
    none = True
    for row in raw_rows(path, file_format(path), encoding):
        if isinstance(row.value, Mapping):
            none = False
            yield row.place, row.value
        else:
            problem = row.problem or "it is not an object with named fields: write one object for each row"
            warn(f"left out: {path}:{row.place}: {problem}")
    if none:
        raise InputError(f"{path}: none of its rows can be read: mend the file, or name another")
