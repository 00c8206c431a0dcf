"""What a model writes for a slot: the question, its answer and the words that support it, as one row or marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from factory.data.record import Event, Message, Record, join_input
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.agents.grounding.facts import nothing
from factory.steps.agents.grounding.kinds import Slot
from factory.steps.agents.grounding.passages import KIND, SPANS, Fact, Passage
from factory.steps.agents.inventing.pool import made_from

# Bounds are for a server that decodes by the schema, where a small model may go on for ever.
_Quote: TypeAlias = Annotated[str, Field(json_schema_extra={"maxLength": 600})]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Grounded(_Closed):
    """A question, the words of the passage that answer it, and the answer, which comes last to follow from them."""

    question: str = Field(json_schema_extra={"maxLength": 600})
    quotes: list[_Quote] = Field(json_schema_extra={"maxItems": 6})
    answer: str


class Bridged(_Closed):
    """A question over two passages, its answer, and the words of each that support it."""

    question: str = Field(json_schema_extra={"maxLength": 600})
    quotes_first: list[_Quote] = Field(json_schema_extra={"maxItems": 6})
    quotes_second: list[_Quote] = Field(json_schema_extra={"maxItems": 6})
    answer: str


class Conversation(_Closed):
    """Two or three exchanges."""

    turns: list[Grounded] = Field(min_length=2, max_length=3)


class Unanswerable(_Closed):
    """A question that a passage does not answer, and how a model declines it."""

    question: str = Field(json_schema_extra={"maxLength": 600})
    answer: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange. quotes: for each passage of the slot the words that are to support the answer."""

    question: str
    answer: str
    quotes: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A row that was written for a slot, and what it was read from.

    record: with its question and answer; marked where the call failed, and `turns` is empty then
    cut: the reply was cut by the token limit
    """

    slot: Slot
    record: Record
    turns: tuple[Turn, ...] = ()
    cut: bool = False


_SCHEMAS: Mapping[str, type[BaseModel]] = {
    "multi_hop": Bridged,
    "conversation": Conversation,
    "unanswerable": Unanswerable,
}


async def written(
    slot: Slot, model: str, sampling: Sampling, brief: str, in_context: bool, context: Context
) -> Draft:
    """Have a model write the row of a slot.

    in_context: the row's first user turn shows the passages too
    """
    first = slot.passages[0]
    none = nothing(first)
    values = {"brief": brief or none, "facts": "\n".join(_told(first, fact) for fact in slot.facts)}
    if slot.kind == "multi_hop":
        values |= {
            "entity": slot.entity,
            "first": _shown(first.headings, first.shown),
            "second": _shown(slot.passages[1].headings, slot.passages[1].shown),
        }
    else:
        values |= {"place": first.headings or none, "passage": first.shown}
    prompt = context.prompt(f"documents/{slot.kind}", first.record)
    schema = _SCHEMAS.get(slot.kind, Grounded)
    try:
        answer = await context.chat(model).ask(
            prompt.render(**values), sampling, schema=schema, sample=slot.number
        )
    except RecordFailed as error:
        row = _row(slot, (), context.event(slot.kind, prompt=prompt), in_context)
        return Draft(slot, row.drop(context.step, error.kind, str(error), failed=True))
    event = context.event(slot.kind, answer, prompt=prompt)
    turns = _turns(answer.data)
    return Draft(slot, _row(slot, turns, event, in_context), turns, answer.finish_reason == "length")


def _told(passage: Passage, fact: Fact) -> str:
    """A fact with the words that state it, which are then at hand for the quotation."""
    words = " ".join(passage.text[fact.place.start : fact.place.end].split())
    stated = " ".join(fact.statement.split())
    return f"- {stated}（“{words}”）" if passage.language == "zh" else f'- {stated} ("{words}")'


def _turns(data: object) -> tuple[Turn, ...]:
    if isinstance(data, Conversation):
        return tuple(turn for one in data.turns for turn in _turns(one))
    if isinstance(data, Bridged):
        return (_turn(data.question, data.answer, data.quotes_first, data.quotes_second),)
    if isinstance(data, Grounded):
        return (_turn(data.question, data.answer, data.quotes),)
    assert isinstance(data, Unanswerable)
    return (_turn(data.question, data.answer),)


def _turn(question: str, answer: str, *quotes: Sequence[str]) -> Turn:
    told = tuple(tuple(quote.strip() for quote in own if quote.strip()) for own in quotes)
    return Turn(question.strip(), answer.strip(), told)


def _row(slot: Slot, turns: Sequence[Turn], event: Event, in_context: bool) -> Record:
    """The record of a slot's turns; one without a question where there are none."""
    parents = tuple(passage.record for passage in slot.passages)
    question = turns[0].question if turns else ""
    made = made_from(parents, question, event, slot.kind, str(slot.number))
    shown = "\n\n".join(_shown(passage.headings, passage.shown) for passage in slot.passages)
    messages: list[Message] = []
    for at, turn in enumerate(turns):
        asked = join_input(turn.question, shown) if in_context and not at else turn.question
        messages += [Message("user", asked), Message("assistant", turn.answer)]
    facts = tuple(event for passage in slot.passages for event in passage.events)
    return made.but(
        messages=tuple(messages) or made.messages,
        input_chars=len(shown) if in_context and len(turns) == 1 else 0,
        events=(*facts, *made.events),
        meta={**slot.passages[0].meta(), KIND: slot.kind, SPANS: []},
    )


def _shown(headings: str, text: str) -> str:
    """A passage under its headings."""
    return f"{headings}\n\n{text}" if headings else text
