"""Exploring whatever the model says: counts, order, replay, and an estimate that holds."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exploring_world import (
    Said,
    World,
    coined,
    explored,
    plan_file,
)
from hypothesis import given
from hypothesis import strategies as st
from step_context import Ask, ScriptedChat, scripted_context

from factory.data.text import normal_form
from factory.errors import RecordFailed
from factory.step import Context
from factory.steps.agents.explore import Explore
from factory.steps.agents.exploring.plan_file import read_plan


class Unhurried(ScriptedChat):
    """Replies come in an order of their own."""

    chance: random.Random

    async def ask(self, *args: Any, **options: Any) -> Any:
        for _ in range(self.chance.randrange(9)):
            await asyncio.sleep(0)
        return await super().ask(*args, **options)


def whimsical(seed: int) -> World:
    """A model that names and writes anything: new, copied, empty, foreign, too many, none, broken."""

    def some(kind: str, key: str, task: str, number: int, sample: int) -> Said:
        chance = random.Random(repr((seed, kind, task, sample)))
        if chance.random() < 0.2:
            return chance.choice(["{", "nothing", json.dumps({key: []})])
        texts = [
            chance.choice(
                [
                    coined(kind, task, sample, at, words=5),
                    coined(kind, at % 2, words=5),
                    task,
                    "",
                    "煮一锅汤",
                    "I'm sorry, but I can't help with that.",
                ]
            )
            for at in range(chance.randrange(number + 3))
        ]
        return json.dumps({key: texts if key == "instructions" else [{"name": text} for text in texts]})

    return World(
        names=lambda *asked: some("name", "tasks", *asked),
        texts=lambda *asked: some("text", "instructions", *asked),
    )


@pytest.mark.slow
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(0, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_whatever_the_model_says(
    seed: int, size: int, depth: int, breadth: list[int], dry: int, at_once: int, once: bool
) -> None:
    options = {
        "size": size,
        "depth": depth,
        "breadth": tuple(breadth),
        "dry_rounds": dry,
        "instructions": at_once,
    }
    options |= {"subtasks": at_once, "until": "once" if once else "full"}
    world = whimsical(seed)
    made = explored(world, **options)
    plan = read_plan(made.context.files["plan.yaml"], "plan.yaml")  # a tree, with no name twice
    in_tree = {normal_form(task.name) for _, task in plan.walk()}
    # Nothing was asked for what was pruned or refused.
    asked = {normal_form(task.split(" > ")[-1]) for task in world.of("instructions")}
    assert asked <= in_tree
    # Counts are never above the plan, and what is short says why.
    rows = made.context.facts["plan"]
    assert sum(row["planned"] for row in rows) == size
    assert all(
        row["made"] <= row["planned"] and bool(row["why"]) == (row["made"] < row["planned"]) for row in rows
    )
    assert sum(row["made"] for row in rows) == len(made.kept)
    assert Counter(record.task for record in made.kept) == Counter(
        {row["task"].lstrip("· "): row["made"] for row in rows if row["made"]}
    )
    # All that was written is kept or dropped with a reason, and every id is its own.
    counts = made.context.facts["instructions"]
    assert counts.get("written", 0) + counts.get("failed_calls", 0) == len(made.kept) + len(made.dropped)
    assert len({record.id for record in [*made.kept, *made.dropped]}) == len(made.kept) + len(made.dropped)
    # No more calls than a rehearsal foresees.
    foreseen = rehearsed(Explore(domain="home cooking", **options))
    assert len(world.of("lookahead")) + len(world.of("backtrack")) + len(world.of("instructions")) <= foreseen
    # The order in which replies come does not matter.
    chat = Unhurried(whimsical(seed))
    chat.chance = random.Random(seed)
    again = explored(chat=chat, **options)
    assert again.context.files == made.context.files
    assert [(record.id, record.dropped) for record in again.kept + again.dropped] == [
        (record.id, record.dropped) for record in made.kept + made.dropped
    ]


def rehearsed(step: Explore) -> int:
    """How many calls `step` says that it makes at the most."""
    total, weight = 0, 1

    def script(ask: Ask) -> str:
        nonlocal total
        total += weight
        key = next(iter(ask.schema.model_fields)) if ask.schema else ""
        return json.dumps({key: ["..."] if key == "instructions" else [{"name": "..."}]})

    def alike(calls: int) -> None:
        nonlocal weight
        weight = max(1, calls)

    context, chat = scripted_context(script)
    context = Context("01-explore", 0, lambda name: chat, context.get_embedder, alike=alike)
    assert asyncio.run(step.rehearse_once(context)) is not None
    return total


@pytest.mark.parametrize("answer", [False, True])
def test_the_rehearsal_of_a_plan_counts_its_own_tasks(tmp_path: Path, answer: bool) -> None:
    path = plan_file(
        tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 2}\n- {name: bread, count: 1}\n"
    )
    step = Explore(plan=path, dry_rounds=2, answer=answer)
    assert step.expected() == 3
    # Soups: two dry rounds and two that bring one each; bread: two dry ones and one.
    assert rehearsed(step) == 4 + 3 + answer * (2 + 2 + 2 + 1 + 1 + 1 + 1)


def test_a_failed_call_is_no_reason_to_ask_forever() -> None:
    world = World(
        names=lambda *_: RecordFailed("bad_reply", "no"), texts=lambda *_: RecordFailed("bad_reply", "no")
    )
    made = explored(world, size=50)
    assert not made.kept
    assert len(world.asked) == 2 + 2 * 10
