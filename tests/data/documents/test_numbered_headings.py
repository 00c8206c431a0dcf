"""A contract or a plain text that marks no headings has its numbered titles for headings."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.data.document import Heading
from factory.data.documents.articles import numbered_headings
from factory.data.documents.convert import convert


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("第一条　租赁物", 4),
        ("第十二章 附则", 2),
        ("第3节", 3),
        ("第二编：合同", 1),
        ("Article 5 Deposit", 4),
        ("Section 2.1: Scope of work", 3),
        ("Part II", 1),
        ("Appendix A — Forms", 2),
    ],
)
def test_a_numbered_title_in_a_line_of_its_own_is_a_heading(line: str, level: int) -> None:
    assert numbered_headings(f"合同\n\n{line}\n\n正文。\n") == [Heading(4, level, " ".join(line.split()))]


@pytest.mark.parametrize(
    "line",
    [
        "第一条 甲方应当在五日内付款。",
        "第一条 甲方应当在五日内付款，并",
        "第一次会议",
        "见第三条 押金的约定。",
        "Section 5 applies to boats.",
        "Part of the pump",
        "Article 5; and the next",
        "articles 5",
        "Chapter " + "x" * 200,
    ],
)
def test_a_sentence_is_no_heading(line: str) -> None:
    assert numbered_headings(f"{line}\n") == []


def test_a_document_that_marks_its_headings_keeps_those_alone(tmp_path: Path) -> None:
    text = "第一条 租赁物\n\n房屋一套。\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "a.md").write_text(f"# 合同\n\n{text}", encoding="utf-8")
    plain, marked = (convert(str(tmp_path / name), name[2:]) for name in ("a.txt", "a.md"))
    assert [heading.text for heading in plain.headings] == ["第一条 租赁物"]
    assert [heading.text for heading in marked.headings] == ["合同"]
    assert plain.text == text


@pytest.mark.parametrize(
    ("first", "title"),
    [
        ("房屋租赁合同", "房屋租赁合同"),
        ("Lease of a boat", "Lease of a boat"),
        ("This is the lease of a boat.", ""),
        ("甲方：", ""),
        ("x" * 61, ""),
        ("", ""),
    ],
)
def test_the_line_above_numbered_titles_is_the_title_where_it_can_be_one(
    tmp_path: Path, first: str, title: str
) -> None:
    (tmp_path / "a.txt").write_text(f"{first}\n\n编号：7\n\n第一条 租赁物\n\n房屋一套。\n", encoding="utf-8")
    found = convert(str(tmp_path / "a.txt"), "txt")
    assert found.title == (title or ("编号：7" if not first else ""))


def test_a_text_without_numbered_titles_has_no_title(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Dear Anna\n\nThe pump is here.\n")
    assert convert(str(tmp_path / "a.txt"), "txt").title == ""
