"""Persona Hub: new tasks as particular people would set them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from factory.data.named_files import named_files
from factory.data.record import Record, new_record
from factory.data.text import detect_language, is_blank
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.inventing.bootstrap import MakesTasks, Write
from factory.steps.agents.inventing.personas import (
    Persona,
    Personas,
    behind_text,
    close_to,
    infer_personas,
    read_personas,
    with_persona,
)
from factory.steps.agents.inventing.pool import Pool, made_from
from factory.steps.agents.inventing.single import answered_task, copy_flaw, task_flaw

_EXAMPLE = "A baker in a mountain village who sells bread to hikers."


class PersonaTasks(MakesTasks):
    """Have particular people set tasks: a request, a mathematics or a logic problem for each persona (Persona Hub).

    Personas are inferred from the records that come in: who is likely to write, read or need the text
    (text-to-persona), and `relations` times somebody close to each of the last ones (persona-to-persona). Or they
    are read from a file, a row with a column `persona` for each; then no records are needed. One too close to another,
    ROUGE-L F of `persona_threshold` at least, is left out, and so is one that is empty, cut, a refusal, in another
    language or copied from the prompt. All of them, with what they were left out for, are in the run's folder as
    `personas.jsonl`, which a later run can take as its file.

    For one persona after the other, in random order and again from the start, the model then writes a task of the
    `kind` asked for, without describing the person, and answers it. What is let go, and when it ends, is as in `fuse`:
    "near_duplicate", "other_language", "template_leak" and so on. The persona is the record's `persona` among what its
    source carried along; its parent is the record that the persona was inferred from.

    Differs from the paper, which removes similar personas by MinHash and embeddings, both at 0.9, and infers them from
    the web: at the scale of a set of seeds, comparing all of them is exact and as fast.

    Source: Persona Hub (arXiv 2406.20094), sections 2 and 4.

    Example:
        - persona: {model: teacher, size: 500, relations: 1}
        - persona: {model: teacher, size: 500, personas: personas.jsonl, kind: math}
    """

    name: ClassVar[str] = "persona"

    kind: Literal["instruction", "math", "reasoning"] = "instruction"
    """What a persona sets: a request to an assistant, a mathematics problem, or a problem of logical reasoning."""
    personas: str | tuple[str, ...] = ()
    """A file of personas, or a list of files, in place of inferring them."""
    relations: int = Field(0, ge=0, le=6)
    """How many times somebody close to each of the last personas is added; the paper goes six times."""
    persona_threshold: float = Field(0.9, gt=0, le=1)
    """The ROUGE-L F from which on two personas are taken for one."""

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return named_files(self.personas)

    def begins(self) -> bool:
        """See `WholeSet.begins`."""
        return bool(self.personas)

    def examples(self) -> list[Record]:
        """See `MakesTasks.examples`."""
        return [new_record("Say in two sentences why a lake freezes from the top.", lang="en")]

    async def rehearsed_writer(self, context: Context) -> Write:
        """See `MakesTasks.rehearsed_writer`: of a persona that is there already."""
        return self._write_for([Persona(_EXAMPLE, "en")], context)

    async def rehearse(self, record: Record, context: Context) -> None:
        """See `WholeSet.rehearse`: the personas that are inferred from one record."""
        if not self.personas and not is_blank(record.prompt):
            persona, _ = await behind_text(record, self.model, self._sampling, context)
            for _ in range(self.relations):
                persona, _ = await close_to(persona, self.model, self._sampling, context)

    @property
    def _sampling(self) -> Sampling:
        return Sampling(self.temperature, self.max_tokens, self.top_p)

    async def writer(self, records: list[Record], pool: Pool, context: Context) -> Write:
        """See `MakesTasks.writer`: the personas come first."""
        personas = Personas.none(self.persona_threshold)
        if self.personas:
            read_personas(self.inputs(), personas, context)
        else:
            usable = [record for record in records if not is_blank(record.prompt)]
            if not usable:
                raise FactoryError(
                    f"{context.step}: no record that comes in has an instruction to infer a persona from: read texts "
                    "before this step, such as `- read: {path: factory:seeds}`, or name a file of `personas`"
                )
            # More personas than calls for tasks would never be asked.
            wanted = context.random("texts").sample(range(len(usable)), min(len(usable), self.most_calls))
            context.count("texts_not_asked_about", len(records) - len(wanted))
            texts = [usable[at] for at in sorted(wanted)]
            await infer_personas(texts, self.relations, personas, self.model, self._sampling, context)
        personas.tell(context)
        if not personas.kept:
            dropped = context.facts.get("personas_dropped") or {}
            why = ", ".join(f"{kind} {number:,}" for kind, number in dropped.items()) or "nothing came"
            raise FactoryError(
                f"{context.step}: no persona could be inferred from {len(personas.rows):,} texts ({why}): "
                "name a stronger `model`, other texts, or a file of `personas`"
            )
        context.random("order").shuffle(personas.kept)
        return self._write_for(personas.kept, context)

    def _write_for(self, personas: Sequence[Persona], context: Context) -> Write:
        async def write(number: int, round: int) -> list[Record]:
            return [await self._task(personas[number % len(personas)], number, round, context)]

        return write

    async def _task(self, persona: Persona, number: int, round: int, context: Context) -> Record:
        """The task that a persona sets, marked where its text alone lets it go."""
        name = f"persona/{self.kind}"
        prompt = context.prompt(name, persona.asked)
        own = {"language": persona.language, "source": persona.source}
        try:
            reply, event = await context.ask(
                self.model,
                name,
                persona.asked,
                self._sampling,
                operation=self.kind,
                sample=number,
                round=round,
                persona=persona.text,
            )
        except RecordFailed as error:
            event = context.event(self.kind, prompt=prompt, round=round)
            failed = made_from(persona.parents, "", event, str(number), persona.text, **own)
            return with_persona(failed, persona).drop(context.step, error.kind, str(error), failed=True)
        task = clean_instruction(reply.text)
        made = with_persona(
            made_from(persona.parents, task, event, str(number), persona.text, **own), persona
        )
        flaw = task_flaw(task, reply, [persona.text], {detect_language(persona.text)}, prompt)
        flaw = flaw or copy_flaw(task, persona.text)
        return made if flaw is None else made.drop(context.step, *flaw)

    async def answered(self, task: Record, context: Context) -> Record:
        """See `MakesTasks.answered`."""
        sampling = Sampling(self.temperature, self.answer_max_tokens, self.top_p)
        return await answered_task(task, self.model, sampling, context)
