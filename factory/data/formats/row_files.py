"""Rows of a layout as a file: JSON Lines, Parquet or CSV; each whole or not at all, the same rows the same bytes."""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import jsonlines
import orjson

from factory.data.formats.json_traps import JsonTraps
from factory.data.formats.layouts import Row, Written, mended
from factory.data.formats.values import plain
from factory.data.record import Record
from factory.data.whole_file import whole_file

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+]\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?%?")


class WrittenFile(NamedTuple):
    """A file that was written.

    rows: how many rows it holds; 0 for what lies beside the data
    sha256: of its bytes, hexadecimal
    replaced: texts in which lone surrogates, which no file can hold, became U+FFFD
    layout: the format of its rows, "" for what lies beside the data
    guarded: cells of a CSV file that begin as a formula does and got a ' before them
    lost: what of the records the format cannot hold, each with a count
    left_out: why records have no row in it, each with a count
    advice: what else a person should know, sentences
    """

    path: Path
    rows: int
    sha256: str
    replaced: int = 0
    layout: str = ""
    lost: Mapping[str, int] = {}
    left_out: Mapping[str, int] = {}
    guarded: int = 0
    advice: tuple[str, ...] = ()

    @property
    def told(self) -> list[str]:
        """What a person should know of the file, a sentence each; none where all of every record is in it."""
        sentences = []
        if self.left_out:
            records = sum(self.left_out.values())
            sentences.append(
                f"{self.layout}: {records:,} record{'s' * (records > 1)} left out: {counts(self.left_out)}"
            )
        if self.lost:
            sentences.append(f"{self.layout}: not carried: {counts(self.lost)}")
        if self.replaced:
            sentences.append(
                f"{self.layout}: in {self.replaced:,} text{'s' * (self.replaced > 1)} half a character "
                "(a lone surrogate) became U+FFFD"
            )
        if self.guarded:
            sentences.append(guarded_told(self.guarded))
        return [*sentences, *self.advice]


class Rows:
    """The records as rows of a layout, counted anew each time they are gone through.

    number: rows that were written
    replaced: texts mended on the way
    lost: what could not be carried
    """

    def __init__(self, records: Iterable[Record], written: Written) -> None:
        self.records, self.written = records, written
        self._begin()

    def _begin(self) -> None:
        self.number = self.replaced = 0
        self.lost: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Row]:
        self._begin()
        written = self.written
        for record in self.records:
            record, replaced = mended(record)
            if written.held.left_out and not written.holds(record):
                continue
            self.replaced += replaced
            for row in written.rows(record, self.lost):
                self.number += 1
                yield row


def write_json_lines(
    records: Iterable[Record], path: Path, written: Written, traps: JsonTraps
) -> WrittenFile:
    rows = Rows(records, written)
    with whole_file(path) as file, jsonlines.Writer(file, dumps=orjson.dumps) as writer:
        for item in rows:
            traps.see(item, writer.write(item))
    return written_file(path, rows)


def write_plain_rows(rows: Sequence[Row], path: Path) -> str:
    """Rows as JSON Lines, one JSON list or CSV, by the ending of the name; what is to be told of the file, or "".

    Raises:
        OutputError: the file cannot be written.
    """
    guarded = 0
    with whole_file(path) as file:
        if path.name.lower().endswith(".csv"):
            guarded = write_csv(rows, file, None)
        elif path.name.lower().endswith(".json"):
            file.write(orjson.dumps(plain(rows), option=orjson.OPT_INDENT_2) + b"\n")
        else:
            file.writelines(orjson.dumps(plain(row)) + b"\n" for row in rows)
    return guarded_told(guarded) if guarded else ""


def guarded_told(cells: int) -> str:
    """What is told of cells with a ' before them."""
    return (
        f"{cells:,} cell{'s' * (cells > 1)} that a spreadsheet would take for a formula (= + - @) got a ' before "
        "them, which stays when the file is read: write .jsonl, or turn csv_safe off (--no-csv-safe)"
    )


def write_csv(
    rows: Iterable[Row], stream: BinaryIO, columns: Sequence[str] | None, *, safe: bool = True
) -> int:
    """Rows as CSV; `columns` where rows may lack some. Gives how many cells got a ' before them.

    Args:
        safe: put ' before a cell that begins with = + - @, a tab or a carriage return, which a spreadsheet would run
            as a formula (OWASP, CSV injection); a number is none, nor is white space alone
    """
    guarded = 0
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    # Every cell is quoted: unquoted, a lone carriage return would end the row.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for index, item in enumerate(rows):
        if index == 0:
            writer.writerow(columns or item)
        values = [item.get(name) for name in columns] if columns else list(item.values())
        cells = [_cell(value) for value in values]
        if safe:
            risky = [at for at, value in enumerate(values) if isinstance(value, str) and _is_formula(value)]
            guarded += len(risky)
            for at in risky:
                cells[at] = f"'{cells[at]}"
        writer.writerow(cells)
    text.detach()
    return guarded


def _is_formula(cell: str) -> bool:
    return cell.startswith(_FORMULA) and not cell.isspace() and _NUMBER.fullmatch(cell) is None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def write_bytes(path: Path, data: bytes) -> WrittenFile:
    with whole_file(path) as file:
        file.write(data)
    return WrittenFile(path, 0, _sha256(path))


def written_file(path: Path, rows: Rows, guarded: int = 0) -> WrittenFile:
    held, name = rows.written.held, rows.written.layout.name
    return WrittenFile(
        path, rows.number, _sha256(path), rows.replaced, name, rows.lost, held.left_out, guarded
    )


def together(files: Sequence[WrittenFile]) -> WrittenFile:
    """The files of one format as one, for what is to be told of them; what has no row was counted over all."""
    lost: Counter[str] = Counter()
    for file in files:
        lost.update(file.lost)
    return files[0]._replace(
        rows=sum(file.rows for file in files), replaced=sum(file.replaced for file in files), lost=lost
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def counts(counts: Mapping[str, int]) -> str:
    """What and how many, the most first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {number:,}" for name, number in ordered)


@contextlib.contextmanager
def packing(file: BinaryIO, packed: bool) -> Iterator[BinaryIO]:
    if not packed:
        yield file
        return
    # No name and no time in the header: the same rows give the same bytes.
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as stream:
        yield cast(BinaryIO, stream)
