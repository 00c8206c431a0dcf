"""Finding and opening data files: what a file is by its name and its first bytes, packings, encodings."""

from __future__ import annotations

import codecs
import contextlib
import difflib
import errno
import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import AnyStr, BinaryIO, cast

from factory.data.formats.encodings import known_encoding, unmarked_utf16
from factory.data.formats.packed import (
    DAMAGED,
    packed_by,
    packing_named,
    unpacked,
    unpacked_name,
)
from factory.data.formats.values import loads
from factory.data.whole_file import NO_DESCRIPTORS
from factory.errors import InputError

EXTENSIONS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
"""File name endings and the format they stand for; each may be followed by that of a packing."""

FORMATS = tuple(dict.fromkeys(EXTENSIONS.values()))

LONGEST_LINE = 1 << 30
"""Bytes that a line may have, or characters in UTF-16 and UTF-32; no row of text is that long."""
_PIECE = 1 << 26
# DEFLATE packs at most 1,032 to 1; text is packed 3 to 1, and one row over and over 100 to 1.
_BOMB_RATIO = 200

# UTF-32's mark begins with UTF-16's, so it is looked for first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_ARROW = (b"ARROW1", b"FEA1", b"\xff\xff\xff\xff")
_OTHERS = (
    (b"PK\x03\x04", "an Excel workbook or another zip archive: save its sheet as CSV UTF-8, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save its sheet as CSV UTF-8"),
    (b"SQLite format 3\0", "a database: export the table as CSV"),
    (b"%PDF", "a PDF: rename it to end in .pdf, and `read` takes it as a document"),
    *(
        (
            b"\x80" + bytes([protocol]),
            "a pickle, which is never opened, as it may hold a program: save it as Parquet",
        )
        for protocol in range(2, 6)
    ),
    (
        b"version https://git-lfs",
        "a Git LFS pointer in place of the file: fetch the file itself, `git lfs pull`",
    ),
)
"""How files begin that hold no rows which could be read, and what to do with them."""
_WAIT_SECONDS = 3.0
_HEAD = 4096


def base_name(path: Path) -> str:
    """The file's name without its format's endings: `pool` for `data/pool.jsonl.gz`."""
    name = unpacked_name(path.name)
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in EXTENSIONS else name


_OF_OTHERS = (
    *(".yaml", ".yml", ".toml", ".xml", ".html", ".htm", ".md", ".rst", ".py", ".ipynb", ".sql"),
    *(".xls", ".xlsx", ".ods", ".doc", ".docx", ".pdf", ".pkl", ".pickle", ".npy", ".npz"),
)
"""Endings of files that are read no other way by another name."""


