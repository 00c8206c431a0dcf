"""The manual of twenty pages, read from each kind of document that it is written as."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest
from made_manual import FOOTERS, HEADERS, SCANNED_PAGE, Language, make_manual, manual_pages, manual_text

from factory.data.document import Document, document_of
from factory.data.documents.read import DocumentReader, Limits
from factory.data.record import Record

KINDS = (".pdf", ".docx", ".html", ".epub", ".md")


class Read(NamedTuple):
    record: Record
    document: Document
    told: list[str]


@pytest.fixture(scope="module", params=["en", "zh"])
def manuals(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Read]]:
    folder = tmp_path_factory.mktemp("manual")
    told: list[str] = []
    reader = DocumentReader("", Limits(), told.append, told.append)
    paths = make_manual(folder, request.param)
    records = dict(zip(paths, reader.read(paths.values()), strict=True))
    reader.close()
    found = {}
    for ending, record in records.items():
        assert isinstance(record, Record), record
        document = document_of(record)
        assert document is not None
        found[ending] = Read(record, document, told)
    return request.param, found


def words(markdown: str) -> str:
    """A text without the marks of Markdown, and what notes and lists are marked by."""
    text = re.sub(r"(?m)^\s*(?:#+ |[-*] |\d+\. |\|[ |:-]+\|$)", "", markdown)
    return "".join(re.sub(r"[|\\^:]", "", text).split())


def lines(language: str) -> Iterator[str]:
    for page in manual_pages(language):  # type: ignore[arg-type]
        yield from filter(None, page.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_text_is_that_of_the_manual_whole_and_in_order(
    manuals: tuple[Language, dict[str, Read]], kind: str
) -> None:
    language, read = manuals
    assert words(read[kind].record.instruction) == words(manual_text(language))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_headings_are_known_with_their_level_and_place(
    manuals: tuple[Language, dict[str, Read]], kind: str
) -> None:
    language, read = manuals
    wanted = [
        (line.count("#", 0, 6), line.lstrip("# ")) for line in lines(language) if re.match(r"#{1,3} ", line)
    ]
    record, document, _ = read[kind]
    assert [(heading.level, heading.text) for heading in document.headings] == wanted
    for heading in document.headings:
        assert record.instruction[heading.at :].startswith(f"{'#' * heading.level} {heading.text}")
    assert document.title == wanted[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_markdown_with_all_its_cells(manuals: tuple[Language, dict[str, Read]], kind: str) -> None:
    language, read = manuals
    wanted = [line for line in lines(language) if line.startswith("|")]
    table = [line for line in read[kind].record.instruction.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row for row in cells if set("".join(row)) != {"-"}] == [
        [cell.strip() for cell in line.strip("|").split("|")] for line in wanted if "---" not in line
    ]
    assert re.fullmatch(r"[| -]+", table[1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_headers_footers_page_numbers_menus_and_scripts_are_no_text(
    manuals: tuple[Language, dict[str, Read]], kind: str
) -> None:
    language, read = manuals
    text = read[kind].record.instruction
    for furniture in (HEADERS[language], FOOTERS[language], "Page 3 of 20", "第3页", "never run", "Shop"):
        assert furniture not in text


@pytest.mark.slow
def test_a_pdf_knows_its_pages_and_what_was_left_out(manuals: tuple[Language, dict[str, Read]]) -> None:
    language, read = manuals
    record, document, told = read[".pdf"]
    pages = manual_pages(language)
    bounds = [*document.pages, len(record.instruction)]
    said = [record.instruction[start:end] for start, end in pairwise(bounds)]
    assert [words(page) for page in said] == [words(page) for page in pages]
    # A header and a line with the footer and the number on each of the nineteen pages that have text.
    assert (document.lines_removed, document.pages_without_text) == (38, (SCANNED_PAGE,))
    assert f"{document.file}: headers, footers and page numbers left out: 38" in told
    assert any(sentence.startswith(f"{document.file} (page 19): pages without text") for sentence in told)


@pytest.mark.slow
def test_pictures_in_a_docx_are_counted_as_left_out(manuals: tuple[Language, dict[str, Read]]) -> None:
    _, read = manuals
    assert f"{read['.docx'].document.file}: pictures left out: 1" in read[".docx"].told
    assert "![" not in read[".docx"].record.instruction
