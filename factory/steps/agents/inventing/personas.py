"""Personas: read from files, or inferred from texts and from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from factory.data.record import Event, Record, new_record
from factory.data.text import detect_language, is_blank, shorten
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.rouge.novelty import NoveltyIndex
from factory.step import Context
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.inventing.single import copy_flaw, task_flaw
from factory.steps.judging.verdicts.side_by_side import side_by_side

TEXT_CHARACTERS = 4000
"""So much of a text is shown to infer who stands behind it."""


class Persona(NamedTuple):
    """A person in a sentence.

    parents: the record that the person was inferred from; none for one of a file
    source: the file's name, for one of a file
    events: how it was inferred
    """

    text: str
    language: str
    parents: tuple[Record, ...] = ()
    source: str = ""
    events: tuple[Event, ...] = ()

    @property
    def asked(self) -> Record:
        """What a prompt about the person is chosen by."""
        return new_record(self.text, lang=self.language)


@dataclass(slots=True)
class Personas:
    """All that came up, kept or not, as rows for a person; and those that differ from each other.

    threshold: the ROUGE-L F from which on two are one and the same
    """

    threshold: float
    kept: list[Persona]
    rows: list[dict[str, Any]]
    index: NoveltyIndex

    @classmethod
    def none(cls, threshold: float) -> Personas:
        """None yet."""
        return cls(threshold, [], [], NoveltyIndex())

    def take(self, persona: Persona, flaw: Flaw | None, relation: int) -> bool:
        """Keep a persona where nothing is wrong with it, and note it; whether it was kept."""
        if flaw is None and (near := self.index.nearest(persona.text, self.threshold)):
            reason = f"ROUGE-L {near.f:.2f} with {shorten(self.kept[near.number].text, 60)}"
            flaw = Flaw("near_duplicate", reason)
        self.rows.append(
            {
                "persona": persona.text,
                "lang": persona.language,
                "relation": relation,
                "of": persona.parents[0].id if persona.parents else persona.source,
                "dropped": flaw.kind if flaw else "",
                "reason": flaw.reason if flaw else "",
            }
        )
        if flaw is None:
            self.index.add(persona.text)
            self.kept.append(persona)
        return flaw is None

    def tell(self, context: Context) -> None:
        """Hand the rows out, and count them."""
        context.tables["personas"] = self.rows
        dropped = Counter(row["dropped"] for row in self.rows if row["dropped"])
        context.facts["personas"] = len(self.kept)
        if dropped:
            context.facts["personas_dropped"] = dict(dropped.most_common())


def read_personas(paths: Sequence[Path], personas: Personas, context: Context) -> None:
    """Take the personas of files whose rows have a column `persona`, but for those that an earlier run left out.

    Raises:
        FactoryError: no row of a file has one.
    """
    for path in paths:
        found = 0
        for _, row in context.read_rows(path):
            text, lang = _text(row, "persona"), _text(row, "lang")
            found += not is_blank(text)
            if is_blank(text):
                context.count("rows_without_persona")
            elif _text(row, "dropped"):
                context.count("personas_left_out_before")
            else:
                personas.take(
                    Persona(text, lang or detect_language(text), source=path.name.split(".")[0]), None, 0
                )
        if not found:
            raise FactoryError(
                f"{context.step}: no row of {path} has a text under `persona`: "
                'write one a line, as {"persona": "A beekeeper who ..."}'
            )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return " ".join(value.split()) if isinstance(value, str) else ""


async def infer_personas(
    records: Sequence[Record],
    relations: int,
    personas: Personas,
    model: str,
    sampling: Sampling,
    context: Context,
) -> None:
    """Take who stands behind each record's text, and then, so many times, somebody close to each of the last ones."""

    async def behind(record: Record) -> tuple[Persona, Flaw | None]:
        return await behind_text(record, model, sampling, context)

    async def close(persona: Persona) -> tuple[Persona, Flaw | None]:
        return await close_to(persona, model, sampling, context)

    layer = [
        persona for persona, flaw in await side_by_side(behind, records) if personas.take(persona, flaw, 0)
    ]
    for relation in range(1, relations + 1):
        found = await side_by_side(close, layer)
        layer = [persona for persona, flaw in found if personas.take(persona, flaw, relation)]


async def behind_text(
    record: Record, model: str, sampling: Sampling, context: Context
) -> tuple[Persona, Flaw | None]:
    """Who is likely to write, read or need a record's text, and what is wrong with the description."""
    text = f"{record.prompt}\n{record.output}".strip()
    if len(text) > TEXT_CHARACTERS:
        context.count("texts_cut")
    start = Persona("", record.language, (record,))
    return await _persona("from_text", record, text[:TEXT_CHARACTERS], start, model, sampling, context)


async def close_to(
    persona: Persona, model: str, sampling: Sampling, context: Context
) -> tuple[Persona, Flaw | None]:
    """Somebody close to a persona, and what is wrong with the description."""
    return await _persona("related", persona.asked, persona.text, persona, model, sampling, context)


async def _persona(
    name: str,
    record: Record,
    text: str,
    start: Persona,
    model: str,
    sampling: Sampling,
    context: Context,
) -> tuple[Persona, Flaw | None]:
    """The person that a reply describes, and what is wrong with the description."""
    prompt = context.prompt(f"persona/{name}", record)
    try:
        reply, event = await context.ask(
            model, f"persona/{name}", record, sampling, operation=name, text=text
        )
    except RecordFailed as error:
        return start._replace(text=""), Flaw(error.kind, str(error))
    told = " ".join(clean_instruction(reply.text).split())
    flaw = task_flaw(told, reply, [text], {detect_language(text)}, prompt, "persona")
    flaw = flaw or copy_flaw(told, text, "persona")
    return start._replace(text=told, events=(*start.events, event)), flaw


def with_persona(record: Record, persona: Persona) -> Record:
    """A record made of a persona: it carries the persona, and how that was inferred."""
    meta = {**record.meta, "persona": persona.text}
    return replace(record, meta=meta, events=(*persona.events, *record.events))
