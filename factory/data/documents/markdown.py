"""Markdown and plain text: read as they are; the headings of Markdown are found where they stand."""

from __future__ import annotations

import re

from factory.data.document import Heading
from factory.data.documents.converted import Converted
from factory.data.documents.unseen import without_unseen

_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FRONT = re.compile(r"\A---[ \t]*\n.*?^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)


def read_markdown(text: str) -> Converted:
    """Markdown as it is, but for what is not seen of it. A block of YAML at its head is no text; a title in it is the
    document's."""
    title, odd = "", dict[str, int]()
    if front := _FRONT.match(text):
        found = _TITLE.search(front[0])
        title = found[1].strip("\"'") if found else ""
        odd = {"blocks of YAML at the head": 1}
        text = text[front.end() :]
    text, unseen = without_unseen(text)
    odd |= unseen
    headings = find_headings(text)
    title = title or next((heading.text for heading in headings if heading.level == 1), "")
    return Converted(text, title, headings, converter="as it is", odd=odd)


def read_text(text: str) -> Converted:
    """Plain text as it is; a form feed begins a page."""
    pages = [0, *(found.end() for found in re.finditer("\f", text))] if "\f" in text else []
    return Converted(text, pages=pages, converter="as it is")


def find_headings(text: str) -> list[Heading]:
    """The headings of a Markdown text in its order, those in blocks of code left out."""
    headings: list[Heading] = []
    at, fence, before, before_at = 0, "", "", 0
    for line in text.splitlines(keepends=True):
        said = line.rstrip("\r\n")
        opening = _FENCE.match(said)
        if fence:
            if opening and opening[1].startswith(fence) and not said.strip(" `~"):
                fence = ""
        elif opening:
            fence = opening[1]
        elif (found := _HEADING.match(said)) and found[2]:
            headings.append(Heading(at, len(found[1]), found[2].strip()))
        elif before and (found := _UNDERLINE.match(said)) and _is_paragraph(before):
            headings.append(Heading(before_at, 1 if found[1][0] == "=" else 2, before.strip()))
        before, before_at = ("", 0) if fence or _HEADING.match(said) else (said.strip() and said, at)
        at += len(line)
    return headings


def _is_paragraph(line: str) -> bool:
    """Whether a line can be a heading that is underlined: not an item of a list, a row of a table, a quotation."""
    return not re.match(r" {0,3}(?:[-*+>|]|\d+[.)]\s)|\s{4}", line) and len(line) <= 200
