"""Documents through a whole run: read, cut, rid of near-duplicates, answered, written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_manual import make_manual
from scripted_server import ScriptedServer

import factory as sft
from factory.data.document import chunk_of, document_of
from factory.errors import InputError
from factory.step import Context
from factory.steps.files.read import Read


def run(steps: list[dict[str, Any]], out: Path, models: dict[str, Any] | None = None) -> Any:
    data = {"name": "docs", "seed": 7, "models": models or {}, "steps": steps}
    return sft.run(data, out=out, journal=out.parent / "journal.db")


def nobody(name: str) -> Any:
    raise AssertionError("reading asks no model")


@pytest.mark.slow
def test_a_folder_is_read_cut_deduplicated_answered_and_written(
    tmp_path: Path, server: ScriptedServer
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    make_manual(docs, "en")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 no more")
    (docs / "empty.md").write_bytes(b"")
    teacher = {"provider": "openai", "base_url": server.base_url, "model": "scripted"}
    steps: list[dict[str, Any]] = [
        {"read": {"path": str(docs)}},
        {"chunk": {"size": 200, "by": "headings"}},
        {"dedup_minhash": {"threshold": 0.7}},
        {"respond": {}},
        {"export": {"formats": ["messages"]}},
    ]
    made = run(steps, tmp_path / "out", {"teacher": teacher})
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    read, cut = (step for step in manifest["steps"][:2])
    assert read["facts"] == {"documents": 5, "pages": 20, "lines_removed": 38, "pages_without_text": 1}
    assert cut["facts"]["chunks"] == 100
    rows = (tmp_path / "out" / "dataset" / "messages" / "train.jsonl").read_text().splitlines()
    # Five kinds of one manual: each section is asked about once, but for what two kinds write otherwise.
    assert 20 <= len(rows) <= 40
    reasons = [one.dropped.reason for one in made.dropped_table().records() if one.dropped]
    assert f"{docs / 'empty.md'} is empty" in reasons
    assert any(reason.startswith(f"{docs / 'broken.pdf'} is no whole PDF") for reason in reasons)


@pytest.mark.slow
def test_a_document_or_a_chunk_that_reaches_an_export_is_told_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Pumps\n\nThey lift water.")
    for cut, words in (
        ([], "it is a document, and no row: cut it by `chunk`"),
        ([{"chunk": {}}], "it is a chunk"),
    ):
        made = run(
            [{"read": {"path": str(tmp_path / "a.md")}}, *cut, {"export": {}}], tmp_path / f"out{len(cut)}"
        )
        warnings = json.loads((made.folder / "manifest.json").read_text())["warnings"]
        assert any(words in sentence for sentence in warnings)
        assert not (tmp_path / f"out{len(cut)}" / "dataset").exists()


@pytest.mark.slow
def test_reading_counts_documents_and_tells_what_was_left_out(tmp_path: Path) -> None:
    paths = make_manual(tmp_path, "zh")
    warned: list[str] = []
    told: list[str] = []
    step = Read(path=(str(paths[".pdf"]), str(paths[".docx"])))
    context = Context("01-read", 0, nobody, nobody, warn=warned.append, tell=told.append)
    assert len(list(step.records(context))) == step.expected() == 2
    assert context.facts == {"documents": 2, "pages": 20, "lines_removed": 38, "pages_without_text": 1}
    assert [sentence.partition(": ")[0] for sentence in warned] == [f"{paths['.pdf']} (page 19)"]
    assert told == [
        f"{paths['.pdf']}: headers, footers and page numbers left out: 38",
        f"{paths['.docx']}: pictures left out: 1",
    ]


def test_an_empty_document_in_a_folder_stops_no_run_and_one_that_is_named_does(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "b.md").write_bytes(b"")
    assert Read(path=str(tmp_path)).inputs() == [tmp_path / "a.md"]
    assert Read(path=str(tmp_path / "b.md")).inputs() == [tmp_path / "b.md"]


def test_reading_is_slow_where_there_are_documents(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "b.jsonl").write_text('{"instruction": "a", "output": "b"}')
    assert [Read(path=str(tmp_path / name)).is_slow() for name in ("a.md", "b.jsonl")] == [True, False]


@pytest.mark.slow
def test_the_notebook_reads_cuts_and_keeps_where_chunks_stand(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Pumps\n\nThey lift water.\n\n# Seals\n\nThey hold.")
    made = sft.load(tmp_path / "a.md").then("chunk", by="headings").run(journal=tmp_path / "journal.db")
    made.save(tmp_path / "chunks.jsonl")
    again = sft.load(tmp_path / "chunks.jsonl")
    assert [chunk_of(record) for record in again] == [chunk_of(record) for record in made]
    assert [about.headings for record in again if (about := chunk_of(record))] == [("Pumps",), ("Seals",)]


@pytest.mark.slow
def test_a_column_of_a_data_set_is_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([{"content": "A page.", "url": "x"}, {"content": "B.", "url": "y"}])
    monkeypatch.setattr(datasets, "load_dataset", lambda name, *more, **options: rows)
    step = Read(path="hf:org/name@v1", text="content")
    context = Context("01-read", 0, nobody, nobody)
    found = list(step.records(context))
    assert (step.expected(), step.inputs(), context.facts["documents"]) == (None, [], 2)
    assert [(record.instruction, record.meta["url"]) for record in found] == [("A page.", "x"), ("B.", "y")]
    assert [about.file for record in found if (about := document_of(record))] == ["org/name:1", "org/name:2"]


def test_no_document_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"no")
    with pytest.raises(InputError, match="is named as a PDF and is none"):
        list(Read(path=str(tmp_path)).records(Context("01-read", 0, nobody, nobody)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            "respond",
            "is a document, and the model is sent all of it as if it were a task: put `chunk` before",
        ),
        ("from_documents", "and 1 more came in uncut, and a model is shown all of it at once: put `chunk`"),
    ],
)
def test_documents_that_nobody_cut_are_told_once(
    tmp_path: Path, server: ScriptedServer, step: str, words: str
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Pumps\n\nThey lift water.")
    (docs / "b.md").write_text("# Seals\n\nThey hold it.")
    teacher = {"provider": "openai", "base_url": server.base_url, "model": "scripted"}
    for cut, number in (([], 1), ([{"chunk": {}}], 0)):
        out = tmp_path / f"out{number}"
        run([{"read": {"path": str(docs)}}, *cut, {step: {}}], out, {"teacher": teacher})
        warnings = json.loads((out / "manifest.json").read_text())["warnings"]
        assert sum(words in sentence and str(docs / "a.md") in sentence for sentence in warnings) == number
