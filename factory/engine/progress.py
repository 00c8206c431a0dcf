"""What a run has done so far: counted by the engine, looked at by whoever shows it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from factory.data.record import Record
from factory.data.table import Table
from factory.data.text import shorten
from factory.engine.calls.usage import ModelUsage
from factory.statistics.lengths import ScoreLengths


@dataclass(slots=True)
class StepProgress:
    """Counts of one step.

    entered: records that came in; made: new records that came out (a child of evolution, a row read)
    begins: it makes records of nothing
    done: records the step has finished with; dropped: by kind, judged not good enough
    failed: by kind, could not be processed; total: records that will come, None while unknown
    facts, tables, files: what the step told and handed out beside its records; see `Context`
    missing: by score ("tag" and "task" among them) and kind, records that the step left without it
    lengths: the scores that it gave, beside the lengths of the answers
    reasons: the first reason of each kind of drop, failure and missing score
    """

    label: str
    entered: int = 0
    done: int = 0
    made: int = 0
    begins: bool = False
    passed: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    total: int | None = None
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    lengths: ScoreLengths = field(default_factory=ScoreLengths)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def in_flight(self) -> int:
        """Records the step is working on."""
        return max(0, self.entered - self.done)

    def note_made(self, records: int) -> None:
        """Count what a step has made so far that begins: what it is done with, as nothing comes in."""
        self.made = self.done = records

    def let_go(self, record: Record) -> None:
        """Count a record that the step marked dropped."""
        assert record.dropped is not None
        (self.failed if record.dropped.failed else self.dropped)[record.dropped.kind] += 1
        self.reasons.setdefault(record.dropped.kind, shorten(record.dropped.reason, 300))

    def note(self, before: Record, after: Record) -> None:
        """Count what the step could not give a record, and remember the scores that it gave."""
        self.lengths.note(before, after)
        # By identity: a score may be missing again, for the same reason.
        for name, why in after.missing.items():
            if why is not before.missing.get(name):
                self.missing[name, why.kind] += 1
                self.reasons.setdefault(why.kind, shorten(why.reason, 300))

    def missing_by_name(self) -> dict[str, dict[str, int]]:
        """`missing`, sorted, as a manifest holds it."""
        found: dict[str, dict[str, int]] = {}
        for (name, kind), number in sorted(self.missing.items()):
            found.setdefault(name, {})[kind] = number
        return found


def count_missing(table: Table) -> Counter[tuple[str, str]]:
    """How many records of a table lack each score, by its name and the kind of the reason."""
    column = table.values("missing")
    return Counter((name, why["kind"]) for lacking in column if lacking for name, why in lacking)


@dataclass(slots=True)
class RunProgress:
    """Counts of a whole run, readable from another thread at any time."""

    steps: list[StepProgress] = field(default_factory=list)
    models: dict[str, ModelUsage] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    stopping: str = ""
    """What a run waits for that was asked to stop."""
    started: float = field(default_factory=time.monotonic)

    def warn(self, sentence: str) -> None:
        """Tell the person at the terminal one sentence, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def tell(self, sentence: str) -> None:
        """Tell the person at the terminal what is no cause for worry: a result, what is waited for. Once."""
        if sentence not in self.notices:
            self.notices.append(sentence)

    @property
    def embedding(self) -> tuple[int, int]:
        """Of the texts that are being embedded now, how many have a vector, and how many there are."""
        usages = list(self.models.values())
        return sum(usage.embedded for usage in usages), sum(usage.to_embed for usage in usages)

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
