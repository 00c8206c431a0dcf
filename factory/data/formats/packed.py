"""Files packed by gzip, bzip2, xz or zstd, known by their first bytes whatever their names say."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

ENDINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".lzma": "xz", ".zst": "zstd", ".zstd": "zstd"}
"""Endings of names of packed files, and what they were packed by."""


class _Packing(NamedTuple):
    magic: bytes
    name: str


_PACKINGS = (
    _Packing(b"\x1f\x8b", "gzip"),
    _Packing(b"BZh", "bzip2"),
    _Packing(b"\xfd7zXZ\x00", "xz"),
    _Packing(b"\x28\xb5\x2f\xfd", "zstd"),
)

DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
"""What is raised in the middle of a packed file that is damaged or cut short."""


def packed_by(head: bytes) -> str:
    """What packed a file that begins with these bytes, "" where nothing did."""
    return next((one.name for one in _PACKINGS if head.startswith(one.magic)), "")


def packing_named(path: Path) -> str:
    """What packed a file, as its name says; "" where it says nothing."""
    return ENDINGS.get(path.suffix.lower(), "")


def unpacked_name(name: str) -> str:
    """A file's name without the ending of its packing."""
    ending = next((one for one in ENDINGS if name.lower().endswith(one)), "")
    return name[: len(name) - len(ending)]


def unpacked(raw: BinaryIO, packing: str) -> BinaryIO:
    """The bytes that were packed, as a stream that can be peeked into."""
    stream: Any
    if packing == "gzip":
        stream = gzip.GzipFile(fileobj=raw, mode="rb")
    elif packing == "bzip2":
        stream = bz2.BZ2File(raw)
    elif packing == "xz":
        stream = lzma.LZMAFile(raw)  # noqa: SIM115 (the caller closes it)
    else:
        import pyarrow as pa

        stream = _Whole(pa.CompressedInputStream(raw, "zstd"))
    return cast(BinaryIO, Unpacking(stream, raw))


class Unpacking(io.BufferedReader):
    """What was packed, as it is unpacked.

    packed: the packed bytes, whose `tell` says how many of them were read
    """

    def __init__(self, stream: Any, packed: BinaryIO) -> None:
        super().__init__(stream, buffer_size=1 << 18)
        self.packed: BinaryIO = getattr(packed, "packed", packed)  # of what was packed twice, the file

    def close(self) -> None:
        """Close the file too."""
        try:
            super().close()
        finally:
            if (packed := getattr(self, "packed", None)) is not None:
                packed.close()


class _Whole(io.RawIOBase):
    """An Arrow stream as a raw stream of Python's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
