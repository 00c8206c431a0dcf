"""Change one page, pay for one page: what was paid for a document is found again when another changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_documents import Reader, between, manual_chunk
from scripted_server import ScriptedServer, in_thread

import factory as sft
from factory.data.record import Record

pytestmark = pytest.mark.slow

OLD, NEW = "works at 8 bar", "works at 9 bar"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's folder."""
    monkeypatch.chdir(tmp_path)


def run_on(chunks: Sequence[Record], **options: Any) -> tuple[list[str], sft.RunResult]:
    """The last turns of the requests that a run of these chunks sends, and the run; replies are kept between runs."""
    rows = [{"instruction": chunk.prompt, "chunk": chunk.meta["chunk"]} for chunk in chunks]
    Path("chunks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with in_thread(ScriptedServer(Reader().served)) as server:
        recipe = {
            "name": "documents",
            "models": {"teacher": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
            "steps": [
                {"read": {"path": "chunks.jsonl"}},
                {"from_documents": {"model": "teacher", **options}},
            ],
        }
        Path("recipe.yaml").write_text(json.dumps(recipe))
        result = sft.run("recipe.yaml", overwrite=True)
        return [request["messages"][-1]["content"] for request in server.requests], result


def named(said: str) -> set[int]:
    """The numbers of the parts that the passages and questions of a request are about."""
    return {int(number) for number in re.findall(r"The Orrin \w+ (\d+)\b", said)}


MANUAL = [manual_chunk(number) for number in range(20)]


def edited(chunks: list[Record]) -> list[Record]:
    number = 5
    text = chunks[number].prompt
    assert OLD in text
    changed = chunks[number].messages[0]._replace(content=text.replace(OLD, NEW))
    return [*chunks[:number], replace(chunks[number], messages=(changed,)), *chunks[number + 1 :]]


def moved(chunks: list[Record]) -> list[Record]:
    return [manual_chunk(number, file="archive/2026/handbook.md") for number in range(20)]


def test_only_what_an_edited_chunk_takes_part_in_is_asked_again() -> None:
    options = {"per_chunk": 6}
    first, before = run_on(MANUAL, **options)
    assert len(first) > 400
    same, _ = run_on(MANUAL, **options)
    assert same == []
    again, after = run_on(edited(MANUAL), **options)
    print(f"{len(first)} calls for 20 chunks, {len(again)} once one of them has changed")
    assert 0 < len(again) < len(first) / 10
    for said in again:
        assert 5 in named(said), "only what the edited chunk takes part in"
    assert after.kept == before.kept


@pytest.mark.parametrize("change", [moved, lambda chunks: chunks[::-1], lambda chunks: chunks[:19]])
def test_a_file_that_is_renamed_or_moved_or_gone_asks_nothing_anew(
    change: Callable[[list[Record]], list[Record]],
) -> None:
    options = {"kinds": {"single_fact": 0.7, "summary": 0.3}}
    run_on(MANUAL, **options)
    again, result = run_on(change(MANUAL), **options)
    assert again == []
    assert result.kept


def test_of_the_questions_over_two_chunks_only_pairs_with_the_edited_one_are_asked_again() -> None:
    options = {"kinds": {"multi_hop": 1}, "per_chunk": 2}
    run_on(MANUAL, **options)
    again, _ = run_on(edited(MANUAL), **options)
    pairs = [
        named(between("first", said)) | named(between("second", said)) for said in again if "<entity>" in said
    ]
    assert pairs
    assert all(5 in pair for pair in pairs)


def test_the_server_is_kept_full() -> None:
    """Facts of all chunks are asked for side by side, and then all questions: 20 chunks, 32 calls at once."""
    with in_thread(ScriptedServer(Reader().served, delay=0.02)) as server:
        teacher = {"provider": "openai", "base_url": server.base_url, "model": "scripted", "concurrency": 32}
        rows = [{"instruction": chunk.prompt, "chunk": chunk.meta["chunk"]} for chunk in MANUAL]
        Path("chunks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        steps = [{"read": {"path": "chunks.jsonl"}}, {"from_documents": {"model": "teacher", "per_chunk": 4}}]
        sft.run({"name": "full", "models": {"teacher": teacher}, "steps": steps})
        assert server.max_in_flight == 32
