"""The card of a run's set: how it was made, in the language of the set, the same when replayed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer, in_thread

import factory as sft

ASKED = (
    "用一句话说明什么是光合作用。",
    "列出三种常见的水果。",
    "列出三种常见的水果！",
    "写一句关于秋天的话。",
)


def answer(request: dict[str, Any]) -> str:
    """What the scripted model says."""
    return f"这是对「{request['messages'][-1]['content'][:12]}」的回答，内容完整。"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with in_thread(ScriptedServer(answer)) as server:
        yield server


def recipe(server: ScriptedServer, path: Path) -> dict[str, Any]:
    prices = {"price": {"input": 1.0, "output": 2.0}}
    teacher = {"provider": "openai", "base_url": server.base_url, "model": "scripted", **prices}
    steps = [{"read": {"path": str(path)}}, {"dedup_exact": {}}, {"respond": {}}, {"export": {}}]
    return {"name": "zh", "seed": 3, "models": {"teacher": teacher}, "steps": steps}


@pytest.mark.slow
def test_a_chinese_run_has_a_chinese_card_with_its_models_filters_and_cost_also_when_replayed(
    server: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text("".join(json.dumps({"instruction": one}) + "\n" for one in ASKED), encoding="utf-8")
    data = recipe(server, path)
    first = sft.run(data, out=tmp_path / "a", journal=tmp_path / "j.db")
    again = sft.run(data, out=tmp_path / "b", journal=tmp_path / "j.db")
    card, replayed = (
        (one.folder / "dataset/README.md").read_text(encoding="utf-8") for one in (first, again)
    )
    assert again.facts.calls == 0
    assert card == replayed
    used = first.facts.models["teacher"]
    for line in (
        "# 监督微调数据集",
        "| `openai:scripted` | 3 |",
        "| `02-dedup_exact` | 4 | 0 | 3 | `exact_duplicate` 1 |",
        "| `teacher` | `openai:scripted` |",
        f"共 3 次调用，提示 {used.prompt_tokens:,} 词元，回复 {used.completion_tokens:,} 词元（不含嵌入）",
        f"费用 {used.cost:.3g}（配方价格的货币）。未测量能耗。",
    ):
        assert line in card
    facts = {one.path: one.bytes for one in first.facts.outputs}
    assert facts["dataset/README.md"] == len(card.encode())
