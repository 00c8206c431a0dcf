"""Rows of JSON Lines and of JSON documents, as other people's tools write them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonlines

from factory.data.formats.encodings import Advice
from factory.data.formats.files import byte_lines
from factory.data.formats.json_documents import rows_of_document
from factory.data.formats.python_text import python_value
from factory.data.formats.raw import RawRow
from factory.data.formats.shapes.answers import is_turns
from factory.data.formats.values import loads
from factory.errors import InputError

Tell = Callable[[str], None]
_RELAXED = re.compile(
    rb'(?P<text>"(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[\]}])', re.DOTALL
)
"""Texts, which stay, and what JSON does not know: comments, and commas behind the last item."""
_JOINT = re.compile(rb"\}[\s\x1e]*,?[\s\x1e]*\{")


def json_rows(
    path: Path, *, document: bool, encoding: str = "", tell: Tell | None = None
) -> Iterator[RawRow]:
    """JSON Lines or one JSON document, whichever the file is: names are often wrong about that.

    A document is held whole, lines are a stream. Several objects on one line, a comma behind a line, and Python's own
    way of writing objects are read and told.

    Args:
        document: whether the name says that it is one document

    Raises:
        InputError: a document is no JSON, or holds no rows.
    """
    is_document, lines = _opened(path, document, encoding)
    advice = Advice(lambda: byte_lines(path), encoding)
    return _document_rows(path, b"".join(lines), advice, tell) if is_document else _line_rows(lines, advice)


def count_json_rows(path: Path, *, document: bool, encoding: str = "") -> int:
    """How many rows `json_rows` gives; lines are counted and not read.

    Raises:
        InputError: as `json_rows`.
    """
    is_document, lines = _opened(path, document, encoding)
    if is_document:
        return sum(1 for _ in json_rows(path, document=document, encoding=encoding))
    # Only a line that holds an object's end and another's start can be more than one row.
    return sum(_objects(line) if _JOINT.search(line) else 1 for line in lines if line.strip())


def _objects(line: bytes) -> int:
    try:
        loads(line)
    except ValueError:
        return len((_mended(line) or ([None], ""))[0])
    return 1


def _opened(path: Path, document: bool, encoding: str) -> tuple[bool, Iterator[bytes]]:
    """Whether a file is one document, and its lines."""
    lines = byte_lines(path, encoding)
    head: list[bytes] = []
    filled: list[bytes] = []
    for line in lines:
        head.append(line)
        if line.strip():
            filled.append(line)
        if len(filled) == 2:
            break
    whole = itertools.chain(head, lines)
    # Lines of which the first is whole are lines, unless it is all there is.
    first = _line_value(filled[0]) if filled else {}
    if not filled or (len(filled) == 2 and first is not None):
        return False, whole
    opens = filled[0].strip()
    begins = opens == b"{" or opens.startswith(b"[") or (first is not None and not isinstance(first, dict))
    return document or begins, whole


def _line_value(line: bytes) -> Any:
    """The object or list that a line is, None where it is neither."""
    try:
        value = loads(line)
    except ValueError:
        found = _mended(line)
        return None if found is None else found[0][0]
    return value if isinstance(value, dict | list) else None


class _Lines:
    """Counts the lines that pass and holds the last one, which `jsonlines` does not tell of a line that it can read."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.lines = lines
        self.number = 0
        self.line = b""

    def __iter__(self) -> Iterator[bytes]:
        for line in self.lines:
            self.number, self.line = self.number + 1, line
            yield line if line[:1] == b"{" else line.removeprefix(b"\xef\xbb\xbf")


def _line_rows(lines: Iterator[bytes], advice: Advice) -> Iterator[RawRow]:
    seen = _Lines(lines)
    reader = jsonlines.Reader(seen, loads=loads)
    while True:
        try:
            value = reader.read(skip_empty=True, allow_none=True)
        except EOFError:
            return
        except jsonlines.InvalidLineError as error:
            cause = error.__cause__
            if isinstance(cause, UnicodeDecodeError):
                yield RawRow(seen.number, None, seen.line, _not_utf8(cause, seen.line, advice))
            else:
                problem = cause if isinstance(cause, ValueError) else ValueError(str(error))
                yield from _mended_rows(seen.number, seen.line, problem, advice)
        else:
            yield RawRow(seen.number, _as_row(value) if type(value) is list else value, seen.line)


