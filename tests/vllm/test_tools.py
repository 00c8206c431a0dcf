"""Tools offered to a real vLLM server: its call comes back as a call, and it answers from the tool's result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from real_server import recipe

import factory as sft
from factory.data.formats import read_records
from factory.data.record import Record
from factory.models.vllm.server import LocalServer

ADD = {
    "name": "add",
    "description": "Add two whole numbers.",
    "strict": True,  # else vLLM does not hold the arguments to the schema
    "parameters": {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "minimum": 0, "maximum": 99},
            "b": {"type": "integer", "minimum": 0, "maximum": 99},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}
FORCED = {"tool_choice": {"type": "function", "function": {"name": "add"}}}
"""A model as small as this one makes a call only where it must: vLLM then decodes by the tool's schema."""


def run(vllm: LocalServer, folder: Path, row: dict[str, Any], extra_body: dict[str, Any]) -> Record:
    """The record that a run of one step gives for `row`, with the tool offered, through the file it writes."""
    folder.mkdir()
    seeds = folder / "seeds.jsonl"
    seeds.write_bytes(orjson.dumps(row))
    model = {"base_url": vllm.base_url, "model": vllm.model, "extra_body": extra_body}
    steps = recipe(model, seeds, temperature=0, max_tokens=200)
    steps["steps"].append({"export": {"formats": ["openai"]}})
    result = sft.run(steps, out=folder / "run", journal=folder / "journal.db")
    assert result.manifest["status"] == "finished", result
    (written,) = (folder / "run").rglob("openai/*.jsonl")
    (record,) = read_records(written)
    assert isinstance(record, Record)
    return record


def test_a_forced_call_comes_back_as_a_call_and_its_result_is_answered(
    vllm: LocalServer, tmp_path: Path
) -> None:
    tools = [{"type": "function", "function": ADD}]
    question = {"role": "user", "content": "What is 12 plus 30?"}
    called = run(vllm, tmp_path / "call", {"messages": [question], "tools": tools}, FORCED)
    (call,) = called.messages[-1].calls
    arguments = orjson.loads(call.arguments)
    assert call.name == "add"
    assert set(arguments) == {"a", "b"}
    assert all(isinstance(value, int) for value in arguments.values())
    assert called.messages[-1].content == ""
    assert called.tools == tuple(tools)

    turns = [
        question,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": call.id, "type": "function", "function": {"name": "add", "arguments": call.arguments}}
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "42"},
    ]
    answered = run(vllm, tmp_path / "answer", {"messages": turns, "tools": tools}, {"tool_choice": "none"})
    assert answered.messages[-1].role == "assistant"
    assert answered.output
    assert answered.messages[1].calls == (call,)
    assert answered.messages[2].content == "42"
