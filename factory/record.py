"""What flows: the Record, immutable, knowing its own history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

INPUT_SEPARATOR = "\n\n"


class Message(NamedTuple):
    """One turn: `role` is "system", "user", "assistant" or "tool"."""

    role: str
    content: str


class Tag(NamedTuple):
    """An intent tag and why it was given."""

    name: str
    explanation: str = ""


class Event(NamedTuple):
    """One thing that a step did to a record.

    step: the step's place and name in the recipe, such as "02-evolve"
    operation: what was done, such as "deepen"; the step's name where it has one operation only
    model: the model that was asked, empty where none was
    prompt: the prompt's name and version, such as "en/evolve/deepen@1"
    calls: the journal keys of the calls made
    parents: ids of the records it was made from, where the event made a new record
    round: the round of evolution, from 1; 0 outside rounds
    """

    step: str
    operation: str
    model: str = ""
    prompt: str = ""
    calls: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    round: int = 0


class Drop(NamedTuple):
    """Which step let a record go and why: a kind and its numbers for a program, a sentence for a person.

    `failed` tells a record that could not be processed from one that was judged not good enough.
    """

    step: str
    kind: str
    reason: str
    numbers: Mapping[str, float] = {}
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One training example and its history.

    `messages` hold the conversation as a model sees it. `instruction`, `input` and `output` are views of its
    last exchange: the last user turn, whose last `input_chars` characters are the `input` (after a blank
    line), and the assistant turn after it. A score that could not be had is absent from `scores`, never a
    number; `notes` keep a sentence beside a score (key: the score's name). `meta` is what the source carried
    along, untouched.
    """

    id: str
    messages: tuple[Message, ...]
    source: str = ""
    lang: str = ""
    task: str = ""
    tags: tuple[Tag, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    dropped: Drop | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    input_chars: int = 0

    @property
    def last_user(self) -> int:
        """Index of the last user turn, or -1."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].role == "user":
                return index
        return -1

    @property
    def prompt(self) -> str:
        """The last user turn as a model sees it: instruction and input together."""
        at = self.last_user
        return self.messages[at].content if at >= 0 else ""

    @property
    def instruction(self) -> str:
        """The last user turn without its input."""
        prompt = self.prompt
        return prompt[: -self.input_chars - len(INPUT_SEPARATOR)] if self.input_chars else prompt

    @property
    def input(self) -> str:
        """The material that the instruction works on, or ""."""
        return self.prompt[-self.input_chars :] if self.input_chars else ""

    @property
    def output(self) -> str:
        """The last assistant turn, or "" where the conversation still waits for an answer."""
        last = self.messages[-1] if self.messages else None
        return last.content if last is not None and last.role == "assistant" else ""

    @property
    def system(self) -> str:
        """The leading system turn, or ""."""
        return self.messages[0].content if self.messages and self.messages[0].role == "system" else ""

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The turns up to and with the last user turn: what an answering model is sent."""
        return self.messages[: self.last_user + 1]

    @property
    def round(self) -> int:
        """The round of evolution that made this record; 0 for a seed."""
        return max((event.round for event in self.events), default=0)

    def with_output(self, output: str, event: Event) -> Self:
        """This record answered by `output`; an answer that was there is replaced."""
        messages = (*self.conversation, Message("assistant", output))
        return replace(self, messages=messages, events=(*self.events, event))

    def with_tags(self, tags: Iterable[Tag], event: Event) -> Self:
        """This record with `tags` in place of those it had."""
        return replace(self, tags=tuple(tags), events=(*self.events, event))

    def with_score(self, name: str, value: float | None, event: Event, note: str = "") -> Self:
        """This record with the score `name`; None records the attempt and leaves the score missing."""
        scores = {key: old for key, old in self.scores.items() if key != name}
        if value is not None:
            scores[name] = value
        notes = {key: old for key, old in self.notes.items() if key != name}
        if note:
            notes[name] = note
        return replace(self, scores=scores, notes=notes, events=(*self.events, event))

    def with_event(self, event: Event) -> Self:
        """This record with one more event in its history."""
        return replace(self, events=(*self.events, event))

    def drop(
        self,
        step: str,
        kind: str,
        reason: str,
        numbers: Mapping[str, float] | None = None,
        *,
        failed: bool = False,
    ) -> Self:
        """This record marked as let go; the mark is kept beside the result with its reason."""
        return replace(self, dropped=Drop(step, kind, reason, dict(numbers or {}), failed))

    def child(self, instruction: str, event: Event, *, input: str = "", output: str = "") -> Self:
        """A new record made from this one by `event`: new instruction, same language, system turn and source."""
        # A record without a question has no turn before it but the system turn.
        at = self.last_user if self.last_user >= 0 else int(self.system != "")
        history = self.messages[:at]
        turn = Message("user", join_input(instruction, input))
        messages = (*history, turn, *([Message("assistant", output)] if output else []))
        event = event._replace(parents=(self.id,))
        return replace(
            self,
            id=record_id(messages, event.step, event.operation, str(event.round), self.id),
            messages=messages,
            tags=(),
            scores={},
            notes={},
            events=(*self.events, event),
            dropped=None,
            input_chars=len(input),
        )


def join_input(instruction: str, input: str) -> str:
    """The user turn of an instruction and its input, as Record splits it again."""
    return f"{instruction}{INPUT_SEPARATOR}{input}" if input else instruction


def record_id(messages: Sequence[Message], *lineage: str) -> str:
    """A record's id, 16 hexadecimal digits of its content and lineage: the same in any process."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (*lineage, "", *(text for message in messages for text in message)):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def new_record(
    instruction: str,
    *,
    input: str = "",
    output: str = "",
    history: Sequence[Message] = (),
    source: str = "",
    occurrence: int = 0,
    lang: str = "",
    task: str = "",
    meta: Mapping[str, Any] | None = None,
) -> Record:
    """A record as a source makes it. `occurrence` tells identical rows of one source apart (0, 1, 2, ...)."""
    turn = Message("user", join_input(instruction, input))
    messages = (*history, turn, *([Message("assistant", output)] if output else []))
    return Record(
        id=record_id(messages, source, str(occurrence)),
        messages=messages,
        source=source,
        lang=lang,
        task=task,
        meta=dict(meta or {}),
        input_chars=len(input),
    )
