"""What a converter makes of a document: its text as Markdown, with the places of headings and pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from factory.data.document import Heading


class CannotConvert(Exception):
    """A document that gives no text; `reason`: why and how to mend it, to be read behind the file's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Converted:
    """A document's text and what is known of it.

    title, headings, pages, converter: as in `Document`
    lines_removed: headers, footers and page numbers that were taken out
    pages_without_text, pages_unread: pages, from 1, that show no text, such as scanned ones, or are damaged
    odd: what of the document is not in the text, or not as it was, each with a count
    """

    text: str
    title: str = ""
    headings: list[Heading] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    converter: str = ""
    lines_removed: int = 0
    pages_without_text: list[int] = field(default_factory=list)
    pages_unread: list[int] = field(default_factory=list)
    odd: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Converted:
        """What `as_json` gave."""
        return cls(**{**value, "headings": [Heading(*heading) for heading in value["headings"]]})


class Writing:
    """A document's text as it is put together, block by block; a blank line lies between two."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.length = 0
        self.headings: list[Heading] = []
        self.pages: list[int] = []
        self._page_begins = self._in_list = False

    def page(self) -> None:
        """A page begins: what is added next stands on it."""
        if self._page_begins:
            self.pages.append(self.length)
        self._page_begins = True

    def add(self, block: str, between: str = "\n\n") -> None:
        """Adds a block, behind `between` where it is not the first."""
        if not block:
            return
        if self.length:
            self._put(between)
        self._begin_page()
        self._put(block)
        self._in_list = False

    def item(self, line: str) -> None:
        """Adds an item of a list, on the line below where one stands before it."""
        self.add(line, "\n" if self._in_list else "\n\n")
        self._in_list = True

    def heading(self, text: str, level: int) -> None:
        """Adds a heading as Markdown writes it; `level`: 1 for the highest, at most 6."""
        text = " ".join(text.split())
        if not text:
            return
        level = min(max(level, 1), 6)
        if self.length:
            self._put("\n\n")
        self._begin_page()
        self.headings.append(Heading(self.length, level, text))
        self._put(f"{'#' * level} {text}")
        self._in_list = False

    def ends_open(self) -> bool:
        """Whether the last block is text that does not end a sentence, so that the next page may go on with it."""
        last = self._parts[-1].rstrip() if self._parts else ""
        at_heading = bool(self.headings) and self.headings[-1].at + len(last) >= self.length
        open_end = bool(last) and (last[-1].isalnum() or last[-1] in ",;，、；-—")
        return open_end and not at_heading and not last.startswith("|")

    def converted(self, **about: Any) -> Converted:
        """What was put together; `about`: the other fields of `Converted`."""
        if self._page_begins:
            self.pages.append(self.length)
        return Converted("".join(self._parts), headings=self.headings, pages=self.pages, **about)

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self.length += len(text)

    def _begin_page(self) -> None:
        if self._page_begins:
            self.pages.append(self.length)
            self._page_begins = False


def table_as_markdown(rows: list[list[str]]) -> str:
    """Rows of cells as a Markdown table, the first row as its header; short rows are filled up. "" of none."""
    width = max(map(len, rows), default=0)
    if not width:
        return ""
    lines = [
        "| "
        + " | ".join([" ".join(cell.split()).replace("|", "\\|") for cell in row] + [""] * (width - len(row)))
        + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])
