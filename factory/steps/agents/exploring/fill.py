"""Instructions for the tasks of a plan, round by round, until each has as many as it asks for."""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, create_model

from factory.data.record import Event, Record, new_record
from factory.data.table import Table
from factory.data.text import normal_form, shorten
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.rouge.novelty import NoveltyIndex
from factory.step import Asked, Context
from factory.steps.agents.exploring.grow import listed, seed, stand_in
from factory.steps.agents.exploring.plan_file import NAME_CHARACTERS
from factory.steps.agents.exploring.tree import Plan, Task
from factory.steps.agents.exploring.words import clean_line, instruction_flaw
from factory.steps.agents.flaws.answer import checked_answer
from factory.steps.agents.respond import answered
from factory.steps.judging.verdicts.side_by_side import side_by_side

INSTRUCTIONS = "explore/instructions"
SHOWN = 6
"""Most instructions of its own that a prompt for a task shows, not to be repeated."""
SHOWN_CHARACTERS = 200
DRY_SHARE = 0.1
"""A round that brings less than this share of what a task still lacked is a dry one."""


class Instructions(BaseModel):
    """What the model replies when it is asked for instructions."""

    model_config = ConfigDict(extra="forbid")

    instructions: list[str]


@functools.lru_cache(maxsize=32)
def instructions_schema(number: int) -> type[Instructions]:
    """The schema of a reply of 1 to `number` instructions. More are tolerated on reading."""
    bound = Field(min_length=1, json_schema_extra={"maxItems": number})
    return create_model("BoundedInstructions", __base__=Instructions, instructions=(list[str], bound))


class Effort(NamedTuple):
    """How instructions are asked for.

    at_once: most in one call
    threshold: largest ROUGE-L F of two instructions
    dry: dry rounds of a task, after which it is given up
    rounds: most rounds; None goes on until the counts are full or the tasks dry
    answer: answer each instruction, and count it only where the answer is one
    """

    at_once: int
    threshold: float
    dry: int
    rounds: int | None
    answer: bool


class _Call(NamedTuple):
    """One call for instructions: for which task, its number among the calls for it, and for how many."""

    task: Task
    path: tuple[str, ...]
    sample: int
    number: int


