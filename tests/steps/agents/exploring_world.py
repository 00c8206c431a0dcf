"""A scripted model that divides any task and writes any instruction, and what `explore` makes of it."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from step_context import Ask, ScriptedChat, scripted_context

from factory.data.formats.reference import reference_rows
from factory.data.prompt import load_prompt
from factory.data.record import Record
from factory.data.table import Table
from factory.models.base import Reply
from factory.step import Context
from factory.steps.agents.explore import Explore

Said = str | Reply | Exception
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def coined(*parts: object, words: int = 4) -> str:
    """Words that nobody else coins."""
    chance = random.Random(repr(parts))
    return " ".join("".join(chance.choices(LETTERS, k=7)) for _ in range(words))


@dataclass
class World:
    """A model that divides every task and writes any number of instructions; each reply may be replaced.

    asked: what was asked for, in order: the kind of prompt, the task, and what it was shown as existing
    """

    names: Callable[[str, int, int], Said] = lambda task, number, sample: json.dumps(
        {"tasks": [{"name": coined(task, sample, at), "reason": "why"} for at in range(number)]}
    )
    texts: Callable[[str, int, int], Said] = lambda task, number, sample: json.dumps(
        {"instructions": [coined("t", task, sample, at, words=6) for at in range(number)]}
    )
    answers: Callable[[str], Said] = lambda instruction: "Stir it slowly until the sugar has melted."
    asked: list[tuple[str, str, list[str]]] = field(default_factory=list)

    def __call__(self, ask: Ask) -> Said:
        if ask.schema is None:
            self.asked.append(("answer", ask.text, []))
            return self.answers(ask.text)
        task, existing, number = (
            re.search(rf"<{name}>\n(.*?)\n</{name}>", ask.text, re.DOTALL)[1]  # type: ignore[index]
            for name in ("task", "existing", "number")
        )
        kind = next(
            name
            for name in ("lookahead", "backtrack", "instructions")
            for language in ("en", "zh")
            if ask.messages[0].content == load_prompt(f"explore/{name}", language).turns[0][1]
        )
        shown = [line.removeprefix("- ") for line in existing.splitlines() if line != "-"]
        self.asked.append((kind, task, shown))
        reply = self.texts if kind == "instructions" else self.names
        return reply(task, int(number), ask.sample)

    def of(self, kind: str) -> list[str]:
        """The tasks that this kind of prompt was about."""
        return [task for asked, task, _ in self.asked if asked == kind]


@dataclass
class Made:
    """What came of a step: its records, kept and dropped, its context, and the plan that it handed out."""

    kept: list[Record]
    dropped: list[Record]
    context: Context
    chat: ScriptedChat

    @property
    def tree(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.context.files["plan.yaml"])
        return loaded

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["task"].lstrip("· "): row for row in self.context.facts["plan"]}

    def kinds(self) -> Counter[str]:
        return Counter(record.dropped.kind for record in self.dropped if record.dropped)


def explored(
    script: Callable[[Ask], Said] | None = None,
    records: Sequence[Record] = (),
    *,
    limit: int | None = None,
    chat: ScriptedChat | None = None,
    **options: Any,
) -> Made:
    context, plain = scripted_context(script or World(), step="01-explore", seed=3)
    chat = chat or plain
    told: list[str] = []
    warned: list[str] = []
    context = Context(
        context.step,
        context.seed,
        lambda name: chat,
        context.get_embedder,
        warn=warned.append,
        tell=told.append,
        limit=limit,
        read_rows=lambda path: reference_rows(path, warned.append),
    )
    step = Explore(**{"domain": "home cooking", **options})
    table = asyncio.run(step.run(Table.from_records(records), context))
    live, dropped = table.split()
    # Where the loops were never used, or the machine is slow, it says that they are being compiled.
    context.facts["told"] = [sentence for sentence in told if "compiled first" not in sentence]
    context.facts["warned"] = warned
    return Made(list(live.records())[len(records) :], list(dropped.records()), context, chat)


def every_name(task: dict[str, Any]) -> list[str]:
    """The names of a plan's tasks."""
    return [
        task.get("name") or task["domain"],
        *(name for one in task.get("tasks", ()) for name in every_name(one)),
    ]


def plan_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return path
