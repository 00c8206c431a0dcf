"""The lines of a PDF's page with their places and sizes, as PDFium finds them; and the characters of its tables."""

from __future__ import annotations

import ctypes
import re
from typing import Any, NamedTuple

from factory.data.documents.pdf.tables import Box, Grid, find_grids

_DROPPED = dict.fromkeys((*range(9), *range(14, 32), 0xFFFE, 0xFFFF, 0xFEFF))
_BOLD = (b"bold", b"black", b"heavy", b"cmbx", b"-medi")
_FIXED = (b"mono", b"courier", b"cmtt", b"consol")
_UNKNOWN = re.compile("[\x00\x01\x03-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff\ufffd]")
_MOST_UNKNOWN = 0.3  # of a page's letters
_HYPHEN = "\x02"
"""What PDFium gives for a hyphen that cuts a word at the end of a line."""
_MOST_CUT = 0.05  # of the words
_MANY_PATHS = 4000  # a drawing, in which no table is looked for


class Line(NamedTuple):
    """A line of text.

    left, right, base: in points, `base` from the lower edge of the page
    size: of the font, in points
    height: of its base over the lower edge of the page, as a share of the page's height
    cut: it ends within a word, whose hyphen was taken off
    fixed: its letters are all as wide, as in code
    """

    text: str
    left: float
    right: float
    base: float
    size: float
    bold: bool
    height: float
    cut: bool = False
    fixed: bool = False


class TableRows(NamedTuple):
    """A table, in the place of its first line."""

    rows: list[list[str]]


class Page(NamedTuple):
    """What a page shows, in the order of its text; `drawn`: its paths were too many to look for tables."""

    parts: list[Line | TableRows]
    drawn: bool = False

    @property
    def lines(self) -> list[Line]:
        """Its lines without the tables."""
        return [part for part in self.parts if isinstance(part, Line)]


def read_page(page: Any) -> Page:
    """The lines and tables of a page of pypdfium2's.

    Raises:
        pypdfium2.PdfiumError: the page cannot be read.
    """
    import pypdfium2.raw as pdfium

    text_page = page.get_textpage()
    try:
        text = _characters(text_page, pdfium)
        if is_unknown(text):
            return Page([])
        left, bottom, right, top = page.get_bbox()
        paths, drawn = _paths(page, pdfium)
        grids = find_grids([path for path in paths if path.inside(Box(left, bottom, right, top))])
        reader = _Reader(text_page, pdfium, bottom, max(top - bottom, 1.0))
        spans = _spans(text)
        grids = [grid for grid in grids if not reader.cuts_words(text, spans, grid)]
        parts: list[Line | TableRows] = []
        for start, end in spans:
            reader.line(text, start, end, grids, parts)
        return Page(parts, drawn)
    finally:
        text_page.close()


def _characters(text_page: Any, pdfium: Any) -> str:
    """The page's text, one character for each of PDFium's, so that an index means the same in both."""
    text: str = text_page.get_text_range()
    count = text_page.count_chars()
    if len(text) == count:
        return text
    codes = (pdfium.FPDFText_GetUnicode(text_page, at) for at in range(count))
    return "".join(
        chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else " " for code in codes
    )


