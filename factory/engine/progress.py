"""What a run has done so far: counted by the engine, looked at by whoever shows it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from factory.data.record import Record
from factory.engine.calls.usage import ModelUsage
from factory.statistics.lengths import ScoreLengths


@dataclass(slots=True)
class StepProgress:
    """Counts of one step.

    entered: records that came in; made: new records that came out (a child of evolution, a row read)
    done: records the step has finished with; dropped: by kind, judged not good enough
    failed: by kind, could not be processed; total: records that will come, None while unknown
    facts, tables: what the step told and handed out beside its records; see `Context`
    lengths: the scores that it gave, beside the lengths of the answers
    """

    label: str
    entered: int = 0
    done: int = 0
    made: int = 0
    passed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    total: int | None = None
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lengths: ScoreLengths = field(default_factory=ScoreLengths)

    @property
    def in_flight(self) -> int:
        """Records the step is working on."""
        return self.entered - self.done

    def let_go(self, record: Record) -> None:
        """Count a record that the step marked dropped."""
        assert record.dropped is not None
        (self.failed if record.dropped.failed else self.dropped)[record.dropped.kind] += 1


@dataclass(slots=True)
class RunProgress:
    """Counts of a whole run, readable from another thread at any time."""

    steps: list[StepProgress] = field(default_factory=list)
    models: dict[str, ModelUsage] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    stopping: str = ""
    """What a run waits for that was asked to stop."""
    started: float = field(default_factory=time.monotonic)

    def warn(self, sentence: str) -> None:
        """Tell the person at the terminal one sentence, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    @property
    def calls(self) -> int:
        """Calls sent and answered in this run, those from the journal not counted."""
        return sum(usage.calls for usage in self.models.values())

    @property
    def replayed(self) -> int:
        """Replies taken from the journal."""
        return sum(usage.replayed for usage in self.models.values())

    @property
    def tokens(self) -> int:
        """Tokens of all calls, prompts and replies."""
        return sum(usage.prompt_tokens + usage.completion_tokens for usage in self.models.values())

    @property
    def cost(self) -> float | None:
        """Money spent, None where no prices are given."""
        costs = [usage.cost for usage in self.models.values() if usage.cost is not None]
        return sum(costs) if costs else None

    @property
    def failed(self) -> int:
        """Records that could not be processed, and rows that could not be read."""
        return sum(step.failed.total() for step in self.steps)
