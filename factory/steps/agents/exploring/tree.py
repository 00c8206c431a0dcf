"""A tree of tasks with the number of records wanted of each: a coverage plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from factory.data.text import detect_language, normal_form


@dataclass(slots=True, eq=False)
class Task:
    """One task of a domain; the root is the domain itself.

    count: how many records of its own are wanted, those of its sub-tasks apart; None where the plan does not say
    reason: why it belongs to the task above it, as the model says
    there, made: records of it that came in, and that were made
    why: why it has fewer than `count`, as a sentence
    wanted: the count that it had before the whole plan was capped
    """

    name: str
    count: int | None = None
    reason: str = ""
    tasks: list[Task] = field(default_factory=list)
    there: int = 0
    made: int = 0
    why: str = ""
    wanted: int = 0

    @property
    def missing(self) -> int:
        """How many records are still wanted of it."""
        return max(0, (self.count or 0) - self.there - self.made)


class Pruned(NamedTuple):
    """A sub-task that was not taken into the tree: a name too close to one that is there.

    under: the task that it was named for
    like: the name in the tree that it is too close to
    rouge_l: their ROUGE-L F
    """

    name: str
    under: str
    like: str
    rouge_l: float


@dataclass(slots=True, eq=False)
class Plan:
    """A tree of tasks, its language, and what was pruned from it; a pruned name is in no place of the tree."""

    root: Task
    language: str = ""
    pruned: list[Pruned] = field(default_factory=list)

    def walk(self) -> Iterator[tuple[tuple[Task, ...], Task]]:
        """Each task behind those above it, the domain first, depth first."""
        yield from _walk((), self.root)

    def leaves(self) -> list[Task]:
        """The tasks without sub-tasks, in the order of `walk`."""
        return [task for _, task in self.walk() if not task.tasks]

    @property
    def planned(self) -> int:
        """All records wanted, as far as the plan says."""
        return sum(task.count or 0 for _, task in self.walk())

    def share(self, size: int) -> None:
        """Spread what `size` has beyond the counts given over the leaves that have none, as evenly as can be.

        Where it does not come out even, one more goes to leaves of different branches first. Every task has a count
        after it: 0 where it is no leaf.
        """
        left = max(0, size - self.planned)
        open_leaves = [leaf for leaf in _in_turn(self.root) if leaf.count is None]
        for at, leaf in enumerate(open_leaves):
            leaf.count = left // len(open_leaves) + (at < left % len(open_leaves))
        for _, task in self.walk():
            task.count = task.count or 0

    def cap(self, most: int) -> bool:
        """Lower the counts, the highest first, until they come to `most`; whether they came to more."""
        if self.planned <= most:
            return False
        tasks = [task for _, task in self.walk() if task.count]
        for task in tasks:
            task.count, task.wanted = 0, task.count or 0
        while most:
            for task in tasks:
                if most and (task.count or 0) < task.wanted:
                    task.count = (task.count or 0) + 1
                    most -= 1
        return True

    def forget(self) -> None:
        """Forget what came of the plan the last time."""
        for _, task in self.walk():
            task.there, task.made, task.why = 0, 0, ""

    def spoken(self, task: Task) -> str:
        """The language that a task is spoken of in: the plan's, or what its name looks like."""
        return self.language or detect_language(task.name) or detect_language(self.root.name)

    def rows(self) -> list[dict[str, str | int]]:
        """A row for each task, for a table: its name behind a dot for each level, planned, there, made, and why not."""
        there = any(task.there for _, task in self.walk())
        return [
            {
                "task": "· " * len(above) + task.name,
                "planned": task.count or 0,
                **({"there": task.there} if there else {}),
                "made": task.made,
                "why": task.why,
            }
            for above, task in self.walk()
        ]

    def names(self) -> dict[str, Task]:
        """The tasks by the normal form of their names."""
        return {normal_form(task.name): task for _, task in self.walk()}


def _walk(above: tuple[Task, ...], task: Task) -> Iterator[tuple[tuple[Task, ...], Task]]:
    yield above, task
    for child in task.tasks:
        yield from _walk((*above, task), child)


def _in_turn(task: Task) -> list[Task]:
    """The leaves below a task, one of each branch in turn."""
    if not task.tasks:
        return [task]
    turns: Sequence[tuple[Task | None, ...]] = list(zip_longest(*map(_in_turn, task.tasks)))
    return [leaf for turn in turns for leaf in turn if leaf is not None]
