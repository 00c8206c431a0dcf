"""Documents to grounded rows against a real vLLM server, in English and Chinese: it ends, and tells what it let go.

The model has 135M parameters and mostly quotes the example of its prompt; what is held here is that nothing is kept
whose words are not in the document, and that a replay asks nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_manual import Language, manual_pages

import factory as sft
from factory.models.vllm.server import LocalServer


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pages_of_a_manual_become_rows_whose_words_stand_in_them_or_are_let_go_with_reasons(
    vllm: LocalServer, tmp_path: Path, language: Language
) -> None:
    text = manual_pages(language)[0]
    (tmp_path / "manual.md").write_text(text, encoding="utf-8")
    teacher = {"provider": "openai", "base_url": vllm.base_url, "model": vllm.model, "concurrency": 4}
    options = {"per_chunk": 2, "facts": 2, "temperature": 0, "max_tokens": 256, "judge_max_tokens": 64}
    steps: list[dict[str, Any]] = [
        {"read": {"path": str(tmp_path / "manual.md")}},
        {"chunk": {"size": 100}},
        {"from_documents": options},
    ]
    data = {"name": "docs", "seed": 7, "models": {"teacher": teacher}, "steps": steps}
    runs = [
        sft.run(data, out=tmp_path / name, journal=tmp_path / "j.db", stop_after_alike=0)
        for name in ("first", "again")
    ]
    first, again = runs
    assert first.manifest["status"] == "finished"
    assert first.manifest["models"]["teacher"]["calls"] > 0
    assert again.manifest["models"]["teacher"]["calls"] == 0
    assert [row.id for row in again.table().records()] == [row.id for row in first.table().records()]
    for row in first.table().records():
        assert all(span["quote"] in text for span in row.meta["spans"])
        print("KEPT", row.instruction, "->", row.output, row.meta["spans"])
    for row in first.dropped_table().records():
        assert row.dropped is not None
        assert row.dropped.kind not in ("", "step_error")
        assert row.dropped.reason
        print("GONE", row.dropped.kind, row.dropped.reason[:200])
    covered = (tmp_path / "first" / "coverage.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["file"] for line in covered] == [str(tmp_path / "manual.md")]