@dataclass(slots=True)
class Filling:
    """Instructions made for one plan.

    made: all records, kept and dropped, in the order in which they were taken
    counts: what was asked, written, kept and let go, by kind
    """

    plan: Plan
    effort: Effort
    model: str
    sampling: Sampling
    answer_sampling: Sampling
    made: list[Record] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _index: NoveltyIndex = field(default_factory=NoveltyIndex)
    _names: NoveltyIndex = field(default_factory=NoveltyIndex)
    _ids: list[str] = field(default_factory=list)
    _own: dict[int, list[str]] = field(default_factory=dict)
    _samples: Counter[int] = field(default_factory=Counter)
    _dry: Counter[int] = field(default_factory=Counter)
    _refused: dict[int, Counter[str]] = field(default_factory=dict)
    _occurrences: Counter[str] = field(default_factory=Counter)

    def know(self, table: Table, *, counts: bool = True) -> None:
        """Take records that are there already: none is made again, and those of a task count towards it if asked."""
        names = self.plan.names()
        for number, prompt, meta in zip(
            table.ids(), table.texts("prompt"), table.values("meta"), strict=True
        ):
            self._index.add(prompt)
            self._ids.append(number)
            self._occurrences[prompt] += 1
            task = names.get(_task_named(meta))
            if task is not None:
                task.there += counts
                self._own.setdefault(id(task), []).append(prompt)

    async def run(self, context: Context) -> None:
        """Ask until each task has its count, is dry, or the rounds are over; says on the tasks why they have less.

        In a round each task that lacks some is asked for as many as it lacks, in several calls where they are many.
        All calls of a round are made side by side, and their replies taken in the order of the plan.
        """
        places = list(self.plan.walk())
        for _, task in places:
            self._names.add(task.name)
        round = 0
        while self.effort.rounds is None or round < self.effort.rounds:
            lacking = [
                place for place in places if place[1].missing and self._dry[id(place[1])] < self.effort.dry
            ]
            if not lacking:
                break
            round += 1
            self.counts["rounds"] += 1
            calls = [call for above, task in lacking for call in self._calls(above, task)]
            before = [task.missing for _, task in lacking]

            async def ask(call: _Call) -> Asked[Instructions] | RecordFailed:
                return await self._ask(call, context)

            replies = await side_by_side(ask, calls)
            await self._take(list(zip(calls, replies, strict=True)), round, context)
            context.made(self.counts["kept"])
            for (_, task), lacked in zip(lacking, before, strict=True):
                if lacked - task.missing < max(1, DRY_SHARE * lacked):
                    self._dry[id(task)] += 1
        for _, task in places:
            task.why = self._why(task, round)

    def _calls(self, above: tuple[Task, ...], task: Task) -> list[_Call]:
        path = tuple(one.name for one in (*above, task))
        sizes = [self.effort.at_once] * (task.missing // self.effort.at_once)
        if rest := task.missing % self.effort.at_once:
            sizes.append(rest)
        first = self._samples[id(task)]
        self._samples[id(task)] += len(sizes)
        return [_Call(task, path, first + at, size) for at, size in enumerate(sizes)]

    async def _ask(self, call: _Call, context: Context) -> Asked[Instructions] | RecordFailed:
        own = self._own.get(id(call.task), [])
        chance = context.random("shown", call.task.name, call.sample)
        shown = chance.sample(own, min(SHOWN, len(own)))
        try:
            return await context.ask(
                self.model,
                INSTRUCTIONS,
                seed(self.plan, call.task, call.sample),
                self.sampling,
                schema=instructions_schema(call.number),
                operation="instruct",
                sample=call.sample,
                domain=self.plan.root.name,
                task=" > ".join(call.path[1:]) or call.path[0],
                existing=listed([shorten(text, SHOWN_CHARACTERS) for text in shown]),
                number=str(call.number),
            )
        except RecordFailed as error:
            return error

    async def _take(
        self, replies: list[tuple[_Call, Asked[Instructions] | RecordFailed]], round: int, context: Context
    ) -> None:
        """Judge what came, in order; answer what is new; count what is left."""
        fresh: list[tuple[Task, Record]] = []
        taken: Counter[int] = Counter()
        for call, reply in replies:
            self.counts["calls"] += 1
            self.counts["asked_for"] += call.number
            if isinstance(reply, RecordFailed):
                self.counts["failed_calls"] += 1
                prompt = context.prompt(INSTRUCTIONS, seed(self.plan, call.task, call.sample))
                event = context.event("instruct", prompt=prompt, round=round)
                failed = self._record("", call, event)
                told = f"no instructions for {call.task.name!r}: {reply}"
                self._let_go(call.task, failed.drop(context.step, reply.kind, told, failed=True))
                continue
            written = reply.answer.data.instructions
            self.counts["written"] += len(written)
            self.counts["more_than_asked_for"] += max(0, len(written) - call.number)
            for text in written:
                record = self._record(text.strip(), call, reply.event._replace(round=round))
                flaw, against = self._flaw(record, call, context)
                if flaw is None and taken[id(call.task)] == call.task.missing:
                    flaw = Flaw("not_needed", f"the task {call.task.name!r} has all that the plan asks for")
                if flaw is not None:
                    self._let_go(call.task, record.drop(context.step, *flaw, against=against))
                    continue
                taken[id(call.task)] += 1
                self._index.add(record.prompt)
                self._ids.append(record.id)
                fresh.append((call.task, record))

        async def answer(one: tuple[Task, Record]) -> Record:
            return await self._answered(one[1], round, context)

        records = await side_by_side(answer, fresh) if self.effort.answer else [record for _, record in fresh]
        for (task, _), record in zip(fresh, records, strict=True):
            if record.dropped is not None:
                self._let_go(task, record)
                continue
            self.counts["kept"] += 1
            task.made += 1
            self._own.setdefault(id(task), []).append(record.prompt)
            self.made.append(record)

    def _flaw(self, record: Record, call: _Call, context: Context) -> tuple[Flaw | None, str]:
        """What is wrong with an instruction, and the record that it is too close to."""
        prompt = context.prompt(INSTRUCTIONS, seed(self.plan, call.task, call.sample))
        text = record.prompt
        if flaw := instruction_flaw(text, " ".join(call.path), self.plan.spoken(call.task), prompt):
            return flaw, ""
        named = self._names.nearest(text, self.effort.threshold)
        if named is not None and named.f > self.effort.threshold:
            return Flaw("unchanged", "the instruction is little more than the name of a task"), ""
        near = self._index.nearest(text, self.effort.threshold)
        if near is None or near.f <= self.effort.threshold:
            return None, ""
        other = self._ids[near.number]
        return Flaw("duplicate", f"ROUGE-L {near.f:.2f} with {other}", {"rouge_l": near.f}), other

    async def _answered(self, record: Record, round: int, context: Context) -> Record:
        try:
            record, flaw = await checked_answer(
                record, self.model, self.answer_sampling, context, round=round
            )
        except RecordFailed as error:
            return record.drop(context.step, error.kind, str(error), failed=True)
        return record if flaw is None else record.drop(context.step, *flaw)

    def _record(self, text: str, call: _Call, event: Event) -> Record:
        number = self._occurrences[text]
        self._occurrences[text] += 1
        return new_record(
            clean_line(text) if "\n" not in text else text,
            source=f"explore:{self.plan.root.name}",
            occurrence=number,
            lang=self.plan.spoken(call.task),
            task=call.task.name,
            meta={"explore": {"domain": call.path[0], "task": call.task.name, "path": list(call.path)}},
        ).with_event(event)

    def _let_go(self, task: Task, record: Record) -> None:
        assert record.dropped is not None
        self._refused.setdefault(id(task), Counter())[record.dropped.kind] += 1
        self.counts[record.dropped.kind] += 1
        self.made.append(record)

    def _why(self, task: Task, round: int) -> str:
        if not task.missing:
            return ""
        kinds = sorted(self._refused.get(id(task), Counter()).items(), key=lambda item: (-item[1], item[0]))
        told = ", ".join(f"{kind} {number:,}" for kind, number in kinds) or "nothing came"
        dry = self._dry[id(task)]
        ended = f"dry after {dry} round{'s' if dry > 1 else ''}"
        if dry < self.effort.dry:
            ended = "asked once" if round == 1 else f"asked {round} times"
        return f"{ended}: {told}"


def _task_named(meta: str) -> str:
    """The task that an earlier exploration made a record for, in its normal form; "" for any other record."""
    told = orjson.loads(meta).get("explore") if '"explore"' in meta else None
    return normal_form(str(told.get("task", ""))) if isinstance(told, dict) else ""


def most_calls(count: int, effort: Effort) -> tuple[int, int]:
    """How many calls for instructions a task of this count can take at the most, and how many answers.

    A round that is not dry brings a tenth of what was lacking, and one at least.
    """
    calls = answers = 0
    rounds = effort.rounds if effort.rounds is not None else count + effort.dry
    dry = min(effort.dry, rounds)
    calls += dry * math.ceil(count / effort.at_once)
    answers += dry * count
    missing = count
    for _ in range(rounds - dry):
        if not missing:
            break
        calls += math.ceil(missing / effort.at_once)
        answers += missing
        missing -= max(1, math.ceil(DRY_SHARE * missing))
    return calls, answers if effort.answer else 0


async def rehearse_filling(
    plan: Plan, counts: Counter[int], filling: Filling, answers: int, levels: int, context: Context
) -> Record:
    """Make every call that filling tasks of these counts could make; gives a record like those made.

    levels: of the tree below the domain, at the most
    """
    effort = filling.effort
    calls = sum(number * most_calls(count, effort)[0] for count, number in counts.items())
    context.alike(calls)
    asked = await context.ask(
        filling.model,
        INSTRUCTIONS,
        seed(plan, plan.root),
        filling.sampling,
        schema=instructions_schema(effort.at_once),
        operation="instruct",
        domain=plan.root.name,
        task=stand_in("path of a task", (NAME_CHARACTERS + 3) * max(1, levels)),
        existing=listed([stand_in("instruction that is there", SHOWN_CHARACTERS)] * SHOWN),
        number=str(effort.at_once),
    )
    record = new_record(
        asked.answer.data.instructions[0], source=f"explore:{plan.root.name}", lang=plan.spoken(plan.root)
    ).with_event(asked.event)
    if answers:
        context.alike(answers)
        record = (
            await answered(record, filling.model, filling.answer_sampling, context, operation="answer")
        )[0]
    return replace(record, task=plan.root.name)
