"""Reads the replies of a journal from its raw pages, where SQLite itself gives up.

The journal is one b-tree of self-contained rows (https://www.sqlite.org/fileformat2.html), in the first journals by
their keys and in those of today by their numbers, beside an index of the keys alone; and a row has a checksum of all
that it holds. So each page is read on its own, whatever became of those above it, and each row proves
itself. A page in the write-ahead log must match its checksum too. A row from before there were checksums is known by
its key, a hash of its request, and its reply is left out where it is no longer JSON or a vector of length 1: what
nothing proves there is the time of the row, and a reply that is still JSON after some of its bits were flipped.

Why not by SQLite itself: Python's module has SQL alone, which gets nothing where the way to a page is lost, and reads
a log up to the first damage. The command `.recover` of SQLite's shell is no part of it, nor of every shell (Debian's
lacks what it needs), and it stops at the same place of a log. Here are the replies recovered from damaged copies of a
journal of 3,000 replies on 3,657 pages, in the tree of their keys (in those whose log is damaged, it holds the newest
800), ten copies of each kind of damage: by this module, by `.recover` of a shell of SQLite 3.40 built with it, and by
SQL from both ends and by ranges of keys. Of seven more kinds none gave fewer here than by the others.

    damage                                    here   .recover     SQL
    20 bits flipped                          99.6%      99.6%   99.6%
    50 pages zeroed                          97.4%      97.4%   92.8%
    noise over every twentieth page          90.3%      89.9%   56.7%
    every tenth of the inner pages zeroed    98.6%      98.6%   61.9%
    root of the table zeroed                100.0%     100.0%      0%
    header or first page zeroed             100.0%     100.0%      0%
    three bits of the header flipped        100.0%     100.0%   50.0%
    cut to 20 to 95 percent                  42.9%      42.9%      0%
    one bit of the log flipped              100.0%      78.4%   78.4%
    one bit of the log's header flipped     100.0%      73.3%   73.3%
    five blocks of noise in the log          99.8%      77.7%   77.7%
    file emptied, log whole                  33.4%         0%      0%

SQL can be made to reach lone pages: give a copy the first page of a new journal and, by `writable_schema`, make
every page in turn the table's root. With the log put in by hand that comes close (noise 87.0%, cut 20.8%), but it
parses pages and frames too, and a build in SQLite's defensive mode refuses it.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from factory.engine.journal.log import Log, page_size, read_at
from factory.engine.journal.rows import Row, is_whole

HEADER = b"SQLite format 3\x00"
_PAGE_SIZE = 4096  # SQLite's default, for a file whose header is lost
_LEAF, _INTERIOR, _NUMBERED = 0x0A, 0x02, 0x0D
"""The first byte of a page with rows: of a tree by keys, a leaf and an inner one; of a tree by numbers, a leaf."""
_TRIED_BYTES = 1 << 22  # read to see which of several sizes of a page is the right one
_MOST_PAYLOAD = 1_000_000_000  # SQLite's limit of a row


class _Unreadable(Exception):
    """A cell whose bytes make no row."""


def read_rows(path: Path, first_pages: int | None = None) -> Iterator[Row]:
    """Every row that the journal's file and its write-ahead log still hold; one may come more than once.

    A page that the disk cannot read, or that holds nonsense, costs the rows on it and no others.

    Raises:
        OSError: the file cannot be opened.
    """
    with _Pages.opened(path) as pages:
        yield from pages.rows(itertools.islice(pages, first_pages))


def read_log_rows(path: Path) -> Iterator[Row]:
    """The rows that the write-ahead log alone still holds.

    Raises:
        OSError: the file cannot be opened.
    """
    with _Pages.opened(path) as pages:
        yield from pages.rows(pages.log())


class _Pages:
    """The pages of a database file and the sound ones of its write-ahead log, the log's own behind the file's.

    size, usable: bytes of a page, and how many of them SQLite uses
    """

    def __init__(self, file: int, log: int | None, size: int, usable: int) -> None:
        self.size, self.usable = size, usable
        self._file, self._log = file, log
        self._count = math.ceil(os.fstat(file).st_size / size)
        frames = [] if log is None else [frame for frame in Log(log).frames(size) if frame.sound]
        # Those from before the log was begun anew lie behind the others, and are older.
        self._frames = sorted(frames, key=lambda frame: frame.current)
        # A page's latest version is what overflow chains mean.
        self._latest = {frame.number: frame.at for frame in self._frames if frame.number}

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator[_Pages]:
        """The pages of this file; of the sizes that they may have, by that which makes most sense of them."""
        with contextlib.ExitStack() as stack:
            file = os.open(path, os.O_RDONLY)
            stack.callback(os.close, file)
            log: int | None = None
            with contextlib.suppress(FileNotFoundError):
                log = os.open(path.with_name(path.name + "-wal"), os.O_RDONLY)
                stack.callback(os.close, log)
            ways = [cls(file, log, *layout) for layout in _layouts(file, log)]
            yield ways[0] if len(ways) == 1 else max(ways, key=cls._sense)

    def _sense(self) -> int:
        """How many rows the first pages give."""
        return sum(1 for _ in self.rows(itertools.islice(self, _TRIED_BYTES // self.size)))

    def __iter__(self) -> Iterator[bytes]:
        for index in range(self._count):
            yield read_at(self._file, self.size, index * self.size)
        yield from self.log()

    def log(self) -> Iterator[bytes]:
        """Every version of a page that the log holds."""
        if self._log is not None:
            for frame in self._frames:
                yield read_at(self._log, self.size, frame.at)

    def page(self, number: int) -> bytes:
        """The latest version of a page; numbers begin at 1."""
        at = self._latest.get(number)
        if at is not None and self._log is not None:
            return read_at(self._log, self.size, at)
        return read_at(self._file, self.size, (number - 1) * self.size)

    def rows(self, some: Iterable[bytes]) -> Iterator[Row]:
        """The whole rows of which the cells lie on these pages."""
        for page in some:
            yield from _rows_of(page, self)


def _layouts(file: int, log: int | None) -> list[tuple[int, int]]:
    """The sizes that a page may have, and how much of it is used: as the file says, the log, and by default.

    More than one only where the file's header is lost or says something unusual, which may be damage.
    """
    found: list[tuple[int, int]] = []
    head = read_at(file, 100, 0)
    if head.startswith(HEADER) and len(head) == 100:
        told = int.from_bytes(head[16:18], "big")
        size = page_size(65536 if told == 1 else told)
        if size and head[20] <= size - 480:
            found.append((size, size - head[20]))
    if log is not None and (size := Log(log).size):
        found.append((size, size))
    return list(dict.fromkeys([*found, (_PAGE_SIZE, _PAGE_SIZE)]))


def _rows_of(page: bytes, pages: _Pages) -> Iterator[Row]:
    """The rows whose cells lie on this page."""
    if len(page) < 12 or page[0] not in (_LEAF, _INTERIOR, _NUMBERED):
        return
    interior = page[0] == _INTERIOR
    first = 12 if interior else 8
    cells = min(int.from_bytes(page[3:5], "big"), (len(page) - first) // 2)
    for offset in struct.unpack_from(f">{cells}H", page, first):
        try:
            row = _row(_payload(page, offset + (4 if interior else 0), pages, numbered=page[0] == _NUMBERED))
        except (_Unreadable, IndexError, ValueError, struct.error):
            continue
        if is_whole(row):
            yield row


def _payload(page: bytes, at: int, pages: _Pages, *, numbered: bool) -> bytes:
    """A cell's record, gathered from its page and the overflow pages behind it; `numbered`: behind a row's number."""
    length, at = _varint(page, at)
    if length > _MOST_PAYLOAD:
        raise _Unreadable
    if numbered:
        _, at = _varint(page, at)
    largest = pages.usable - 35 if numbered else (pages.usable - 12) * 64 // 255 - 23
    if length <= largest:
        return page[at : at + length]
    smallest = (pages.usable - 12) * 32 // 255 - 23
    local = smallest + (length - smallest) % (pages.usable - 4)
    local = local if local <= largest else smallest
    parts = [page[at : at + local]]
    number = int.from_bytes(page[at + local : at + local + 4], "big")
    left = length - local
    while left > 0:
        overflow = pages.page(number) if number else b""
        part = overflow[4 : min(pages.usable, 4 + left)]
        if not part:
            raise _Unreadable
        parts.append(part)
        left -= len(part)
        number = int.from_bytes(overflow[:4], "big")
    return b"".join(parts)


def _row(record: bytes) -> Row:
    """The columns of a record, in SQLite's record format."""
    header, at = _varint(record, 0)
    values: list[Any] = []
    body = header
    while at < header:
        kind, at = _varint(record, at)
        size = _SIZES[kind] if kind < 12 else (kind - 12) // 2
        part = record[body : body + size]
        if len(part) != size:
            raise _Unreadable
        body += size
        if kind == 0:
            values.append(None)
        elif kind >= 12:
            values.append(part.decode() if kind % 2 else part)
        elif kind == 7:
            values.append(struct.unpack(">d", part)[0])
        else:  # SQLite stores a whole real number as an integer
            values.append(float(kind - 8 if kind in (8, 9) else int.from_bytes(part, "big", signed=True)))
    if tuple(map(type, values)) not in _TYPES:
        raise _Unreadable
    return Row(*values)


_OLD = (bytes, str, str, bytes, bytes, float)
_TYPES = {_OLD, (*_OLD, type(None), type(None)), (*_OLD, str, bytes)}
"""Of a row from before there were checksums, as it was written and once it was copied, and of one of today."""


_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of SQLite's variable length, and where it ends."""
    value = 0
    for position in range(at, at + 8):
        byte = data[position]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + 1
    return value << 8 | data[at + 8], at + 9
