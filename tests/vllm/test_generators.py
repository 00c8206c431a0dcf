"""Every generator against a real vLLM server: it ends, counts what it kept, and keeps what it rejected with reasons.

The model has 135M parameters and fails most of what it is asked. What is held here is that the failures are told: the
figures themselves are the model's. `-s` prints them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

import factory as sft
from factory.data.record import Record
from factory.models.vllm.server import LocalServer

ROWS: list[dict[str, Any]] = [
    {
        "id": "kettle",
        "instruction": "Explain why a kettle sings before it boils.",
        "output": "Bubbles collapse in it.",
    },
    {
        "id": "picnic",
        "instruction": "Suggest a menu for a picnic of four.",
        "output": "Bread, cheese, plums, lemonade.",
    },
    {"id": "cha", "instruction": "介绍泡绿茶的步骤。", "output": "温杯，放茶叶，倒水，等两分钟。"},
    {
        "id": "median",
        "instruction": "Write a Python function that returns the median of a list.",
        "output": "```python\ndef median(numbers):\n    return sorted(numbers)[len(numbers) // 2]\n```",
        "task": "code",
    },
]
FEW: dict[str, Any] = {"size": 2, "calls": 2, "overask": 2, "max_tokens": 128, "answer_max_tokens": 96}
ANSWERED: dict[str, Any] = {"respond": {"max_tokens": 96, "allow_truncated": True}}
LADDER: list[dict[str, Any]] = [
    {"constrain": {"levels": 2, "max_tokens": 64}},
    {"respond": {"until": "verified", "tries": 2, "max_tokens": 96, "unverified": "keep", "overwrite": True}},
    {"verify": {"model": "teacher", "max_tokens": 256}},
]
GENERATORS: dict[str, list[dict[str, Any]]] = {
    "evolve": [
        {"evolve": {"rounds": 2, "tasks": {"code": "code"}, "max_tokens": 96, "answer_max_tokens": 96}}
    ],
    "tree": [{"tree": {"nodes": 3, "attempts": 2, "max_tokens": 256, "answer_max_tokens": 96}}],
    "constrain": LADDER,
    "explore": [
        {"explore": {"domain": "home cooking", "size": 4, "depth": 1, "breadth": [2], "max_tokens": 128}},
        ANSWERED,
    ],
    "invent": [{"invent": {**FEW, "per_call": 4}}],
    "fuse": [{"fuse": FEW}],
    "persona": [{"persona": {**FEW, "relations": 1}}],
    "from_code": [{"from_code": FEW}],
    "write_checkers": [
        {"constrain": {"levels": 1, "by": "model", "max_tokens": 64}},
        {"write_checkers": {"drafts": 2, "max_tokens": 256}},
    ],
    "magpie": [{"magpie": {"size": 4, "max_tokens": 96}}, ANSWERED],
}


def run(vllm: LocalServer, folder: Path, name: str) -> Any:
    seeds = folder / "seeds.jsonl"
    seeds.write_bytes(b"\n".join(map(orjson.dumps, ROWS)))
    teacher = {"provider": "openai", "base_url": vllm.base_url, "model": vllm.model, "concurrency": 4}
    begin = [] if name == "explore" else [{"read": {"path": str(seeds)}}]
    data = {"name": name, "seed": 7, "models": {"teacher": teacher}, "steps": [*begin, *GENERATORS[name]]}
    return sft.run(data, out=folder / "run", journal=folder / "j.db", stop_after_alike=0)


def made(result: Any) -> tuple[list[Record], list[Record]]:
    """What came of the model's work: kept, and let go."""
    kept = [r for r in result.table().records() if r.id not in seeds_of(result)]
    return kept, [r for r in result.dropped_table().records() if r.id not in seeds_of(result)]


def seeds_of(result: Any) -> set[str]:
    records = [*result.table().records(), *result.dropped_table().records()]
    return {r.id for r in records if r.meta.get("id") in {row["id"] for row in ROWS} and not r.round}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_ends_and_tells_what_was_kept_and_why_the_rest_was_not(
    vllm: LocalServer, tmp_path: Path, name: str
) -> None:
    result = run(vllm, tmp_path, name)
    assert result.manifest["status"] == "finished"
    kept, let_go = made(result)
    told = [*result.manifest["warnings"], *result.manifest.get("notices", ())]
    print(f"\n=== {name}: {len(kept)} kept, {len(let_go)} let go")
    for sentence in told:
        print("  told:", sentence)
    for step in result.manifest["steps"]:
        print("  facts:", step["label"], step.get("facts"))
    for record in kept[:3]:
        print(
            "  KEPT",
            repr(record.prompt[:300]),
            "->",
            repr(record.output[:120]),
            record.meta.get("constraints", ""),
        )
    for record in let_go[:6]:
        assert record.dropped is not None, record
        print("  GONE", record.dropped.kind, "|", record.dropped.reason[:200], "|", repr(record.prompt[:300]))
    for record in let_go:
        assert record.dropped is not None
        assert record.dropped.kind not in ("", "step_error")
        assert record.dropped.reason
    assert any("95 % interval" in sentence for sentence in told), told
    calls = result.manifest["models"]["teacher"]["calls"]
    assert calls > 0
    again = sft.run(
        tmp_path / "run" / "recipe.yaml",
        out=tmp_path / "again",
        journal=tmp_path / "j.db",
        stop_after_alike=0,
    )
    assert again.manifest["models"]["teacher"]["calls"] == 0
    assert [r.id for r in again.table().records()] == [r.id for r in result.table().records()]
