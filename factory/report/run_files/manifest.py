"""A run's manifest as typed facts, tolerant of what a stopped run has not written yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factory.errors import InputError

MANIFEST = "manifest.json"
MISSED = ("untagged", "no_task")
"""Facts by which a step tells, by kind, how many records went on without what it should have given them."""


@dataclass(frozen=True, slots=True)
class StepCounts:
    """What one step did: records in, new ones, those let go by kind (judged, or not processed), out.

    missed: by fact (MISSED) and kind, records that went on without what the step should have given them
    """

    label: str
    entered: int
    made: int
    passed: int
    dropped: dict[str, int]
    failed: dict[str, int]
    seconds: float
    missed: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def let_go(self) -> int:
        """Records that did not pass, for whatever reason."""
        return sum(self.dropped.values()) + sum(self.failed.values())


@dataclass(frozen=True, slots=True)
class Funnel:
    """A run in counts: its steps in order, then sums over its models."""

    recipe: str
    status: str
    steps: tuple[StepCounts, ...]
    calls: int
    replayed: int
    retries: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float

    @property
    def kept(self) -> int:
        """Records that passed the last step."""
        return self.steps[-1].passed if self.steps else 0

    @property
    def dropped(self) -> int:
        """Records judged not good enough, by all steps."""
        return sum(sum(step.dropped.values()) for step in self.steps)

    @property
    def failed(self) -> int:
        """Records that could not be processed, by all steps."""
        return sum(sum(step.failed.values()) for step in self.steps)

    @property
    def records(self) -> int:
        """All records the run ever had: read or made."""
        return self.kept + self.dropped + self.failed


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the run in this folder.

    Raises:
        InputError: there is no run, or its manifest cannot be read.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no run: there is no {MANIFEST} in it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(manifest, dict):
        raise InputError(f"{path}: is not the manifest of a run")
    return manifest


def read_funnel(manifest: Mapping[str, Any]) -> Funnel:
    """The funnel of a run, from its manifest."""
    steps = tuple(
        StepCounts(
            label=str(step["label"]),
            entered=step.get("entered", 0),
            made=step.get("made", 0),
            passed=step.get("passed", 0),
            dropped=dict(step.get("dropped") or {}),
            failed=dict(step.get("failed") or {}),
            seconds=step.get("seconds", 0.0),
            missed=_missed(step.get("facts")),
        )
        for step in manifest.get("steps", [])
    )
    models = list(manifest.get("models", {}).values())

    def total(name: str) -> int:
        return sum(model.get(name, 0) for model in models)

    return Funnel(
        recipe=str(manifest.get("recipe", "")),
        status=str(manifest.get("status", "")),
        steps=steps,
        calls=total("calls"),
        replayed=total("replayed"),
        retries=total("retries"),
        prompt_tokens=total("prompt_tokens"),
        completion_tokens=total("completion_tokens"),
        cost=manifest.get("cost"),
        seconds=manifest.get("seconds", 0.0),
    )


def _missed(facts: Any) -> dict[str, dict[str, int]]:
    missed = {}
    for name in MISSED:
        kinds = facts.get(name) if isinstance(facts, Mapping) else None
        numbers = dict(kinds) if isinstance(kinds, Mapping) else {}
        if found := {kind: number for kind, number in numbers.items() if isinstance(number, int)}:
            missed[name] = found
    return missed
