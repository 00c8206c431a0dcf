"""Reads the replies of a journal from its raw pages, where SQLite itself gives up.

The journal is one b-tree of self-contained rows (https://www.sqlite.org/fileformat2.html), and a row's key is a
hash of its request. So each page is read on its own, whatever became of those above it, and each row proves
itself: a request that was overwritten, cut off or mixed up does not hash to its key, and a reply is left out that is
no longer JSON or a vector of length 1. Only the time of a row has nothing to prove it.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from factory.engine.journal.keys import call_key

HEADER = b"SQLite format 3\x00"
_PAGE_SIZE = 4096  # SQLite's default, for a file whose header is lost
_LEAF, _INTERIOR = 0x0A, 0x02
WAL_HEADER = 32
"""Bytes before the first frame of a write-ahead log: one without frames has no more."""
_FRAME_HEADER = 24
_WAL_MAGIC = (0x377F0682, 0x377F0683)
_MOST_PAYLOAD = 1_000_000_000  # SQLite's limit of a row


class Row(NamedTuple):
    """One reply as it is stored."""

    key: bytes
    kind: str
    model: str
    request: bytes
    reply: bytes
    created: float


class _Unreadable(Exception):
    """A cell whose bytes make no row."""


def read_rows(path: Path, first_pages: int | None = None) -> Iterator[Row]:
    """Every row that the journal's file and its write-ahead log still hold; one may come more than once.

    A page that the disk cannot read, or that holds nonsense, costs the rows on it and no others.

    Raises:
        OSError: the file cannot be opened.
    """
    pages = _Pages(path)
    try:
        for page in itertools.islice(pages, first_pages):
            yield from _rows_of(page, pages)
    finally:
        pages.close()


def read_log_rows(path: Path) -> Iterator[Row]:
    """The rows that the write-ahead log alone still holds.

    Raises:
        OSError: the file cannot be opened.
    """
    pages = _Pages(path)
    try:
        for page in pages.log():
            yield from _rows_of(page, pages)
    finally:
        pages.close()


def log_is_whole(path: Path) -> bool:
    """Whether every commit in the write-ahead log can be reached: no frame before it is damaged.

    What lies behind the last commit is of no account: a process that was killed leaves half a transaction.
    The log's checksum is c[k] = c[k-1] + c[k-2] + word[k] modulo 2^32, so that of a whole frame is the product
    of its words with Fibonacci numbers.
    """
    import numpy as np

    log = path.with_name(path.name + "-wal")
    data = log.read_bytes()
    if len(data) <= WAL_HEADER:
        return True
    order = {_WAL_MAGIC[0]: "<u4", _WAL_MAGIC[1]: ">u4"}.get(int.from_bytes(data[:4], "big"))
    size = int.from_bytes(data[8:12], "big")
    if order is None or size < 512 or size > 65536 or size & (size - 1):
        return False
    fibonacci = [0, 1]
    for _ in range(size // 4 + 3):
        fibonacci.append((fibonacci[-1] + fibonacci[-2]) & 0xFFFFFFFF)

    def checksums(words: Any, first: int, second: int) -> tuple[int, int]:
        count = len(words)
        ends = []
        for length in (count - 1, count):
            weights = np.array(fibonacci[length:0:-1], dtype=np.uint32)
            told = int(np.multiply(words[:length], weights).sum(dtype=np.uint32))
            ends.append((told + fibonacci[length + 1] * second + fibonacci[length] * first) & 0xFFFFFFFF)
        return ends[0], ends[1]

    def stored(at: int) -> tuple[int, int]:
        return int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")

    state = checksums(np.frombuffer(data, order, 6), 0, 0)
    if state != stored(24):
        return False
    salts = data[16:24]
    whole = True
    for at in range(WAL_HEADER, len(data) - size - _FRAME_HEADER + 1, size + _FRAME_HEADER):
        if data[at + 8 : at + 16] != salts:
            whole = False  # damaged, or all from here on is left from before the log was begun anew
            continue
        if whole:
            words = np.frombuffer(data[at : at + 8] + data[at + 24 : at + 24 + size], order)
            state = checksums(words, *state)
            whole = state == stored(at + 16)
        if not whole and data[at + 4 : at + 8] != bytes(4):
            return False  # a commit behind a damaged frame
    return True


class _Pages:
    """The pages of a database file and of its write-ahead log, the log's own behind the file's."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        self._wal: int | None = None
        wal = path.with_name(path.name + "-wal")
        with contextlib.suppress(FileNotFoundError):
            self._wal = os.open(wal, os.O_RDONLY)
        self.size, self.usable = self._layout()
        self._count = math.ceil(os.fstat(self._file).st_size / self.size)
        self._frames = self._read_frames()
        # A page's latest version is what overflow chains mean.
        self._latest = {number: at for number, at in self._frames if number}

    def __iter__(self) -> Iterator[bytes]:
        for index in range(self._count):
            yield _read(self._file, self.size, index * self.size)
        yield from self.log()

    def log(self) -> Iterator[bytes]:
        """Every version of a page that the log holds."""
        if self._wal is not None:
            for _, at in self._frames:
                yield _read(self._wal, self.size, at)

    def page(self, number: int) -> bytes:
        """The latest version of a page; numbers begin at 1."""
        at = self._latest.get(number)
        if at is not None and self._wal is not None:
            return _read(self._wal, self.size, at)
        return _read(self._file, self.size, (number - 1) * self.size)

    def close(self) -> None:
        os.close(self._file)
        if self._wal is not None:
            os.close(self._wal)

    def _layout(self) -> tuple[int, int]:
        """The size of a page, and how much of it is used; from the file's header, or the log's."""
        head = _read(self._file, 100, 0)
        if head.startswith(HEADER) and len(head) == 100:
            size = int.from_bytes(head[16:18], "big")
            size = 65536 if size == 1 else size
            if size >= 512 and size & (size - 1) == 0 and head[20] <= size - 480:
                return size, size - head[20]
        log = _read(self._wal, WAL_HEADER, 0) if self._wal is not None else b""
        if len(log) == WAL_HEADER and int.from_bytes(log[:4], "big") in _WAL_MAGIC:
            size = int.from_bytes(log[8:12], "big")
            if 512 <= size <= 65536 and size & (size - 1) == 0:
                return size, size
        return _PAGE_SIZE, _PAGE_SIZE

    def _read_frames(self) -> list[tuple[int, int]]:
        """Page number and offset of every frame of the log, checksums or not: rows prove themselves."""
        if self._wal is None:
            return []
        step = _FRAME_HEADER + self.size
        ends = range(WAL_HEADER, os.fstat(self._wal).st_size - step + 1, step)
        return [(int.from_bytes(_read(self._wal, 4, at), "big"), at + _FRAME_HEADER) for at in ends]


