"""Which lines of a CSV file belong to a row whose quotation marks do not match, so that no other row goes with it."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_LOOKED_AT = 20  # records behind a mark that tell whether it was meant


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the cells of a file are parted and quoted; spaced: a space behind each delimiter means nothing."""

    delimiter: str
    quote: str = '"'
    spaced: bool = False

    def rows(
        self, lines: Sequence[str], *, strict: bool = True, escape: str | None = None
    ) -> Iterator[list[str]]:
        """The rows of some lines, up to the first that is none."""
        try:
            yield from csv.reader(
                iter(lines),
                delimiter=self.delimiter,
                quotechar=self.quote,
                skipinitialspace=self.spaced,
                strict=strict,
                escapechar=escape,
                doublequote=escape is None,
            )
        except csv.Error:
            return

    def literal(self, line: str) -> list[str]:
        """The cells of a line in which quotation marks mean nothing."""
        return line.rstrip("\r\n").split(self.delimiter)


class _Fault(NamedTuple):
    """Where the quotation marks of a record stop to match.

    opened: offset of the mark that opens the cell
    at: offset of the mark behind which neither a delimiter nor the end of a line stands; None where no mark follows
    """

    opened: int
    at: int | None


def own_lines(lines: Sequence[str], dialect: Dialect, width: int) -> int:
    """How many of the lines that were taken for one record belong to it; the others are rows of their own.

    The lines stop at the mark that does not match, at the end of the file, or behind a record of several lines that
    has not `width` cells. A mark that opens a cell and is not meant to is told from a cell of several lines that has
    a fault in it by the lines behind: whether those are rows themselves.
    """
    text = "".join(lines)
    fault = _fault(text, dialect)
    opened = _line_of(lines, fault.opened if fault is not None else _first_long_cell(text, dialect))
    own, behind = opened + 1, lines[opened + 1 :]
    if not behind:
        return len(lines)
    if fault is None or fault.at is None:
        return own if _are_rows(behind, dialect, width) else len(lines)
    before = text[fault.at - 1]
    if before in (dialect.delimiter, "\n", "\r") or len(dialect.literal(lines[opened])) == width:
        return own
    loose = next(dialect.rows(lines, strict=False), [])
    return len(lines) if len(loose) == width else own


def mended_cells(line: str, dialect: Dialect, width: int) -> list[str] | None:
    r"""The cells of a line whose marks do not match, where there is but one way to read it; else None.

    Marks escaped by a backslash are read so; marks in pairs within cells (`"stop" he said`) are text.
    """
    if "\\" + dialect.quote in line:
        cells = next(dialect.rows([line], escape="\\"), [])
        return cells if len(cells) == width else None
    cells = dialect.literal(line)
    fits = len(cells) == width and all(cell.count(dialect.quote) % 2 == 0 for cell in cells)
    return cells if fits else None


def seem_rows(lines: Sequence[str], dialect: Dialect, width: int) -> bool:
    """Whether each of several lines would be a row if quotation marks meant nothing."""
    return all(len(dialect.literal(line)) == width for line in lines)


def _are_rows(lines: Sequence[str], dialect: Dialect, width: int) -> bool:
    found = [row for row in itertools.islice(dialect.rows(lines), _LOOKED_AT) if any(map(str.strip, row))]
    return bool(found) and 2 * sum(len(row) == width for row in found) >= len(found)


def _line_of(lines: Sequence[str], offset: int) -> int:
    ends = itertools.accumulate(map(len, lines))
    return next(at for at, end in enumerate(ends) if offset < end)


def _fault(text: str, dialect: Dialect) -> _Fault | None:
    for opened, closed in _quoted(text, dialect):
        if closed is None:
            return _Fault(opened, None)
        if text[closed + 1 : closed + 2] not in (dialect.delimiter, "\n", "\r", ""):
            return _Fault(opened, closed)
    return None


def _first_long_cell(text: str, dialect: Dialect) -> int:
    """Offset of the first quoted cell that holds the end of a line."""
    return next(
        (
            opened
            for opened, closed in _quoted(text, dialect)
            if closed and re.search(r"[\r\n]", text[opened:closed])
        ),
        0,
    )


def _quoted(text: str, dialect: Dialect) -> Iterator[tuple[int, int | None]]:
    """Offsets of the marks that open and close each quoted cell; None where it is not closed. Ends at a fault."""
    stop = re.compile(f"[{re.escape(dialect.delimiter)}\r\n]")
    at = 0
    while at < len(text):
        while dialect.spaced and text[at : at + 1] == " ":
            at += 1
        if text[at : at + 1] == dialect.quote:
            opened = at
            closed = text.find(dialect.quote, at + 1)
            while closed >= 0 and text[closed + 1 : closed + 2] == dialect.quote:
                closed = text.find(dialect.quote, closed + 2)
            yield opened, closed if closed >= 0 else None
            at = closed + 1
            if closed < 0 or text[at : at + 1] not in (dialect.delimiter, "\n", "\r", ""):
                return
        end = stop.search(text, at)
        if end is None:
            return
        at = end.end()
