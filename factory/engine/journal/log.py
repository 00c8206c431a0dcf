"""The journal's write-ahead log: its frames, each with whether it is what was written.

SQLite reads a log up to the first damage and leaves out what lies behind it without a word
(https://www.sqlite.org/walformat.html).
"""

from __future__ import annotations

import functools
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WAL_HEADER = 32
"""Bytes before the first frame: a log without frames has no more."""
_FRAME_HEADER = 24
_ORDERS = {b"\x37\x7f\x06\x82": "<u4", b"\x37\x7f\x06\x83": ">u4"}


def log_is_whole(path: Path) -> bool:
    """Whether every commit in the write-ahead log can be reached: no frame before it is damaged.

    What lies behind the last commit is of no account: a process that was killed leaves half a transaction.
    """
    descriptor = os.open(path.with_name(path.name + "-wal"), os.O_RDONLY)
    try:
        if os.fstat(descriptor).st_size <= WAL_HEADER:
            return True
        log = Log(descriptor)
        if not log.begins_well:
            return False
        whole = True
        for frame in log.frames(log.size):
            # One that is not current is damaged, or all from there on is left from before the log was begun anew.
            whole = whole and frame.current and frame.sound
            if not whole and frame.current and frame.commits:
                return False
        return True
    finally:
        os.close(descriptor)


class Frame(NamedTuple):
    """A version of a page in the log.

    number: of the page
    at: where in the log the page begins
    commits: it ends a transaction
    current: it was written since the log was begun anew
    sound: it matches its checksum
    """

    number: int
    at: int
    commits: bool
    current: bool
    sound: bool


class Log:
    """A write-ahead log, read frame by frame.

    A frame's checksum goes on from that of the frame before it. Taken from what is stored there, it tells of
    each frame alone whether it is damaged, and a damaged one spoils none behind it, but for the next where the
    stored checksum itself is what was hit.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        head = read_at(descriptor, WAL_HEADER, 0).ljust(WAL_HEADER, b"\0")
        self._salts, self._checksum = head[16:24], head[24:32]
        order = _ORDERS.get(head[:4])
        self._orders = (order,) if order else tuple(_ORDERS.values())
        self.size = page_size(int.from_bytes(head[8:12], "big")) if order else 0
        self.begins_well = self.size > 0 and self._fits(head[:24], bytes(8), self._checksum)

    def frames(self, size: int) -> Iterator[Frame]:
        """All frames of pages of this size, in the order of the file."""
        end = os.fstat(self._descriptor).st_size
        before, salts = self._checksum, self._salts
        if not self.begins_well:
            salts = read_at(self._descriptor, 8, WAL_HEADER + 8)
        for at in range(WAL_HEADER, end - size - _FRAME_HEADER + 1, size + _FRAME_HEADER):
            frame = read_at(self._descriptor, _FRAME_HEADER + size, at)
            head, page = frame[:_FRAME_HEADER], frame[_FRAME_HEADER:]
            sound = len(page) == size and self._fits(head[:8] + page, before, head[16:24])
            number, commits = int.from_bytes(head[:4], "big"), head[4:8] != bytes(4)
            yield Frame(number, at + _FRAME_HEADER, commits, head[8:16] == salts, sound)
            before = head[16:24]

    def _fits(self, data: bytes, before: bytes, after: bytes) -> bool:
        return len(before) == len(after) == 8 and any(
            _checksum_of(data, before, order) == after for order in self._orders
        )


def _checksum_of(data: bytes, before: bytes, order: str) -> bytes:
    """The log's checksum of `data`, going on from the one before it.

    It is c[k] = c[k-1] + c[k-2] + word[k] modulo 2^32, so that of many words is their product with Fibonacci
    numbers.
    """
    import numpy as np

    words = np.frombuffer(data, order)
    first, second = struct.unpack(">2I", before)
    ends = []
    for length in (len(words) - 1, len(words)):
        weights = _fibonacci(length + 1)
        told = int(np.multiply(words[:length], weights[length:0:-1]).sum(dtype=np.uint32))
        ends.append((told + int(weights[length + 1]) * second + int(weights[length]) * first) & 0xFFFFFFFF)
    return struct.pack(">2I", *ends)


@functools.cache
def _fibonacci(last: int) -> NDArray[np.uint32]:
    """The Fibonacci numbers up to this place, modulo 2^32."""
    import numpy as np

    numbers = [0, 1]
    while len(numbers) <= last:
        numbers.append((numbers[-1] + numbers[-2]) & 0xFFFFFFFF)
    return np.array(numbers, dtype=np.uint32)


def page_size(told: int) -> int:
    """The size of a page where this can be one, else 0."""
    return told if 512 <= told <= 65536 and told & (told - 1) == 0 else 0


def read_at(descriptor: int, size: int, at: int) -> bytes:
    """So many bytes from there; fewer or none where the file ends or the disk cannot read them."""
    try:
        return os.pread(descriptor, size, at) if at >= 0 else b""
    except (OSError, OverflowError):
        return b""
