"""What other converters wrote of a document: Docling's JSON and MinerU's list of contents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from factory.data.documents.converted import CannotConvert, Converted, Writing, table_as_markdown

_FURNITURE = ("page_header", "page_footer", "header", "footer", "page_number", "discarded")
_DEEPEST = 200


def read_docling(text: str) -> Converted:
    """A `DoclingDocument` as JSON (docling's `export_to_dict`): its body in reading order.

    Page headers and footers are left out and counted, pictures too; captions and tables stay.

    Raises:
        CannotConvert: it is none, or has no text.
    """
    document = _loaded(text, dict, "a DoclingDocument")
    writing, odd, removed, page = Writing(), dict[str, int](), 0, 0
    for item in _body(document):
        label, said = str(item.get("label", "")), item.get("text")
        if label in _FURNITURE or item.get("content_layer") == "furniture":
            removed += 1
            continue
        page = _turn_to(writing, page, _page_of(item))
        if isinstance(item.get("data"), dict) and label in ("table", "document_index"):
            writing.add(table_as_markdown(_grid(item["data"])))
        elif label == "picture":
            odd["pictures left out"] = odd.get("pictures left out", 0) + 1
        elif isinstance(said, str) and said.strip():
            _add(writing, label, said.strip(), item)
    name = document.get("name")
    return _finished(writing, f"docling {document.get('version', '')}".strip(), name, odd, removed)


def read_mineru(text: str) -> Converted:
    """MinerU's `content_list.json`: blocks in reading order with the level of titles and the page of each.

    Headers, footers and page numbers are left out and counted, pictures too; captions, tables and formulas stay.

    Raises:
        CannotConvert: it is none, or has no text.
    """
    writing, odd, removed, page = Writing(), dict[str, int](), 0, 0
    for block in _loaded(text, list, "a list of contents"):
        if not isinstance(block, dict):
            odd["entries that are no blocks left out"] = odd.get("entries that are no blocks left out", 0) + 1
            continue
        kind = str(block.get("type", ""))
        if kind in _FURNITURE:
            removed += 1
            continue
        number = block.get("page_idx")
        page = _turn_to(writing, page, number + 1 if isinstance(number, int) else page)
        level = block.get("text_level")
        said = block.get("text")
        if kind == "image":
            odd["pictures left out"] = odd.get("pictures left out", 0) + 1
        for caption in _captions(block, "caption"):
            writing.add(caption)
        if isinstance(block.get("table_body"), str):
            writing.add(_html_table(block["table_body"]))
        elif isinstance(block.get("list_items"), list):
            writing.add(
                "\n".join(f"- {str(item).strip().removeprefix('- ')}" for item in block["list_items"])
            )
        elif isinstance(block.get("code_body"), str):
            writing.add(block["code_body"].strip("\n"))
        elif isinstance(said, str) and said.strip():
            if isinstance(level, int) and level > 0:
                writing.heading(said, level)
            else:
                writing.add(said.strip())
        for note in _captions(block, "footnote"):
            writing.add(note)
    return _finished(writing, "mineru", "", odd, removed)


def _loaded(text: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise CannotConvert(f"is not {what}: convert the document again")
    return value


def _finished(
    writing: Writing, converter: str, title: object, odd: dict[str, int], removed: int
) -> Converted:
    if not writing.length:
        raise CannotConvert("has no text: the converter found none")
    name = title if isinstance(title, str) else ""
    top = next((heading.text for heading in writing.headings if heading.level == 1), name)
    return writing.converted(title=top, converter=converter, odd=odd, lines_removed=removed)


def _turn_to(writing: Writing, page: int, wanted: int) -> int:
    """Begins the pages up to the one that is wanted; what stands on an earlier one stays where the text is."""
    while page < min(wanted, page + 10_000):
        page += 1
        writing.page()
    return page


def _body(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The items of a Docling document in reading order."""
    seen: set[str] = set()

    def items(node: Any, depth: int) -> Iterator[dict[str, Any]]:
        if not isinstance(node, dict) or depth > _DEEPEST:
            return
        for child in node.get("children") or ():
            reference = child.get("$ref", child.get("cref")) if isinstance(child, dict) else None
            if not isinstance(reference, str) or reference in seen:
                continue
            seen.add(reference)
            item = _resolved(document, reference)
            if item is not None:
                yield item
                yield from items(item, depth + 1)

    yield from items(document.get("body"), 0)


def _resolved(document: dict[str, Any], reference: str) -> dict[str, Any] | None:
    """What "#/texts/3" stands for."""
    parts = reference.removeprefix("#/").split("/")
    found = document.get(parts[0]) if len(parts) == 2 and parts[1].isdigit() else None
    if not isinstance(found, list) or int(parts[1]) >= len(found):
        return None
    item = found[int(parts[1])]
    return item if isinstance(item, dict) else None


def _page_of(item: dict[str, Any]) -> int:
    places = item.get("prov")
    place = places[0] if isinstance(places, list) and places else {}
    number = place.get("page_no") if isinstance(place, dict) else None
    return number if isinstance(number, int) else 0


def _add(writing: Writing, label: str, said: str, item: dict[str, Any]) -> None:
    level = item.get("level")
    if label == "title":
        writing.heading(said, 1)
    elif label == "section_header":
        writing.heading(said, level + 1 if isinstance(level, int) else 2)
    elif label == "list_item":
        marker = item.get("marker")
        numbered = item.get("enumerated") and isinstance(marker, str) and marker.strip(" .").isdigit()
        writing.item(f"{marker if numbered else '-'} {said}")
    elif label == "code":
        writing.add(f"```\n{said}\n```")
    elif label == "formula":
        writing.add(f"$$\n{said}\n$$")
    else:
        writing.add(said)


def _grid(data: dict[str, Any]) -> list[list[str]]:
    """The rows of a Docling table."""
    rows = data.get("grid")
    if not isinstance(rows, list):
        return []
    return [
        [str(cell.get("text", "")) if isinstance(cell, dict) else "" for cell in row]
        for row in rows
        if isinstance(row, list)
    ]


def _captions(block: dict[str, Any], what: str) -> list[str]:
    """What stands above or below a picture, a table or code: "caption" or "footnote"."""
    found = [value for name, value in block.items() if name.endswith(f"_{what}") and isinstance(value, list)]
    return [str(text).strip() for value in found for text in value if str(text).strip()]


def _html_table(html: str) -> str:
    """A table in HTML as Markdown; a cell that spans several is repeated in each of its row, and once in a column."""
    parser = _Rows()
    parser.feed(html)
    parser.close()
    return table_as_markdown(parser.rows)


class _Rows(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._span = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            said = dict(attributes).get("colspan") or "1"
            self._span = min(int(said), 100) if said.isdigit() else 1
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._span and self.rows and self.rows[-1]:
            self.rows[-1] += [self.rows[-1][-1]] * (self._span - 1)
            self._span = 0

    def handle_data(self, data: str) -> None:
        if self._span and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data
