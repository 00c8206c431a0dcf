"""DOCX as Markdown: paragraphs, headings, lists, tables and notes; headers and footers of pages are no text."""

from __future__ import annotations

import contextlib
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from factory.data.documents.archives import check_archive
from factory.data.documents.converted import CannotConvert, Converted, Writing, table_as_markdown

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_INSTEAD = {f"{_W}tab": " ", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_PICTURES = (f"{_W}drawing", f"{_W}pict")
_LEVELS = 9


class _Style(NamedTuple):
    """What a style of paragraphs says: the level of a heading, 0 of none; the list that it belongs to, "" to none."""

    level: int
    list: str


def read_docx(path: str, size: int) -> Converted:
    """The text of a DOCX file of `size` bytes. Pictures are left out and counted; deleted text is none.

    Raises:
        CannotConvert: it is damaged, encrypted, unpacks to more than a document does, or has no text.
    """
    check_archive(path, size)
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive).read()
    except (ElementTree.ParseError, KeyError) as error:
        what = "has no text part" if isinstance(error, KeyError) else "is damaged"
        raise CannotConvert(f"{what}: open it and save it anew as .docx") from None


class _Reader:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._styles = self._read_styles()
        self._formats = self._read_formats()
        self._numbers: Counter[tuple[str, int]] = Counter()
        self._notes: list[str] = []
        self._pictures = 0

    def read(self) -> Converted:
        writing = Writing()
        depth = 0
        with self._archive.open("word/document.xml") as stream:
            for event, element in ElementTree.iterparse(stream, ("start", "end")):
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 2:  # a child of the body is whole
                    self._block(element, writing)
                    element.clear()
        notes = self._read_notes()
        for name in self._notes:
            if notes.get(name):
                writing.add(f"[^{name}]: {notes[name]}")
        if not writing.length:
            raise CannotConvert("has no text: it may hold pictures of text alone; recognise the text first")
        odd = {"pictures left out": self._pictures} if self._pictures else {}
        return writing.converted(title=self._title(), converter="as it is", odd=odd)

    def _block(self, element: Element, writing: Writing) -> None:
        if element.tag == f"{_W}p":
            self._paragraph(element, writing)
        elif element.tag == f"{_W}tbl":
            rows = [self._row(row) for row in element.iterfind(f"{_W}tr")]
            writing.add(table_as_markdown([row for row in rows if any(row)]))
        else:  # content controls, such as a table of contents
            for child in element.iterfind(f"{_W}sdtContent/*"):
                self._block(child, writing)

    def _paragraph(self, element: Element, writing: Writing) -> None:
        text = self._text(element)
        if not text:
            return
        about = element.find(f"{_W}pPr")
        style = self._styles.get(_value(about, "pStyle"), _Style(0, ""))
        level = _outline(about) or style.level
        if level:
            writing.heading(text, level)
            return
        numbers = about.find(f"{_W}numPr") if about is not None else None
        name = _value(numbers, "numId") or style.list
        if name in ("", "0"):
            writing.add(text)
            return
        depth = int(_value(numbers, "ilvl") or 0)
        self._numbers[name, depth] += 1
        for deeper in range(depth + 1, _LEVELS):
            self._numbers[name, deeper] = 0
        ordered = self._formats.get((name, depth), "bullet") not in ("bullet", "none")
        mark = f"{self._numbers[name, depth]}." if ordered else "-"
        writing.item(f"{'  ' * depth}{mark} {text}")

    def _row(self, row: Element) -> list[str]:
        cells: list[str] = []
        for cell in row.iterfind(f"{_W}tc"):
            about = cell.find(f"{_W}tcPr")
            merged = about.find(f"{_W}vMerge") if about is not None else None
            goes_on = merged is not None and merged.get(f"{_W}val", "continue") == "continue"
            texts = [] if goes_on else [self._text(part) for part in cell.iter(f"{_W}p")]
            cells.append(" ".join(filter(None, texts)))
            span = _value(about, "gridSpan")
            cells += [""] * (min(int(span), 100) - 1 if span.isdigit() else 0)
        return cells

    def _text(self, element: Element) -> str:
        """The text of a paragraph; a note in it is marked, and kept for the end."""
        parts: list[str] = []
        for one in _within(element):
            if one.tag in (f"{_W}t", _MATH):
                parts.append(one.text or "")
            elif one.tag in _INSTEAD:
                parts.append(_INSTEAD[one.tag])
            elif one.tag in (f"{_W}footnoteReference", f"{_W}endnoteReference"):
                name = ("e" if "endnote" in one.tag else "") + one.get(f"{_W}id", "")
                self._notes.append(name)
                parts.append(f"[^{name}]")
            elif one.tag in _PICTURES:
                self._pictures += 1
        lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
        return "\n".join(filter(None, lines))

    def _part(self, name: str) -> Element | None:
        """A part of the archive, None where there is none or it is damaged: the text does not hang on it."""
        with contextlib.suppress(KeyError, ElementTree.ParseError), self._archive.open(name) as stream:
            return ElementTree.parse(stream).getroot()
        return None

    def _read_styles(self) -> dict[str, _Style]:
        root = self._part("word/styles.xml")
        styles = (
            {style.get(f"{_W}styleId", ""): style for style in root.iterfind(f"{_W}style")}
            if root is not None
            else {}
        )
        return {name: _style(name, styles, 0) for name in styles}

    def _read_formats(self) -> dict[tuple[str, int], str]:
        """How the items of a list are numbered, by the list and the level."""
        root = self._part("word/numbering.xml")
        if root is None:
            return {}
        kinds = {
            kind.get(f"{_W}abstractNumId", ""): {
                int(level.get(f"{_W}ilvl") or 0): _value(level, "numFmt")
                for level in kind.iterfind(f"{_W}lvl")
            }
            for kind in root.iterfind(f"{_W}abstractNum")
        }
        return {
            (number.get(f"{_W}numId", ""), level): form
            for number in root.iterfind(f"{_W}num")
            for level, form in kinds.get(_value(number, "abstractNumId"), {}).items()
        }

    def _read_notes(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for part, tag, mark in (("footnotes", "footnote", ""), ("endnotes", "endnote", "e")):
            root = self._part(f"word/{part}.xml") if self._notes else None
            for note in root.iterfind(f"{_W}{tag}") if root is not None else ():
                texts = (self._text(paragraph) for paragraph in note.iter(f"{_W}p"))
                found[mark + note.get(f"{_W}id", "")] = " ".join(filter(None, texts))
        return found

    def _title(self) -> str:
        root = self._part("docProps/core.xml")
        return " ".join((root.findtext(_TITLE) or "").split()) if root is not None else ""


def _within(element: Element) -> Iterator[Element]:
    """All that lies in an element, in order, without what stands in for newer markup."""
    for child in element:
        if child.tag != _FALLBACK:
            yield child
            yield from _within(child)


def _value(element: Element | None, name: str) -> str:
    """The value that a property has, "" where there is none."""
    found = element.find(f"{_W}{name}") if element is not None else None
    return found.get(f"{_W}val", "") if found is not None else ""


def _outline(about: Element | None) -> int:
    """The level of a heading that properties of a paragraph give, 0 of none."""
    level = _value(about, "outlineLvl")
    return int(level) + 1 if level.isdigit() and int(level) < _LEVELS else 0


def _style(name: str, styles: dict[str, Element], depth: int) -> _Style:
    """What a style says, or else the one that it is based on."""
    style = styles.get(name)
    if style is None or depth > _LEVELS:
        return _Style(0, "")
    about = style.find(f"{_W}pPr")
    said = _value(style, "name").lower()
    level = _outline(about) or (1 if said == "title" else 0)
    if said.startswith("heading ") and said[8:].isdigit():
        level = int(said[8:])
    numbers = about.find(f"{_W}numPr") if about is not None else None
    base = _style(_value(style, "basedOn"), styles, depth + 1)
    return _Style(level or base.level, _value(numbers, "numId") or base.list)
