"""What kind of document a file is, by its name and its first bytes; nothing of it is unpacked or run."""

from __future__ import annotations

import codecs
import json
import re
import zipfile
from pathlib import Path

from factory.data.documents.converted import CannotConvert

ENDINGS = {
    ".md": "md",
    ".markdown": "md",
    ".txt": "txt",
    ".text": "txt",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".epub": "epub",
    ".ipynb": "ipynb",
}
"""File name endings and the kind of document that they stand for."""
_ROWS = frozenset((".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".pq", ".arrow", ".feather"))
_HEAD = 4096
_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "an old or an encrypted Office file: save it as .docx without a password"),
    (b"\x89PNG", "a picture: recognise its text first, and save that"),
    (b"\xff\xd8\xff", "a picture: recognise its text first, and save that"),
    (b"GIF8", "a picture: recognise its text first, and save that"),
    (b"{\\rtf", "a rich text file: save it as .docx"),
    (b"\x1f\x8b", "packed: unpack it"),
    (b"BZh", "packed: unpack it"),
    (b"\xfd7zXZ", "packed: unpack it"),
    (b"\x28\xb5\x2f\xfd", "packed: unpack it"),
    (b"Rar!", "an archive: unpack it"),
    (b"7z\xbc\xaf", "an archive: unpack it"),
)
_DOCLING = re.compile(rb'"schema_name"\s*:\s*"DoclingDocument"')
_MINERU = re.compile(rb'\A\s*\[\s*\{[^{}]*"(?:type|page_idx|text_level|bbox)"\s*:')
_HTML = re.compile(
    rb"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE | re.DOTALL
)


def is_document_name(path: Path) -> bool:
    """Whether a name is that of a document."""
    return path.suffix.lower() in ENDINGS


def document_kind(path: Path) -> str:
    """The kind of document that a file is, "" where it is none: rows, or what cannot be known.

    The first bytes count for more than the name: a PDF is one under any name, except that of a file of rows.
    One of the values of `ENDINGS`, "docling" or "mineru" (other converters' JSON).
    """
    ending = path.suffix.lower()
    named = ENDINGS.get(ending, "")
    if ending == ".json":
        return _of_json(path)
    head = _head(path)
    if not named and ending in _ROWS:
        return ""
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _of_archive(path) or named
    if not named:
        return ""
    if named == "txt" and _is_object(head):
        return ""  # rows
    if named in ("md", "txt") and not _HTML.match(head):
        return named
    return "html" if _HTML.match(head) else named


def check_content(path: Path, kind: str) -> None:
    """Refuse what is not the kind of document that its name says, and no other that is read.

    Raises:
        CannotConvert: it is a picture, an archive, an old Office file, or no text where text is named.
    """
    head = _head(path)
    for magic, what in _OTHERS:
        if head.startswith(magic):
            raise CannotConvert(f"is {what}")
    if kind == "pdf" and b"%PDF-" not in head[:1024]:
        raise CannotConvert("is named as a PDF and is none: fetch it again, or rename it to what it is")
    if kind in ("docx", "epub") and not head.startswith(b"PK\x03\x04"):
        raise CannotConvert(f"is named .{kind} and is none: fetch it again, or rename it to what it is")
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if kind in ("md", "txt", "html", "ipynb") and b"\0" in head and not (marked or _like_utf16(head)):
        raise CannotConvert("holds no text: fetch it again, or rename it to what it is")


def _is_object(head: bytes) -> bool:
    """Whether the first line is a JSON object, as in a file of rows."""
    line = head.removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]
    try:
        return line[:1] == b"{" and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _like_utf16(head: bytes) -> bool:
    """Whether every second byte is nearly always null, as in UTF-16 of Latin letters without a mark."""
    return max(head[::2].count(0), head[1::2].count(0)) > 0.8 * len(head) / 2


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe can be read only once
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""  # said when it is read


def _of_json(path: Path) -> str:
    """The converter that wrote a JSON file, "" where none is known."""
    head = _head(path).removeprefix(codecs.BOM_UTF8)
    if _DOCLING.search(head):
        return "docling"
    if path.name.endswith("_content_list.json") and head.lstrip().startswith(b"["):
        return "mineru"
    return "mineru" if b'"page_idx"' in head and _MINERU.match(head) else ""


def _of_archive(path: Path) -> str:
    """What kind of document a zip archive is, by the names in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return ""
    if "word/document.xml" in names:
        return "docx"
    return "epub" if "META-INF/container.xml" in names else ""
