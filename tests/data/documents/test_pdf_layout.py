"""Paragraphs, headings, lists and tables of a PDF, and what repeats on its pages, from lines with their places."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.documents.converted import Writing, table_as_markdown
from factory.data.documents.pdf.furniture import running_lines
from factory.data.documents.pdf.layout import Layout, Part, title_key, write_page
from factory.data.documents.pdf.lines import Line, TableRows, is_unknown
from factory.data.documents.pdf.read import read_pdf
from factory.data.documents.pdf.tables import Box, find_grids


def line(
    text: str, base: float, *, size: float = 10, left: float = 50, right: float = 0, **more: bool
) -> Line:
    return Line(
        text,
        left,
        right or left + 400,
        base,
        size,
        more.get("bold", False),
        base / 800,
        more.get("cut", False),
    )


def written(*pages: list[Part]) -> str:
    layout = Layout(pages, {})
    writing = Writing()
    for number, parts in enumerate(pages):
        write_page(parts, number, layout, writing)
    return writing.converted().text


def body(*texts: str, top: float = 600) -> list[Part]:
    return [line(text, top - 12 * at) for at, text in enumerate(texts)]


def test_lines_at_the_usual_distance_are_one_paragraph_and_a_gap_ends_it() -> None:
    assert (
        written([*body("One line", "and another."), line("The next.", 560)])
        == "One line and another.\n\nThe next."
    )


def test_a_word_cut_by_a_hyphen_is_whole_and_chinese_has_no_space_where_a_line_ends() -> None:
    assert written([line("a pump sta", 600, cut=True), line("tion", 588)]) == "a pump station"
    assert written([*body("well-", "known")]) == "well-known"
    assert written([*body("水泵由电机", "驱动。")]) == "水泵由电机驱动。"


def test_a_line_that_ends_early_stays_a_line() -> None:
    short = line("int main()", 600, right=120)
    assert written([short, line("{ return 0; } and more text than that", 588)]).startswith("int main()\n{")


def test_lines_of_code_stay_lines() -> None:
    code = [
        line("first call of the code", 600)._replace(fixed=True),
        line("second", 588)._replace(fixed=True),
    ]
    assert written(code) == "first call of the code\nsecond"


def test_larger_lines_are_headings_ranked_by_size_and_one_that_is_broken_is_one() -> None:
    page: list[Part] = [
        line("The Whole", 700, size=20),
        line("Book", 676, size=20),
        line("A part", 640, size=14),
        *body("Text.", "More text that is long enough to be the most."),
    ]
    assert written(page).splitlines()[:3] == ["# The Whole Book", "", "## A part"]


def test_bold_lines_are_headings_where_little_is_bold() -> None:
    text = body(*["A line of text that is not bold at all."] * 8)
    assert written([line("Safety", 640, bold=True), *text]).startswith("# Safety\n\n")
    assert "#" not in written([line("Safety", 640, bold=True), *body("Go.")])
    assert "#" not in written([line("Take care:", 640, bold=True), *text])


def test_lines_of_a_table_of_contents_are_no_headings() -> None:
    text = body(*["A line of text that is not bold at all."] * 8)
    for said in ("2 Related work 3", "Related work . . . . . 3"):
        assert "#" not in written([line(said, 640, bold=True), *text])


def test_items_of_a_list_are_lines_with_the_marks_of_markdown() -> None:
    page = [
        *body("Two things:", "• the pump", "• the hose, which is", "long", "1. Open it."),
        line("Text.", 500),
    ]
    assert written(page) == "Two things:\n\n- the pump\n- the hose, which is long\n1. Open it.\n\nText."


def test_a_sentence_goes_on_over_the_page_and_a_heading_or_an_item_does_not() -> None:
    assert written(body("It runs until the"), body("tide turns.")) == "It runs until the tide turns."
    assert written(body("水泵一直运转到潮水"), body("转向。")) == "水泵一直运转到潮水转向。"
    assert written(body("It ends."), body("It begins.")) == "It ends.\n\nIt begins."
    assert written(body("It runs until the"), body("• tide")) == "It runs until the\n\n- tide"


def test_a_table_is_written_where_it_stands_and_an_empty_frame_as_lines() -> None:
    table = TableRows([["a", "b"], ["", ""], ["1|2", "3"]])
    assert written([*body("Above."), table]) == "Above.\n\n| a | b |\n| --- | --- |\n| 1\\|2 | 3 |"
    assert (
        written([TableRows([["all text", "", ""], ["", "", "more"]])])
        == "| all text |  |\n| --- | --- |\n|  | more |"
    )
    assert written([TableRows([["alone"]])]) == "alone"


@given(st.lists(st.lists(st.text("ab|\\ \n"), min_size=1, max_size=4), min_size=1, max_size=4))
def test_every_row_of_a_table_has_as_many_cells(rows: list[list[str]]) -> None:
    lines = table_as_markdown(rows).splitlines()
    assert len(lines) == len(rows) + 1
    bars = [text.replace("\\|", "").count("|") for text in lines]
    assert set(bars) == {max(map(len, rows)) + 1}


def test_headers_and_page_numbers_go_and_what_repeats_in_the_text_stays() -> None:
    pages = [
        [
            line("Edition 7", 780),
            line("The same sentence.", 400),
            line(f"{number + 5}", 20),
            line(f"Chapter {number // 2}: on pumps {number + 5}", 760),
            *body("Text of this page that is longer than all others."),
        ]
        for number in range(6)
    ]
    gone = running_lines([[part for part in page if isinstance(part, Line)] for page in pages])
    assert {one.text for _, one in gone} == {
        "Edition 7",
        *(str(number + 5) for number in range(6)),
        *(f"Chapter {number // 2}: on pumps {number + 5}" for number in range(6)),
    }


def test_roman_numbers_count_pages_too_and_two_pages_are_not_enough() -> None:
    pages = [[line(number, 20), *body("Some text of the page.")] for number in ("iii", "iv", "v", "vi")]
    gone = running_lines([[part for part in page if isinstance(part, Line)] for page in pages])
    assert {one.text for _, one in gone} == {"iii", "iv", "v", "vi"}
    assert not running_lines([[line("Edition 7", 780)], [line("Edition 7", 780)]])


def test_what_stands_on_a_few_pages_far_apart_stays() -> None:
    pages = [
        [line("Notes" if number % 9 == 0 else f"Page about {number * number}", 780)] for number in range(40)
    ]
    assert not running_lines(pages)


def test_headings_that_count_as_the_pages_do_are_no_page_numbers() -> None:
    pages = [[line(f"Chapter {number}", 780, size=16), *body("Text that is long.")] for number in range(1, 6)]
    assert not running_lines([[part for part in page if isinstance(part, Line)] for page in pages])


def test_numbers_of_a_tables_rows_are_no_page_numbers() -> None:
    pages = [
        [line(f"{number * 7} 3.{number} 12", 780), *body("Text that is long.")] for number in range(1, 6)
    ]
    assert not running_lines([[part for part in page if isinstance(part, Line)] for page in pages])


def test_rules_that_cross_are_a_table_and_rules_that_do_not_are_none() -> None:
    across = [Box(0, y, 200, y + 1) for y in (0, 20, 40)]
    down = [Box(x, 0, x + 1, 41) for x in (0, 100, 199)]
    (grid,) = find_grids([*across, *down])
    assert (grid.rows, grid.columns) == (2, 2)
    assert (grid.cell(10, 30), grid.cell(150, 5)) == ((0, 0), (1, 1))
    assert not find_grids(across)
    frames = [Box(x, y, x + 50, y + 20) for x in (0, 50) for y in (0, 20, 40)]
    (framed,) = find_grids(frames)
    assert (framed.rows, framed.columns) == (3, 2)


def test_a_title_is_found_whatever_its_number_case_and_spaces() -> None:
    assert title_key("2.1  The Parts") == title_key("the parts") == "theparts"


def test_letters_that_stand_for_no_known_characters_are_no_text() -> None:
    assert is_unknown("\ue012\ue013 \ue014 a")
    assert is_unknown("\ufffd\ufffd")
    assert not is_unknown("A \ue012 bullet, and 水泵 beside it\x02")
    assert not is_unknown(" ")


@pytest.mark.slow
def test_the_titles_of_an_outline_are_the_headings_with_their_levels(tmp_path: Path) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "a.pdf"), invariant=1)
    for number, (title, level) in enumerate((("Pumps", 0), ("Seals", 1), ("Hoses", 0))):
        canvas.bookmarkPage(f"p{number}")
        canvas.addOutlineEntry(title, f"p{number}", level)
        for at, text in enumerate((title, "Text in the same type.", "It goes on.")):
            canvas.drawString(72, 600 - 30 * at, text)
        canvas.showPage()
    canvas.save()
    found = read_pdf(str(tmp_path / "a.pdf"))
    assert [(heading.level, heading.text) for heading in found.headings] == [
        (1, "Pumps"),
        (2, "Seals"),
        (1, "Hoses"),
    ]
