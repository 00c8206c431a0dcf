"""The files that a reader of `docs/following.md` has: a set, and what a trainer logged of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_ROWS = 60
_CHECKPOINTS = (100, 200, 300, 400, 500, 600)


def bring(folder: Path) -> None:
    """Write them into `folder`."""
    rows = [
        {
            "id": f"row-{at}",
            "task": ("math", "chat")[at % 2],
            "instruction": f"Please explain in a few words what the number {at} is good for in daily life?",
            "output": f"It counts {at} things. For example, {at} apples fill a basket, and more do not.",
        }
        for at in range(_ROWS)
    ]
    _write(folder / "set.jsonl", rows)
    evaluations = [
        {
            "step": step,
            "eval_math_loss": 1 / (1 + at),
            "eval_chat_loss": 1 + abs(at - 2) / 10,
            "eval_loss": 1 / (1 + at),
        }
        for at, step in enumerate(_CHECKPOINTS)
    ]
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": evaluations}))
    _write(
        folder / "perturbed.jsonl",
        (
            {
                "task": row["task"],
                "id": row["id"],
                "loss": 1.0,
                "perturbed": [1.0 + at % 3 / 10, 1.2 + at % 5 / 10],
            }
            for at, row in enumerate(rows)
        ),
    )
    losses = (
        {"id": row["id"], "losses": [2.0 + at % 7, 1.0 + at % 5, 0.1 * (at % 11)]}
        for at, row in enumerate(rows)
    )
    _write(folder / "losses.jsonl", losses)
    probes = folder / "brought.jsonl"
    command = [sys.executable, "-m", "factory", "follow", "probes", "set.jsonl", "--out", probes.name]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    prompts = [json.loads(line)["prompt"] for line in probes.read_text(encoding="utf-8").splitlines()]
    probes.unlink()
    answered = (
        # A checkpoint answers the more of them, and goes on with the question in the others.
        {
            "step": step,
            "prompt": prompt,
            "output": "It counts things. For example, apples." if number % 7 < at + 2 else "in daily life?",
        }
        for at, step in enumerate(_CHECKPOINTS)
        for number, prompt in enumerate(prompts)
    )
    _write(folder / "outputs.jsonl", answered)


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