def shown_path(path: Path) -> str:
    """A path as text; bytes of it that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def is_data_file(path: Path) -> bool:
    """Whether a name is that of a data file."""
    return os.path.splitext(unpacked_name(path.name))[1].lower() in EXTENSIONS


def file_format(path: Path, format: str | None = None, tell: Callable[[str], None] | None = None) -> str:
    """The format of `path`: the one given, or by its name; but what its first bytes are certain of counts.

    `tell` is told where they say something else than the name.

    Raises:
        InputError: the format is not known, the name does not tell, or the file holds no rows.
    """
    if format is not None and format not in FORMATS:
        near = difflib.get_close_matches(format, FORMATS, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(FORMATS)}"
        raise InputError(f"{path}: there is no input format {format!r}: {hint}")
    named = format or EXTENSIONS.get(os.path.splitext(unpacked_name(path.name))[1].lower(), "")
    found = _seen_format(path, named)
    if format is None and named and found not in (named, "") and tell is not None:
        tell(f"{path}: is named as {named}, but holds {found}, and is read so")
    if not found and path.exists() and not path.is_file():
        raise InputError(
            f"{path} is a pipe, whose name does not tell its format: save what comes out of it as a file, such as "
            "rows.jsonl, and name that"
        )
    if not found and path.suffix.lower() == ".txt":
        raise InputError(
            f"{path}: a .txt file does not tell what its lines are: if each is an instruction, write the line "
            "instruction above them and rename the file to end in .tsv"
        )
    if not found and path.suffix.lower() in _OF_OTHERS:
        raise InputError(
            f"{path}: a {path.suffix.lower()} file holds no rows: save them as JSON Lines (.jsonl), an object for each "
            "row, or as CSV (.csv)"
        )
    if not found:
        raise InputError(
            f"{path}: the name does not tell its format: rename it to end in one of {', '.join(EXTENSIONS)}"
        )
    return found


def _seen_format(path: Path, named: str) -> str:
    """The format that the first bytes show, or else the one that is named."""
    if not path.is_file():  # a pipe can be read only once
        return named
    with open_bytes(path) as stream:
        try:
            head = cast(io.BufferedReader, stream).peek(_HEAD)[:_HEAD]
        except DAMAGED:
            return named  # said when it is read
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(_ARROW):
        return "arrow"
    for magic, what in _OTHERS:
        if head.startswith(magic):
            raise InputError(f"{path} is {what}")
    if head[257:262] == b"ustar":
        raise InputError(f"{path} is a tar archive: unpack it and name the files in it")
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if text[:9].lower().startswith((b"<!doctype", b"<html")):
        raise InputError(f"{path} is a web page: fetch the file itself, such as by its download link")
    if named in ("jsonl", "json"):
        return named
    first = text.partition(b"\n")[0]
    whole = first if len(first) < len(text) or len(head) < _HEAD else b""
    return "jsonl" if _is_object(whole) else named


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(loads(line), dict)
    except ValueError:
        return False


def check_file(path: Path) -> None:
    """Make sure that `path` is a file that can be read and holds something.

    Raises:
        InputError: it is missing, a folder, empty, or not readable.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: {_data_files(path)}")
        if not path.exists():
            if path.is_symlink():
                raise InputError(
                    f"{path} is a link to {os.readlink(path)}, which does not exist: mend the link"
                )
            if str(path) == "-":
                raise InputError(
                    "- is no file here: save what comes from standard input as one, and name that"
                )
            raise InputError(f"{path} does not exist: {_nearest(path)}")
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{path} is empty: it needs at least one row")
        with _waiting(path), path.open("rb"):
            pass
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise InputError(f"{path} cannot be opened: {_why(error)}") from error


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where gzip, bzip2, xz or zstd packed them, once or twice, whatever the name says.

    A pipe that nobody writes into is waited for, and the person is told so.

    Raises:
        InputError: the name ends in .gz but the file is not gzip, or so for another packing; or it cannot be opened.
    """
    try:
        with _waiting(path):
            raw = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {_why(error)}") from error
    if packing := packed_by(raw.peek(6)[:6]):
        stream = unpacked(raw, packing)
        try:
            again = packed_by(cast(io.BufferedReader, stream).peek(6)[:6])
        except DAMAGED:
            return stream  # said when it is read
        return unpacked(stream, again) if again else stream
    if (said := packing_named(path)) and path.suffix.lower() != ".lzma":  # which has no mark
        raw.close()
        ending = path.suffix
        raise InputError(
            f"{path} is named {ending} but is not {said}: rename it without {ending}, or fetch it again"
        )
    return unpacked(raw, said) if said else raw


@contextlib.contextmanager
def _waiting(path: Path) -> Iterator[None]:
    """Say after `_WAIT_SECONDS` what is waited for, where `path` is a pipe without a writer."""
    if not path.is_fifo():
        yield
        return
    told = f"{path} is a pipe: waiting for what writes into it (Ctrl-C ends it)\n"
    timer = threading.Timer(_WAIT_SECONDS, sys.stderr.write, (told,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_packed(stream: BinaryIO) -> bool:
    """Whether a stream from `open_bytes` unpacks as it reads."""
    return not isinstance(getattr(stream, "raw", None), io.FileIO)


def byte_lines(path: Path, encoding: str = "") -> Iterator[bytes]:
    r"""The file's lines as UTF-8 bytes, split at \n alone, any byte-order mark taken off.

    A file with a UTF-16 or UTF-32 mark is converted, and UTF-16 without one; so is one of which `encoding` is told.
    Any other is passed on as it is. A line may hold bytes that are not UTF-8: what its encoding does not know. Where
    \r alone ends lines, they are split there.

    Raises:
        InputError: the file cannot be opened, there is no such encoding, it ends in the middle of what was packed, or
            has a line of more than `LONGEST_LINE`, or one that was packed as no text is: memory would not hold it.
    """
    encoding = known_encoding(encoding, path) if encoding else ""
    count = 0
    with open_bytes(path) as stream:
        try:
            for line in _utf8(path, stream, encoding):
                count += 1
                yield line
        except DAMAGED as error:
            packing = packing_named(path) or "packed"
            why = f"its {packing} stream is cut short" if isinstance(error, EOFError) else _why(error)
            raise InputError(f"{path} is damaged after line {count}: {why}; fetch the file again") from error


def _utf8(path: Path, stream: BinaryIO, encoding: str) -> Iterator[bytes]:
    head = cast(io.BufferedReader, stream).peek(_HEAD)[:_HEAD]
    known = next((known for mark, known in _MARKS if head.startswith(mark)), "") or unmarked_utf16(head)
    # "replace": half a character pair becomes U+FFFD, the line around it stays readable.
    errors, end = "replace", "\n"
    if not known and head.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
        encoding = ""
    if not known and encoding:
        known, errors = encoding, "surrogateescape"
    if not known and b"\r" in head and b"\n" not in head:
        text = io.TextIOWrapper(stream, encoding="latin-1", newline="\r")
        return (line.encode("latin-1") for line in _lines(path, stream, text.readline, "\r"))
    if not known:
        return _lines(path, stream, stream.readline, b"\n")
    text = io.TextIOWrapper(stream, encoding=known, errors=errors, newline=end)
    lines = _lines(path, stream, text.readline, end)
    return (line.encode("utf-8", "surrogateescape") for line in lines)


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
        InputError: they were packed as no data is.
    """
    pieces: list[bytes] = []
    while piece := stream.read(_PIECE):
        pieces.append(piece)
        _check_ratio(path, stream, len(pieces) * _PIECE)
    return b"".join(pieces)


def _check_ratio(path: Path, stream: BinaryIO, length: int) -> None:
    """Refuse what is a few bytes in the file and fills the memory, as a "gzip bomb" does."""
    packed = getattr(stream, "packed", None)
    if length > _PIECE and packed is not None and length > _BOMB_RATIO * packed.tell():
        raise InputError(
            f"{path} unpacks to more than {_BOMB_RATIO} times its size, as no text does: fetch it again, or unpack it "
            "yourself where it is meant so"
        )


def read_error(path: Path, error: Exception) -> InputError:
    """The sentence for a file that stopped being readable."""
    return InputError(f"{path} cannot be read: {_why(error)}; fetch the file again or convert it")


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return NO_DESCRIPTORS
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
        str(path.relative_to(folder)) for path in folder.rglob("*") if is_data_file(path) and path.is_file()
    )
    if not found:
        return "name a file; it holds no data file"
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return f"name one of its data files: {', '.join(found[:5])}{more}"
