"""Rows of CSV and TSV files: RFC 4180's, and those of files whose quotation marks do not match."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from factory.data.formats.csv_faults import Dialect, mended_cells, own_lines, seem_rows
from factory.data.formats.encodings import Advice
from factory.data.formats.files import byte_lines
from factory.data.formats.raw import RawRow
from factory.errors import InputError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "upright bars"}
"""What parts the cells of files, and its name."""
_LARGEST_FIELD = 2**31 - 1  # the csv module's own limit of 128 KiB is below many an answer
_LONGEST = 64 << 20
"""Characters that a cell of several lines may have: beyond it, its quotation mark counts as never closed."""

UNMATCHED = "its quotation marks do not match"


class _Lines:
    """Gives lines to a reader of records, remembers those of the record, and takes some back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._back: deque[str] = deque()
        self.taken: list[str] = []
        self._size = 0
        self.number = 0
        """Lines before the record."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > _LONGEST:
            raise StopIteration  # the record ends here, the file does not
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        self._size += len(line)
        return line

    def begin(self) -> None:
        """The lines that were taken are done with."""
        self.number += len(self.taken)
        self.taken, self._size = [], 0

    def keep(self, count: int) -> None:
        """Take back all but the first `count` lines of the record."""
        self._back.extendleft(reversed(self.taken[count:]))
        del self.taken[count:]


def csv_rows(
    path: Path, delimiter: str, encoding: str = "", tell: Callable[[str], None] | None = None
) -> Iterator[RawRow]:
    r"""The rows of a file under its header, as a stream.

    Cells are quoted as RFC 4180 says; rows end with \r\n, \n or \r. A quotation mark that opens a cell and does not
    match costs the row it stands in and no other: reading goes on at the next line. Another delimiter than the one that
    the name says, a line `sep=;` before the header, and ' as the quotation mark are seen from the header and told.

    Raises:
        InputError: the header cannot be used.
    """
    csv.field_size_limit(_LARGEST_FIELD)
    # Bytes that are not UTF-8 pass as lone surrogates, so that one bad row does not end the file.
    text = (line.decode("utf-8", "surrogateescape") for line in _text_lines(path, encoding))
    lines = _Lines(text)
    advice = Advice(lambda: byte_lines(path), encoding)
    dialect = _dialect(path, lines, delimiter, tell)
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        skipinitialspace=dialect.spaced,
        strict=True,
    )
    header: list[str] | None = None
    while True:
        lines.begin()
        fault = ""
        cells: list[str] = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault = str(error)
        if not fault and not any(cell.strip() for cell in cells):
            continue
        start = lines.number + 1
        if header is None:
            if fault:
                raise InputError(
                    f"{path}: the quotation marks of its header do not match: close or double them"
                )
            header = _header(path, cells, advice)
            continue
        width = len(header)
        if fault or (len(cells) != width and len(lines.taken) > 1):
            lines.keep(own_lines(lines.taken, dialect, width))
            row = _faulty(start, lines.taken, dialect, header, fault, advice)
        else:
            row = _row(start, cells, header, dialect, advice)
            if len(lines.taken) > 1 and not row.problem and seem_rows(lines.taken, dialect, width):
                row = row._replace(
                    odd="a cell of several lines that might be rows (is its quotation mark meant?)"
                )
        yield row


def _faulty(
    start: int, lines: list[str], dialect: Dialect, header: list[str], fault: str, advice: Advice
) -> RawRow:
    """A row whose quotation marks do not match: mended where there is but one way."""
    raw = "".join(lines).rstrip("\r\n")
    if len(lines) == 1 and fault and (cells := mended_cells(lines[0], dialect, len(header))) is not None:
        row = _row(start, cells, header, dialect, advice)
        return row if row.problem else row._replace(odd="quotation marks that are not doubled, read as text")
    where = f"lines {start} to {start + len(lines) - 1} are" if len(lines) > 1 else "this line alone is"
    return RawRow(start, None, raw, f"{UNMATCHED}, {where} left out: close or double them")


def _row(start: int, cells: list[str], header: list[str], dialect: Dialect, advice: Advice) -> RawRow:
    raw = dialect.delimiter.join(cells)
    if (bad := _undecoded(raw)) is not None:
        return RawRow(start, None, raw, f"byte 0x{bad:02x} {advice(raw.encode(errors='surrogateescape'))}")
    if len(cells) != len(header):
        problem = f"it has {len(cells)} cells, the header has {len(header)}: quote its cells"
        return RawRow(start, None, raw, problem)
    return RawRow(start, dict(zip(header, cells, strict=True)), raw)


def _dialect(path: Path, lines: _Lines, delimiter: str, tell: Callable[[str], None] | None) -> Dialect:
    """How the file is written, seen from its first lines: `sep=` is taken off, the header stays."""
    first = next((line for line in lines if line.strip()), "")
    word = first.strip().strip('"').lower()
    if word.startswith("sep=") and len(word) <= 5:
        found = first.strip().strip('"')[4:] or "\t"
        return Dialect(found if found in DELIMITERS else delimiter)
    lines.keep(0)
    cells = next(Dialect(delimiter).rows([first]), [])
    if len(cells) == 1:
        counts = {other: len(next(Dialect(other).rows([first]), [])) for other in DELIMITERS}
        other = max(counts, key=lambda one: counts[one])
        if counts[other] > 1 and other != delimiter:
            if tell is not None:
                tell(f"{path}: its cells are parted by {DELIMITERS[other]}, and read so")
            delimiter = other
    cells = [cell.strip() for cell in first.split(delimiter)]
    quote = "'" if all(len(cell) > 2 and cell[0] == cell[-1] == "'" for cell in cells) else '"'
    spaced = delimiter != "\t" and len(cells) > 1 and first.rstrip().count(f"{delimiter} ") == len(cells) - 1
    if spaced and tell is not None:
        tell(f"{path}: a space stands behind each delimiter, and is passed over")
    return Dialect(delimiter, quote, spaced)


def _text_lines(path: Path, encoding: str) -> Iterator[bytes]:
    r"""Lines split at \r\n, \n or \r, which all end a row of CSV."""
    for line in byte_lines(path, encoding):
        yield from line.splitlines(keepends=True) if b"\r" in line else (line,)


def _undecoded(text: str) -> int | None:
    """The first byte that was not decoded, of text decoded with surrogateescape."""
    if text.isascii():
        return None
    return next((ord(c) - 0xDC00 for c in text if "\udc80" <= c <= "\udcff"), None)


def _header(path: Path, cells: list[str], advice: Advice) -> list[str]:
    header = [cell.strip() for cell in cells]
    raw = "".join(header)
    if (bad := _undecoded(raw)) is not None:
        said = advice(raw.encode(errors="surrogateescape"))
        raise InputError(f"{path}: byte 0x{bad:02x} of the header {said}")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: the header names the column {twice!r} twice: rename one of them")
    return [name or f"column {number}" for number, name in enumerate(header, 1)]
