"""A PDF as Markdown with its headings and pages, by PDFium (pypdfium2)."""

from __future__ import annotations

import contextlib
from typing import Any

from factory.data.documents.converted import CannotConvert, Converted, Writing
from factory.data.documents.pdf.furniture import running_lines
from factory.data.documents.pdf.layout import Layout, title_key, write_page
from factory.data.documents.pdf.lines import Line, Page, read_page

_PASSWORD = 4  # FPDF_ERR_PASSWORD
_MOST_TITLES = 20_000


def read_pdf(path: str) -> Converted:
    """The text of a PDF.

    What repeats on its pages is left out (`furniture`), tables with rules are Markdown, and headings are the titles of
    the outline, or else the lines of larger type. A page that cannot be read is left out and counted.

    Raises:
        CannotConvert: it is encrypted or broken, or none of its pages has text.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", 0) == _PASSWORD or "password" in str(error).lower():
            raise CannotConvert(
                "is encrypted and asks for a password: save it without one, such as by "
                "`qpdf --decrypt --password=... in.pdf out.pdf`"
            ) from None
        raise CannotConvert(
            "is no whole PDF, or a damaged one: fetch it again, or print it as a new PDF"
        ) from None
    try:
        return _read(document, f"pypdfium2 {pypdfium2.PYPDFIUM_INFO}")
    finally:
        document.close()


def _read(document: Any, converter: str) -> Converted:
    import pypdfium2

    odd: dict[str, int] = {}
    pages: list[Page] = []
    unread: list[int] = []
    for number in range(len(document)):
        try:
            page = document[number]
            try:
                pages.append(read_page(page))
            finally:
                page.close()
        except pypdfium2.PdfiumError:
            pages.append(Page([]))
            unread.append(number + 1)
    if len(unread) == len(pages):
        raise CannotConvert("has no page that can be read: fetch it again, or print it as a new PDF")
    blank = [number for number, page in enumerate(pages, 1) if number not in unread and not page.parts]
    if not any(page.parts for page in pages):
        what = "its one page has no" if len(pages) == 1 else f"none of its {len(pages):,} pages has"
        raise CannotConvert(
            f"{what} text, as where it was scanned: recognise the text first, such as by `ocrmypdf`"
        )
    if drawn := sum(page.drawn for page in pages):
        odd["pages with drawings so large that no tables were looked for"] = drawn
    running = running_lines([page.lines for page in pages])
    body = [[part for part in page.parts if not (isinstance(part, Line) and (number, part) in running)]
            for number, page in enumerate(pages)]  # fmt: skip
    layout = Layout(body, _outline(document, body))
    writing = Writing()
    for number, parts in enumerate(body):
        write_page(parts, number, layout, writing)
    title = str(document.get_metadata_dict().get("Title") or "").strip()
    return writing.converted(
        title=title,
        converter=converter,
        lines_removed=len(running),
        pages_without_text=blank,
        pages_unread=unread,
        odd=odd,
    )


def _outline(document: Any, pages: list[list[Any]]) -> dict[tuple[int, str], int]:
    """The level of each title of the outline that stands on its page, by the page and the title's key."""
    on_page = [{title_key(part.text) for part in page if isinstance(part, Line)} for page in pages]
    found: dict[tuple[int, str], int] = {}
    with contextlib.suppress(Exception):  # an outline may be damaged in any way, and the text is not
        for count, entry in enumerate(document.get_toc(max_depth=6)):
            if count > _MOST_TITLES:
                break
            target = entry.get_dest()
            number = target.get_index() if target is not None else None
            key = title_key(entry.get_title())
            if number is not None and key and number < len(pages) and key in on_page[number]:
                found.setdefault((number, key), entry.level + 1)
    return found
