"""Magpie: instructions that an aligned model writes when it is shown nothing but the start of a user's turn."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from factory.data.record import Message, Record, new_record
from factory.data.table import Table
from factory.data.text import detect_language, is_blank, normal_form
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.models.opening import Opening
from factory.statistics.interval import percent, wilson
from factory.step import ChatModelName, Context, WholeSet
from factory.steps.judging.verdicts.side_by_side import side_by_side

DRAWS = 3
"""Draws for each instruction that is asked for, at the most, where nothing else is said."""
DRY_ROUNDS = 3
"""So many rounds in a row that bring nothing new end the step."""
_LEAST_YIELD = 0.1
"""The yield that the size of a next round reckons with at the least."""


class Magpie(WholeSet):
    """Draw instructions from an aligned chat model that is shown the start of a user's turn and no words (Magpie).

    A chat model has learned what users write, too: given its own chat template up to where a user's words begin,
    it writes an instruction. No seeds are needed; records that come in pass untouched, before the new ones. Under
    each `system` in turn the model writes what fits it: "You help with maths homework.", "用户用中文提问。".
    `respond` answers the instructions.

    The template comes from the model: from a GGUF file, from vLLM, or from a server of vLLM or llama.cpp; for any
    other server that has /completions it is given as `template`. Other providers cannot write a user's turn.

    A draw is let go, marked with its reason, where it is empty ("empty"), was cut by the token limit ("truncated"),
    ends with a colon, so that what it speaks of is not there ("unfinished"), is in another language than `language`
    ("other_language"), or was drawn before ("repeated"). Near duplicates are left to the steps that remove them.
    What a last round brings beyond `size` is let go, too ("beyond_size"). The step draws in rounds until it has `size`
    instructions; it ends before that after `most_draws`, or after three rounds that bring nothing, and says so.

    Source: Magpie (arXiv 2406.08464), section 2, at its temperature and top_p of 1. Its further filters are steps
    of their own: `judge`, `dedup_semantic`, `keep_top`. Its choice of the longest answers is left out.

    Example:
        - magpie: {model: teacher, size: 1000}
        - magpie: {model: teacher, size: 500, system: "用户用中文提问。", language: zh}
    """

    name: ClassVar[str] = "magpie"

    model: ChatModelName = ""
    """The chat model that writes the instructions."""
    size: int = Field(100, ge=1)
    """Instructions to come to."""
    most_draws: int | None = Field(None, ge=1)
    """Most draws; three for each instruction that is asked for, if not given."""
    system: str | tuple[str, ...] = ()
    """System turn, or several in turn, under which a user writes; none leaves it to the template."""
    template: str = ""
    """The text before a user's words, in place of the model's own template; no `system` then."""
    language: Literal["en", "zh"] | None = None
    """The language that is kept; all are, if not given."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus: the most likely tokens that have this probability together."""
    max_tokens: int = Field(512, ge=1)
    """Most tokens of an instruction."""

    @field_validator("system")
    @classmethod
    def _words(cls, system: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(system, tuple) and any(map(is_blank, system)):
            raise ValueError("a system turn is blank: leave it out")
        return system

    def model_post_init(self, context: object) -> None:
        if self.template and self.system:
            raise ValueError(
                "`template` stands in place of the whole beginning: write the system turn into it"
            )

    def begins(self) -> bool:
        """See `WholeSet.begins`."""
        return True

    def expected(self) -> int | None:
        """See `WholeSet.expected`."""
        return self.size

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        openings = await self._openings(context)
        size, most = self._wanted(context)
        made: list[Record] = []
        earlier = context.earlier.records() if context.earlier is not None else ()
        seen = {normal_form(record.prompt): record.id for record in earlier}
        known = len(seen)
        drawn = dry = 0
        while len(seen) < known + size and drawn < most and dry < DRY_ROUNDS:
            before = len(seen) - known
            rate = max(before / drawn, _LEAST_YIELD) if drawn else 1.0
            count = min(math.ceil((size - before) / rate), most - drawn)
            numbers = range(drawn, drawn + count)

            async def draw(number: int) -> Record:
                return await self._draw(number, openings[number % len(openings)], context)

            for record in await side_by_side(draw, numbers):
                made.append(_novel(record, seen, known + size, context))
            drawn += count
            dry = 0 if len(seen) - known > before else dry + 1
        _tell(made, size, most, context)
        return Table.from_records([*table.records(), *made])

    async def rehearse_once(self, context: Context) -> Record | None:
        """See `WholeSet.rehearse_once`: every draw that may be made."""
        openings = await self._openings(context)
        _, most = self._wanted(context)
        for number in range(most):
            record = await self._draw(number, openings[number % len(openings)], context)
        return replace(record, dropped=None)

    def _wanted(self, context: Context) -> tuple[int, int]:
        """How many instructions to come to, and most draws."""
        size = self.size if context.limit is None else min(self.size, context.limit)
        return size, self.most_draws or DRAWS * size

    async def _openings(self, context: Context) -> list[tuple[str, Opening]]:
        """Each system turn and what the model is shown under it."""
        if self.template:
            return [("", Opening(self.template, ""))]
        systems = (self.system,) if isinstance(self.system, str) else self.system
        model = context.chat(self.model)
        return [
            (system, await model.user_opening((Message("system", system),) if system else ()))
            for system in systems or ("",)
        ]

    async def _draw(self, number: int, opened: tuple[str, Opening], context: Context) -> Record:
        """One draw as a record, let go where its text alone says so."""
        system, opening = opened
        sampling = Sampling(
            self.temperature, self.max_tokens, self.top_p, stop=(opening.end,) if opening.end else ()
        )
        try:
            answer = await context.chat(self.model).continue_text(opening.text, sampling, sample=number)
        except RecordFailed as error:
            return self._record("", system, number).drop(context.step, error.kind, str(error), failed=True)
        record = self._record(answer.text.strip(), system, number)
        record = record.with_event(context.event("draw", answer))
        words = record.prompt
        if is_blank(words):
            return record.drop(context.step, "empty", "the model wrote no word")
        if answer.finish_reason == "length":
            reason = f"the instruction was cut at {self.max_tokens} tokens"
            return record.drop(context.step, "truncated", reason, {"max_tokens": self.max_tokens})
        if words.endswith((":", "：")):
            return record.drop(
                context.step, "unfinished", "it ends with a colon: what it speaks of is not there"
            )
        if self.language is not None and (found := detect_language(words)) != self.language:
            return record.drop(
                context.step, "other_language", f"it is in {found!r}, not in {self.language!r}"
            )
        return record

    def _record(self, words: str, system: str, number: int) -> Record:
        # The system turn steers what a user writes; a set for training on that would teach to need it.
        meta = {"magpie_system": system} if system else {}
        return new_record(words, source="magpie", occurrence=number, lang=detect_language(words), meta=meta)


def _novel(record: Record, seen: dict[str, str], most: int, context: Context) -> Record:
    """The record, let go where the same words were drawn before, or where there are enough."""
    if record.dropped is not None:
        return record
    words = normal_form(record.prompt)
    if words in seen:
        reason = f"it was drawn before, as {seen[words]}"
        return record.drop(context.step, "repeated", reason, against=seen[words])
    if len(seen) == most:
        return record.drop(context.step, "beyond_size", f"there are {most:,} instructions already")
    seen[words] = record.id
    return record


def _tell(made: Sequence[Record], size: int, most: int, context: Context) -> None:
    """What the draws came to, and why not to more."""
    kinds = Counter(record.dropped.kind for record in made if record.dropped is not None)
    kept = len(made) - kinds.total()
    context.count("drawn", len(made))
    context.count("kept", kept)
    let_go = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    # What was drawn beyond the size was not looked at.
    looked = len(made) - kinds["beyond_size"]
    told = f"{context.step}: {kept:,} instructions of {len(made):,} draws" + (
        f" ({let_go})" if let_go else ""
    )
    if looked:
        told += f", {percent(kept / looked, wilson(kept, looked))} of those looked at"
    if kept == size:
        context.tell(told)
        return
    reached = len(made) >= most
    why = f"{most:,} draws (`most_draws`)" if reached else f"{DRY_ROUNDS} rounds that brought nothing new"
    context.warn(f"{told}; {size:,} were asked for, and it ended after {why}")
