"""Which files of folders and patterns are documents, and rows whose column is the text of a document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from factory.data.document import document_of
from factory.data.documents.folders import documents_of
from factory.data.formats.places import data_files
from factory.data.formats.read import BadRow
from factory.data.formats.read_files import count_records, read_files
from factory.data.record import Record
from factory.errors import InputError, MissingDependency

ROW = '{"instruction": "a", "output": "b"}\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(folder: Path, told: list[str] | None = None) -> list[str]:
    found = data_files(folder, None if told is None else told.append, documents=True)
    return [str(path.relative_to(folder)) for path in found]


def read(*paths: Path, **options: object) -> tuple[list[Record], list[BadRow], list[str]]:
    told: list[str] = []
    found = list(read_files(paths, tell=told.append, **options))  # type: ignore[arg-type]
    return (
        [one for one in found if isinstance(one, Record)],
        [one for one in found if isinstance(one, BadRow)],
        told,
    )


def test_the_documents_of_a_folder_and_of_those_below_are_read_in_the_order_of_their_names(
    tmp_path: Path,
) -> None:
    for name in (
        "part-10.md",
        "part-2.md",
        "below/deep/a.txt",
        ".hidden.md",
        "below/.git/b.md",
        "picture.png",
    ):
        write(tmp_path / name, "text")
    told: list[str] = []
    assert names(tmp_path, told) == ["below/deep/a.txt", "part-2.md", "part-10.md"]
    assert told == [f"{tmp_path}: left out, as they are no documents: picture.png"]


def test_a_folder_that_holds_rows_too_gives_its_rows_and_tells(tmp_path: Path) -> None:
    write(tmp_path / "rows.jsonl", ROW)
    for name in ("README.md", "manual.md", "LICENSE.txt"):
        write(tmp_path / name, "text")
    told: list[str] = []
    assert names(tmp_path, told) == ["rows.jsonl"]
    assert told[0].startswith(
        f"{tmp_path}: its rows are read, its documents are left out (manual.md): name them by "
    )
    assert f"{tmp_path}/*.md" in told[0]


def test_the_readme_of_a_data_set_makes_no_folder_of_documents(tmp_path: Path) -> None:
    write(tmp_path / "README.md", "about")
    write(tmp_path / "data" / "train.jsonl", ROW)
    assert names(tmp_path) == ["data/train.jsonl"]
    write(tmp_path / "manual.md", "text")
    told: list[str] = []
    assert names(tmp_path, told) == ["README.md", "manual.md"]
    assert told == [f"{tmp_path}: left out, as they are no documents: train.jsonl"]


def test_links_to_folders_are_not_followed_and_those_that_lead_nowhere_are_no_documents(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.md", "text")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "self.md").symlink_to("self.md")
    (tmp_path / "gone.md").symlink_to("nowhere")
    told: list[str] = []
    assert names(tmp_path, told) == ["a.md"]
    assert f"{tmp_path}: links to folders are not followed: loop" in told


def test_what_mineru_wrote_beside_its_list_of_contents_is_not_read_twice(tmp_path: Path) -> None:
    blocks = json.dumps([{"type": "text", "text": "A pump.", "page_idx": 0}])
    write(tmp_path / "a_content_list.json", blocks)
    for name in ("a.md", "a_middle.json", "a_origin.pdf", "b.md", "b.txt"):
        write(
            tmp_path / name, "{}" if name.endswith("json") else "%PDF-1.4" if name.endswith("pdf") else "text"
        )
    told: list[str] = []
    found = documents_of(tmp_path, told.append)
    assert [path.name for path in found] == ["a_content_list.json", "b.md", "b.txt"]
    assert any(
        "left out, as their list of contents is read: a.md, a_origin.pdf" in sentence for sentence in told
    )
    assert any("b.md, b.txt may be the same document" in sentence for sentence in told)


def test_a_pattern_takes_documents_and_rows_before_them(tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "c.png"):
        write(tmp_path / name, "text")
    told: list[str] = []
    found = data_files(tmp_path / "*", told.append, documents=True)
    assert [path.name for path in found] == ["a.md", "b.txt"]
    assert told == [f"{tmp_path}/*: left out, as they are no documents: c.png"]
    write(tmp_path / "d.jsonl", ROW)
    assert [path.name for path in data_files(tmp_path / "*", documents=True)] == ["d.jsonl"]


def test_a_text_of_json_rows_is_rows_and_other_options_take_no_documents(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", ROW)
    (record,), _, _ = read(path)
    assert (record.instruction, document_of(record)) == ("a", None)
    with pytest.raises(InputError, match="holds no data file"):
        data_files(write(tmp_path / "docs" / "a.md", "text").parent)


@pytest.mark.slow
def test_a_folder_of_documents_goes_on_beside_one_that_cannot_be_read(tmp_path: Path) -> None:
    for name, text in (("a.md", "# A\n"), ("b.pdf", "no"), ("c.txt", "C.")):
        write(tmp_path / name, text)
    good, bad, _ = read(tmp_path)
    assert [record.instruction for record in good] == ["# A\n", "C."]
    assert [(row.file, row.line) for row in bad] == [(str(tmp_path / "b.pdf"), 0)]
    assert count_records([tmp_path]) == 3
    with pytest.raises(InputError, match=r"b\.pdf is named as a PDF and is none"):
        read(tmp_path / "b.pdf")
    with pytest.raises(InputError, match=r"gone\.md does not exist"):
        read(tmp_path / "gone.md")


@pytest.mark.slow
def test_documents_and_rows_may_be_named_together(tmp_path: Path) -> None:
    good, _, _ = read(write(tmp_path / "a.md", "# A\n"), write(tmp_path / "b.jsonl", ROW))
    assert [document_of(record) is not None for record in good] == [True, False]


def test_a_package_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = write(tmp_path / "a.html", "<html><p>text")
    with pytest.raises(
        MissingDependency, match=r"a\.html takes trafilatura: pip install 'sft-factory\[docs\]'"
    ):
        read(path)


def test_a_column_holds_the_text_of_documents(tmp_path: Path) -> None:
    rows = [
        {"url": "x/1", "title": "Pumps", "body": "# One\n\nText."},
        {"url": "x/2", "body": "# One\n\nText."},
        {"url": "x/3", "body": " "},
        {"url": "x/4", "body": 3},
        {"url": "x/5"},
    ]
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    good, bad, _ = read(path, text="body")
    first, second = good
    about = document_of(first)
    assert about is not None
    assert (about.file, about.format, about.title) == (f"{path}:1", "column", "Pumps")
    assert [(heading.level, heading.text) for heading in about.headings] == [(1, "One")]
    assert (first.instruction, first.meta["url"]) == ("# One\n\nText.", "x/1")
    assert first.id != second.id
    assert [(row.line, row.reason) for row in bad] == [
        (3, "its body is blank"),
        (4, "its body is no text but int"),
        (5, "it has no column 'body'"),
    ]
    assert count_records([path], text="body") == 5


def test_a_column_that_no_row_has_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"content": "x", "id": 1}\n')
    with pytest.raises(
        InputError, match=r"no column 'contents'.*did you mean.*content.*they have content, id"
    ):
        read(path, text="contents")
