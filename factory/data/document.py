"""Documents and their chunks as records: the text is the user's turn, and `meta` says where it stands.

The id of such a record is a hash of its text, not of the file's name: what was paid for a document is found again
once the file was moved or renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from factory.data.record import Record, new_record

DOCUMENT, CHUNK = "document", "chunk"
"""The keys of `Record.meta` that hold what is known of a document, and of a chunk."""


class Heading(NamedTuple):
    """A heading of a document.

    at: the offset of its line in the document's text
    level: 1 for the highest
    """

    at: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """What is known of a document beside its text.

    file: the name that it was read by
    format: "pdf", "docx", "html", "epub", "md", "txt", "ipynb", "json" (another converter's) or "column"
    headings: in the order of the text
    pages: the offset in the text at which each page begins; empty where there are no pages
    converter: what read it, with its version
    lines_removed: headers, footers and page numbers that are not in the text
    pages_without_text: numbers from 1 of the pages that show no text, such as scanned ones
    """

    file: str
    format: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    pages: tuple[int, ...] = ()
    converter: str = ""
    lines_removed: int = 0
    pages_without_text: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where a chunk stands in its document.

    document: the id of the document's record, which is a hash of its text
    file, title: of the document
    number: from 0, of `total` chunks of the document
    headings: those above the chunk, the highest first
    first_page, last_page: from 1; 0 where the document has no pages
    start, end: offsets in the document's text
    """

    document: str
    file: str
    title: str
    number: int
    total: int
    headings: tuple[str, ...]
    first_page: int
    last_page: int
    start: int
    end: int


_CHUNK = {one.name for one in fields(Chunk)}


def document_record(text: str, about: Document, *, occurrence: int = 0, lang: str = "") -> Record:
    """A document as a record. `occurrence` tells equal documents of one source apart (0, 1, 2, ...)."""
    made = new_record(text, occurrence=occurrence, lang=lang, meta={DOCUMENT: _plain(about)})
    return made.but(source=about.file)


def chunk_record(
    text: str, about: Chunk, *, occurrence: int = 0, lang: str = "", license: str = ""
) -> Record:
    """A chunk as a record. `occurrence` tells equal chunks of one document apart (0, 1, 2, ...)."""
    made = new_record(text, occurrence=occurrence, lang=lang, meta={CHUNK: _plain(about)})
    return made.but(source=about.file, license=license)


def document_of(record: Record) -> Document | None:
    """What is known of the document that a record is, None where it is none."""
    kept = record.meta.get(DOCUMENT)
    if not isinstance(kept, Mapping):
        return None
    headings = tuple(Heading(*heading) for heading in kept.get("headings", ()))
    numbers = {name: tuple(kept.get(name, ())) for name in ("pages", "pages_without_text")}
    return Document(**{**kept, "headings": headings, **numbers})


def chunk_of(record: Record) -> Chunk | None:
    """Where the chunk that a record is, or was made from, stands; None where there is none."""
    return chunk_in(record.meta)


def chunk_in(meta: Mapping[str, Any]) -> Chunk | None:
    """The chunk that a record's `meta` tells of; None where it has none, or a person's own column of that name."""
    kept = meta.get(CHUNK)
    if not isinstance(kept, Mapping) or kept.keys() != _CHUNK:
        return None
    return Chunk(**{**kept, "headings": tuple(kept["headings"])})


def is_of_document(record: Record) -> bool:
    """Whether a record is a document or a chunk, or was made from a chunk."""
    return any(isinstance(record.meta.get(name), Mapping) for name in (DOCUMENT, CHUNK))


def _plain(about: Document | Chunk) -> dict[str, Any]:
    """As plain JSON."""
    fields = asdict(about)
    return {
        name: [list(part) if isinstance(part, tuple) else part for part in value]
        if isinstance(value, tuple)
        else value
        for name, value in fields.items()
    }
