"""From the lines of a PDF's pages to paragraphs, lists, headings and tables, as Markdown."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from factory.data.documents.converted import Writing, table_as_markdown
from factory.data.documents.pdf.lines import Line, TableRows
from factory.data.text import UNSPACED

Part = Line | TableRows
_BULLET = re.compile(r"[•‣▪●◦·○■–]\s*(?=\S)|[-*]\s+(?=\S)")
_NUMBERED = re.compile(r"(?:\(?\d{1,3}[.)]|\(?[a-z][.)])\s+(?=\S)")
_LETTERS = re.compile(rf"[^\W\d_]{{3}}|[{UNSPACED}]{{2}}")
_NO_SPACE = re.compile(f"[{UNSPACED}，。、；：！？（）《》“”]")
_LARGER = 1.12  # times the size of the text: a heading
_LONGEST_HEADING, _LONGEST_BOLD = 160, 80
_FEW_BOLD = 0.2  # of the text: where more is bold, it does not mean a heading
_SHORT = 0.7  # of the width of a paragraph
_WIDE_GAP = 1.3  # times the usual distance of lines: a paragraph ends
_LEADER = re.compile(r"(?:\.\s?){4,}\s*\d*$|^\d[\d.]*\s.*\s\d{1,4}$")  # a line of a table of contents


class Layout:
    """What lines of a document look like: told from all of its pages before the first is written.

    outline: the level of each title of the document's outline, by the page (from 0) and the title as `title_key` has it
    """

    def __init__(self, pages: Sequence[Sequence[Part]], outline: Mapping[tuple[int, str], int]) -> None:
        lines = [part for page in pages for part in page if isinstance(part, Line)]
        sizes: Counter[float] = Counter()
        bold = 0
        for line in lines:
            sizes[line.size] += len(line.text)
            bold += len(line.text) * line.bold
        self._bold_means = bold < _FEW_BOLD * sizes.total()
        self.size = sizes.most_common(1)[0][0] if sizes else 0.0
        gaps = [
            gap / first.size
            for page in pages
            for first, second in pairwise(part for part in page if isinstance(part, Line))
            if 0 < (gap := first.base - second.base) < 3 * first.size and first.size == second.size
        ]
        self.gap = statistics.median(gaps) if gaps else 1.2
        self.outline = outline
        large = {self._rank(line) for line in lines if self._stands_out(line)}
        self._levels = {rank: level for level, rank in enumerate(sorted(large, reverse=True), 1)}

    def level(self, line: Line, page: int) -> int:
        """The level of the heading that a line is (or begins), 0 where it is none."""
        if self.outline:
            return self.outline.get((page, title_key(line.text)), 0)
        return self._levels.get(self._rank(line), 0) if self._stands_out(line) else 0

    def _rank(self, line: Line) -> float:
        """What tells how high a heading is: its size, or that of the text where it is bold alone."""
        return line.size if line.size >= _LARGER * self.size else self.size

    def _stands_out(self, line: Line) -> bool:
        large = line.size >= _LARGER * self.size and len(line.text) <= _LONGEST_HEADING
        bold = line.bold and not line.fixed and self._bold_means and len(line.text) <= _LONGEST_BOLD
        bold = bold and line.size >= 0.97 * self.size and line.text[-1] not in ".:,;。：，；"
        return (large or bold) and _LETTERS.search(line.text) is not None and not _LEADER.search(line.text)

    def goes_on(self, before: Line, line: Line) -> bool:
        """Whether a line belongs to the paragraph of the one before it on the page."""
        if abs(before.size - line.size) > 0.6 or _starts_item(line.text):
            return False
        gap = before.base - line.base
        if gap <= 0:  # the next column
            return not _ends_sentence(before.text)
        return gap <= _WIDE_GAP * self.gap * before.size


def write_page(parts: Iterable[Part], number: int, layout: Layout, writing: Writing) -> None:
    """Writes what a page shows; `number`: of the page, from 0. Text that the page before left open goes on."""
    first = not writing.ends_open()
    before: Line | None = None
    heading: list[Line] = []
    writing.page()

    def end_heading() -> None:
        if heading:
            writing.heading(_joined(heading), layout.level(heading[0], number))
            heading.clear()

    paragraph: list[Line] = []
    between = "\n\n"
    in_list = False

    def end_paragraph() -> None:
        if paragraph:
            writing.add(_marked(_joined(paragraph)), between)
            paragraph.clear()

    for part in parts:
        if isinstance(part, TableRows):
            end_heading()
            end_paragraph()
            writing.add(_table(part.rows))
            before, in_list, first = None, False, True
            continue
        level = layout.level(part, number)
        if level:
            end_paragraph()
            if heading and not (
                before is not None and before.size == part.size and layout.goes_on(before, part)
            ):
                end_heading()
            heading.append(part)
            before, in_list, first = part, False, True
            continue
        if heading:
            end_heading()
            before = None
        if paragraph and before is not None and layout.goes_on(before, part):
            paragraph.append(part)
        else:
            end_paragraph()
            item = _starts_item(part.text)
            between = "\n" if in_list and item else _between(part, item, first, layout)
            in_list = item
            paragraph.append(part)
        before, first = part, True
    end_heading()
    end_paragraph()


def title_key(text: str) -> str:
    """A title without its number, spaces and case, as an outline and the page may both have it."""
    return re.sub(r"[\W_]+", "", re.sub(r"^[\d.]+\s*", "", text)).casefold()


def _between(line: Line, item: bool, first: bool, layout: Layout) -> str:
    """What lies between a paragraph that begins and what stands before it."""
    if first or item or abs(line.size - layout.size) >= 0.6:
        return "\n\n"
    # The page before ended within a sentence.
    return "" if _NO_SPACE.match(line.text) else " "


def _starts_item(text: str) -> bool:
    return _BULLET.match(text) is not None or _NUMBERED.match(text) is not None


def _ends_sentence(text: str) -> bool:
    return text.rstrip("\"'”’)）」』")[-1:] in tuple(".!?。！？:：")


def _marked(text: str) -> str:
    """A line of a list as Markdown has it."""
    return _BULLET.sub("- ", text, count=1) if _BULLET.match(text) else text


def _joined(lines: Sequence[Line]) -> str:
    """Lines as one: a word cut by a hyphen whole again, no space between characters of scripts without them.

    A line that ends long before the widest one does was ended on purpose and stays a line, and so does one of code.
    """
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    text = lines[0].text
    for before, line in pairwise(lines):
        if before.right - left < _SHORT * (right - left) or (before.fixed and line.fixed):
            text += f"\n{line.text}"
        else:
            text += line.text if before.cut or _no_space(text, line.text) else f" {line.text}"
    return text


def _no_space(before: str, after: str) -> bool:
    return before.endswith("-") or bool(_NO_SPACE.match(before[-1:]) or _NO_SPACE.match(after))


def _table(rows: list[list[str]]) -> str:
    """A table as Markdown, without rows and columns that are empty; what has few cells filled, as lines."""
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return ""
    kept = [at for at in range(len(rows[0])) if any(row[at].strip() for row in rows)]
    rows = [[row[at] for at in kept] for row in rows]
    filled = sum(bool(cell.strip()) for row in rows for cell in row)
    if (
        len(kept) < 2 or len(rows) < 2 or filled < 0.4 * len(rows) * len(kept)
    ):  # a frame, or a drawing's lines
        return "\n\n".join(" ".join(filter(None, (cell.strip() for cell in row))) for row in rows)
    return table_as_markdown(rows)
