"""The units that a document's text is packed by: sentences, items, tables or their rows, blocks of code or their lines.

Each has exact offsets, and says how strong the border before it is: a heading of the first level is the strongest, the
end of a sentence the weakest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from factory.data.document import Heading
from factory.steps.documents.chunking.sentences import cut_span, sentence_spans

PIECE, SENTENCE, ITEM, BLOCK = 0, 1, 2, 3
_HEADINGS = 10  # a heading of level 1 is a border of strength 9, one of level 6 of strength 4
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM_LINE = re.compile(r"\s*(?:[-*+•]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")


class Unit(NamedTuple):
    """A stretch of text that is not cut.

    body: where its first text that is no heading begins; `end` of headings alone
    border: how strong the border before it is
    """

    start: int
    end: int
    body: int
    tokens: int
    border: int


class _Block(NamedTuple):
    kind: str  # "heading", "table", "code", "item" or "text"
    start: int
    end: int
    level: int = 0  # of a heading


class Splitter:
    """Splits documents into units of at most `size` tokens.

    count: tokens of a text
    counts: sentences, tables and blocks of code that were longer than that and were cut
    """

    def __init__(self, size: int, count: Callable[[str], int]) -> None:
        self._size, self._count = size, count
        self.counts: Counter[str] = Counter()

    def units(self, text: str, headings: Sequence[Heading]) -> list[Unit]:
        """The units of a text, in its order; together they hold all of it that is not white space."""
        levels = {heading.at: heading.level for heading in headings}
        found: list[Unit] = []
        titles: list[Unit] = []  # headings that wait for the text below them
        leads = False  # the text before ends with a colon
        for block in _blocks(text, levels):
            if block.level:
                title = self._unit(text, block.start, block.end, _border_of(block, leads))
                if title.tokens <= self._size:
                    titles.append(title._replace(body=block.end))
                    continue
            for unit in self._of_block(text, block, _border_of(block, leads)):
                found += self._under(text, titles, unit)
                titles = []
            leads = text[block.end - 1] in ":："
        return [*found, *self._joined(text, titles)]

    def _under(self, text: str, titles: list[Unit], unit: Unit) -> list[Unit]:
        """Headings and the first unit below them, as one where they fit."""
        above = self._joined(text, titles)
        if len(above) == 1:
            both = self._unit(text, above[0].start, unit.end, above[0].border)
            if both.tokens <= self._size:
                return [both._replace(body=unit.body)]
        return [*above, unit]

    def _joined(self, text: str, titles: list[Unit]) -> list[Unit]:
        """Headings that follow each other as one unit, where they fit."""
        if len(titles) < 2:
            return titles
        end = titles[-1].end
        whole = self._unit(text, titles[0].start, end, max(title.border for title in titles))
        return [whole._replace(body=end)] if whole.tokens <= self._size else titles

    def _unit(self, text: str, start: int, end: int, border: int) -> Unit:
        return Unit(start, end, start, max(1, self._count(text[start:end])), border)

    def _of_block(self, text: str, block: _Block, border: int) -> Iterator[Unit]:
        """The units of a block; `border`: before the first one."""
        if block.kind in ("table", "code"):
            whole = self._unit(text, block.start, block.end, border)
            if whole.tokens <= self._size:
                yield whole
                return
            self.counts["tables_cut" if block.kind == "table" else "code_blocks_cut"] += 1
            spans = _lines(text, block.start, block.end)
        else:
            spans = sentence_spans(text, block.start, block.end)
        for start, end in spans:
            unit = self._unit(text, start, end, border)
            border = SENTENCE
            if unit.tokens <= self._size:
                yield unit
                continue
            self.counts["sentences_cut"] += block.kind in ("text", "item", "heading")
            for number, (first, last) in enumerate(cut_span(text, start, end, self._size, self._count)):
                yield self._unit(text, first, last, PIECE if number else unit.border)


def _border_of(block: _Block, leads: bool) -> int:
    """How strong the border before a block is; `leads`: the text before it ends with a colon, and leads to it."""
    if block.level:
        return _HEADINGS - min(block.level, 6)
    return ITEM if block.kind == "item" or leads else BLOCK


def _blocks(text: str, levels: dict[int, int]) -> Iterator[_Block]:
    """The blocks of a Markdown text with their offsets, without the white space around them."""
    kind, start, end, fence, level = "", 0, 0, "", 0
    at = 0
    for line in text.splitlines(keepends=True):
        here, at = at, at + len(line)
        said = line.rstrip()
        first = here + len(line) - len(line.lstrip())
        opening = _FENCE.match(said)
        if fence:
            end = here + len(said) if said else end
            if opening and opening[1].startswith(fence) and not said.strip(" `~"):
                yield _Block(kind, start, end, level)
                kind = fence = ""
            continue
        wanted = _kind_of(said, here in levels, opening is not None)
        goes_on = wanted == kind and kind in ("text", "table")
        goes_on = goes_on or (wanted == "text" and kind == "item" and bool(said))
        if kind and not goes_on:
            yield _Block(kind, start, end, level)
            kind = ""
        if not wanted:
            continue
        if not kind:
            kind, start, level = wanted, first, levels.get(here, 0)
        end = here + len(said)
        if wanted == "code" and opening is not None:
            fence = opening[1]
    if kind:
        yield _Block(kind, start, end, level)


def _kind_of(said: str, heading: bool, fence: bool) -> str:
    if not said:
        return ""
    if heading:
        return "heading"
    if fence:
        return "code"
    if said.endswith("|") and said.lstrip()[:1] == "|":
        return "table"
    return "item" if _ITEM_LINE.match(said) else "text"


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The lines of a stretch that are not blank; a table's header and the rule below it as one."""
    spans = [(found.start(), found.end()) for found in re.finditer(r"[^\n]*\S", text[start:end])]
    if len(spans) > 1 and re.fullmatch(r"[\s|:-]+", text[start + spans[1][0] : start + spans[1][1]]):
        spans[:2] = [(spans[0][0], spans[1][1])]
    return ((start + first, start + last) for first, last in spans)
