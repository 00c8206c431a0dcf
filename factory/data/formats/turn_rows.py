"""A turn as the object that chat templates and OpenAI's API know, and what such an object cannot hold.

{"role", "content"}, and only where a turn has them: reasoning_content, tool_calls (with arguments as JSON text, as
they came), tool_call_id, name, weight. Where any turn of a file shows a picture, a sound or a film, the content of
every turn is a list of parts, so that a column of turns has one type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import orjson

from factory.data.formats.layout_base import Asked, Columns, Held, Row, lose
from factory.data.formats.values import plain
from factory.data.record import Media, Message, Record, ToolCall

if TYPE_CHECKING:
    import pyarrow as pa

THINK = "<think>\n{}\n</think>\n\n"
"""How a thought stands before what is said, where it is asked for in tags."""


def turn_rows(
    turns: Sequence[Message], needs: Collection[str], asked: Asked, lost: Counter[str]
) -> list[Row]:
    """Turns as objects; `needs` are those of all records of the file (`layout_base.needs_of`)."""
    parts = "media" in needs
    if not needs:
        return [{"role": turn.role, "content": turn.content} for turn in turns]
    return [_turn(turn, parts, "part of a weight" not in needs, asked, lost) for turn in turns]


def _turn(turn: Message, parts: bool, whole: bool, asked: Asked, lost: Counter[str]) -> Row:
    thought = turn.reasoning if asked.reasoning == "think" else ""
    row: Row = {"role": turn.role, "content": content_parts(turn, thought) if parts else said(turn, thought)}
    if turn.is_plain:
        return row
    if asked.reasoning == "field" and turn.reasoning:
        row["reasoning_content"] = turn.reasoning
    if turn.calls:
        row["tool_calls"] = [call_row(call) for call in turn.calls]
    if turn.call_id:
        row["tool_call_id"] = turn.call_id
    if turn.name:
        row["name"] = turn.name
    if turn.weight is not None:
        row["weight"] = int(turn.weight) if whole else float(turn.weight)
    lose(
        lost,
        reasoning=bool(turn.reasoning) and asked.reasoning == "none",
        other_keys_of_turns=len(turn.extra),
        other_keys_of_media=sum(len(one.extra) for one in turn.media),
    )
    return row


def said(turn: Message, thought: str) -> str:
    """A turn's text, behind a thought in tags where there is one."""
    return THINK.format(thought) + turn.content if thought else turn.content


def call_row(call: ToolCall) -> Row:
    """A call as OpenAI spells it; one without an id has none here."""
    function = {"name": call.name, "arguments": call.arguments}
    return {**({"id": call.id} if call.id else {}), "type": "function", "function": function}


def content_parts(turn: Message, thought: str = "") -> list[Row]:
    """A turn's text and what it shows, in order, as parts."""
    parts: list[Row] = []
    start = 0
    texts = []
    for one in sorted(turn.media, key=lambda one: one.at):  # stable: those at one place keep their order
        texts.append((turn.content[start : one.at], one))
        start = max(start, one.at)
    for text, one in texts:
        parts += [{"type": "text", "text": text}] if text else []
        parts.append(media_part(one))
    rest = turn.content[start:]
    if thought:
        parts.insert(0, {"type": "text", "text": THINK.format(thought)})
    return [*parts, {"type": "text", "text": rest}] if rest or not parts else parts


def media_part(media: Media) -> Row:
    """A picture, a sound, a film or a file as a part of a turn's content."""
    if media.kind == "file":
        return {"type": "file", "file": {"file_data": media.uri}}
    kind = f"{media.kind}_url"
    return {"type": kind, kind: {"url": media.uri}}


def turn_type(needs: Collection[str], asked: Asked) -> pa.DataType:
    """The Arrow type of a turn in a file with these needs."""
    import pyarrow as pa

    text = pa.string()
    columns: Columns = [("role", text), ("content", _content_type(needs) if "media" in needs else text)]
    if "reasoning" in needs and asked.reasoning == "field":
        columns.append(("reasoning_content", text))
    if "calls" in needs:
        function = pa.struct([("name", text), ("arguments", text)])
        call = [("type", text), ("function", function)]
        columns.append(("tool_calls", pa.list_(pa.struct([("id", text), *call]))))
    columns += [("tool_call_id", text)] if "call ids" in needs else []
    columns += [("name", text)] if "names" in needs else []
    if "weight" in needs:
        columns.append(("weight", pa.float64() if "part of a weight" in needs else pa.int64()))
    return pa.struct(columns)


def _content_type(needs: Collection[str]) -> pa.DataType:
    import pyarrow as pa

    text = pa.string()
    url = pa.struct([("url", text)])
    columns: Columns = [("type", text), ("text", text)]
    columns += [(f"{kind}_url", url) for kind in ("image", "audio", "video") if kind in needs]
    columns += [("file", pa.struct([("file_data", text)]))] if "file" in needs else []
    return pa.list_(pa.struct(columns))


def beside(record: Record, held: Held) -> Row:
    """The columns beside a conversation: tools as JSON text (null where a row has none), template arguments."""
    row: Row = {}
    if "tools" in held.needs:
        row["tools"] = tools_text(record) if record.tools else None
    if "template arguments" in held.needs:
        given = record.template_arguments.items()
        # Never null: TRL spreads it into the template's call.
        row["chat_template_kwargs"] = {name: held.arguments.cell(name, value) for name, value in given}
    return row


def beside_columns(held: Held) -> Columns:
    """The types of the columns of `beside`."""
    import pyarrow as pa

    columns: Columns = [("tools", pa.string())] if "tools" in held.needs else []
    if "template arguments" in held.needs:
        arguments = [(name, held.arguments.type(name)) for name in held.arguments.names]
        columns.append(("chat_template_kwargs", pa.struct(arguments)))
    return columns


def tools_text(record: Record) -> str:
    """The tools' schemas as JSON text, in the source's spelling."""
    return orjson.dumps(plain(record.tools)).decode()


def with_call_ids(turns: Sequence[Message]) -> tuple[Message, ...]:
    """The turns with an id for each call that has none, and each answer of a tool naming its call, in order."""
    made: list[Message] = []
    open_ids: list[str] = []
    for at, turn in enumerate(turns):
        if turn.calls:
            calls = tuple(
                call._replace(id=call.id or f"call_{at}_{number}") for number, call in enumerate(turn.calls)
            )
            open_ids = [call.id for call in calls]
            turn = turn._replace(calls=calls)
        elif turn.role == "tool":
            id = turn.call_id or (open_ids[0] if open_ids else "")
            open_ids = [other for other in open_ids if other != id]
            turn = turn._replace(call_id=id)
        made.append(turn)
    return tuple(made)
