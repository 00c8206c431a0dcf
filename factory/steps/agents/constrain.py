"""Make instructions harder by one constraint at a time, each of which can be verified."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from factory.data.named_files import named_file
from factory.data.record import Drop, Event, Record
from factory.data.text import is_blank
from factory.errors import InputError, RecordFailed
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.step import ChatModelName, Context, PerRecord
from factory.steps.agents.flaws.answer import checked_answer
from factory.steps.agents.flaws.eliminate import truncation_flaw
from factory.steps.agents.flaws.yields import note_yield, tell_yield
from factory.steps.agents.ladder.choose import keeps_arguments, next_checked, requirement_flaw
from factory.steps.agents.ladder.words import CHINESE, ENGLISH
from factory.steps.judging.constraints.conflicts import conflict
from factory.steps.judging.constraints.constraint import (
    CATEGORIES,
    About,
    Category,
    Checked,
    Constraint,
    is_chinese,
)
from factory.steps.judging.constraints.registry import (
    BadConstraint,
    checked_kinds,
    find_kind,
    judged_kinds,
    make_constraint,
)
from factory.steps.judging.constraints.stated import (
    Stated,
    bad_constraint,
    read_stated,
    stated_constraints,
    with_constraints,
)


class Constrain(PerRecord):
    """Add constraints to each instruction one at a time, a ladder of levels (FollowBench), and answer each if asked.

    Level 1 is the instruction with one constraint, level 2 that with one more, and so on; each level is a record of
    its own, made from the one below. The categories (content, situation, style, format, example, mixed) take turns in
    an order drawn for each record. A constraint that code can check (lengths, keywords, JSON, lists, case, ...) is
    drawn from the registry with its arguments and worded by it, or in other words by the model (`reword`), where they
    still say all its arguments. Others are written by the model to fit the instruction, and are judged later. None
    contradicts one that is there, as the registry's rule tells; of constraints in a model's words the model is asked.

    The constraints stand in the column `constraints`, in order, for `verify` and `respond: {until: verified}`.

    A level that the model wrote is let go, marked with its reason, where the constraint is "empty", "unchanged" (the
    instruction, or a constraint that is there), a "template_leak", a "refusal", "too_long", in an "other_language" or
    cut ("truncated"); it is tried `tries` times, and then from the registry where that has one that fits. Where no
    constraint fits any more the ladder ends, which is counted. An answer that is cut, empty, a refusal, the
    prompt again or a loop lets its level go, and the ladder goes on without it. The facts tell how many levels were
    asked for and kept, and what the others were let go for.

    Source: FollowBench (arXiv 2310.20410), section 3; arguments as IFEval (arXiv 2311.07911) draws them.

    Example:
        - constrain: {model: teacher, levels: 5, answer: true}
        - constrain: {levels: 3, by: code}
        - constrain: {model: teacher, levels: 2, categories: [style, situation], by: model}
    """

    name: ClassVar[str] = "constrain"

    model: ChatModelName = ""
    """The chat model that writes, rewords and answers."""
    levels: int = Field(5, ge=1, le=20)
    """How many constraints are added, one a level."""
    categories: tuple[Category, ...] = Field(CATEGORIES, min_length=1)
    """The categories that take turns."""
    by: Literal["both", "code", "model"] = "both"
    """Which constraints: those that code can check, those that a model writes and judges, or either with equal
    chances where a category has both."""
    kinds: tuple[str, ...] = ()
    """Kinds to draw from, such as length_constraints:number_words; empty: all that code can check."""
    constraints: str = ""
    """A file of constraints to draw from in place of the kinds: rows such as {"kind": "startend:end_checker",
    "arguments": {"end_phrase": "Over."}}."""
    reword: bool = False
    """Have the model say a checkable constraint in other words."""
    answer: bool = False
    """Answer each level."""
    tries: int = Field(2, ge=1)
    """How often the model is asked for the constraint of one level."""
    keep_parents: bool = True
    """Give the original record on too, before its levels."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature of writing, rewording and answering."""
    max_tokens: int = Field(256, ge=1)
    """Most tokens of a constraint."""
    answer_max_tokens: int = Field(2048, ge=1)
    """Most tokens of an answer."""

    _pool: list[Stated] | None = PrivateAttr(default=None)

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for name in kinds:
            find_kind(name)  # a BadConstraint is a ValueError: pydantic tells it with the field
        return kinds

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return [named_file(self.constraints)] if self.constraints else []

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: none, where nothing is written, reworded or answered."""
        written = any(map(self._writes, self.categories))
        return super().models_of(kind) if written or self.reword or self.answer else iter(())

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        if is_blank(record.instruction):
            raise RecordFailed("no_instruction", "there is no user turn to constrain")
        try:
            stated = stated_constraints(record)
        except BadConstraint as error:
            raise bad_constraint(error, record, context) from None
        if self.keep_parents:
            yield record
        kept, dropped = 0, list[Drop]()
        async for level in self._levels(record, stated, context):
            yield level
            if level.dropped is None:
                kept += 1
            else:
                dropped.append(level.dropped)
        note_yield(context, kept, dropped)
        if not kept and not dropped and not self.keep_parents:
            raise RecordFailed("no_constraint", "no constraint of these kinds fits the instruction")

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        tell_yield(context)

    async def _levels(
        self, record: Record, stated: Sequence[Stated], context: Context
    ) -> AsyncIterator[Record]:
        """All levels of a record, kept or dropped, and the tries that failed."""
        categories = context.random(record.id, "categories").sample(self.categories, len(self.categories))
        ladder = _Ladder(record, record, stated)
        for level in range(1, self.levels + 1):
            first = (level - 1) % len(categories)
            turns = [*categories[first:], *categories[:first]]
            added: Record | None = None
            async for child in self._level(ladder, turns, level, context):
                if child.dropped is None:
                    added = child
                    if self.answer:
                        yield await self._answered(child, level, context)
                        continue
                yield child
            if added is None:
                context.count("ladders_that_end_early")
                context.count("levels_not_made", self.levels - level + 1)
                return
            ladder = ladder._replace(parent=added, stated=stated_constraints(added))

    async def _level(
        self, ladder: _Ladder, categories: Sequence[Category], level: int, context: Context
    ) -> AsyncIterator[Record]:
        """What comes of one level: the tries that failed, and then the record with one more constraint, or none."""
        asked = False
        for category in categories:
            chance = context.random(ladder.parent.id, level, category)
            drawn = self._draw(ladder, category, chance.random(), level, context)
            if self._writes(category) and not asked and (drawn is None or chance.random() < 0.5):
                asked = True
                for number in range(1, self.tries + 1):
                    child = await self._written(ladder, category, level, number, context)
                    yield child
                    if child.dropped is None:
                        return
            if drawn is not None:
                yield await self._worded(ladder, drawn, level, context)
                return

    def _writes(self, category: Category) -> bool:
        """Whether the model writes constraints of this category."""
        return self.by != "code" and f"judged:{category}" in judged_kinds() and not self.constraints

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: of each level all tries fail but one from the registry."""
        if self.keep_parents:
            yield record
        ladder = _Ladder(record, record, ())
        for level in range(1, self.levels + 1):
            child: Record | None = None
            if written := next(filter(self._writes, self.categories), None):
                for number in range(1, self.tries + 1):
                    child = await self._written(ladder, written, level, number, context)
            drawn = (self._draw(ladder, category, 0.0, level, context) for category in self.categories)
            if (found := next(filter(None, drawn), None)) is not None:
                child = await self._worded(ladder, found, level, context)
            if child is None:
                return
            child = replace(child, dropped=None)
            yield await self._answered(child, level, context) if self.answer else child
            ladder = _Ladder(record, child, ladder.stated if found is None else (*ladder.stated, found))

    def _draw(
        self, ladder: _Ladder, category: Category, among: float, level: int, context: Context
    ) -> Stated | None:
        """A constraint of the category from the file or the registry that fits; None where there is none."""
        have = [one.constraint for one in ladder.stated]
        if self.constraints:
            pool = [one for one in self._from_file(context) if one.category == category]
            start = int(among * len(pool))
            fitting = (one for one in (*pool[start:], *pool[:start]) if not conflict([*have, one.constraint]))
            return next(fitting, None)
        if self.by == "model":
            return None
        language = ladder.seed.language
        about = About(language, ladder.seed.instruction, CHINESE if is_chinese(language) else ENGLISH)
        chance = context.random(ladder.parent.id, level, category, "arguments")
        drawn = next_checked(list(self._kinds()), category, have, about, chance)
        return None if drawn is None else Stated(drawn)

    def _kinds(self) -> Iterator[type[Constraint]]:
        for name, kind in checked_kinds().items():
            if not self.kinds or name in self.kinds:
                yield kind

    def _from_file(self, context: Context) -> list[Stated]:
        """The constraints of the file, read once.

        Raises:
            InputError: a row is no constraint; names its line and the nearest kind or argument.
        """
        if self._pool is None:
            path = named_file(self.constraints)
            pool = []
            for line, row in context.read_rows(path):
                try:
                    pool.append(read_stated(row))
                except BadConstraint as error:
                    raise InputError(f"{path}:{line}: {error}") from None
            self._pool = pool
        return self._pool

    async def _worded(self, ladder: _Ladder, drawn: Stated, level: int, context: Context) -> Record:
        """The next level with a constraint from the registry, in its words or in the model's."""
        constraint, language = drawn.constraint, ladder.seed.language
        text, event = drawn.words(language), context.event(drawn.constraint.kind, round=level)
        if self.reword and isinstance(constraint, Checked):
            try:
                asked = await context.ask(
                    self.model,
                    "constraints/reword",
                    ladder.parent,
                    Sampling(self.temperature, self.max_tokens),
                    schema=Written,
                    operation=constraint.kind,
                    round=level,
                    sample=level,
                    constraint=text,
                )
            except RecordFailed:
                context.count("rewordings_not_had")
            else:
                said = asked.answer.data.constraint.strip()
                prompt = context.prompt("constraints/reword", ladder.parent)
                flaw = requirement_flaw(said, ladder.seed.instruction, (), prompt, language)
                if flaw is None and keeps_arguments(constraint, said):
                    text, event = said, asked.event
                    context.count("reworded")
                else:
                    context.count("rewordings_left_out")
        return ladder.child(drawn._replace(text=text), event)

    async def _written(
        self, ladder: _Ladder, category: Category, level: int, number: int, context: Context
    ) -> Record:
        """The next level with a constraint that the model wrote, kept or dropped."""
        name, kind = f"constraints/{category}", f"judged:{category}"
        language, have = ladder.seed.language, [one.words(ladder.seed.language) for one in ladder.stated]
        prompt = context.prompt(name, ladder.parent)
        none = "（无）" if is_chinese(language) else "(none)"
        try:
            # Tries are numbered over all levels, so that none repeats the draw of another.
            asked = await context.ask(
                self.model,
                name,
                ladder.parent,
                Sampling(self.temperature, self.max_tokens),
                schema=Written,
                operation=kind,
                round=level,
                sample=(level - 1) * self.tries + number,
                instruction=ladder.seed.instruction,
                constraints="\n".join(have) or none,
            )
        except RecordFailed as error:
            event = context.event(kind, prompt=prompt, round=level)
            child = ladder.parent.child(ladder.parent.instruction, event, input=ladder.parent.input)
            return _numbered(child, number).drop(context.step, error.kind, str(error), failed=True)
        said = asked.answer.data.constraint.strip()
        flaw = truncation_flaw(asked.answer, "the constraint")
        flaw = flaw or requirement_flaw(said, ladder.seed.instruction, have, prompt, language)
        constraint = make_constraint(kind, {"requirement": "-" if is_blank(said) else said})
        if flaw is None and (why := conflict([*(one.constraint for one in ladder.stated), constraint])):
            flaw = Flaw("conflict", why)
        child = ladder.child(Stated(constraint, said), asked.event)
        return child if flaw is None else _numbered(child, number).drop(context.step, *flaw)

    async def _answered(self, child: Record, level: int, context: Context) -> Record:
        """A level with its answer, kept or dropped."""
        sampling = Sampling(self.temperature, self.answer_max_tokens)
        try:
            made, flaw = await checked_answer(child, self.model, sampling, context, round=level)
        except RecordFailed as error:
            return child.drop(context.step, error.kind, str(error), failed=True)
        return made if flaw is None else made.drop(context.step, *flaw)


class Written(BaseModel):
    """What the model replies with."""

    model_config = ConfigDict(extra="forbid")

    constraint: str


class _Ladder(NamedTuple):
    """The seed, the level that the next is made from, and the constraints that this has."""

    seed: Record
    parent: Record
    stated: Sequence[Stated]

    def child(self, added: Stated, event: Event) -> Record:
        """The next level: its instruction ends with the constraint, on a line of its own."""
        instruction = f"{self.parent.instruction.rstrip()}\n{added.text}"
        made = self.parent.child(instruction, event, input=self.parent.input)
        return with_constraints(made, [*self.stated, added])


def _numbered(child: Record, number: int) -> Record:
    """A try that failed, with an id of its own: two tries may write the same."""
    return replace(child, id=f"{int(child.id, 16) ^ number:016x}")
