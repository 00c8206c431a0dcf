"""The growth of a tree of tasks: lookahead downwards first, then backtracking for what was overlooked."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, create_model

from factory.data.record import Record, new_record
from factory.data.text import shorten
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.statistics.rouge.novelty import NoveltyIndex
from factory.step import Context
from factory.steps.agents.exploring.plan_file import NAME_CHARACTERS
from factory.steps.agents.exploring.tree import Plan, Pruned, Task
from factory.steps.agents.exploring.words import clean_line, name_flaw
from factory.steps.judging.verdicts.side_by_side import side_by_side

LOOKAHEAD, BACKTRACK = "explore/lookahead", "explore/backtrack"


class Subtask(BaseModel):
    """One sub-task as the model names it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(json_schema_extra={"maxLength": NAME_CHARACTERS})
    reason: str = Field("", json_schema_extra={"maxLength": 2 * NAME_CHARACTERS})


class Subtasks(BaseModel):
    """What the model replies when it is asked for sub-tasks."""

    model_config = ConfigDict(extra="forbid")

    tasks: list[Subtask]


@functools.lru_cache(maxsize=16)
def subtasks_schema(number: int) -> type[Subtasks]:
    """The schema of a reply of 1 to `number` sub-tasks. More are tolerated on reading."""
    bound = Field(min_length=1, json_schema_extra={"maxItems": number})
    return create_model("BoundedSubtasks", __base__=Subtasks, tasks=(list[Subtask], bound))


class Bounds(NamedTuple):
    """How far a tree grows.

    depth: levels below the domain
    breadth: most sub-tasks of a task, level by level; the last counts for all below
    at_once: most sub-tasks asked for in one call
    threshold: largest ROUGE-L F that two names may have
    dry: calls for a task that bring nothing new, after which no more are made
    """

    depth: int
    breadth: tuple[int, ...]
    at_once: int
    threshold: float
    dry: int

    def most(self, level: int) -> int:
        """Most sub-tasks of a task at this level; the domain's is 0."""
        return self.breadth[min(level, len(self.breadth) - 1)] if level < self.depth else 0


