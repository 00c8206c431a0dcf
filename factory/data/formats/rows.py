"""Raw rows of a data file, one at a time, each with its place; what each row means is decided in `shapes`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from factory.data.formats.arrow_rows import arrow_file_rows, parquet_rows
from factory.data.formats.csv_rows import csv_rows
from factory.data.formats.json_rows import json_rows
from factory.data.formats.raw import RawRow


def raw_rows(
    path: Path, format: str, encoding: str = "", tell: Callable[[str], None] | None = None
) -> Iterator[RawRow]:
    """The rows of a file in one of `files.FORMATS`. JSON documents are read whole, the others as a stream.

    Args:
        encoding: what text is in; "" is UTF-8, and what a byte-order mark says
        tell: is told what of the file is odd or left out

    Raises:
        InputError: the file as a whole cannot be read.
    """
    if format == "parquet":
        return parquet_rows(path)
    if format == "arrow":
        return arrow_file_rows(path)
    if format in ("csv", "tsv"):
        return csv_rows(path, "\t" if format == "tsv" else ",", encoding, tell)
    return json_rows(path, document=format == "json", encoding=encoding, tell=tell)
