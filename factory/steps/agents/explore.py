"""Explore-Instruct: a domain becomes a tree of tasks, and each task instructions, as many as a plan asks for."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from factory.data.record import Record
from factory.data.table import Table
from factory.data.text import detect_language, is_blank, shorten
from factory.errors import InputError
from factory.models.base import Sampling
from factory.statistics.interval import wilson
from factory.statistics.loops import load_loops
from factory.statistics.rouge.novelty import KERNEL
from factory.step import ChatModelName, Context, WholeSet
from factory.steps.agents.exploring.fill import Effort, Filling, most_calls, rehearse_filling
from factory.steps.agents.exploring.gaps import gap_plan, mapped_counts, tag_counts
from factory.steps.agents.exploring.grow import Bounds, Growth, rehearse_growth
from factory.steps.agents.exploring.plan_file import MOST_TASKS, NAME_CHARACTERS, load_plan, write_plan
from factory.steps.agents.exploring.tree import Plan, Task
from factory.steps.agents.flaws.doubts import tell_doubts

SIZE = 100
"""Records that are made where neither `size` nor a plan's counts say how many."""
TOLD = 3
"""Tasks short of their count that are named in the warning; the plan names all."""


class Explore(WholeSet):
    """Explore a domain as a tree of tasks and write instructions for each, up to planned counts (Explore-Instruct).

    Needs no records. The model divides the `domain` into sub-tasks: lookahead goes down to `depth` first, then
    backtracking asks for siblings that were overlooked, shown those that are there, until each task has as many as
    `breadth` allows or its calls bring nothing new. A name whose ROUGE-L with any name in the tree is above
    `threshold` is pruned: it is listed in the plan, and nothing is ever asked for it. Then the leaves share `size`
    evenly, and instructions are asked for, round by round, until every task has its count (`until: full`) or was dry
    for `dry_rounds` rounds: each brought less than a tenth of what was missing. A new record has its task's name as
    `task`, and its path in the tree in `meta`.

    The tree is handed out as `plan.yaml`: tasks with `count`, what was made, and why there is less. Edit it (add,
    rename, take out, change counts) and go on with `plan`: what was asked before comes from the journal. `grow: true`
    explores a plan's tree further. Records that come in are given on first; those that an earlier exploration made
    count towards their task, and nothing is written that is too close to any of them.

    With `plan_from: tags` the plan is what a tagged pool lacks: the `size` records are spread over the tags that
    fewest records have (#InsTag), so that the rarest are raised to one level. The pool is the records that come in,
    or the tag map of `normalize_tags` in `tags`.

    An instruction is let go, with its reason, where it is empty, shorter than 3 or longer than 150 words, 5 and 250
    Chinese characters ("too_short", "too_long"), the name of its task ("unchanged"), a refusal ("refusal"), in
    another language than the domain ("other_language"), copied from the prompt ("template_leak"), above `threshold`
    with one kept before, of whatever task ("duplicate"), or more than the plan asks for ("not_needed"). With
    `answer` each is answered too, and one whose answer is cut, empty, a loop, the prompt again or a refusal is let go
    and does not count. The facts of the step have the yield with its interval, and planned against made for each task.

    Source: Explore-Instruct (arXiv 2310.09168), whose published code samples pruned tasks, looks for close
    instructions within one task alone, and asks on forever where nothing comes; it writes many for each task and draws
    10,000 of them by what each task has, where this writes what the plan counts. #InsTag (arXiv 2308.07074) for tags.

    Example:
        - explore: {model: teacher, domain: home cooking, size: 200}
        - explore: {model: teacher, plan: plan.yaml, until: full}
        - explore: {model: teacher, plan_from: tags, tags: tag_map.jsonl, size: 500}
    """

    name: ClassVar[str] = "explore"

    model: ChatModelName = ""
    """The chat model that names tasks and writes instructions, and answers."""
    domain: str = ""
    """What to explore, in a few words of the language that the records are to be in."""
    language: str = ""
    """Language of names and instructions, such as en or zh; by default that of the domain."""
    size: int | None = Field(None, ge=1, le=1_000_000)
    """Records wanted in all; by default what the plan's counts come to, or 100. Leaves without a count share what the
    others leave."""
    depth: int = Field(2, ge=0, le=8)
    """Levels of tasks below the domain (K); 0 asks for instructions of the domain alone."""
    breadth: tuple[int, ...] = Field((8, 6), min_length=1)
    """Most sub-tasks of a task, level by level; the last number counts for all levels below (B)."""
    subtasks: int = Field(3, ge=1, le=50)
    """Most sub-tasks asked for in one call (M)."""
    instructions: int = Field(5, ge=1, le=50)
    """Most instructions asked for in one call."""
    threshold: float = Field(0.7, gt=0, le=1)
    """Largest ROUGE-L F that two names, or two instructions, may have."""
    plan: Path | None = None
    """A coverage plan to take in place of exploring: a file of YAML or JSON such as `plan.yaml` of an earlier run."""
    grow: bool = False
    """Explore the plan's tree further, by lookahead and backtracking, before instructions are written."""
    plan_from: Literal["", "tags"] = ""
    """What else to make the plan from: the tags of a pool, whose gaps it is to fill."""
    tags: Path | None = None
    """The tag map of the pool, as `normalize_tags` writes it; by default the tags of the records that come in."""
    until: Literal["full", "once"] = "full"
    """Ask until all counts are full or the tasks are dry, or only once for each task."""
    dry_rounds: int = Field(2, ge=1)
    """So many calls for a task that bring no sub-task, or rounds that are dry of instructions, give it up."""
    answer: bool = False
    """Answer each instruction too; `respond` does it as well, and streams."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of names, instructions and answers."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of a reply with names or instructions."""
    answer_max_tokens: int = Field(2048, ge=1)
    """Most tokens of an answer."""

    _read: Plan | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.plan is not None and self.plan_from:
            raise ValueError("`plan` and `plan_from` both say the plan: leave one of them out")
        if self.tags is not None and not self.plan_from:
            raise ValueError("`tags` is a pool's tag map: set `plan_from: tags` with it")
        if self.plan is None and self.grow:
            raise ValueError("`grow` explores a plan further: name the `plan`, or leave `grow` out")
        if self.plan is not None and not is_blank(self.domain):
            raise ValueError("`plan` names its own domain: leave `domain` out, or change it in the plan")
        if self.plan is None and not self.plan_from and is_blank(self.domain):
            raise ValueError("`domain` is empty: say what to explore, such as `domain: home cooking`")
        if len(" ".join(self.domain.split())) > NAME_CHARACTERS:
            raise ValueError(f"`domain` is a name of {NAME_CHARACTERS} characters at the most")
        if any(not 1 <= most <= 100 for most in self.breadth):
            raise ValueError("`breadth` is a list of numbers from 1 to 100, one for each level")
        width, tasks = 1, 1
        for level in range(self.depth):
            width *= self._bounds().most(level)
            tasks += width
        if tasks > MOST_TASKS:
            raise ValueError(
                f"`depth` and `breadth` allow a tree of {tasks:,} tasks, and {MOST_TASKS:,} is the most: lower one"
            )
        return self

    def begins(self) -> bool:
        """See `WholeSet.begins`: only the tags of records must come in with them."""
        return not self.plan_from or self.tags is not None

    def expected(self) -> int | None:
        """See `WholeSet.expected`."""
        return self.size or (self._loaded().planned if self.plan is not None else 0) or SIZE

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return [path for path in (self.plan, self.tags) if path is not None]

    def check_ready(self) -> None:
        """See `Step.check_ready`: a plan is read before anything is asked."""
        if self.plan is not None and self.plan.is_file():
            self._loaded()

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            InputError: the plan, or the tag map, cannot be read.
            RecipeError: the plan asks for more than `size`.
        """
        await asyncio.to_thread(load_loops, KERNEL, context.tell)
        plan = self._plan(table, context)
        if (self.plan is None and not self.plan_from) or self.grow:
            await self._grown(plan, context)
        size = self._size(plan)
        plan.share(size)
        if without := sum(not leaf.count for leaf in plan.leaves()):
            context.tell(
                f"{context.step}: {without:,} of {len(plan.leaves()):,} leaves of the tree are to get no record: raise "
                "`size` for them"
            )
        if plan.planned < size:
            context.warn(
                f"{context.step}: `size` is {size:,}, and the counts of the plan come to {plan.planned:,}: give some "
                "leaf no count, so that it takes the rest"
            )
        if context.limit is not None and plan.cap(context.limit):
            context.tell(
                f"{context.step}: of all that is planned, the {context.limit:,} records that the run takes"
            )
        filling = Filling(
            plan, self._effort(), self.model, self._sampling(), self._sampling(self.answer_max_tokens)
        )
        await asyncio.to_thread(filling.know, table)
        if context.earlier is not None:
            await asyncio.to_thread(filling.know, context.earlier, counts=False)
        await filling.run(context)
        self._tell(plan, filling, context)
        context.files["plan.yaml"] = write_plan(plan)
        return Table.from_records(itertools.chain(table.records(), filling.made))

    async def rehearse_once(self, context: Context) -> Record:
        """See `WholeSet.rehearse_once`."""
        size = self.expected() or SIZE
        if context.limit is not None:
            size = min(size, context.limit)
        counts: Counter[int] = Counter()
        if self.plan is not None and not self.grow:
            plan = self._loaded(fresh=True)
            plan.share(self._size(plan))
            if context.limit is not None:
                plan.cap(context.limit)
            counts.update(task.count or 0 for _, task in plan.walk())
            leaves = 0
        else:
            plan = self._loaded(fresh=True) if self.plan is not None else self._new_plan()
            leaves = size
            if not self.plan_from:
                more = sum(1 for _ in plan.walk()) if self.grow else 1
                leaves = more * await rehearse_growth(
                    self._bounds(), plan, self.model, self._sampling(), context, trees=more
                )
            leaves = max(1, min(leaves, size))
            counts.update([size // leaves + (at < size % leaves) for at in range(leaves)])
        filling = Filling(
            plan, self._effort(), self.model, self._sampling(), self._sampling(self.answer_max_tokens)
        )
        # Fewer tasks than could be have more to answer each.
        spread = sum(number * most_calls(count, filling.effort)[1] for count, number in counts.items())
        answers = max(spread, most_calls(size, filling.effort)[1] if leaves else 0)
        levels = max(self.depth, *(len(above) for above, _ in plan.walk()))
        return await rehearse_filling(plan, counts, filling, answers, levels, context)

    def _loaded(self, *, fresh: bool = False) -> Plan:
        """The plan of the file; `fresh`: one that nobody has changed yet."""
        assert self.plan is not None
        if fresh or self._read is None:
            read = load_plan(self.plan)
            if fresh:
                return read
            self._read = read
        return self._read

    def _new_plan(self) -> Plan:
        domain = " ".join(self.domain.split())
        return Plan(Task(domain), self.language or detect_language(domain))

    def _plan(self, table: Table, context: Context) -> Plan:
        if self.plan is not None:
            plan = self._loaded(fresh=True)
            plan.forget()
            plan.language = self.language or plan.language or detect_language(plan.root.name)
            return plan
        if not self.plan_from:
            return self._new_plan()
        if self.tags is not None:
            counts = mapped_counts(context.read_rows(self.tags), str(self.tags))
        else:
            counts = tag_counts([tag["name"] for tag in tags] for tags in table.values("tags"))
        if not counts:
            where = f"{self.tags} has no tag that stays" if self.tags is not None else "no record has tags"
            raise InputError(
                f"{context.step}: {where}, so there is no gap to fill: put `tag` and `normalize_tags` before this step"
            )
        plan, level, unusable = gap_plan(
            counts, self.size or SIZE, " ".join(self.domain.split()), self.language
        )
        if not plan.root.tasks:
            raise InputError(
                f"{context.step}: none of the pool's {unusable:,} tags can name a task: shorten them"
            )
        context.count("tags_of_the_pool", len(counts))
        context.count("tags_that_cannot_be_tasks", unusable)
        context.count("planned_records_of_a_tag_at_least", level)
        return plan

    def _size(self, plan: Plan) -> int:
        """How many records are wanted in all.

        Raises:
            InputError: the plan's counts alone are more.
        """
        planned = plan.planned
        if self.size is not None and planned > self.size:
            raise InputError(
                f"{self.plan or 'the plan'}: its counts come to {planned:,}, more than `size` ({self.size:,}): raise "
                "`size`, leave it out, or lower the counts"
            )
        return self.size or planned or SIZE

    async def _grown(self, plan: Plan, context: Context) -> None:
        growth = Growth(plan, self._bounds(), self.model, self._sampling())
        await growth.run(context)
        context.facts["subtasks"] = dict(sorted(growth.counts.items()))
        for kind, reason in sorted(growth.failures.items()):
            context.warn(f"{context.step}: a call for sub-tasks failed ({kind}): {shorten(reason, 200)}")
        if not plan.root.tasks and self.depth:
            context.warn(
                f"{context.step}: no sub-task of {plan.root.name!r} came, so the domain is one task: see `subtasks` in "
                "the step's facts, or name another model"
            )

    def _tell(self, plan: Plan, filling: Filling, context: Context) -> None:
        tell_doubts(context)
        counts = filling.counts
        context.facts["instructions"] = dict(sorted(counts.items()))
        if written := counts["written"]:
            low, high = wilson(counts["kept"], written)
            context.facts["yield"] = (
                f"{counts['kept']:,} of {written:,} instructions kept: {counts['kept'] / written:.0%} "
                f"(95 % interval {low:.0%} to {high:.0%})"
            )
        context.facts["plan"] = plan.rows()
        short = [task for _, task in plan.walk() if task.missing]
        made = sum(task.made for _, task in plan.walk())
        there = sum(task.there for _, task in plan.walk())
        already = f" and {there:,} were there" if there else ""
        context.tell(
            f"{context.step}: {made:,} of {plan.planned:,} planned records made{already}, for "
            f"{sum(1 for _, task in plan.walk() if task.count):,} tasks"
            + (f"; {context.facts['yield']}" if written else "")
        )
        if short:
            shown = "; ".join(
                f"{shorten(task.name, 60)!r} {task.there + task.made:,} of {task.count:,} ({task.why})"
                for task in short[:TOLD]
            )
            more = f"; and {len(short) - TOLD:,} more, which plan.yaml names" if len(short) > TOLD else ""
            have = "1 task has" if len(short) == 1 else f"{len(short):,} tasks have"
            context.warn(f"{context.step}: {have} fewer records than planned: {shown}{more}")

    def _bounds(self) -> Bounds:
        return Bounds(self.depth, self.breadth, self.subtasks, self.threshold, self.dry_rounds)

    def _effort(self) -> Effort:
        rounds = None if self.until == "full" else 1
        return Effort(self.instructions, self.threshold, self.dry_rounds, rounds, self.answer)

    def _sampling(self, max_tokens: int = 0) -> Sampling:
        return Sampling(self.temperature, max_tokens or self.max_tokens)
