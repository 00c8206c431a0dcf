"""The facts of a passage: what a model lists, of which those stay whose words stand in the passage."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, create_model

from factory.data.text import normal_form
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.step import Context
from factory.steps.agents.grounding.passages import Fact, Passage
from factory.steps.agents.grounding.spans import Place

NO_FACTS = "no_facts"
"""Why nothing is asked about a passage that states nothing, or of which no listed fact can be found."""


class ListedFact(BaseModel):
    """A fact as a model lists it."""

    model_config = ConfigDict(extra="forbid")

    # The bounds are for a server that decodes by the schema, where a small model may go on for ever.
    quote: str = Field(json_schema_extra={"maxLength": 400})
    statement: str = Field(json_schema_extra={"maxLength": 300})
    entities: list[Annotated[str, Field(json_schema_extra={"maxLength": 80})]] = Field(
        json_schema_extra={"maxItems": 5}
    )


class ListedFacts(BaseModel):
    """What a model replies when it is asked for a passage's facts; `listing` adds how many at the most."""

    model_config = ConfigDict(extra="forbid")

    facts: list[ListedFact]


@functools.lru_cache(maxsize=32)
def listing(most: int) -> type[ListedFacts]:
    """The schema of a reply that lists so many facts at the most."""
    return create_model(
        "BoundedFacts",
        __base__=ListedFacts,
        facts=(list[ListedFact], Field(json_schema_extra={"maxItems": most})),
    )


async def read_facts(
    passage: Passage,
    model: str,
    sampling: Sampling,
    most: int,
    context: Context,
    *,
    sample: int = 0,
    rehearsing: bool = False,
) -> None:
    """Have a model list a passage's facts, and note those whose words are there, or why it has none.

    rehearsing: note them all, as stand-ins quote nothing
    """
    try:
        answer, event = await context.ask(
            model,
            "documents/facts",
            passage.record,
            sampling,
            schema=listing(most),
            operation="facts",
            sample=sample,
            place=passage.headings or nothing(passage),
            passage=passage.shown,
        )
    except RecordFailed as error:
        passage.why, passage.failed = Flaw(error.kind, str(error)), True
        return
    listed = answer.data.facts
    context.count("facts_listed", len(listed))
    if rehearsing:
        passage.facts = tuple(Fact(one.statement, Place(0, 0)) for one in listed[:most])
        return
    passage.facts = checked(passage, listed[:most], context)
    context.count("facts_beyond_the_most", max(0, len(listed) - most))
    passage.events = (event,)
    passage.failed = False
    passage.why = None if passage.facts else Flaw(NO_FACTS, _none_of(len(listed)))


def _none_of(listed: int) -> str:
    if not listed:
        return "the model lists no fact"
    facts = "the one fact" if listed == 1 else f"the {listed} facts"
    return f"of {facts} that the model lists none has words that are in the passage, below its headings"


def checked(passage: Passage, listed: Sequence[ListedFact], context: Context) -> tuple[Fact, ...]:
    """Those of the facts whose words stand in the passage, each once, with the entities that it names.

    A heading states nothing.
    """
    found: dict[str, Fact] = {}
    above = (passage.chunk.title, *passage.chunk.headings) if passage.chunk is not None else ()
    headings = set(map(normal_form, above))
    lost = twice = titles = 0
    for one in listed:
        place = passage.searched.find(one.quote)
        key = normal_form(one.statement)
        if place is None or not key:
            lost += 1
        elif normal_form(one.quote) in headings:
            titles += 1
        elif key in found:
            twice += 1
        else:
            named = {normal_form(name): None for name in one.entities if passage.searched.holds(name)}
            found[key] = Fact(one.statement.strip(), place, tuple(name for name in named if len(name) > 1))
    context.count("facts_not_in_the_passage", lost)
    context.count("facts_listed_twice", twice)
    context.count("facts_that_are_headings", titles)
    return tuple(found.values())


def nothing(passage: Passage) -> str:
    """What stands in a prompt where there is nothing to be told."""
    return "（无）" if passage.language == "zh" else "(none)"