@dataclass(slots=True)
class Growth:
    """The growth of one plan's tree.

    counts: what was asked, named, taken and refused, by kind
    failures: the first reason of each kind of call that failed
    """

    plan: Plan
    bounds: Bounds
    model: str
    sampling: Sampling
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    _calls: Counter[int] = field(default_factory=Counter)
    _dry: Counter[int] = field(default_factory=Counter)

    async def run(self, context: Context) -> None:
        """Grow the tree until every task has as many sub-tasks as it may, or its calls brought nothing new.

        Works in rounds. While any task within `depth` has no sub-tasks and was not asked, the round looks ahead for
        all of those; else it backtracks, for all that may have more. The calls of a round are made side by side and
        their replies taken depth first, so that the tree does not depend on which came first.
        """
        names = NoveltyIndex()
        known: list[str] = []
        for _, task in self.plan.walk():
            names.add(task.name)
            known.append(task.name)
        while open_tasks := self._open():
            ahead = [place for place in open_tasks if not place[1].tasks and not self._calls[id(place[1])]]

            async def ask(place: Place) -> Answer[Subtasks] | RecordFailed:
                return await self._ask(place, context)

            places = ahead or open_tasks
            replies = await side_by_side(ask, places)
            for place, reply in zip(places, replies, strict=True):
                if not self._take(place, reply, names, known, context):
                    self._dry[id(place[1])] += 1
                self._calls[id(place[1])] += 1

    def _open(self) -> list[Place]:
        """The tasks that may have more sub-tasks, each behind those above it, depth first."""
        return [
            (above, task)
            for above, task in self.plan.walk()
            if len(task.tasks) < self.bounds.most(len(above)) and self._dry[id(task)] < self.bounds.dry
        ]

    def _wanted(self, place: Place) -> int:
        above, task = place
        return min(self.bounds.at_once, self.bounds.most(len(above)) - len(task.tasks))

    async def _ask(self, place: Place, context: Context) -> Answer[Subtasks] | RecordFailed:
        above, task = place
        # Looking down, what stands beside the task is what its sub-tasks must not repeat.
        peers = (
            task.tasks
            if task.tasks
            else [peer for peer in (above[-1].tasks if above else ()) if peer is not task]
        )
        number = self._wanted(place)
        try:
            asked = await context.ask(
                self.model,
                BACKTRACK if task.tasks else LOOKAHEAD,
                seed(self.plan, task, self._calls[id(task)]),
                self.sampling,
                schema=subtasks_schema(number),
                sample=self._calls[id(task)],
                domain=self.plan.root.name,
                task=task.name,
                existing=listed([peer.name for peer in peers]),
                number=str(number),
            )
        except RecordFailed as error:
            return error
        return asked.answer

    def _take(
        self,
        place: Place,
        reply: Answer[Subtasks] | RecordFailed,
        names: NoveltyIndex,
        known: list[str],
        context: Context,
    ) -> bool:
        """Take what is new of a reply into the tree; whether anything was."""
        above, task = place
        self.counts["calls"] += 1
        if isinstance(reply, RecordFailed):
            self.counts["failed_calls"] += 1
            self.failures.setdefault(reply.kind, str(reply))
            return False
        prompt = context.prompt(
            BACKTRACK if task.tasks else LOOKAHEAD, seed(self.plan, task, self._calls[id(task)])
        )
        wanted, before = self._wanted(place), len(task.tasks)
        self.counts["named"] += len(reply.data.tasks)
        self.counts["asked_for"] += wanted
        path = " ".join(one.name for one in (*above, task))
        for named in reply.data.tasks:
            name = clean_line(named.name)
            if flaw := name_flaw(name, path, self.plan.spoken(task), prompt):
                self.counts[flaw.kind] += 1
            elif (near := names.nearest(name, self.bounds.threshold)) and near.f > self.bounds.threshold:
                self.counts["pruned"] += 1
                if all(pruned.name != name for pruned in self.plan.pruned):
                    self.plan.pruned.append(Pruned(name, task.name, known[near.number], near.f))
            elif len(task.tasks) - before == wanted:
                self.counts["more_than_asked_for"] += 1
            else:
                self.counts["taken"] += 1
                names.add(name)
                known.append(name)
                task.tasks.append(Task(name, reason=shorten(named.reason, 2 * NAME_CHARACTERS)))
        return len(task.tasks) > before


Place = tuple[tuple[Task, ...], Task]


def seed(plan: Plan, task: Task, sample: int = 0) -> Record:
    """What a prompt about a task is asked for: in its language, with the example drawn for the call of this number."""
    source = f"explore:{plan.root.name}"
    return new_record(task.name, source=source, occurrence=sample, lang=plan.spoken(task))


def listed(texts: Sequence[str]) -> str:
    """Texts as the prompts show a list."""
    return "\n".join(f"- {text}" for text in texts) or "-"


def stand_in(what: str, characters: int) -> str:
    """A text in the place of one that a model will write, as long as that may be."""
    return f"({what}) ".ljust(characters, "·")


async def rehearse_growth(
    bounds: Bounds, plan: Plan, model: str, sampling: Sampling, context: Context, *, trees: int = 1
) -> int:
    """Make every call that growing so many trees could make; gives how many leaves each could have.

    A task that may have b sub-tasks is asked b + dry - 1 times at the most: each call brings one, or is dry.
    """
    width, leaves = 1, 1
    name = stand_in("name of a task", NAME_CHARACTERS)
    for level in range(bounds.depth):
        most = bounds.most(level)
        for prompt, calls in ((LOOKAHEAD, bounds.dry), (BACKTRACK, most - 1)):
            if calls:
                context.alike(trees * width * calls)
                await context.ask(
                    model,
                    prompt,
                    seed(plan, plan.root),
                    sampling,
                    schema=subtasks_schema(bounds.at_once),
                    domain=plan.root.name,
                    task=name,
                    existing=listed([name] * max(bounds.breadth)),
                    number=str(bounds.at_once),
                )
        width *= most
        leaves = max(leaves, width)
    return leaves
