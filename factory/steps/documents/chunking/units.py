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
        for block in _blocks(text, levels):
            if block.kind == "heading":
                border = _HEADINGS - min(levels[block.start], 6)
                title = self._unit(text, block.start, block.end, border)._replace(body=block.end)
                if title.tokens <= self._size:
                    titles.append(title)
                    continue
            for unit in self._of_block(text, block, levels.get(block.start, 0)):
                found += self._under(titles, unit)
                titles = []
        return [*found, *self._joined(titles)]

    def _under(self, titles: list[Unit], unit: Unit) -> list[Unit]:
        """Headings and the first unit below them, as one where they fit."""
        above = self._joined(titles)
        if len(above) != 1 or above[0].tokens + unit.tokens > self._size:
            return [*above, unit]
        return [above[0]._replace(end=unit.end, body=unit.body, tokens=above[0].tokens + unit.tokens)]

    def _joined(self, titles: list[Unit]) -> list[Unit]:
        """Headings that follow each other as one unit, where they fit."""
        tokens = sum(title.tokens for title in titles)
        if len(titles) < 2 or tokens > self._size:
            return titles
        end, border = titles[-1].end, max(title.border for title in titles)
        return [Unit(titles[0].start, end, end, tokens, border)]

    def _unit(self, text: str, start: int, end: int, border: int) -> Unit:
        return Unit(start, end, start, max(1, self._count(text[start:end])), border)

    def _of_block(self, text: str, block: _Block, level: int) -> Iterator[Unit]:
        """The units of a block; `level`: of the heading that it is, 0 of none."""
        if block.kind in ("table", "code"):
            whole = self._unit(text, block.start, block.end, BLOCK)
            if whole.tokens <= self._size:
                yield whole
                return
            self.counts["tables_cut" if block.kind == "table" else "code_blocks_cut"] += 1
            spans = _lines(text, block.start, block.end)
        else:
            spans = sentence_spans(text, block.start, block.end)
        border = _HEADINGS - min(level, 6) if level else ITEM if block.kind == "item" else BLOCK
        for start, end in spans:
            unit = self._unit(text, start, end, border)
            border = SENTENCE
            if unit.tokens <= self._size:
                yield unit
                continue
            self.counts["sentences_cut"] += block.kind in ("text", "item", "heading")
            for number, (first, last) in enumerate(cut_span(text, start, end, self._size, self._count)):
                yield self._unit(text, first, last, PIECE if number else unit.border)


def _blocks(text: str, levels: dict[int, int]) -> Iterator[_Block]:
    """The blocks of a Markdown text with their offsets, without the white space around them."""
    kind, start, end, fence = "", 0, 0, ""
    at = 0
    for line in text.splitlines(keepends=True):
        here, at = at, at + len(line)
        said = line.rstrip()
        first = here + len(line) - len(line.lstrip())
        opening = _FENCE.match(said)
        if fence:
            end = here + len(said) if said else end
            if opening and opening[1].startswith(fence) and not said.strip(" `~"):
                yield _Block(kind, start, end)
                kind = fence = ""
            continue
        wanted = _kind_of(said, here in levels, opening is not None)
        goes_on = wanted == kind and kind in ("text", "table")
        goes_on = goes_on or (wanted == "text" and kind == "item" and bool(said))
        if kind and not goes_on:
            yield _Block(kind, start, end)
            kind = ""
        if not wanted:
            continue
        if not kind:
            kind, start = wanted, here if here in levels else first
        end = here + len(said)
        if wanted == "code" and opening is not None:
            fence = opening[1]
    if kind:
        yield _Block(kind, start, end)


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