def is_unknown(text: str) -> bool:
    """Whether the letters of a page stand for no known characters, as in a font without a map: it has no text then."""
    return len(_UNKNOWN.findall(text)) > _MOST_UNKNOWN * len("".join(text.split()))


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each line that is not blank begins and ends."""
    return [(found.start(), found.end()) for found in re.finditer(r"[^\r\n]*[^\r\n\s][^\r\n]*", text)]


def _paths(page: Any, pdfium: Any) -> tuple[list[Box], bool]:
    """The boxes of the lines and rectangles drawn on a page, and whether there are too many to look at."""
    if pdfium.FPDFPage_CountObjects(page) > _MANY_PATHS:
        return [], True
    boxes: list[Box] = []
    for number, item in enumerate(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH], max_depth=4)):
        if number > _MANY_PATHS:
            return [], True
        boxes.append(Box(*item.get_bounds()))
    return boxes, False


class _Reader:
    """Asks PDFium for the places of a page's characters."""

    def __init__(self, text_page: Any, pdfium: Any, bottom: float, page_height: float) -> None:
        self._page, self._pdfium = text_page, pdfium
        self._bottom, self._page_height = bottom, page_height
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._box = pdfium.FS_RECTF()
        self._matrix = pdfium.FS_MATRIX()
        self._name = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()
        self._tables: dict[int, TableRows] = {}

    def line(self, text: str, start: int, end: int, grids: list[Grid], parts: list[Line | TableRows]) -> None:
        """Adds the line of these characters to `parts`, or what of it lies in a table to the table."""
        if grids:
            x, y = self._origin(start)
            x_last, y_last = self._origin(end - 1)
            near = [
                grid
                for grid in grids
                if grid.box.touches(Box(min(x, x_last), min(y, y_last), max(x, x_last), max(y, y_last)))
            ]
            if near:
                start = self._into_tables(text, start, end, near, parts)
        raw = text[start:end]
        cut = raw.rstrip().endswith((_HYPHEN, "\u00ad", "\ufffe"))
        said = " ".join(raw.rstrip().rstrip(f"{_HYPHEN}\u00ad\ufffe").translate(_DROPPED).split())
        if not said:
            return
        first = start + len(raw) - len(raw.lstrip())
        last = start + len(raw.rstrip()) - 1
        x, y = self._origin(first)
        bold, fixed = (all(both) for both in zip(self._face(first), self._face(last), strict=True))
        parts.append(
            Line(
                said,
                x,
                self._right(last),
                y,
                sorted(map(self._size, (first, (first + last) // 2, last)))[1],
                bold,
                (y - self._bottom) / self._page_height,
                cut,
                fixed,
            )
        )

    def cuts_words(self, text: str, spans: list[tuple[int, int]], grid: Grid) -> bool:
        """Whether rules run through words, as those of a drawing do and those of a table do not."""
        words = cuts = 0
        for start, end in spans:
            before: tuple[int, int] | None = None
            for at in range(start, end):
                point = None if text[at].isspace() else self._origin(at)
                cell = grid.cell(*point) if point and grid.box.holds(*point) else None
                words += cell is not None and before is None
                cuts += cell is not None and before is not None and cell != before
                before = cell
        return cuts > _MOST_CUT * words

    def _into_tables(
        self, text: str, start: int, end: int, near: list[Grid], parts: list[Line | TableRows]
    ) -> int:
        """Puts the characters that lie in tables there; gives where the rest begins (all in a table: the end)."""
        outside = start
        for at in range(start, end):
            if text[at].isspace():
                continue
            x, y = self._origin(at)
            grid = next((one for one in near if one.box.holds(x, y)), None)
            if grid is None:
                if outside < at:  # a line that begins in a table and goes on beside it: the rest is a line
                    return at
                continue
            if id(grid) not in self._tables:
                made = TableRows([[""] * grid.columns for _ in range(grid.rows)])
                self._tables[id(grid)] = made
                parts.append(made)
            row, column = grid.cell(x, y)
            cells = self._tables[id(grid)].rows[row]
            space = " " if cells[column] and (at == start or text[at - 1].isspace()) else ""
            cells[column] += space + text[at].translate(_DROPPED)
            outside = at + 1
        return outside

    def _origin(self, at: int) -> tuple[float, float]:
        self._pdfium.FPDFText_GetCharOrigin(self._page, at, self._x, self._y)
        return self._x.value, self._y.value

    def _right(self, at: int) -> float:
        self._pdfium.FPDFText_GetLooseCharBox(self._page, at, self._box)
        return float(self._box.right)

    def _size(self, at: int) -> float:
        size: float = self._pdfium.FPDFText_GetFontSize(self._page, at)
        if self._pdfium.FPDFText_GetMatrix(self._page, at, self._matrix):
            size *= (self._matrix.c**2 + self._matrix.d**2) ** 0.5
        return round(size * 4) / 4

    def _face(self, at: int) -> tuple[bool, bool]:
        """Whether a character is bold, and whether its font has letters of one width."""
        self._flags.value = 0
        self._pdfium.FPDFText_GetFontInfo(self._page, at, self._name, 128, self._flags)
        name = self._name.value.lower()
        fixed = bool(self._flags.value & 1) or any(word in name for word in _FIXED)
        return any(word in name for word in _BOLD), fixed
