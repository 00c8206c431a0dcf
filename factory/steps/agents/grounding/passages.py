"""A chunk of a document as questions are asked about it: its record, its place, its text, and its facts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from factory.data.document import CHUNK, Chunk, chunk_of
from factory.data.record import Event, Record
from factory.data.text import normal_form, prompt_language
from factory.statistics.flaws.flaw import Flaw
from factory.steps.agents.grounding.spans import Place, Searched

SPANS, KIND = "spans", "question_kind"
"""The keys of a row's `meta` that hold its spans and which kind of question it is."""


class Fact(NamedTuple):
    """Something that a passage states. place: of the words that state it; entities: the things that it names."""

    statement: str
    place: Place
    entities: tuple[str, ...] = ()


@dataclass(slots=True)
class Passage:
    """A chunk that questions are asked about.

    chunk: where it stands; None of a text that is no part of a document
    facts: those that it states, in the order that they were listed
    why: why it has no facts, None where it has some; failed: since the call failed; events: how they were had
    """

    record: Record
    chunk: Chunk | None
    text: str
    searched: Searched
    facts: tuple[Fact, ...] = ()
    why: Flaw | None = None
    failed: bool = False
    events: tuple[Event, ...] = field(default_factory=tuple)

    @classmethod
    def of(cls, record: Record) -> Passage:
        """The passage of a record, whose text is the user's turn."""
        text = record.asked.content if record.asked is not None else ""
        return cls(record, chunk_of(record), text, Searched(text))

    @property
    def id(self) -> str:
        """What draws go by: a hash of the text, so that a file's name or a neighbour changes none."""
        return self.record.id

    @property
    def language(self) -> str:
        """The language of the prompts about it."""
        return prompt_language(self.record.language)

    @property
    def headings(self) -> str:
        """What tells a reader where the passage stands: its document's title and the headings above it.

        A title that is only the file's name tells nothing, and would have all be asked again once the file is renamed.
        """
        if self.chunk is None:
            return ""
        title = self.chunk.title
        stem = Path(self.chunk.file).stem
        named = title and normal_form(title) not in {normal_form(stem), normal_form(self.chunk.file)}
        parts = [title] if named and title not in self.chunk.headings else []
        return " > ".join([*parts, *self.chunk.headings])

    @property
    def shown(self) -> str:
        """Its text as a model is shown it."""
        return self.text.strip("\n")

    def span(self, place: Place) -> dict[str, Any]:
        """A span as a row keeps it: its words, where they stand in the record, the chunk, file, pages and headings.

        `in_document` is the offset in the document's text, where the chunk is a stretch of that.
        """
        found: dict[str, Any] = {
            "record": self.record.id,
            "quote": self.text[place.start : place.end],
            "start": place.start,
            "end": place.end,
        }
        if self.chunk is not None:
            found |= {
                "file": self.chunk.file,
                "chunk": self.chunk.number,
                "headings": list(self.chunk.headings),
                "pages": [self.chunk.first_page, self.chunk.last_page],
            }
            if self.chunk.end - self.chunk.start == len(self.text):
                found["in_document"] = self.chunk.start + place.start
        return found

    def meta(self) -> dict[str, Any]:
        """What a row made of it carries along of its chunk."""
        return {CHUNK: self.record.meta[CHUNK]} if self.chunk is not None else {}


def rank(*key: str | int) -> bytes:
    """A draw by a key: whatever has the lowest is drawn. One that goes away changes the draws alone that it won."""
    return hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def parents_of(row: Record) -> tuple[str, ...]:
    """The ids of the chunks that a row was made of."""
    return next((event.parents for event in row.events if event.parents), ())
