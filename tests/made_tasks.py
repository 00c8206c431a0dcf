"""Running a step that makes tasks on a few seeds with a scripted model."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from step_context import Ask, Script, scripted_context

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.steps.agents.inventing.bootstrap import MakesTasks

WORDS = ("copper", "lantern", "harbour", "saffron", "violin", "glacier", "orchard", "compass", "anvil")
CHARACTERS = "铜灯港湾藏红花提琴冰川果园罗盘雷声羊皮纸草甸铁砧松林麦田竹筏陶罐石桥"
SEEDS = [
    new_record(text, output="An answer.", lang="en", source="seeds")
    for text in (
        "Why is the sea salty?",
        "Give three tips for a long walk.",
        "What does a notary do all day?",
        "Plan a dinner for six people.",
    )
]
SEEDS_ZH = [
    new_record(text, output="答案。", lang="zh", source="seeds")
    for text in ("海水为什么是咸的？", "推荐三种夏天的凉菜。", "把这句话改成疑问句。")
]


def new_task(number: int, chinese: bool = False) -> str:
    """A task unlike those of other numbers."""
    draw = random.Random(number)
    if chinese:
        return "请" + "".join(draw.sample(CHARACTERS, 12)) + "。"
    return f"Tell how {number} " + " ".join(f"{word}{number}" for word in draw.sample(WORDS, 5)) + " differ."


@dataclass
class Outcome:
    """What a step gave: the seeds, the tasks it made, and what it told."""

    seeds: list[Record]
    made: list[Record]
    told: list[str]
    warned: list[str]
    facts: dict[str, Any]
    tables: dict[str, list[dict[str, Any]]]
    asks: list[Ask]

    @property
    def kept(self) -> list[Record]:
        return [record for record in self.made if record.dropped is None]

    @property
    def kinds(self) -> Counter[str]:
        return Counter(record.dropped.kind for record in self.made if record.dropped)


def run(
    step: MakesTasks, script: Script, seeds: list[Record] = SEEDS, seed: int = 0, **context: Any
) -> Outcome:
    """The outcome of `step` on these seeds."""
    told: list[str] = []
    warned: list[str] = []
    made, chat = scripted_context(script, step=f"02-{step.name}", seed=seed)
    made = replace(made, tell=told.append, warn=warned.append, **context)
    rows = list(asyncio.run(step.run(Table.from_records(seeds), made)).records())
    return Outcome(rows[: len(seeds)], rows[len(seeds) :], told, warned, made.facts, made.tables, chat.asks)


def obey_the_laws(step: MakesTasks, script: Script, seeds: list[Record] = SEEDS, **context: Any) -> Outcome:
    """Every task is kept or dropped, ids differ, the first parent came in, counts add up, the same comes again."""
    done = run(step, script, seeds, **context)
    rows = done.facts["rounds"]
    assert len(done.kept) <= step.size
    assert sum(row["tasks"] for row in rows) == len(done.made)
    assert sum(row["kept"] for row in rows) == len(done.kept) == len(done.made) - done.kinds.total()
    assert (len(done.kept) < step.size) == bool(done.warned)
    everyone = [*done.seeds, *done.made]
    known = {record.id for record in everyone}
    assert len(known) == len(everyone)
    for record in done.made:
        parents = next((event.parents for event in record.events if event.parents), ())
        assert set(parents) <= {seed.id for seed in seeds}
        if record.dropped and record.dropped.against:
            assert record.dropped.against in known
    assert run(step, script, seeds, **context).made == done.made
    return done
