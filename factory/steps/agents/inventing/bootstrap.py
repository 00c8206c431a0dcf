"""What the steps that make new tasks share: rounds of calls, what is kept of them, and when they end."""

from __future__ import annotations

import asyncio
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from pydantic import Field

from factory.data.record import Record
from factory.data.table import Table
from factory.statistics.interval import share_interval
from factory.statistics.loops import load_loops
from factory.statistics.rouge.novelty import KERNEL
from factory.step import ChatModelName, Context, WholeSet
from factory.steps.agents.flaws.doubts import tell_doubts
from factory.steps.agents.inventing.pool import Pool, drop_close
from factory.steps.judging.verdicts.side_by_side import side_by_side

Write: TypeAlias = Callable[[int, int], Awaitable[list[Record]]]
"""Make the call of this number, in this round: the tasks that it wrote, or one that says why there is none.

Those that their text alone lets go are marked.
"""

BEYOND_SIZE = "beyond_size"
"""Why a task was let go that came when there were enough."""


class MakesTasks(WholeSet):
    """Base of the steps that make new tasks of records and answer them, round by round."""

    model: ChatModelName = ""
    """The chat model that writes the tasks and answers them."""
    size: int = Field(100, ge=1)
    """New tasks to keep."""
    threshold: float = Field(0.7, gt=0, le=1)
    """The ROUGE-L F with any task before it from which on a task is not new."""
    answer: bool = True
    """Answer each task too; without it they go on as they are, for `respond`."""
    calls: int = Field(32, ge=1)
    """Most calls for new tasks in one round, side by side."""
    patience: int = Field(3, ge=1)
    """Rounds in a row that keep nothing, after which it ends."""
    overask: int = Field(4, ge=1)
    """It ends after so many times the calls for tasks that would do if every task were kept."""
    keep_seeds: bool = True
    """Give the records that came in on too, before the tasks; without it they are marked as dropped."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of writing and answering tasks."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus of writing and answering: the most likely tokens that have this probability together."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of a reply with new tasks."""
    answer_max_tokens: int = Field(1024, ge=1)
    """Most tokens of an answer."""

    @property
    def tasks_of_a_call(self) -> int:
        """Most tasks that one call writes."""
        return 1

    @property
    def most_calls(self) -> int:
        """Most calls for tasks."""
        return math.ceil(self.size / self.tasks_of_a_call) * self.overask

    def expected(self) -> int:
        """See `WholeSet.expected`."""
        return self.size

    @abstractmethod
    async def writer(self, records: list[Record], pool: Pool, context: Context) -> Write:
        """What makes the calls for tasks, from these records.

        Raises:
            FactoryError: nothing can be made of them; says what would do.
        """

    @abstractmethod
    async def answered(self, task: Record, context: Context) -> Record:
        """The task with its answer, or marked with what is wrong with it."""

    @abstractmethod
    def examples(self) -> list[Record]:
        """A few records such as may come in, for an estimate; one at least."""

    async def rehearsed_writer(self, context: Context) -> Write:
        """What makes the calls for tasks in an estimate."""
        records = self.examples()
        return await self.writer(records, Pool(records), context)

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            FactoryError: nothing can be made of the records that come in.
            RunStopped: the model cannot answer any more.
        """
        records = list(table.records())
        await asyncio.to_thread(load_loops, KERNEL, context.tell)
        pool = await asyncio.to_thread(Pool, records)
        for task in context.earlier.records() if context.earlier is not None else ():
            pool.hold(task)
            pool.keep(task)
        write = await self.writer(records, pool, context)
        made = await _Rounds(self, pool, write, context).run()
        if not self.keep_seeds:
            reason = "a seed, and keep_seeds is off"
            records = [record.drop(context.step, "seed", reason) for record in records]
        return Table.from_records([*records, *made])

    async def rehearse_once(self, context: Context) -> Record:
        """See `WholeSet.rehearse_once`: as many tasks as may be asked for, each of them answered."""
        write = await self.rehearsed_writer(context)
        example = self.examples()[0]
        made = task = replace(example, messages=example.conversation)
        for number in range(self.most_calls):
            await write(number, 0)
            for _ in range(self.tasks_of_a_call if self.answer else 0):
                made = await self.answered(task, context)
        return replace(made, dropped=None)


class _Rounds:
    """One run of a step: the pool, the tasks written so far, kept or dropped, and a row for each round."""

    def __init__(self, step: MakesTasks, pool: Pool, write: Write, context: Context) -> None:
        self.step, self.pool, self.write, self.context = step, pool, write, context
        self.size = step.size if context.limit is None else min(step.size, context.limit)
        self.made: list[Record] = []
        self.groups: list[int] = []  # the call that each was written in
        self.kept = 0
        self.called = 0
        self.rounds: list[dict[str, int | str]] = []
        self.starts: list[int] = []  # of each round, the first of its tasks

    async def run(self) -> list[Record]:
        """All tasks that were written, in the order of the calls and of their lists."""
        context = self.context
        why = ""
        while self.kept < self.size and not (why := self._why_stop()):
            await self._round()
        context.facts["rounds"] = context.tables["rounds"] = self.rounds
        told = f"{context.step}: {self._yield()}"
        if why:
            context.warn(f"{told}; it ended {why}")
        else:
            context.tell(told)
        tell_doubts(context)
        return self.made

    def _why_stop(self) -> str:
        """Why no further round is worth its calls, and what to do; "" where one is."""
        step = self.step
        last = self.rounds[-step.patience :]
        if len(last) == step.patience and not any(row["kept"] for row in last):
            rounds = "a round" if step.patience == 1 else f"{step.patience} rounds in a row"
            reasons = self._reasons(self.starts[-step.patience])
            return (
                f"after {rounds} that kept none ({reasons}): look at what was dropped, "
                "give more or other seeds, or set a larger `patience`"
            )
        if self.called >= step.most_calls:
            return (
                f"after {self.called:,} calls for tasks, {step.overask} times what would do if every task were kept "
                f"({self._reasons(0)}): look at what was dropped, or set a larger `overask`"
            )
        return ""

    async def _round(self) -> None:
        """Ask for as many tasks as are missing, at the share kept so far, and keep what is new and answered."""
        step, first, kept = self.step, len(self.made), self.kept
        share = max(self.kept / len(self.made), 1 / step.overask) if self.made else 1.0
        wanted = math.ceil((self.size - self.kept) / (step.tasks_of_a_call * share))
        numbers = range(self.called, self.called + min(wanted, step.calls, step.most_calls - self.called))
        self.called = numbers.stop
        round = len(self.rounds) + 1
        replies = await side_by_side(lambda number: self.write(number, round), numbers)
        for number, reply in zip(numbers, replies, strict=True):
            self.made += reply
            self.groups += [number] * len(reply)
        await self._choose(first)
        self.starts.append(first)
        own = self.made[first:]
        dropped = Counter(record.dropped.kind for record in own if record.dropped)
        self.rounds.append(
            {
                "round": round,
                "calls": len(numbers),
                "tasks": len(own),
                "kept": self.kept - kept,
                "dropped": ", ".join(f"{kind} {count:,}" for kind, count in dropped.most_common()),
            }
        )

    async def _choose(self, first: int) -> None:
        """Look at the tasks from `first` on, one after the other; answer at once as many as are still wanted."""
        left = [at for at in range(first, len(self.made)) if self.made[at].dropped is None]
        while left and self.kept < self.size:
            taken: list[int] = []
            while left and len(taken) < self.size - self.kept:
                at = left.pop(0)
                task = self.made[at]
                close = self.pool.closest(task.instruction, self.step.threshold)
                if close is not None:
                    self.made[at] = drop_close(task, close, self.context)
                else:
                    self.pool.hold(task)
                    taken.append(at)
            if self.step.answer:
                answered = await side_by_side(
                    lambda at: self.step.answered(self.made[at], self.context), taken
                )
                for at, task in zip(taken, answered, strict=True):
                    self.made[at] = task
            for at in taken:
                if self.made[at].dropped is None:
                    self.pool.keep(self.made[at])
                    self.kept += 1
        for at in left:
            reason = f"{self.size:,} tasks were kept by then"
            self.made[at] = self.made[at].drop(self.context.step, BEYOND_SIZE, reason)

    def _yield(self) -> str:
        """How many tasks were kept of how many that were looked at, with the interval of the share."""
        looked = [
            (record.dropped is None, group)
            for record, group in zip(self.made, self.groups, strict=True)
            if record.dropped is None or record.dropped.kind != BEYOND_SIZE
        ]
        kept, groups = np.array(looked, np.int64).reshape(-1, 2).T
        low, high = share_interval(kept, groups) or (0.0, 1.0)
        rounds, calls, more = len(self.rounds), self.called, len(self.made) - len(looked)
        return (
            f"kept {self.kept:,} of {len(looked):,} tasks, {self.kept / max(1, len(looked)):.0%} (95 % interval "
            f"{low:.0%} to {high:.0%}), {self.size:,} wanted; {rounds:,} round{'' if rounds == 1 else 's'}, "
            f"{calls:,} call{'' if calls == 1 else 's'} for tasks"
            + (f", {more:,} more than needed" if more else "")
        )

    def _reasons(self, first: int) -> str:
        """What most of the tasks from `first` on were dropped for."""
        dropped = Counter(record.dropped.kind for record in self.made[first:] if record.dropped)
        return ", ".join(f"{kind}: {count:,}" for kind, count in dropped.most_common(3)) or "nothing came"