def _read(descriptor: int, size: int, at: int) -> bytes:
    try:
        return os.pread(descriptor, size, at) if at >= 0 else b""
    except (OSError, OverflowError):
        return b""


def _rows_of(page: bytes, pages: _Pages) -> Iterator[Row]:
    """The rows whose cells lie on this page."""
    if len(page) < 12 or page[0] not in (_LEAF, _INTERIOR):
        return
    interior = page[0] == _INTERIOR
    first = 12 if interior else 8
    cells = min(int.from_bytes(page[3:5], "big"), (len(page) - first) // 2)
    for offset in struct.unpack_from(f">{cells}H", page, first):
        try:
            row = _row(_payload(page, offset + (4 if interior else 0), pages))
        except (_Unreadable, IndexError, ValueError, struct.error):
            continue
        if is_whole(row):
            yield row


def _payload(page: bytes, at: int, pages: _Pages) -> bytes:
    """A cell's record, gathered from its page and the overflow pages behind it."""
    length, at = _varint(page, at)
    if length > _MOST_PAYLOAD:
        raise _Unreadable
    largest = (pages.usable - 12) * 64 // 255 - 23
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
        if kind >= 12:
            values.append(part.decode() if kind % 2 else part)
        elif kind == 7:
            values.append(struct.unpack(">d", part)[0])
        else:  # SQLite stores a whole real number as an integer
            values.append(float(kind - 8 if kind in (8, 9) else int.from_bytes(part, "big", signed=True)))
    if [type(value) for value in values] != [bytes, str, str, bytes, bytes, float]:
        raise _Unreadable
    return Row(*values)


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


def is_whole(row: Row) -> bool:
    """Whether the request hashes to the key, and the reply is one that can be read."""
    try:
        if row.kind == "embedding":
            return _is_unit(row.reply) and call_key(row.kind, row.model, row.request.decode()) == row.key
        reply = orjson.loads(row.reply)
        whole = isinstance(reply, dict) and "usage" in reply
        return whole and call_key(row.kind, row.model, orjson.loads(row.request)) == row.key
    except (ValueError, TypeError):
        return False


def _is_unit(vector: bytes) -> bool:
    """Whether these are float32 numbers of a vector of length 1, as every embedding is."""
    numbers = struct.unpack(f"<{len(vector) // 4}f", vector[: len(vector) // 4 * 4])
    # Of 708 stored vectors of 384 numbers the farthest was 1e-7 from it; one number amiss is told from 0.0015 on.
    return len(vector) % 4 == 0 and abs(math.sqrt(sum(number * number for number in numbers)) - 1) < 1e-6
