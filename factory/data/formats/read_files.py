"""Records of several files, folders and patterns, one behind the other; and how many there will be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from factory.data.documents.kinds import document_kind
from factory.data.documents.read import DocumentReader, Limits
from factory.data.formats.arrow_rows import count_arrow_rows
from factory.data.formats.columns import column_documents
from factory.data.formats.files import base_name, check_file, file_format
from factory.data.formats.grouped import grouped, holds_several, one_each
from factory.data.formats.json_rows import count_json_rows
from factory.data.formats.places import data_files
from factory.data.formats.read import BadRow, first_rows, read_records, warn
from factory.data.formats.rows import raw_rows
from factory.data.formats.shapes import shape_named
from factory.data.formats.shapes.many import ManyRows
from factory.data.record import Record
from factory.errors import InputError


def read_files(
    paths: Iterable[Path],
    *,
    format: str | None = None,
    shape: str | None = None,
    encoding: str = "",
    text: str = "",
    limits: Limits | None = None,
    tell: Callable[[str], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Iterator[Record | BadRow]:
    """The records of files, folders and patterns (`places.data_files`), each file a source of its own name.

    A file of rows that cannot be read stops the reading where it was named itself. One of a folder or of a pattern is a
    `BadRow` at line 0, and the others are read; so is every document, unless none can be read.

    Args:
        text: the column of rows that holds the text of a document; each row is one then
        limits: what a document may take
        notice: is told what asks for no look; by default `tell` is

    Raises:
        InputError: as `read_records` and `data_files`; of a folder or a pattern no file can be read, or no document.
        MissingDependency: a document takes a package that is not installed.
    """
    named: set[str] = set()
    tell = tell or warn
    reader = DocumentReader(encoding, limits or Limits(), tell, notice or tell)
    broken: BadRow | None = None
    given = False
    try:
        for path in paths:
            files = data_files(path, tell, documents=not format and not text)
            failed = 0
            rows: Iterator[Record | BadRow]
            for is_documents, group in itertools.groupby(files, lambda one: _is_document(one, format, text)):
                if is_documents:
                    for found in reader.read(_checked(group)):
                        broken, given = (found, given) if isinstance(found, BadRow) else (broken, True)
                        yield found
                    continue
                for file in group:
                    if text:
                        rows = column_documents(file, text, format, encoding, tell)
                    else:
                        rows = read_records(
                            file,
                            format=format,
                            shape=shape,
                            encoding=encoding,
                            source=_source(file, named),
                            tell=tell,
                        )
                    try:
                        yield from rows
                        given = True
                    except InputError as error:
                        failed += 1
                        if failed == len(files):
                            raise
                        yield BadRow(str(file), 0, str(error), "")
        if broken is not None and not given:
            raise InputError(broken.reason)
    finally:
        reader.close()


def _is_document(path: Path, format: str | None, text: str) -> bool:
    return not format and not text and document_kind(path) != ""


def _checked(paths: Iterable[Path]) -> Iterator[Path]:
    """Paths, each looked for before it is read.

    Raises:
        InputError: it does not exist.
    """
    for path in paths:
        if not path.exists():
            check_file(path)
        yield path


def _source(path: Path, named: set[str]) -> str:
    """The name of a file as a source, which no other file has."""
    source = base_name(path)
    if source in named and path.parent.name:  # files of one name in two folders are two sources
        source = f"{path.parent.name}/{source}"
    first, number = source, 1
    while source in named:
        number += 1
        source = f"{first} ({number})"
    named.add(source)
    return source


def count_records(
    paths: Iterable[Path],
    *,
    format: str | None = None,
    shape: str | None = None,
    encoding: str = "",
    text: str = "",
) -> int | None:
    """The most records that `read_files` would give: rows that cannot be read count too.

    Parquet and Arrow files say how many rows they have, lines are counted, other files are read through; a document
    counts one. None where a file can be read only once (a pipe).

    Raises:
        InputError: a file cannot be read.
    """
    total = 0
    for path in paths:
        for file in data_files(path, documents=not format and not text):
            if _is_document(file, format, text):
                total += 1
                continue
            check_file(file)
            if not file.is_file():
                return None
            total += _count(file, format, shape, encoding, text)
    return total


def _count(path: Path, format: str | None, shape: str | None, encoding: str, text: str) -> int:
    found = file_format(path, format)
    if not text:
        head, shape, _ = first_rows(raw_rows(path, found, encoding), str(path), shape)
        many = shape_named(shape)
        if isinstance(many, ManyRows) or any(holds_several(row.value) for row in head):
            return sum(1 for _ in one_each(grouped(raw_rows(path, found, encoding), many), many))
    if found in ("parquet", "arrow"):
        return count_arrow_rows(path, found)
    if found in ("jsonl", "json"):
        return count_json_rows(path, document=found == "json", encoding=encoding)
    return sum(1 for _ in raw_rows(path, found, encoding))
