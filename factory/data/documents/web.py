"""The main text of an HTML page as Markdown, by trafilatura; scripts, menus, headers and footers are no text."""

from __future__ import annotations

import re
from typing import Any

from factory.data.documents.converted import CannotConvert, Converted, Writing, table_as_markdown

_LEVEL = re.compile(r"h([1-6])")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)


def declared_encoding(data: bytes) -> str:
    """The encoding that a page says it is in, "" where it says none."""
    found = _CHARSET.search(data[:4096])
    return found[1].decode("ascii", "ignore") if found else ""


def read_html(text: str) -> Converted:
    """The main text of a page. Nothing that it names is fetched, and no script of it is run.

    Raises:
        CannotConvert: it has no text beside menus and the like.
    """
    import trafilatura

    found = trafilatura.bare_extraction(
        text,
        favor_recall=True,
        include_comments=False,
        include_formatting=True,
        include_images=False,
        include_links=False,
        include_tables=True,
        with_metadata=True,
    )
    if found is None or found.body is None:
        raise CannotConvert("has no main text: save the page that has it, or its text as .txt")
    writing = Writing()
    for element in found.body:
        _write(element, writing)
    if not writing.length:
        raise CannotConvert("has no main text: save the page that has it, or its text as .txt")
    # The first title that trafilatura finds may be one of a menu.
    title = next((heading.text for heading in writing.headings if heading.level == 1), found.title or "")
    return writing.converted(title=title, converter=f"trafilatura {trafilatura.__version__}")


def _write(element: Any, writing: Writing) -> None:
    """Adds an element of trafilatura's tree."""
    if element.tag == "head":
        level = _LEVEL.fullmatch(element.get("rend") or "h2")
        writing.heading(_text(element), int(level[1]) if level else 2)
    elif element.tag == "table":
        writing.add(
            table_as_markdown([[_text(cell) for cell in row.iter("cell")] for row in element.iter("row")])
        )
    elif element.tag == "list":
        writing.add("\n".join(_items(element, "")))
    elif element.tag == "code" and "\n" in (said := "".join(element.itertext())):
        writing.add(f"```\n{said.strip(chr(10))}\n```")
    elif element.tag in ("div", "quote") and any(
        child.tag in ("p", "head", "list", "table") for child in element
    ):
        writing.add(" ".join((element.text or "").split()))
        for child in element:
            _write(child, writing)
            writing.add(" ".join((child.tail or "").split()))
    else:
        writing.add(_text(element))


def _items(element: Any, indent: str) -> list[str]:
    """The items of a list as lines, those of a list within it indented."""
    ordered = (element.get("rend") or "").startswith("ol")
    lines: list[str] = []
    for number, item in enumerate(element.iterchildren("item"), 1):
        inner = list(item.iterchildren("list"))
        said = _text(item, without=("list",))
        if said:
            lines.append(f"{indent}{f'{number}.' if ordered else '-'} {said}")
        for one in inner:
            lines += _items(one, f"{indent}  ")
    return lines


def _text(element: Any, without: tuple[str, ...] = ()) -> str:
    """The text of an element on one line, a blank where a line was broken."""
    parts: list[str] = []

    def gather(one: Any) -> None:
        parts.append(one.text or "")
        for child in one:
            if child.tag == "lb":
                parts.append(" ")
            elif child.tag not in without:
                gather(child)
                if child.tag in ("p", "item", "cell", "row"):
                    parts.append(" ")
            parts.append(child.tail or "")

    gather(element)
    return " ".join("".join(parts).split())