def _mended_rows(number: int, line: bytes, error: ValueError, advice: Advice) -> Iterator[RawRow]:
    try:
        line.decode()
    except UnicodeDecodeError as undecoded:
        yield RawRow(number, None, line, _not_utf8(undecoded, line, advice))
        return
    found = _mended(line)
    if found is None:
        yield RawRow(number, None, line, _problem(error, line))
        return
    values, odd = found
    for value in values:
        yield RawRow(number, _as_row(value), line, odd=odd)


def _as_row(value: Any) -> Any:
    """A line or an item that is a list of turns, as the row that such a list is in most files."""
    if isinstance(value, list) and value and is_turns(value):
        for list_name, role in (("conversations", "from"), ("messages", "role")):
            if all(role in turn for turn in value):
                return {list_name: value}
    return value


def _mended(line: bytes) -> tuple[list[Any], str] | None:
    """The objects of a line that is not JSON, where it is clear which they are, and what is odd about it."""
    try:
        text = line.decode().removeprefix("\ufeff").strip()
    except UnicodeDecodeError:
        return None
    values = _several(text)
    if len(values) > 1:
        return values, "several objects on one line"
    if values:
        return values, "a comma behind the object" if text.endswith(",") else "a number beyond 64 bits"
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return [value], "a line break or a tab as it is within a text"
    value = python_value(text) if text.startswith("{") else None
    return ([value], "an object as Python writes it, not as JSON") if isinstance(value, dict) else None


def _several(text: str) -> list[Any]:
    """Objects one behind the other, with or without commas between; [] where the text is anything else."""
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    values: list[Any] = []
    at = 0
    while at < len(text):
        if text[at] != "{":
            return []
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return []
        values.append(value)
        while at < len(text) and text[at] in ", \t\r\n\x1e":
            at += 1
    return values


def _not_utf8(error: UnicodeDecodeError, line: bytes, advice: Advice) -> str:
    return f"byte {error.start + 1} of the line (0x{line[error.start]:02x}) {advice(line)}"


def _problem(error: ValueError, line: bytes) -> str:
    if b"\0" in line:
        return "the line holds NUL bytes, from damage or from UTF-16 without its mark: save the file as UTF-8"
    where = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
    return f"the line is not JSON ({where}): put one whole object on each line"


def _document_rows(path: Path, text: bytes, advice: Advice, tell: Tell | None) -> Iterator[RawRow]:
    try:
        value = loads(text)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start + 1} {advice(_line_at(text, error.start))}") from error
    except ValueError as error:
        lines = text.splitlines(keepends=True)
        relaxed = _relaxed(text)
        if relaxed is not None:
            if tell is not None:
                tell(f"{path}: is not JSON as it should be: its comments or last commas were passed over")
            value = relaxed
        elif any(
            isinstance(_line_value(line), dict) for line in lines[:20] if not line.strip().endswith(b",")
        ):
            yield from _line_rows(iter(lines), advice)
            return
        else:
            try:
                whole = text.decode()
            except UnicodeDecodeError as undecoded:
                where = f"{path}: byte {undecoded.start + 1}"
                raise InputError(f"{where} {advice(_line_at(text, undecoded.start))}") from undecoded
            values = _several(whole.strip()) or python_value(whole.strip())
            if not isinstance(values, list) or not values:
                where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
                why = getattr(error, "msg", "") or str(error)
                raise InputError(f"{path} is not JSON{where} ({why}): mend it, or fetch it again") from error
            value = values
    for number, row in enumerate(rows_of_document(value, path, tell), 1):
        yield RawRow(number, _as_row(row))


def _relaxed(text: bytes) -> Any:
    """The value of a document that has comments, or commas behind its last items; None where it is none."""
    try:
        return loads(_RELAXED.sub(lambda found: found["text"] or b"", text))
    except ValueError:
        return None


def _line_at(text: bytes, at: int) -> bytes:
    end = text.find(b"\n", at)
    return text[text.rfind(b"\n", 0, at) + 1 : end if end >= 0 else len(text)]
