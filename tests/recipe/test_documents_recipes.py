"""The built-in recipes `documents-to-sft` and `documents-to-sft-zh` make rows of the manual, in every kind of file."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_documents import Reader
from made_manual import make_manual, manual_text
from scripted_server import ScriptedServer, in_thread

import factory as sft
from factory.report.coverage import coverage

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's folder."""
    monkeypatch.chdir(tmp_path)


def about_the_manual(kind: str, passage: str, facts: list[str]) -> dict[str, Any] | None:
    """A question about the manual's facts, unlike others, and an answer with their numbers."""
    if kind == "multi_hop":
        return None
    chinese = bool(re.search("[\u4e00-\u9fff]", passage))
    mark = hashlib.sha256(f"{kind}{passage}{facts}".encode()).hexdigest()
    parts = [mark[at : at + 4] for at in range(0, 48, 4)]
    characters = "".join(chr(0x4E00 + int(part, 16) % 8000) for part in parts)
    subject = f"苍鹭{characters}" if chinese else f"the Heron 3 {' '.join(parts[:6])}"
    numbers = " ".join(dict.fromkeys(re.findall(r"\d+", " ".join(facts[:1]))))
    if kind == "unanswerable":
        return {
            "question": f"{subject}是什么颜色？" if chinese else f"Which colour has {subject}?",
            "answer": f"我不清楚{subject}的颜色。" if chinese else f"I do not know the colour of {subject}.",
        }
    told = {
        "question": f"请说明{subject}。" if chinese else f"Which number belongs to {subject}?",
        "quotes": facts[:1],
        "answer": f"对应的数值为{numbers}，详见铭牌。"
        if chinese
        else f"Heron 3 owners find {numbers} there.",
    }
    return {"turns": [told, told]} if kind == "conversation" else told


def run(recipe: str, **options: Any) -> tuple[sft.RunResult, list[dict[str, Any]]]:
    """The run of a recipe on docs/, and what it asked."""
    with in_thread(ScriptedServer(Reader(write=about_the_manual).served)) as server:
        served = [
            "models.teacher.provider=openai",
            f"models.teacher.base_url={server.base_url}",
            "models.teacher.model=scripted",
        ]
        result = sft.run(recipe, set=served, overwrite=True, out="outputs/run", **options)
        return result, server.requests


@pytest.mark.parametrize(("recipe", "language"), [("documents-to-sft", "en"), ("documents-to-sft-zh", "zh")])
def test_a_manual_in_every_kind_of_file_becomes_rows_with_their_spans_and_a_told_coverage(
    recipe: str, language: Any
) -> None:
    pytest.importorskip("reportlab", reason="the manual is written as PDF by reportlab")
    pytest.importorskip("kreuzberg", reason="DOCX and EPUB are read by kreuzberg")
    Path("docs").mkdir()
    make_manual(Path("docs"), language)
    result, asked = run(recipe)
    assert result.kept >= 20
    assert asked
    texts = {
        chunk.id: chunk.prompt for chunk in result.dropped_table().records() if chunk.dropped.kind == "chunk"
    }
    for row in result.table().records():
        assert row.lang in ("", language)
        for span in row.meta["spans"]:
            assert texts[span["record"]][span["start"] : span["end"]] == span["quote"]
    files = coverage(result.folder)
    assert len(files) == 5
    # What stands in several files is asked about once, and each of them is covered by it.
    dropped = [record.dropped.kind for record in result.dropped_table().records() if record.dropped]
    assert dropped.count("shingle_duplicate") > 10
    assert min(one.parts["chunks"].covered for one in files) > 0
    assert max(one.parts["pages"].covered for one in files) > 5
    told = [json.loads(line) for line in (result.folder / "coverage.jsonl").read_text().splitlines()]
    assert [row["file"] for row in told] == [one.file for one in files]
    assert "Coverage of the documents" in (result.folder / "report.html").read_text(encoding="utf-8")


def test_a_document_that_is_renamed_asks_nothing_and_one_that_is_edited_little() -> None:
    Path("docs").mkdir()
    first = Path("docs/manual.md")
    first.write_text(manual_text("en"), encoding="utf-8")
    before, asked = run("documents-to-sft")
    assert before.kept > 10
    Path("docs/archive").mkdir()
    moved = first.rename("docs/archive/handbook.md")
    after, again = run("documents-to-sft")
    assert again == []
    assert after.kept == before.kept
    text = moved.read_text(encoding="utf-8")
    assert "after half a day of training" in text
    moved.write_text(
        text.replace("after half a day of training", "after one day of training"), encoding="utf-8"
    )
    _, again = run("documents-to-sft")
    print(f"{len(asked)} calls for the manual, {len(again)} once a line of it has changed")
    assert 0 < len(again) < len(asked) / 3


def test_without_documents_it_says_what_to_put_there() -> None:
    with pytest.raises(sft.FactoryError, match="docs"):
        run("documents-to-sft")
