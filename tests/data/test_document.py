"""Documents and chunks as records."""

from __future__ import annotations

import orjson

from factory.data.document import (
    Chunk,
    Document,
    Heading,
    chunk_of,
    chunk_record,
    document_of,
    document_record,
)
from factory.data.record import new_record

BOOK = Document(
    "docs/bees.pdf", "pdf", "Bees", (Heading(0, 1, "Bees"), Heading(40, 2, "Wax")), (0, 30), "some 1.0"
)
PART = Chunk("0123456789abcdef", "docs/bees.pdf", "Bees", 1, 3, ("Bees", "Wax"), 1, 2, 40, 90)


def test_what_is_known_of_a_document_or_a_chunk_comes_out_of_its_record_as_it_went_in() -> None:
    document, chunk = (
        document_record("Bees make wax.", BOOK),
        chunk_record("Wax is soft.", PART, license="mit"),
    )
    assert (document_of(document), chunk_of(document)) == (BOOK, None)
    assert (document_of(chunk), chunk_of(chunk)) == (None, PART)
    assert (document.instruction, document.source, chunk.license) == (
        "Bees make wax.",
        "docs/bees.pdf",
        "mit",
    )
    assert document_of(new_record("Hello")) is None
    for record in (document, chunk):
        assert orjson.loads(orjson.dumps(record.meta)) == record.meta


def test_a_renamed_document_is_the_same_record_and_an_equal_one_is_another() -> None:
    moved = Document("elsewhere/b.pdf", "pdf")
    assert document_record("Bees make wax.", BOOK).id == document_record("Bees make wax.", moved).id
    assert (
        document_record("Bees make wax.", BOOK).id != document_record("Bees make wax.", BOOK, occurrence=1).id
    )
