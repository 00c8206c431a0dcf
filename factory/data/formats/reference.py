"""Files that a step compares its records with (a benchmark, an earlier set): read, never passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from factory.data.formats.files import check_file, file_format
from factory.data.formats.read import BadRow, read_records
from factory.data.formats.rows import raw_rows
from factory.data.record import Record
from factory.errors import InputError


def reference_records(path: Path, warn: Callable[[str], None]) -> Iterator[Record]:
    """The records of a file; a row that is no record is left out and `warn` told so.

    Raises:
        InputError: the file is missing, empty or damaged, or no row of it is a record.
    """
    none = True
    for row in read_records(path, tell=warn):
        if isinstance(row, BadRow):
            warn(f"left out: {row.file}:{row.line}: {row.reason}")
        else:
            none = False
            yield row
    if none:
        raise InputError(f"{path}: none of its rows can be read: mend the file, or name another")


def reference_rows(path: Path, warn: Callable[[str], None]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a file as mappings, each with its line or row number from 1.

    A row that is not a mapping is left out and `warn` told so.

    Raises:
        InputError: the file is missing, empty or damaged, or no row of it is a mapping.
    """
    check_file(path)
    none = True
    for row in raw_rows(path, file_format(path)):
        if isinstance(row.value, Mapping):
            none = False
            yield row.place, row.value
        else:
            problem = row.problem or "it is not an object with named fields: write one object for each row"
            warn(f"left out: {path}:{row.place}: {problem}")
    if none:
        raise InputError(f"{path}: none of its rows can be read: mend the file, or name another")
