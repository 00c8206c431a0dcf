"""What flows: the Record, immutable, knowing its own history."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from factory.data.replaceable import Replaceable
from factory.data.text import detect_language, is_blank, turn_text

INPUT_SEPARATOR = "\n\n"


class ToolCall(NamedTuple):
    """A call of a tool by a model.

    arguments: JSON text, byte for byte as it came; it may be no JSON at all, where a model wrote none
    id: what the tool's answer names the call by, "" where the source has no ids
    """

    name: str
    arguments: str
    id: str = ""


class Media(NamedTuple):
    """A picture, a sound or a file in a turn. Nothing is loaded unless a step asks for it.

    kind: "image", "audio", "video" or "file"
    uri: a path, an address, or the data itself as a data: URI
    at: before which character of the turn's content it stands
    extra: what else the source says of it, as plain JSON
    """

    kind: str
    uri: str
    at: int = 0
    extra: Mapping[str, Any] = {}


class Message(NamedTuple):
    """One turn.

    role: "system", "user", "assistant" or "tool"
    content: its text; "" in a turn that only calls tools
    reasoning: what the model thought before it spoke, apart from what it said
    calls: the tools that an assistant turn calls
    call_id: in a tool's turn, the id of the call that it answers
    name: the tool's name in a tool's turn, or the speaker's
    weight: whether a trainer learns from the turn: 1 or 0, or between; None where the source does not say
    media: pictures, sounds and files, in order
    extra: the keys that the source gave the turn and that have no field here, as plain JSON
    """

    role: str
    content: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    weight: float | None = None
    media: tuple[Media, ...] = ()
    extra: Mapping[str, Any] = {}

    @property
    def is_plain(self) -> bool:
        """Whether the turn is a role and a text, and no more."""
        return self[2:] == _PLAIN

    @property
    def is_empty(self) -> bool:
        """Whether the turn says nothing, calls nothing and shows nothing."""
        return is_blank(self.content) and not (self.calls or self.media)


_PLAIN = Message("", "")[2:]


class Candidate(NamedTuple):
    """One of several answers to a record's prompt.

    turns: the answer; several turns where tools were called on the way
    model: who wrote it, "" where that is not known
    scores: as a record's
    verdicts: what was decided about it, by name ("label": "true", "tests": "passed")
    """

    turns: tuple[Message, ...]
    model: str = ""
    scores: Mapping[str, float] = {}
    verdicts: Mapping[str, str] = {}

    @property
    def text(self) -> str:
        """The answer as text (`text.turn_text`)."""
        return "\n".join(map(turn_text, self.turns))

    @property
    def reasoning(self) -> str:
        """What the model thought before its last turn."""
        return self.turns[-1].reasoning if self.turns else ""


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

    failed: it could not be processed; else it was judged not good enough
    against: the id of the record that it lost against (with `IN_REFERENCE` in the numbers: one of a reference
        file), of a leak the benchmark's item, as "gsm8k#17"; "" where it lost against none
    """

    step: str
    kind: str
    reason: str
    numbers: Mapping[str, float] = {}
    failed: bool = False
    against: str = ""


IN_REFERENCE: Mapping[str, float] = {"in_reference": 1.0}
"""What the numbers of a drop have where the record that it lost against is one of a reference file."""


