"""What a layout of written rows is, what is asked of it, and what it needs to know before the first row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from factory.data.answers import PAIR
from factory.data.formats.carried import Carried, Kinds
from factory.data.record import Candidate, Message, Record

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Columns = list[tuple[str, "pa.DataType"]]


@dataclass(frozen=True, slots=True)
class Asked:
    """How rows are written, where there is a choice.

    reasoning: what a model thought before a turn: a key of its own (`reasoning_content`), in <think> tags before the
        turn's text, or not at all
    carry: names of what travels with each row beside the format's own columns (`carried.Carried`)
    unanswered: whether records may still wait for an answer
    """

    reasoning: Literal["field", "think", "none"] = "field"
    carry: tuple[str, ...] = ()
    unanswered: bool = False


@dataclass(slots=True)
class Held:
    """What the records that one layout can hold are made of.

    records: how many they are
    needs: which of the names of `needs_of` any of them has, so that all rows of a file have the same columns
    arguments: the template arguments, by name
    scores: the names of all scores, sorted
    left_out: why the others were left out, each with a count of records
    """

    records: int = 0
    needs: set[str] = field(default_factory=set)
    arguments: Kinds = field(default_factory=Kinds)
    scores: tuple[str, ...] = ()
    left_out: Counter[str] = field(default_factory=Counter)


class Layout(ABC):
    """One format of rows that are written.

    about: its own columns, for the card
    has_id: whether rows begin with the record's id
    has_columns: whether all rows have the same columns, so that they can be a table
    wants_answer: whether only a record whose turns end in an answer can be a row of training data
    """

    name: ClassVar[str]
    about: ClassVar[str] = ""
    has_id: ClassVar[bool] = True
    has_columns: ClassVar[bool] = True
    wants_answer: ClassVar[bool] = True

    def refuses(self, record: Record, asked: Asked) -> str:
        """Why the record has no row here, in few words that fit behind a count; "" where it has one."""
        return ""

    def why_not(self, record: Record, asked: Asked) -> str:
        """As `refuses`, and where training data wants an answer that is not there."""
        if self.wants_answer and not asked.unanswered and not record.answered:
            return "no chosen answer"
        return self.refuses(record, asked)

    @abstractmethod
    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """The record's rows, mostly one, without id and carried columns; what they cannot hold is counted in `lost`."""

    @abstractmethod
    def columns(self, held: Held, asked: Asked) -> Columns:
        """The rows' columns as Arrow types: text, numbers, lists and structs, which load everywhere."""


@dataclass(frozen=True, slots=True)
class Written:
    """A layout ready to write: what it holds and what travels along."""

    layout: Layout
    held: Held
    carried: Carried
    asked: Asked

    @property
    def ragged(self) -> bool:
        """Whether rows, or objects in them, may lack keys that the schema has."""
        return bool(self.held.needs - {"system", "history"})

    def holds(self, record: Record) -> bool:
        """Whether the record has a row."""
        return not self.layout.why_not(record, self.asked)

    def rows(self, record: Record, lost: Counter[str]) -> list[Row]:
        """All of a record's rows, with its id and what is carried."""
        rows = self.layout.rows(record, self.held, self.asked, lost)
        if not self.layout.has_id and not self.carried.names:
            return rows
        head = {"id": record.id} if self.layout.has_id else {}
        more = self.carried.of(record)
        return [{**head, **row, **more} for row in rows]

    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows."""
        import pyarrow as pa

        head = [("id", pa.string())] if self.layout.has_id else []
        return pa.schema([*head, *self.layout.columns(self.held, self.asked), *self.carried.columns()])


def needs_of(record: Record) -> set[str]:
    """What of a record is more than questions and answers: the names of what a format may lack a place for."""
    turns = dialogue(record)
    needs = {"system"} if len(turns) < len(record.messages) else set()
    if len(turns) > 2:
        needs.add("history")
    if record.tools:
        needs.add("tools")
    if record.template_arguments:
        needs.add("template arguments")
    if isinstance(record.meta.get("parallel_tool_calls"), bool):
        needs.add("parallel calls")
    for turn in (*record.messages, *(turn for answer in record.answers for turn in answer.turns)):
        if turn.is_plain:
            continue
        needs |= {name for name, value in _parts(turn).items() if value}
        needs |= {one.kind for one in turn.media}
        if turn.weight is not None and turn.weight not in (0, 1):
            needs.add("part of a weight")
    return needs


def _parts(turn: Message) -> dict[str, Any]:
    return {
        "reasoning": turn.reasoning,
        "calls": turn.calls,
        "call ids": turn.call_id or any(call.id for call in turn.calls),
        "names": turn.name,
        "weight": turn.weight is not None,
        "media": turn.media,
    }


def lose(lost: Counter[str], **counts: int) -> None:
    """Count what is not carried; an underscore in a name stands for a space."""
    for name, count in counts.items():
        if count:
            lost[name.replace("_", " ")] += count


def lose_beside(record: Record, lost: Counter[str], *, tools: bool = True, arguments: bool = True) -> None:
    """Count what stands beside the turns of a record and finds no place: tools, arguments, other answers."""
    lose(
        lost,
        tools=len(record.tools) if tools else 0,
        template_arguments=len(record.template_arguments) if arguments else 0,
        other_answers=len(record.answers) - (record.chosen >= 0) if record.answers else 0,
    )


def dialogue(record: Record) -> tuple[Message, ...]:
    """The conversation without its leading system turn."""
    messages = record.messages
    return messages[1:] if messages and messages[0].role == "system" else messages


def in_turn(record: Record) -> bool:
    """Whether a request (or a tool's answer) and a reply take turns, as LLaMA-Factory demands."""
    return all(
        (turn.role == "assistant") == bool(at % 2) and turn.role != "system"
        for at, turn in enumerate(dialogue(record))
    )


def prompt_and_answer(record: Record) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The turns that ask, and those that answer: the chosen answer's, or what follows the last user turn."""
    if record.chosen >= 0:
        answer = record.answers[record.chosen].turns
        if answer and record.messages[-len(answer) :] == answer:
            return record.messages[: -len(answer)], answer
    at = record.last_user + 1
    return record.messages[:at], record.messages[at:]


def losers(record: Record) -> list[Candidate]:
    """The answers that the chosen one won against: others that differ in text, and in what is known of them.

    An answer with the very scores and verdicts of the chosen one lost against nothing: two that both passed a test
    are no pair. Where the step `pair` made a pair, it is the one that this rejected.
    """
    if record.chosen < 0:
        return []
    best = record.answers[record.chosen]
    others = [
        other
        for at, other in enumerate(record.answers)
        if at != record.chosen and other.turns and other.turns != best.turns
    ]
    paired = [other for other in others if other.verdicts.get(PAIR) == "rejected"]
    if paired:
        return paired
    known: tuple[Mapping[str, Any], ...] = (best.scores, best.verdicts)
    return [other for other in others if not (any(known) and known == (other.scores, other.verdicts))]
