"""A conversation as it grows: its plan, its turns, and where it went wrong."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from factory.data.prompt import load_prompt
from factory.data.record import Event, Message, Record, record_id
from factory.steps.agents.conversing.drift import Drift


class PlanReply(BaseModel):
    """What the model replies when it plans how a user talks."""

    model_config = ConfigDict(extra="forbid")

    # Bounds for a server that decodes by the schema; a longer text is as good and not asked for again.
    persona: str = Field(json_schema_extra={"maxLength": 300})
    plan: list[Annotated[str, Field(json_schema_extra={"maxLength": 200})]] = Field(
        min_length=1, json_schema_extra={"maxItems": 20}
    )


class TurnReply(BaseModel):
    """What the user agent replies: its next message, or that it has none."""

    model_config = ConfigDict(extra="forbid")

    done: bool
    message: str


class EarlyTurnReply(TurnReply):
    """What the user agent replies before it may end: its next message."""

    # What a server is held to that decodes by the schema; of another an end is taken as it comes.
    done: bool = Field(json_schema_extra={"const": False})
    message: str = Field(json_schema_extra={"minLength": 1})


class GoalReply(BaseModel):
    """What the judge replies of a conversation and its goal."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(json_schema_extra={"maxLength": 300})
    about_goal: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user agent goes by and the assistant is not shown.

    steps: what each user turn brings up, in order
    """

    goal: str
    persona: str
    style: str
    steps: tuple[str, ...]

    @property
    def listed(self) -> str:
        """The steps, numbered, one to a line."""
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, 1))

    def told(self) -> dict[str, Any]:
        """The plan as plain JSON, for what a record carries along."""
        return {"goal": self.goal, "persona": self.persona, "style": self.style, "plan": list(self.steps)}


def styles(language: str) -> Sequence[str]:
    """The ways of writing that a user's is drawn from."""
    ((_, lines),) = load_prompt("converse/styles", language).turns
    return lines.splitlines()


@dataclass(slots=True)
class Talk:
    """A conversation as it grows.

    record: the turns so far, a system turn before them, with the events of all calls
    exchanges: how many whole ones it has: a user's turn and its answer, both in order
    refused: how many of them at the end are refusals
    drift: what ended it before its time; the last turn is then the one that is wrong, where there is one
    ended: whether the user agent said that it is done
    """

    record: Record
    exchanges: int = 0
    refused: int = 0
    drift: Drift | None = None
    ended: bool = False

    @property
    def turns(self) -> tuple[Message, ...]:
        """What was said, without a system turn."""
        return spoken(self.record.messages)

    def say(self, turn: Message, event: Event | None) -> None:
        """Put a user's turn behind the conversation."""
        events = (*self.record.events, *([event] if event is not None else []))
        self.record = replace(self.record, messages=(*self.record.messages, turn), events=events)

    def whole(self, least: int) -> bool:
        """Whether enough of it is in order."""
        return self.exchanges >= least

    def kept(self) -> Record:
        """The conversation up to where it went wrong."""
        lead = len(self.record.messages) - len(self.turns)
        return replace(self.record, messages=self.record.messages[: lead + 2 * self.exchanges])


def spoken(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The turns of user, assistant and tools."""
    return tuple(turn for turn in messages if not _leads(turn))


def _leads(turn: Message) -> bool:
    return turn.role in {"system", "developer"}


def begun(record: Record, event: Event) -> Record:
    """A record made from this one that holds its system turn and no word yet."""
    lead = tuple(itertools.takewhile(_leads, record.messages))
    return replace(record.child("", event), messages=lead)


def named(record: Record, parent: str, step: str, operation: str) -> Record:
    """The record with the id of what it holds now."""
    return replace(record, id=record_id(record.messages, step, operation, parent))
