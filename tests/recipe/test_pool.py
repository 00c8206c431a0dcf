"""The built-in recipe `pool` cleans a pool and picks from it, and asks nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

import factory as sft

ASKED = (
    "Name three rivers of Europe.",
    "How do owls hunt at night?",
    "为什么面包会发酵？",
    "Write a line about rain.",
    "Which metals rust, and why?",
    "给小学生解释日食。",
    "Sort these ships by age.",
    "What is a star made of?",
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_it_cleans_a_pool_and_draws_from_what_is_left() -> None:
    rows = [
        {"id": f"row{at}", "instruction": text, "output": f"Answer {at}.", "url": f"u{at}"}
        for at, text in enumerate(ASKED)
    ]
    rows += [
        {**rows[0], "id": "same", "instruction": "name three rivers of europe"},
        {**rows[0], "id": "close", "instruction": "Name three rivers in Europe, please."},
        {"id": "unanswered", "instruction": "Where do whales sleep?", "output": ""},
    ]
    sft.load(rows).save("pool.jsonl", format="source")
    asked = ["read.path=pool.jsonl", "assemble.size=5", "dedup_rouge.threshold=0.6"]
    result = sft.run("pool", set=asked)
    assert (result.kept, result.failed, result.facts.calls) == (5, 0, 0)
    kinds = {
        record.meta["id"]: record.dropped.kind
        for record in result.dropped_table().records()
        if record.dropped
    }
    assert kinds["same"] == "exact_duplicate"
    assert kinds["close"] == "near_duplicate"
    assert kinds["unanswered"] == "no_answer"
    written = sft.load(result.folder / "dataset" / "source" / "train.jsonl")
    assert all(written["url"]), "the pool's own columns travel along"
    assert written["row_id"] != [row["id"] for row in rows[:5]], "not the head of the file"
    assert [record.id for record in sft.run("pool", set=asked).table().records()] == result.table().ids()
