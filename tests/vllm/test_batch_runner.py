"""Request files that factory writes, answered by vLLM's own batch runner."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
from real_server import ARGUMENTS, recipe, seeds, usage

import factory as sft
from factory.engine.batch.chat import BatchWaiting

RECORDS = 8
MOST_ROUNDS = 6
"""Two steps, a round for what was cut off, and what a judge is asked again."""


def test_a_run_by_vllms_batch_runner_is_completed_though_a_results_file_is_cut(
    model: str, tmp_path: Path
) -> None:
    files, path = tmp_path / "files", seeds(tmp_path / "s.jsonl", RECORDS)
    with path.open("ab") as file:  # more tokens than the model takes
        file.write(b"\n" + orjson.dumps({"instruction": "Count: " + "one two " * 4000}))
    # Nobody answers at this address: it says that schemas are for vLLM, which keeps to their bounds.
    batch = {"model": model, "base_url": "http://127.0.0.1:9/v1", "batch": str(files)}
    data = recipe(batch, path, max_tokens=24, temperature=0.0)
    data["steps"].append({"judge": {"max_tokens": 600}})
    asked: list[dict[str, int]] = []
    lost: set[str] = set()
    result: Any = None
    while result is None:
        try:
            result = sft.run(data, out=tmp_path / "run", journal=tmp_path / "j.db")
        except BatchWaiting as waiting:
            assert len(asked) < MOST_ROUNDS
            (requests,) = files.glob("*.requests.jsonl")
            asked.append(lines_of(requests))
            results = run_batch(str(waiting))
            assert lines_of(results).keys() == asked[-1].keys()
            if len(asked) == 1:
                lost = cut_in_half(results)
    refused = max(asked[0], key=lambda custom_id: asked[0][custom_id])
    answered = asked[0].keys() - lost - {refused}
    # What is there was used and judged; what is missing, and that alone, was asked again.
    assert asked[0].keys() & asked[1].keys() == lost
    assert len(asked[1].keys() - lost) == len(answered)
    rows = list(result.table().records())
    assert len(rows) == RECORDS
    assert all(row.output for row in rows)
    assert all(1 <= row.scores.get("judge.quality", 0) <= 5 for row in rows), [row.notes for row in rows]
    assert any(
        "judge_spread.quality" in row.scores for row in rows
    )  # results files tell log-probabilities too
    assert [row.dropped.kind for row in result.dropped_table().records()] == ["context_length"]
    assert not [*files.glob("*.requests.jsonl"), *files.glob("*.results.jsonl")]
    sft.run(data, out=tmp_path / "again", journal=tmp_path / "j.db")
    everything = set[str]().union(*asked) - {refused}
    assert (usage(tmp_path / "again")["replayed"], usage(tmp_path / "again")["calls"]) == (len(everything), 0)


def run_batch(told: str) -> Path:
    """Run the command that the sentence of a waiting run tells a person to type; returns the results' file."""
    command = shlex.split(told.partition("run each file (")[2].partition(")")[0])
    # The command `vllm run-batch` would look for a distribution of that name: there is none where vLLM is for the CPU.
    assert command[:3] == ["python", "-m", "vllm.entrypoints.openai.run_batch"]
    done = subprocess.run(
        [sys.executable, *command[1:], *ARGUMENTS], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Path(command[command.index("-o") + 1])


def lines_of(path: Path) -> dict[str, int]:
    """The custom_id and the length of each line of a file."""
    return {orjson.loads(line)["custom_id"]: len(line) for line in path.read_bytes().splitlines()}


def cut_in_half(results: Path) -> set[str]:
    """Leave the first half of a file, its last line broken; returns the requests that lost their results."""
    lines = results.read_bytes().splitlines(keepends=True)
    kept = lines[: len(lines) // 2]
    results.write_bytes(b"".join(kept[:-1]) + kept[-1][: len(kept[-1]) // 2])
    return {orjson.loads(line)["custom_id"] for line in lines[len(kept) - 1 :]}
