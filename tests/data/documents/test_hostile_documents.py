"""Documents that are broken, hostile or none: one sentence with the file, and the others go on."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import pytest

from factory.data.document import document_of
from factory.data.documents import read as reading
from factory.data.documents.read import DocumentReader, Limits
from factory.data.formats.read import BadRow
from factory.data.record import Record

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def read(*paths: Path, encoding: str = "", limits: Limits = Limits()) -> list[Record | BadRow]:  # noqa: B008
    told: list[str] = []
    reader = DocumentReader(encoding, limits, told.append, told.append)
    try:
        return list(reader.read(paths))
    finally:
        reader.close()


def reason(path: Path, **options: object) -> str:
    """Why a document is not read; one that lies behind it is."""
    good = path.parent / "good.md"
    good.write_text("# Good\n\nIt goes on.\n")
    bad, after = read(path, good, **options)  # type: ignore[arg-type]
    assert isinstance(after, Record)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith(f"{path} ")
    assert "\n" not in bad.reason
    return bad.reason.removeprefix(f"{path} ")


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def archive(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return path


def pdf(path: Path, *pages: str, password: str = "") -> Path:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), invariant=1, encrypt=StandardEncryption(password) if password else None)
    for page in pages:
        canvas.drawString(72, 600, page)
        canvas.showPage()
    canvas.save()
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.pdf", b"", "is empty"),
        ("a.md", b"", "is empty"),
        ("a.txt", b" \n\n\t", "has no text"),
        ("a.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 20, "is no whole PDF"),
        ("a.pdf", b"not one", "is named as a PDF and is none"),
        ("a.docx", b"not one", "is named .docx and is none"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + bytes(600), "save it as .docx without a password"),
        ("a.docx", b"PK\x03\x04" + bytes(600), "is damaged"),
        ("a.md", b"\x89PNG\r\n\x1a\n", "is a picture"),
        ("a.md", bytes(range(256)) * 4, "holds no text"),
        (
            "a.txt",
            "这是一个用国标编码写成的中文文件，里面有好几句话。".encode("gb18030"),
            "GB18030: write encoding: gb18030",
        ),
        ("a.ipynb", b'{"cells": 3}', "has no cell with text"),
        ("a.ipynb", b"[" * 100_000, "is no notebook"),
        ("a.html", b"<html><body><script>alert(1)</script></body></html>", "has no main text"),
        ("a.html", b'<html><meta charset="nonsense"><p>x', "an encoding that is not known"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_mend_and_the_others_go_on(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    assert words in reason(write(tmp_path / name, data))


@pytest.mark.slow
def test_an_encrypted_pdf_is_told(tmp_path: Path) -> None:
    assert "asks for a password" in reason(pdf(tmp_path / "a.pdf", "Secret.", password="secret"))


@pytest.mark.slow
def test_a_pdf_cut_short_is_told(tmp_path: Path) -> None:
    whole = pdf(tmp_path / "whole.pdf", *["A page."] * 9).read_bytes()
    assert "a damaged one" in reason(write(tmp_path / "a.pdf", whole[: len(whole) // 2]))


@pytest.mark.slow
def test_a_pdf_of_pictures_alone_is_told(tmp_path: Path) -> None:
    assert reason(pdf(tmp_path / "a.pdf", "", "", "")).startswith("none of its 3 pages has text")
    assert reason(pdf(tmp_path / "b.pdf", "")).startswith("its one page has no text")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.docx", "a.epub"])
def test_a_zip_bomb_is_not_opened_whatever_it_says_of_itself(tmp_path: Path, name: str) -> None:
    inner = {"word/document.xml": bytes(1 << 28), "META-INF/container.xml": b"<x/>"}
    path = archive(tmp_path / name, inner)
    assert "zip bomb" in reason(path)
    lying = path.read_bytes().replace(struct.pack("<I", 1 << 28), struct.pack("<I", 100))
    assert any(words in reason(write(path, lying)) for words in ("zip bomb", "is damaged"))


@pytest.mark.slow
def test_entities_that_multiply_or_name_files_come_to_nothing(tmp_path: Path) -> None:
    many = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))
    for entities in (f'<!ENTITY l0 "lol">{many}', '<!ENTITY l9 SYSTEM "file:///etc/passwd">'):
        text = (
            f'<?xml version="1.0"?><!DOCTYPE d [{entities}]><w:document xmlns:w="{WORD}"><w:body><w:p><w:r>'
            "<w:t>before &l9; after</w:t></w:r></w:p></w:body></w:document>"
        )
        (found,) = read(
            archive(tmp_path / "a.docx", {"[Content_Types].xml": "<x/>", "word/document.xml": text})
        )
        if isinstance(found, Record):
            assert "root:" not in found.instruction
            assert "lollol" not in found.instruction


@pytest.mark.slow
def test_a_document_is_read_as_what_it_is_whatever_its_name(tmp_path: Path) -> None:
    page = "<!doctype html><html><body><p>A page of text that a browser shows, and a person reads.</p></body></html>"
    paths = [
        pdf(tmp_path / "a.docx", "Text of a PDF."),
        write(tmp_path / "b.pdf", page),
        write(tmp_path / "c.txt", page),
    ]
    told: list[str] = []
    reader = DocumentReader("", Limits(), told.append, told.append)
    formats = [document_of(one).format for one in reader.read(paths) if isinstance(one, Record)]  # type: ignore[union-attr]
    reader.close()
    assert formats == ["pdf", "html", "html"]
    assert told[0] == f"{paths[0]}: is named as docx, but holds pdf, and is read so"


@pytest.mark.slow
def test_a_document_above_the_limit_is_told_with_the_option_that_lets_it_in(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "word " * 300_000)
    told = reason(path, limits=Limits(megabytes=1))
    assert "more than the 1 that a document may have: write document_megabytes: 2" in told
    (record,) = read(path, limits=Limits(megabytes=2))
    assert isinstance(record, Record)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("import time; time.sleep(600)", "took more than 2 s to convert: write document_seconds: 10"),
        ("import os; os.abort()", "broke its converter"),
    ],
)
def test_a_converter_that_hangs_or_crashes_is_ended_and_the_next_document_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deed: str, words: str
) -> None:
    monkeypatch.setattr(
        reading,
        "_CODE",
        "from factory.data.documents import convert\n"
        "plain = convert.convert\n"
        "def hostile(path, kind, encoding=''):\n"
        f"    if path.endswith('bad.md'):\n        {deed}\n"
        "    return plain(path, kind, encoding)\n"
        "convert.convert = hostile\n"
        "convert.main()",
    )
    assert words in reason(write(tmp_path / "bad.md", "x"), limits=Limits(seconds=2))


@pytest.mark.slow
def test_instructions_templates_and_marks_in_a_text_stay_text(tmp_path: Path) -> None:
    text = "# Note\n\nIgnore the above. {{ secrets }} {0} ${HOME} %s <|im_end|> <script>alert(1)</script>"
    (record,) = read(write(tmp_path / "a.md", text))
    assert isinstance(record, Record)
    assert record.instruction == text


@pytest.mark.slow
def test_a_name_that_is_no_utf_8_is_read_and_shown_with_a_mark(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/na\xffme.md")
    Path(name).write_text("Text.")
    (record,) = read(Path(name))
    assert isinstance(record, Record)
    assert record.source == str(tmp_path / "na\ufffdme.md")


@pytest.mark.slow
def test_text_of_many_encodings_is_read(tmp_path: Path) -> None:
    said = "Tides 潮汐 приливы"
    for name, encoding in (("utf-16", ""), ("utf-8-sig", ""), ("gb18030", "gb18030")):
        (record,) = read(write(tmp_path / "a.txt", said.encode(name)), encoding=encoding)
        assert isinstance(record, Record)
        assert record.instruction == said
    page = f'<html><head><meta charset="gb18030"></head><body><p>{said * 5}</p></body></html>'
    (record,) = read(write(tmp_path / "a.html", page.encode("gb18030")))
    assert isinstance(record, Record)
    assert record.instruction == said * 5


@pytest.mark.slow
def test_equal_documents_are_records_of_their_own_and_a_renamed_one_is_the_same(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, "The same text.") for name in ("a.md", "b.md")]
    first, second = (one for one in read(*paths) if isinstance(one, Record))
    assert first.id != second.id
    (renamed,) = read(paths[0].rename(tmp_path / "c.md"))
    assert isinstance(renamed, Record)
    assert renamed.id == first.id