class Missing(NamedTuple):
    """Why a score, a record's tags or its task could not be had: a kind for a program, a sentence for a person.

    kind: that of the failure ("bad_reply", "context_length"), or what was not there ("no_answer", "lacks_score",
        "not_asked", "unscored", ...); "" where an older file tells the sentence alone
    """

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record(Replaceable):
    """One training example and its history.

    `messages` hold the conversation as a model sees it. `instruction`, `input` and `output` are views of its last
    exchange: the last user turn, whose last `input_chars` characters are the `input` (after a blank line), and what
    was answered to it. A score that could not be had is absent from `scores`, never a number: `missing` says why (key:
    the score's name, "tag" for its tags, "task" for its task), and `notes` keep a sentence beside a score.

    tools: the schemas of the tools offered, as plain JSON objects in the source's spelling
    template_arguments: what the chat template is given besides (`chat_template_kwargs`)
    answers: several answers to the prompt; `chosen` is the index of the one that ends `messages`, -1 where none does
    license: under which licence the source gives it
    form: how the source spelled its row, as JSON text, so that an export can spell it the same; "" where unknown
    meta: what the source carried along, untouched, the user's own id and columns among it
    place: the file and line that it was read from ("rows.jsonl:7"), for sentences about the row; "" once it was put by
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
    tools: tuple[Mapping[str, Any], ...] = ()
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    answers: tuple[Candidate, ...] = ()
    chosen: int = -1
    license: str = ""
    form: str = ""
    missing: Mapping[str, Missing] = field(default_factory=dict)
    place: str = field(default="", compare=False, repr=False)

    @property
    def last_user(self) -> int:
        """Index of the last user turn, or -1."""
        for index in range(len(self.messages) - 1, -1, -1):
            if self.messages[index].role == "user":
                return index
        return -1

    @property
    def asked(self) -> Message | None:
        """The last user turn, None where there is none."""
        at = self.last_user
        return self.messages[at] if at >= 0 else None

    @property
    def prompt(self) -> str:
        """The last user turn as text: what it shows, its instruction and its input (`text.turn_text`)."""
        return turn_text(asked) if (asked := self.asked) is not None else ""

    @property
    def language(self) -> str:
        """The language that a model is spoken to in about it: `lang`, or what its last user turn looks like."""
        return self.lang or detect_language(self.prompt)

    @property
    def instruction(self) -> str:
        """The words of the last user turn without its input."""
        asked = self.asked
        words = asked.content if asked is not None else ""
        return words[: -self.input_chars - len(INPUT_SEPARATOR)] if self.input_chars else words

    @property
    def input(self) -> str:
        """The material that the instruction works on, or ""."""
        return self.asked.content[-self.input_chars :] if self.asked is not None and self.input_chars else ""

    @property
    def output(self) -> str:
        """What was answered to the last user turn, as text; "" where the conversation still waits for an answer.

        That is the text of the one assistant turn, or, where tools were called on the way, the text of each turn
        in order (`text.turn_text`).
        """
        if not self.messages or self.messages[-1].role != "assistant":
            return ""
        return "\n".join(map(turn_text, self.messages[self.last_user + 1 :]))

    @property
    def answered(self) -> bool:
        """Whether the conversation ends with an assistant turn that says, calls or shows something."""
        return (
            bool(self.messages) and self.messages[-1].role == "assistant" and not self.messages[-1].is_empty
        )

    @property
    def system(self) -> str:
        """The leading system turn, or ""."""
        return self.messages[0].content if self.messages and self.messages[0].role == "system" else ""

    @property
    def conversation(self) -> tuple[Message, ...]:
        """What an answering model is sent: the turns up to the last user turn, or up to a tool's answer at the end."""
        if self.messages and self.messages[-1].role == "tool":
            return self.messages
        return self.messages[: self.last_user + 1]

    @property
    def round(self) -> int:
        """The round of evolution that made this record; 0 for a seed."""
        return max((event.round for event in self.events), default=0)

    @property
    def lacking(self) -> Mapping[str, Missing]:
        """All that it was to have and lacks, with the reason: of an older file, the note of a score not there."""
        noted = {name: Missing("", note) for name, note in self.notes.items() if name not in self.scores}
        return {**noted, **self.missing}

    def with_output(
        self, output: str, event: Event, *, reasoning: str = "", calls: tuple[ToolCall, ...] = ()
    ) -> Self:
        """This record answered by `output`; an answer that was there is replaced."""
        answer = Message("assistant", output, reasoning, calls)
        return self.but(messages=(*self.conversation, answer), chosen=-1, events=(*self.events, event))

    def with_tags(self, tags: Iterable[Tag] | Missing, event: Event) -> Self:
        """This record with `tags` in place of those it had, or without any and with the reason."""
        found = () if isinstance(tags, Missing) else tuple(tags)
        return self._told("tag", tags, event, tags=found)

    def with_task(self, task: str | Missing, event: Event) -> Self:
        """This record with this task, or without any and with the reason."""
        return self._told("task", task, event, task="" if isinstance(task, Missing) else task)

    def with_score(self, name: str, value: float | Missing, event: Event, note: str = "") -> Self:
        """This record with the score `name`, or with why it could not be had; what it had before is replaced."""
        scores = {key: old for key, old in self.scores.items() if key != name}
        if not isinstance(value, Missing):
            scores[name] = value
        return self._told(name, value, event, note, scores=scores)

    def _told(self, name: str, found: object, event: Event, note: str = "", **changed: Any) -> Self:
        """This record changed, with one more event, and under this name the note and the reason given, if any."""
        notes = {key: old for key, old in self.notes.items() if key != name}
        if note:
            notes[name] = note
        missing = {key: old for key, old in self.missing.items() if key != name}
        if isinstance(found, Missing):
            missing[name] = found
        return self.but(notes=notes, missing=missing, events=(*self.events, event), **changed)

    def with_event(self, event: Event) -> Self:
        """This record with one more event in its history."""
        return self.but(events=(*self.events, event))

    def drop(
        self,
        step: str,
        kind: str,
        reason: str,
        numbers: Mapping[str, float] | None = None,
        *,
        failed: bool = False,
        against: str = "",
    ) -> Self:
        """This record marked as let go; the mark is kept beside the result with its reason."""
        return self.but(dropped=Drop(step, kind, reason, dict(numbers or {}), failed, against))

    def child(self, instruction: str, event: Event, *, input: str = "", output: str = "") -> Self:
        """A new record made from this one by `event`: new instruction; same language, system turn, tools, source and
        place. Pictures of the last user turn stay with the new one, before its text.
        """
        # A record without a question has no turn before it but the system turn.
        at = self.last_user if self.last_user >= 0 else int(self.system != "")
        history = self.messages[:at]
        media = tuple(one._replace(at=0) for one in self.asked.media) if self.asked is not None else ()
        turn = Message("user", join_input(instruction, input), media=media)
        messages = (*history, turn, *([Message("assistant", output)] if output else []))
        event = event._replace(parents=(self.id,))
        return self.but(
            id=record_id(messages, event.step, event.operation, str(event.round), self.id),
            messages=messages,
            tags=(),
            scores={},
            notes={},
            missing={},
            answers=(),
            chosen=-1,
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
    for part in (*lineage, "", *(text for message in messages for text in message[:2])):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    # What only some turns have comes behind, so that plain conversations keep the ids that they always had.
    for number, message in enumerate(messages):
        if not message.is_plain:
            shown = [media[:3] for media in message.media]
            more = (number, *message[2:4], message.call_id, message.name, message.weight, shown)
            digest.update(repr(more).encode("utf-8", "surrogatepass"))
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
    answer = [Message("assistant", output)] if output else []
    messages = (*history, Message("user", join_input(instruction, input)), *answer)
    return Record(
        id=record_id(messages, source, str(occurrence)),
        messages=messages,
        source=source,
        lang=lang,
        task=task,
        meta=dict(meta or {}),
        input_chars=len(input),
    )
