"""DOCX: what its XML says of paragraphs, lists, tables and notes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from factory.data.documents.converted import CannotConvert
from factory.data.documents.docx import read_docx

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


def docx(path: Path, body: str, **parts: str) -> str:
    """A DOCX file of this body; `parts` are its styles, numbering and footnotes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", f"<w:document {W} {MC}><w:body>{body}</w:body></w:document>")
        for name, text in parts.items():
            archive.writestr(f"word/{name}.xml", f"<w:{name} {W}>{text}</w:{name}>")
    return str(path)


def said(path: Path, body: str, **parts: str) -> str:
    return read_docx(docx(path, body, **parts), path.stat().st_size if path.exists() else 1).text


def p(text: str, about: str = "") -> str:
    return f"<w:p><w:pPr>{about}</w:pPr><w:r>{text}</w:r></w:p>"


def t(text: str) -> str:
    return f'<w:t xml:space="preserve">{text}</w:t>'


def test_no_character_is_lost_and_none_is_escaped(tmp_path: Path) -> None:
    assert said(tmp_path / "a.docx", p(t("R&amp;D: a &lt; b, _x_ *y* #1"))) == "R&D: a < b, _x_ *y* #1"


def test_deleted_text_and_what_stands_in_for_newer_markup_is_no_text(tmp_path: Path) -> None:
    box = "<mc:AlternateContent><mc:Choice>{}</mc:Choice><mc:Fallback>{}</mc:Fallback></mc:AlternateContent>"
    body = p(
        f"{t('kept ')}<w:delText>gone</w:delText><w:instrText>PAGE</w:instrText>{box.format(t('box'), t('box'))}"
    )
    assert said(tmp_path / "a.docx", body) == "kept box"


def test_headings_are_known_by_style_by_what_it_is_based_on_and_by_level(tmp_path: Path) -> None:
    styles = (
        '<w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
        '<w:style w:styleId="mine"><w:name w:val="Mine"/><w:basedOn w:val="berschrift2"/></w:style>'
        '<w:style w:styleId="loop"><w:name w:val="Loop"/><w:basedOn w:val="loop"/></w:style>'
        '<w:style w:styleId="t"><w:name w:val="Title"/></w:style>'
    )
    body = (
        p(t("Pumps"), '<w:pStyle w:val="t"/>')
        + p(t("Seals"), '<w:pStyle w:val="mine"/>')
        + p(t("Rings"), '<w:outlineLvl w:val="2"/>')
        + p(t("Text."), '<w:pStyle w:val="loop"/>')
    )
    assert said(tmp_path / "a.docx", body, styles=styles) == "# Pumps\n\n## Seals\n\n### Rings\n\nText."


def test_lists_are_numbered_anew_below_each_item(tmp_path: Path) -> None:
    levels = "".join(f'<w:lvl w:ilvl="{at}"><w:numFmt w:val="decimal"/></w:lvl>' for at in range(2))
    numbering = (
        f'<w:abstractNum w:abstractNumId="7">{levels}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    )

    def item(text: str, level: int, number: int = 1) -> str:
        return p(t(text), f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')

    body = (
        item("a", 0)
        + item("b", 1)
        + item("c", 1)
        + item("d", 0)
        + item("e", 1)
        + item("f", 0, 2)
        + item("g", 0, 0)
    )
    wanted = "1. a\n  1. b\n  2. c\n2. d\n  1. e\n- f\n\ng"
    assert said(tmp_path / "a.docx", body, numbering=numbering) == wanted


def test_merged_cells_are_said_once(tmp_path: Path) -> None:
    def cell(text: str, about: str = "") -> str:
        return f"<w:tc><w:tcPr>{about}</w:tcPr>{p(t(text))}</w:tc>"

    rows = [
        cell("both", '<w:gridSpan w:val="2"/>'),
        cell("down", '<w:vMerge w:val="restart"/>') + cell("1"),
        cell("hidden", "<w:vMerge/>") + cell("a|b"),
    ]
    table = f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"
    assert said(tmp_path / "a.docx", table) == "| both |  |\n| --- | --- |\n| down | 1 |\n|  | a\\|b |"


def test_notes_stand_at_the_end_under_their_marks(tmp_path: Path) -> None:
    note = f'<w:footnote w:id="2">{p(t("By the sea."))}</w:footnote>'
    body = p(f'{t("It lifts water.")}<w:footnoteReference w:id="2"/>') + p(t("It rests."))
    assert (
        said(tmp_path / "a.docx", body, footnotes=note)
        == "It lifts water.[^2]\n\nIt rests.\n\n[^2]: By the sea."
    )


def test_content_controls_are_text_and_damaged_styles_are_none(tmp_path: Path) -> None:
    path = docx(tmp_path / "a.docx", f"<w:sdt><w:sdtContent>{p(t('In it.'))}</w:sdtContent></w:sdt>")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("word/styles.xml", "<broken")
    assert read_docx(path, 1).text == "In it."


def test_pictures_are_counted_and_alone_they_are_no_text(tmp_path: Path) -> None:
    path = docx(tmp_path / "a.docx", p(f"{t('See it.')}<w:drawing/>"))
    assert read_docx(path, 1).odd == {"pictures left out": 1}
    with pytest.raises(CannotConvert, match="has no text: it may hold pictures"):
        read_docx(docx(tmp_path / "b.docx", p("<w:drawing/>")), 1)


@pytest.mark.parametrize("body", ["<w:p>", "&unknown;"])
def test_damaged_xml_is_told(tmp_path: Path, body: str) -> None:
    with pytest.raises(CannotConvert, match="is damaged: open it and save it anew"):
        read_docx(docx(tmp_path / "a.docx", body), 1)
