"""The manual of a pump station that does not exist, twenty pages in English and in Chinese, as each kind of document.

It has a table, lists, a footnote, a page of two columns, a page that is a picture of text, and a header, a footer and
a number on each page. The PDF alone has pages and the picture.

    make_manual(folder, "en")  # {".pdf": folder/manual-en.pdf, ".docx": ..., ".html": ..., ".epub": ..., ".md": ...}
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

Language = Literal["en", "zh"]
_TEXTS = Path(__file__).parent / "fixtures" / "manual"
_MARK = re.compile(r"<!-- (?:page|columns|scan) -->\n*")
_TITLES = {"en": "Heron 3 Operator's Manual", "zh": "苍鹭三号操作手册"}
HEADERS = {"en": "Heron 3 · Edition 7", "zh": "苍鹭三号 · 第七版"}
FOOTERS = {"en": "Harbour Works Limited, internal", "zh": "海港工程有限公司 内部资料"}
SCANNED_PAGE, COLUMNS_PAGE, TABLE_PAGE, PAGES = 19, 11, 3, 20


class Block(NamedTuple):
    """A heading (level 1 to 3), paragraph, list, table or note of a page; `lines` are its items or rows."""

    kind: Literal["heading", "paragraph", "numbered", "bullets", "table", "note"]
    lines: list[str]
    level: int = 0


def manual_pages(language: Language) -> list[str]:
    """The Markdown of each page; "" for the scanned one, whose text only a person can read."""
    pages = re.split(r"<!-- page -->\n*", (_TEXTS / f"{language}.md").read_text(encoding="utf-8"))
    return ["" if "<!-- scan -->" in page else _MARK.sub("", page).strip() for page in pages]


def manual_text(language: Language) -> str:
    """The whole manual as Markdown, without the scanned page."""
    return "\n\n".join(filter(None, manual_pages(language))) + "\n"


def make_manual(folder: Path, language: Language) -> dict[str, Path]:
    """Writes the manual into `folder` as PDF, DOCX, HTML, EPUB and Markdown; the files by their endings."""
    writers = {".pdf": _pdf, ".docx": _docx, ".html": _html, ".epub": _epub, ".md": _markdown}
    paths = {ending: folder / f"manual-{language}{ending}" for ending in writers}
    for ending, write in writers.items():
        write(paths[ending], language)
    return paths


def blocks(markdown: str) -> Iterator[Block]:
    """The blocks of the Markdown that the manual is written in."""
    for part in filter(None, (part.strip() for part in markdown.split("\n\n"))):
        lines = part.splitlines()
        if heading := re.match(r"(#+) (.*)", part):
            yield Block("heading", [heading[2]], len(heading[1]))
        elif part.startswith("|"):
            yield Block("table", [line for line in lines if not line.startswith("| ---")])
        elif re.match(r"\d+\. ", part):
            yield Block("numbered", [line.partition(". ")[2] for line in lines])
        elif part.startswith("- "):
            yield Block("bullets", [line[2:] for line in lines])
        elif part.startswith("[^"):
            yield Block("note", [re.sub(r"\[\^(\d+)\]:", r"[\1]", part)])
        else:
            yield Block("paragraph", [re.sub(r"\[\^(\d+)\]", r"[\1]", part)])


def cells(row: str) -> list[str]:
    """The cells of a row of a table."""
    return [cell.strip() for cell in row.strip("|").split("|")]


def _markdown(path: Path, language: Language) -> None:
    path.write_text(manual_text(language), encoding="utf-8")


def _pdf(path: Path, language: Language) -> None:
    from reportlab.lib.pagesizes import A5
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Frame, Paragraph, Table

    font = bold = "STSong-Light"
    if language == "en":
        font, bold = "Helvetica", "Helvetica-Bold"
    else:
        pdfmetrics.registerFont(UnicodeCIDFont(font))
    wrap = "CJK" if language == "zh" else None
    body = ParagraphStyle("body", fontName=font, fontSize=10, leading=14, spaceAfter=7, wordWrap=wrap)
    note = ParagraphStyle("note", parent=body, fontSize=7, leading=9, spaceBefore=20)
    item = ParagraphStyle("item", parent=body, leftIndent=16, bulletIndent=2)
    heads = {
        level: ParagraphStyle(f"h{level}", parent=body, fontName=bold, fontSize=size, leading=size + 5)
        for level, size in ((1, 20), (2, 16), (3, 13))
    }

    def drawn(block: Block) -> list[Any]:
        if block.kind == "table":
            rows = [[Paragraph(html.escape(cell), body) for cell in cells(row)] for row in block.lines]
            return [Table(rows, colWidths=[150, 80, 90], style=[("GRID", (0, 0), (-1, -1), 0.5, "black")])]
        if block.kind in ("numbered", "bullets"):
            marks = [f"{at}." if block.kind == "numbered" else "•" for at, _ in enumerate(block.lines, 1)]
            pairs = zip(block.lines, marks, strict=True)
            return [Paragraph(html.escape(line), item, bulletText=mark) for line, mark in pairs]
        style = heads[block.level] if block.kind == "heading" else note if block.kind == "note" else body
        return [Paragraph(html.escape(line), style) for line in block.lines]

    width, height = A5
    canvas = Canvas(str(path), pagesize=A5, invariant=1)
    canvas.setTitle(_TITLES[language])
    for number, page in enumerate(manual_pages(language), 1):
        if number == SCANNED_PAGE:
            canvas.drawImage(ImageReader(BytesIO(_picture(language))), 0, 0, width, height)
            canvas.showPage()
            continue
        canvas.setFont(font, 8)
        canvas.drawString(40, height - 28, HEADERS[language])
        canvas.drawString(40, 24, FOOTERS[language])
        canvas.drawRightString(
            width - 40, 24, f"Page {number} of {PAGES}" if language == "en" else f"第{number}页"
        )
        story = [part for block in blocks(page) for part in drawn(block)]
        if number == COLUMNS_PAGE:
            for x in (36, width / 2 + 6):
                Frame(x, 44, width / 2 - 42, height - 84, 0, 0, 0, 0).addFromList(story, canvas)
        else:
            Frame(40, 44, width - 80, height - 84, 0, 0, 0, 0).addFromList(story, canvas)
        assert not story, f"page {number} is too short"
        canvas.showPage()
    canvas.save()


def _picture(language: Language) -> bytes:
    """A page of text as a picture."""
    from PIL import Image, ImageDraw

    said = (_TEXTS / f"{language}.md").read_text(encoding="utf-8").partition("<!-- scan -->\n\n")[2]
    line = said.splitlines()[0] if language == "en" else "H3 TEST 30 MIN OK"  # its font has no Han
    picture = Image.new("L", (740, 1050), 255)
    ImageDraw.Draw(picture).text((60, 80), line, fill=0)
    stream = BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _docx(path: Path, language: Language) -> None:
    import docx

    document = docx.Document()
    document.core_properties.title = _TITLES[language]
    document.sections[0].header.paragraphs[0].text = HEADERS[language]
    document.sections[0].footer.paragraphs[0].text = FOOTERS[language]
    for block in blocks(manual_text(language)):
        if block.kind == "heading":
            document.add_heading(block.lines[0], block.level)
        elif block.kind == "table":
            rows = [cells(row) for row in block.lines]
            table = document.add_table(len(rows), len(rows[0]))
            for row, texts in zip(table.rows, rows, strict=True):
                for cell, text in zip(row.cells, texts, strict=True):
                    cell.text = text
        else:
            style = {"numbered": "List Number", "bullets": "List Bullet"}.get(block.kind)
            for line in block.lines:
                document.add_paragraph(line, style)
    document.add_picture(BytesIO(_picture(language)))
    document.save(str(path))


def _body(markdown: str) -> str:
    """As HTML."""
    parts = []
    for block in blocks(markdown):
        lines = [html.escape(line) for line in block.lines]
        if block.kind == "heading":
            parts.append(f"<h{block.level}>{lines[0]}</h{block.level}>")
        elif block.kind == "table":
            rows = [[f"<td>{cell}</td>" for cell in cells(row)] for row in lines]
            rows[0] = [cell.replace("td>", "th>") for cell in rows[0]]
            parts.append("<table>" + "".join(f"<tr>{''.join(row)}</tr>" for row in rows) + "</table>")
        elif block.kind in ("numbered", "bullets"):
            tag = "ol" if block.kind == "numbered" else "ul"
            parts.append(f"<{tag}>" + "".join(f"<li>{line}</li>" for line in lines) + f"</{tag}>")
        else:
            parts.append(f"<p>{lines[0]}</p>")
    return "\n".join(parts)


def _html(path: Path, language: Language) -> None:
    title, head, foot = _TITLES[language], HEADERS[language], FOOTERS[language]
    path.write_text(
        f'<!DOCTYPE html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        "<style>p { margin: 0 }</style><script>document.write('never run')</script></head>\n"
        f'<body><nav><a href="/">Home</a> <a href="/shop">Shop</a></nav><header>{head}</header>\n'
        f"<main><article>\n{_body(manual_text(language))}\n</article></main>\n<footer>{foot}</footer></body></html>\n",
        encoding="utf-8",
    )


def _epub(path: Path, language: Language) -> None:
    chapters = re.split(r"(?m)^(?=## )", manual_text(language))
    names = [f"chapter{at}.xhtml" for at in range(len(chapters))]
    title = html.escape(_TITLES[language])
    items = "".join(
        f'<item id="c{at}" href="{name}" media-type="application/xhtml+xml"/>'
        for at, name in enumerate(names)
    )
    spine = "".join(f'<itemref idref="c{at}"/>' for at in range(len(names)))
    links = "".join(f'<li><a href="{name}">{at}</a></li>' for at, name in enumerate(names))
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    xhtml = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
    files = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": head
        + '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": head
        + '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">heron-3</dc:identifier>'
        f"<dc:title>{title}</dc:title><dc:language>{language}</dc:language></metadata><manifest>"
        f'<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>{items}'
        f"</manifest><spine>{spine}</spine></package>",
        "nav.xhtml": f"{head}<html {xhtml}><head><title>{title}</title></head><body>"
        f'<nav epub:type="toc"><ol>{links}</ol></nav></body></html>',
        **{
            name: f"{head}<html {xhtml}><head><title>{title}</title></head><body>\n{_body(chapter)}\n</body></html>"
            for name, chapter in zip(names, chapters, strict=True)
        },
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            when = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            archive.writestr(when, text, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)
