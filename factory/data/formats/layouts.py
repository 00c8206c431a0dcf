"""The rows that are written: one layout for each format, with the same columns in every row of a file.

alpaca      id, instruction, input, output; system and history where any record needs them
sharegpt    id, conversations of {"from", "value"}
messages    id, messages of {"role", "content"}
parquet     id, messages, instruction, input, output, lang, task, source, tags, and a score.<name> for each
records     everything, so that a record is read back as it was (see `record_rows`); for JSON Lines and JSON

A system turn leads the conversation in sharegpt: a column of its own would be lost by trainers that read the
turns alone (Axolotl, Unsloth), and LLaMA-Factory takes either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from factory.data.formats.record_rows import record_row
from factory.data.formats.values import well_formed
from factory.data.record import Message, Record, Tag
from factory.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa

LAYOUTS = ("alpaca", "sharegpt", "messages", "parquet")
"""The layouts that trainers read, of which a data set folder is made."""
FILE_LAYOUTS = (*LAYOUTS, "records")
"""The layouts that a file of its own can have."""

_FROM = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Survey:
    """What must be known of all records before the first row is written.

    system, history: whether any record has a system turn, or turns before its last exchange
    scores: the names of all scores, sorted
    languages: the languages of the records, sorted
    synthetic: whether a model had a hand in any record
    """

    rows: int
    system: bool
    history: bool
    scores: tuple[str, ...]
    languages: tuple[str, ...]
    synthetic: bool


def survey(records: Iterable[Record], layouts: Sequence[str], *, unanswered: bool = False) -> Survey:
    """Look at all records once; `unanswered` allows those that still wait for an answer.

    Raises:
        ValueError: a record has no request or no answer; such records are dropped before an export.
        OutputError: a record cannot be written in one of `layouts`.
    """
    rows = 0
    system = history = synthetic = False
    scores: set[str] = set()
    languages: set[str] = set()
    for record in records:
        rows += 1
        if not record.prompt.strip() or not (unanswered or record.output.strip()):
            raise ValueError(f"record {record.id} has no request or no answer and cannot be exported")
        turns = _turns(record)
        in_turn = (["user", "assistant"] * len(turns))[: len(turns)]
        if "alpaca" in layouts and [turn.role for turn in turns] != in_turn:
            raise OutputError(
                f"record {record.id} holds turns other than questions and answers, which alpaca cannot hold: "
                "export sharegpt, messages or parquet"
            )
        system = system or len(turns) < len(record.messages)
        history = history or len(turns) > 2
        synthetic = synthetic or any(event.model for event in record.events)
        scores.update(record.scores)
        languages.add(record.lang)
    return Survey(rows, system, history, tuple(sorted(scores)), tuple(sorted(languages)), synthetic)


def mended(record: Record) -> tuple[Record, int]:
    """The record with every text well-formed, and how many texts held lone surrogates."""
    messages = tuple(turn._replace(content=well_formed(turn.content)) for turn in record.messages)
    replaced = sum(old != new for old, new in zip(record.messages, messages, strict=True))
    return replace(
        record,
        messages=messages,
        # A joined pair is one character where it was two, so the input is measured again.
        input_chars=len(well_formed(record.input)),
        source=well_formed(record.source),
        lang=well_formed(record.lang),
        task=well_formed(record.task),
        tags=tuple(Tag(well_formed(tag.name), well_formed(tag.explanation)) for tag in record.tags),
    ), replaced


def row(record: Record, layout: str, facts: Survey) -> Row:
    """One record as one row of `layout`."""
    if layout == "records":
        return record_row(record)
    if layout == "sharegpt":
        turns = [{"from": _FROM[turn.role], "value": turn.content} for turn in record.messages]
        return {"id": record.id, "conversations": turns}
    messages = [{"role": turn.role, "content": turn.content} for turn in record.messages]
    if layout == "messages":
        return {"id": record.id, "messages": messages}
    exchange = {"instruction": record.instruction, "input": record.input, "output": record.output}
    if layout == "alpaca":
        before = [turn.content for turn in _turns(record)[: -2 if record.output else -1]]
        return {
            "id": record.id,
            **exchange,
            **({"system": record.system} if facts.system else {}),
            **({"history": [before[i : i + 2] for i in range(0, len(before), 2)]} if facts.history else {}),
        }
    return {
        "id": record.id,
        "messages": messages,
        **exchange,
        "lang": record.lang,
        "task": record.task,
        "source": record.source,
        "tags": [tag.name for tag in record.tags],
        **{f"score.{name}": record.scores.get(name) for name in facts.scores},
    }


def schema(layout: str, facts: Survey) -> pa.Schema:
    """The Arrow schema of the rows of `layout`: text, numbers, lists and structs, which load everywhere."""
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    exchange = [(name, text) for name in ("instruction", "input", "output")]
    columns: list[tuple[str, pa.DataType]] = [("id", text)]
    if layout == "sharegpt":
        columns.append(("conversations", pa.list_(pa.struct([("from", text), ("value", text)]))))
    if layout in ("messages", "parquet"):
        columns.append(("messages", pa.list_(pa.struct([("role", text), ("content", text)]))))
    if layout == "alpaca":
        columns += exchange
        columns += [("system", text)] if facts.system else []
        columns += [("history", pa.list_(texts))] if facts.history else []
    if layout == "parquet":
        columns += [*exchange, ("lang", text), ("task", text), ("source", text), ("tags", texts)]
        columns += [(f"score.{name}", pa.float64()) for name in facts.scores]
    return pa.schema(columns)


def _turns(record: Record) -> tuple[Message, ...]:
    """The conversation without its leading system turn."""
    return record.messages[1:] if record.messages[0].role == "system" else record.messages
