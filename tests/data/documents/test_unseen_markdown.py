"""What Markdown holds and its reader does not see is left out and counted; code stays as it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.documents.markdown import read_markdown
from factory.data.documents.notebook import read_notebook
from factory.data.documents.unseen import COMMENTS, JUMPS, PICTURES, without_unseen


@pytest.mark.parametrize(
    ("text", "seen", "number"),
    [
        ("A.\n<!-- todo -->\nB.\n", "A.\nB.\n", 1),
        ("A.\n\n<!-- of\nthree\n\nlines --> B.\n", "A.\n\n B.\n", 1),
        ("A <!-- one --> and<!----> B.", "A  and B.", 2),
        ("水泵<!-- 待核实 -->抽水。", "水泵抽水。", 1),
        ("`<!-- shown -->` and ``a ` <!-- shown -->``", "`<!-- shown -->` and ``a ` <!-- shown -->``", 0),
        ("```html\n<!-- shown -->\n```\n<!-- not -->\n", "```html\n<!-- shown -->\n```\n", 1),
        ("~~~\n  <!-- shown -->", "~~~\n  <!-- shown -->", 0),
        ("Never closed <!-- so it is shown.", "Never closed <!-- so it is shown.", 0),
        ("> ```\n> <!-- shown -->\n> ```\n> B <!-- not -->", "> ```\n> <!-- shown -->\n> ```\n> B ", 1),
    ],
)
def test_comments_are_left_out_but_for_those_in_code(text: str, seen: str, number: int) -> None:
    assert without_unseen(text) == (seen, {COMMENTS: number} if number else {})


@pytest.mark.parametrize(
    "line",
    [
        "[![Build](https://a.example/b.svg)](https://a.example) ![PyPI](c.svg)",
        "[![Docs][badge]][docs]",
        '<p align="center"><img src="logo.png" alt="Heron" width="200"/></p>',
        "</details>",
        "  ![](wiring.png)",
    ],
)
def test_a_line_of_pictures_or_tags_alone_is_left_out(line: str) -> None:
    assert without_unseen(f"# Heron\n{line}\nText.\n") == ("# Heron\nText.\n", {PICTURES: 1})
    assert without_unseen(f"```\n{line}\n```\n")[1] == {}


@pytest.mark.parametrize(
    "line",
    [
        "Text beside ![a picture](a.png) stays.",
        "<https://heron.example>",
        "if a < b and c > d:",
        "[link](a.md)",
        "| ![red](r.png) | stop |",
        "",
        "---",
    ],
)
def test_a_line_with_text_stays(line: str) -> None:
    assert without_unseen(f"{line}\n") == (f"{line}\n", {})


def test_a_title_in_tags_of_html_is_a_heading() -> None:
    found = read_markdown('<h1 align="center">Heron <img src="a.png"></h1>\n\nIt lifts water.\n')
    assert (found.text, found.title) == ("# Heron\n\nIt lifts water.\n", "Heron")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('<p align="center">A tiny queue.</p>', "A tiny queue."),
        ("<summary><b>Speed</b></summary>", "Speed"),
        ("<h3>Use</h3>", "### Use"),
        ("<P>水泵。</P>", "水泵。"),
    ],
)
def test_a_line_in_tags_is_a_line_without_them(line: str, text: str) -> None:
    assert without_unseen(f"{line}\n") == (f"{text}\n", {})


def test_a_table_of_contents_is_left_out_and_other_links_stay() -> None:
    text = "- [Use](#use)\n  1. [Care](#care)\n- [Use](#use): daily\n- [Wiki](wiki.md#use)\n"
    assert without_unseen(text) == ("- [Use](#use): daily\n- [Wiki](wiki.md#use)\n", {JUMPS: 2})


def test_a_notebook_leaves_out_the_same_of_its_texts_and_nothing_of_its_code() -> None:
    cells = [
        {"cell_type": "markdown", "source": "# Tides\n<!-- draft -->\nThey turn."},
        {"cell_type": "code", "source": 'page = "<!-- shown -->"', "outputs": [{}, {}]},
    ]
    found = read_notebook(json.dumps({"cells": cells, "metadata": {}}))
    assert found.text == '# Tides\nThey turn.\n\n```python\npage = "<!-- shown -->"\n```'
    assert found.odd == {COMMENTS: 1, "outputs of code left out": 2}


@given(st.text("`<!->a[]()\n h1/"))
def test_a_text_that_shows_all_of_itself_comes_out_as_it_went_in_and_leaving_out_ends(text: str) -> None:
    seen, odd = without_unseen(text)
    assert odd or seen == text or "<h1" in text
    assert len(seen) <= len(text)
