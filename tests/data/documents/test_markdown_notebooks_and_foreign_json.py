"""Markdown, notebooks and other converters' JSON, read as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.document import Heading
from factory.data.documents.converted import CannotConvert
from factory.data.documents.foreign import read_docling, read_mineru
from factory.data.documents.markdown import find_headings, read_markdown, read_text
from factory.data.documents.notebook import read_notebook


def test_headings_of_markdown_are_found_and_those_in_code_are_not() -> None:
    text = "# One #\n\ntext\n\n```sh\n# no heading\n```\n~~~\n# no\n~~~\n\nTwo\n---\n\n###no\n### Three\n- item\n---\n"
    assert find_headings(text) == [
        Heading(0, 1, "One"),
        Heading(text.index("Two"), 2, "Two"),
        Heading(text.index("### Three"), 3, "Three"),
    ]


@given(st.text("# \n`-=ab~"))
def test_every_heading_stands_where_it_says(text: str) -> None:
    for heading in find_headings(text):
        assert heading.text in text[heading.at :].splitlines()[0]
        assert heading.at == 0 or text[heading.at - 1] == "\n"


def test_markdown_is_kept_as_it_is_but_for_yaml_at_its_head() -> None:
    found = read_markdown("---\ntitle: 'Pumps'\ndraft: true\n---\n# Other\n\n|a|\n|-|\n")
    assert (found.text, found.title, found.odd) == (
        "# Other\n\n|a|\n|-|\n",
        "Pumps",
        {"blocks of YAML at the head": 1},
    )
    assert read_markdown("# Pumps\n").title == "Pumps"
    assert read_markdown("---\n").text == "---\n"


def test_form_feeds_part_the_pages_of_a_text() -> None:
    assert read_text("one\ftwo\f").pages == [0, 4, 8]
    assert read_text("one").pages == []


def test_a_notebook_is_its_texts_and_its_code_without_outputs() -> None:
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "source": ["# Tides\n", "They turn."]},
        {"cell_type": "code", "source": "print(1)", "outputs": [{"text": "1"}]},
        {"cell_type": "code", "source": "", "outputs": []},
    ]
    found = read_notebook(json.dumps({"cells": cells, "metadata": {}}))
    assert found.text == "# Tides\nThey turn.\n\n```python\nprint(1)\n```"
    assert (found.title, found.headings, found.odd) == (
        "Tides",
        [Heading(0, 1, "Tides")],
        {"outputs of code left out": 1},
    )
    assert read_notebook(json.dumps({"worksheets": [{"cells": cells[:1]}]})).title == "Tides"


def docling() -> dict[str, Any]:
    def text(at: int, label: str, said: str, page: int, **more: Any) -> dict[str, Any]:
        return {
            "self_ref": f"#/texts/{at}",
            "label": label,
            "text": said,
            "prov": [{"page_no": page}],
            **more,
        }

    grid = [[{"text": "Part"}, {"text": "Hours"}], [{"text": "Seal"}, {"text": "2,000"}]]
    return {
        "schema_name": "DoclingDocument",
        "version": "1.8.0",
        "name": "manual",
        "body": {
            "children": [
                {"$ref": "#/texts/0"},
                {"$ref": "#/texts/1"},
                {"$ref": "#/groups/0"},
                {"$ref": "#/tables/0"},
                {"$ref": "#/texts/5"},
                {"$ref": "#/pictures/0"},
                {"$ref": "#/texts/6"},
                {"$ref": "#/texts/99"},
            ]
        },
        "groups": [
            {
                "label": "list",
                "children": [{"$ref": "#/texts/2"}, {"$ref": "#/texts/3"}, {"$ref": "#/groups/0"}],
            }
        ],
        "texts": [
            text(0, "title", "Heron", 1),
            text(1, "section_header", "Care", 1, level=1),
            text(2, "list_item", "Rinse it.", 1, enumerated=True, marker="1."),
            text(3, "list_item", "Dry it.", 1, marker="-"),
            text(4, "text", "not in the body", 1),
            text(5, "page_footer", "7", 2, content_layer="furniture"),
            text(6, "code", "x = 1", 3),
        ],
        "tables": [{"label": "table", "prov": [{"page_no": 2}], "data": {"grid": grid}, "children": []}],
        "pictures": [{"label": "picture", "prov": [{"page_no": 2}], "children": []}],
    }


def test_doclings_json_is_read_in_reading_order_with_headings_pages_and_tables() -> None:
    found = read_docling(json.dumps(docling()))
    assert found.text == (
        "# Heron\n\n## Care\n\n1. Rinse it.\n- Dry it.\n\n| Part | Hours |\n| --- | --- |\n| Seal | 2,000 |"
        "\n\n```\nx = 1\n```"
    )
    assert [(heading.level, heading.text) for heading in found.headings] == [(1, "Heron"), (2, "Care")]
    assert found.pages == [0, found.text.index("| Part"), found.text.index("```")]
    assert (found.title, found.lines_removed, found.odd) == ("Heron", 1, {"pictures left out": 1})


def test_minerus_list_of_contents_is_read_with_headings_pages_and_tables() -> None:
    table = "<html><table><tr><td colspan='2'>Both &lt;</td></tr><tr><td>a</td><td>b</td></tr></table></html>"
    blocks = [
        {"type": "text", "text": "Heron", "text_level": 1, "page_idx": 0},
        {"type": "header", "text": "Edition 7", "page_idx": 0},
        {"type": "text", "text": "A pump. ", "page_idx": 0},
        {
            "type": "table",
            "table_caption": ["Table 1"],
            "table_body": table,
            "table_footnote": ["a note"],
            "page_idx": 2,
        },
        {"type": "image", "img_path": "x.jpg", "image_caption": ["Fig. 1"], "page_idx": 2},
        {"type": "equation", "text": "$$\nx\n$$", "page_idx": 2},
        {"type": "list", "list_items": ["one", "- two"], "page_idx": 2},
    ]
    found = read_mineru(json.dumps(blocks))
    assert found.text == (
        "# Heron\n\nA pump.\n\nTable 1\n\n| Both < | Both < |\n| --- | --- |\n| a | b |\n\na note\n\nFig. 1"
        "\n\n$$\nx\n$$\n\n- one\n- two"
    )
    # The second page is empty: it begins where the text of the first one ends.
    assert found.pages == [0, found.text.index("\n\nTable 1"), found.text.index("Table 1")]
    assert (found.title, found.lines_removed, found.odd) == ("Heron", 1, {"pictures left out": 1})


def test_what_mineru_discarded_and_what_is_no_block_are_left_out_and_counted() -> None:
    blocks = [{"type": "text", "text": "A pump."}, {"type": "discarded", "text": "page 3 of 9"}, "stray"]
    found = read_mineru(json.dumps(blocks))
    assert (found.text, found.lines_removed) == ("A pump.", 1)
    assert found.odd == {"entries that are no blocks left out": 1}


@pytest.mark.parametrize("read", [read_docling, read_mineru])
@pytest.mark.parametrize(
    "text", ["", "null", "3", "[]", "{}", "[3]", '{"body": {"children": [3]}}', "[" * 100_000]
)
def test_json_of_another_kind_is_told(read: Any, text: str) -> None:
    with pytest.raises(CannotConvert):
        read(text)
