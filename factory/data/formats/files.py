"""Finding and opening data files: what kind a file is, gzip, byte-order marks."""

from __future__ import annotations

import codecs
import difflib
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import AnyStr, BinaryIO, cast

from factory.errors import InputError

EXTENSIONS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""File name endings and the format they stand for; each may be followed by .gz."""

FORMATS = tuple(dict.fromkeys(EXTENSIONS.values()))

LONGEST_LINE = 1 << 30
"""Bytes that a line may have, or characters in UTF-16 and UTF-32; no row of text is that long."""
_PIECE = 1 << 26
# DEFLATE packs at most 1,032 to 1; text is packed 3 to 1, and one row over and over 100 to 1.
_BOMB_RATIO = 200

_GZIP = b"\x1f\x8b"
# UTF-32's mark begins with UTF-16's, so it is looked for first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def base_name(path: Path) -> str:
    """The file's name without its format's endings: `pool` for `data/pool.jsonl.gz`."""
    name = path.name.removesuffix(".gz")
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in EXTENSIONS else name


def file_format(path: Path, format: str | None = None) -> str:
    """The format of `path`: the one given, or by its name.

    Raises:
        InputError: the format is not known, or the name does not tell.
    """
    if format is not None:
        if format not in FORMATS:
            near = difflib.get_close_matches(format, FORMATS, 1)
            hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(FORMATS)}"
            raise InputError(f"{path}: there is no input format {format!r}: {hint}")
        return format
    ending = os.path.splitext(path.name.removesuffix(".gz"))[1].lower()
    if ending not in EXTENSIONS:
        raise InputError(
            f"{path}: the name does not tell its format: give format= one of {', '.join(FORMATS)}, "
            f"or rename it to end in one of {', '.join(EXTENSIONS)}"
        )
    return EXTENSIONS[ending]


def check_file(path: Path) -> None:
    """Make sure that `path` is a file that can be read and holds something.

    Raises:
        InputError: it is missing, a folder, empty, or not readable.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: {_data_files(path)}")
        if not path.exists():
            raise InputError(f"{path} does not exist: {_nearest(path)}")
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{path} is empty: it needs at least one row")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise InputError(f"{path} cannot be opened: {_why(error)}") from error


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where they are gzip's, whatever the name says.

    Raises:
        InputError: the name ends in .gz but the file is not gzip, or it cannot be opened.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {_why(error)}") from error
    if raw.peek(2)[:2] == _GZIP:
        return cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=raw), buffer_size=1 << 18))
    if path.name.endswith(".gz"):
        raw.close()
        raise InputError(f"{path} is named .gz but is not gzip: rename it without .gz, or fetch it again")
    return raw


def is_packed(stream: BinaryIO) -> bool:
    """Whether a stream from `open_bytes` unpacks as it reads."""
    return isinstance(getattr(stream, "raw", None), gzip.GzipFile)


def byte_lines(path: Path) -> Iterator[bytes]:
    r"""The file's lines as UTF-8 bytes, split at \n alone, any byte-order mark taken off.

    A file with a UTF-16 or UTF-32 mark is converted; one without a mark is passed on as it is, so a line may
    hold bytes that are not UTF-8.

    Raises:
        InputError: the file cannot be opened, ends in the middle of its gzip stream, or has a line of more than
            `LONGEST_LINE`, or one that gzip packed as it packs no text: memory would not hold it.
    """
    count = 0
    with open_bytes(path) as stream:
        try:
            for line in _utf8(path, stream):
                count += 1
                yield line
        except (EOFError, OSError, zlib.error) as error:
            why = "its gzip stream is cut short" if isinstance(error, EOFError) else _why(error)
            raise InputError(f"{path} is damaged after line {count}: {why}; fetch the file again") from error


def _utf8(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    head = cast(io.BufferedReader, stream).peek(4)[:4]
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            # "replace": half a character pair becomes U+FFFD, the line around it stays readable.
            text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="\n")
            return (line.encode() for line in _lines(path, stream, text.readline, "\n"))
    if head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
    return _lines(path, stream, stream.readline, b"\n")


def _lines(path: Path, stream: BinaryIO, readline: Callable[[int], AnyStr], end: AnyStr) -> Iterator[AnyStr]:
    """The lines; a long one is read in pieces, so that one without an end is given up before memory is."""
    count = blank = 0
    while line := readline(_PIECE):
        count += 1
        if len(line) == _PIECE and not line.endswith(end):
            pieces = [line]
            length = len(line)
            while not pieces[-1].endswith(end):
                _check_ratio(path, stream, length)
                if length > LONGEST_LINE:
                    raise InputError(
                        f"{path}: line {count} is longer than {LONGEST_LINE >> 30} GiB: put each object on a line of "
                        "its own, or save it as Parquet"
                    )
                pieces.append(readline(_PIECE))
                length += len(pieces[-1])
                if not pieces[-1]:
                    break
            line = end[:0].join(pieces)
        blank = blank + len(line) if line.isspace() else 0
        if blank > _PIECE:
            raise InputError(
                f"{path} has more than {_PIECE >> 20} MiB of blank lines in a row: fetch it again"
            )
        yield line


def read_whole(path: Path, stream: BinaryIO) -> bytes:
    """All bytes of a stream from `open_bytes`.

    Raises:
        InputError: gzip packed them as it packs no data.
    """
    pieces: list[bytes] = []
    while piece := stream.read(_PIECE):
        pieces.append(piece)
        _check_ratio(path, stream, len(pieces) * _PIECE)
    return b"".join(pieces)


def _check_ratio(path: Path, stream: BinaryIO, length: int) -> None:
    """Refuse what is a few bytes in the file and fills the memory, as a "gzip bomb" does."""
    packed = getattr(getattr(stream, "raw", None), "fileobj", None)
    if length > _PIECE and packed is not None and length > _BOMB_RATIO * packed.tell():
        raise InputError(
            f"{path} unpacks to more than {_BOMB_RATIO} times its size, as no text does: fetch it again, or unpack it "
            "yourself where it is meant so"
        )


def read_error(path: Path, error: Exception) -> InputError:
    """The sentence for a file that stopped being readable."""
    return InputError(f"{path} cannot be read: {_why(error)}; fetch the file again or convert it")


def _why(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text.splitlines()[0].rstrip(".")


def _nearest(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"there is no folder {path.parent} that can be read either, check the path"
    near = difflib.get_close_matches(path.name, names, 1, cutoff=0.6)
    return f"did you mean {path.parent / near[0]}?" if near else "check the name and the folder"


def _data_files(folder: Path) -> str:
    found = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if os.path.splitext(path.name.removesuffix(".gz"))[1].lower() in EXTENSIONS and path.is_file()
    )
    if not found:
        return "name a file; it holds no data file"
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return f"name one of its data files: {', '.join(found[:5])}{more}"
