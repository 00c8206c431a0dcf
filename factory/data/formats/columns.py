"""Rows whose one column is the text of a document: each row is a document then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from factory.data.document import Document, document_record
from factory.data.documents.markdown import find_headings
from factory.data.formats.files import check_file, file_format, shown_path
from factory.data.formats.raw import RawRow
from factory.data.formats.read import BadRow, row_shown
from factory.data.formats.rows import raw_rows
from factory.data.record import Record
from factory.data.text import is_blank, shorten
from factory.errors import InputError, nearest


def column_documents(
    path: Path, column: str, format: str | None, encoding: str, tell: Callable[[str], None]
) -> Iterator[Record | BadRow]:
    """The rows of a file as documents, whose text stands in a column; see `documents_of_rows`.

    Raises:
        InputError: the file cannot be read, or no row has such a column.
    """
    check_file(path)
    rows = raw_rows(path, file_format(path, format, tell), encoding, tell)
    return documents_of_rows(rows, column, shown_path(path))


def documents_of_rows(rows: Iterable[RawRow], column: str, name: str) -> Iterator[Record | BadRow]:
    """Rows as documents: the text in `column`, the title in `title` where there is one, the other columns in `meta`.

    Raises:
        InputError: no row has such a column.
    """
    seen: Counter[bytes] = Counter()
    known = False
    columns: list[str] = []
    bad: list[BadRow] = []
    for row in rows:
        if not isinstance(row.value, Mapping) or row.problem:
            bad.append(
                BadRow(
                    name, row.place, row.problem or "it is not an object with named fields", row_shown(row)
                )
            )
        elif column not in row.value:
            columns = columns or [str(key) for key in row.value]
            bad.append(BadRow(name, row.place, f"it has no column {column!r}", row_shown(row)))
        else:
            known = True
            yield from bad
            bad.clear()
            yield _document(row, row.value, column, name, seen)
    if bad and not known:
        has = ", ".join(shorten(one, 30) for one in columns[:8]) or "none"
        raise InputError(
            f"{name}: its rows have no column {column!r}{nearest(column, columns)}: they have {has}"
        )
    if not known:
        raise InputError(f"{name} is empty: it needs at least one row")
    yield from bad


def _document(
    row: RawRow, values: Mapping[str, object], column: str, name: str, seen: Counter[bytes]
) -> Record | BadRow:
    said = values[column]
    if not isinstance(said, str) or is_blank(said):
        what = "is blank" if isinstance(said, str) else f"is no text but {type(said).__name__}"
        return BadRow(name, row.place, f"its {column} {what}", row_shown(row))
    text = said.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    title = values.get("title")
    headings = tuple(find_headings(text))
    about = Document(
        f"{name}:{row.place}",
        "column",
        title if isinstance(title, str) else "",
        headings,
        converter="as it is",
    )
    made = document_record(text, about)
    key = bytes.fromhex(made.id)
    if seen[key]:
        made = document_record(text, about, occurrence=seen[key])
    seen[key] += 1
    others = {str(key): value for key, value in values.items() if key != column}
    return replace(made, meta={**others, **made.meta}, place=about.file)
