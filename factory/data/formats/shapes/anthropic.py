"""Requests of Anthropic's Messages API: turns of content blocks, tools with an input_schema, a system text beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from factory.data.formats.shapes.base import BadShape, Row
from factory.data.formats.shapes.blocks import BLOCKS, take_blocks
from factory.data.formats.shapes.document import Document, count_lost, schema_of
from factory.data.formats.shapes.taken import Taking, text_of
from factory.data.record import Media, Message, Record

_TELLING = BLOCKS - {"text", "image", "document"}


class Anthropic(Document):
    """messages of {"role", "content": text or blocks}, with system and tools of {"name", "input_schema"}."""

    name = "anthropic"
    columns = ("system", "messages")

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        messages, tools = row.get("messages"), row.get("tools")
        if not isinstance(messages, list):
            return False
        if (
            isinstance(tools, list)
            and tools
            and all(isinstance(one, dict) and "input_schema" in one for one in tools)
        ):
            return True
        blocks = [
            block
            for message in messages
            if isinstance(message, dict) and isinstance(message.get("content"), list)
            for block in message["content"]
            if isinstance(block, dict)
        ]
        return any(
            text_of(block.get("type")) in _TELLING or isinstance(block.get("source"), dict)
            for block in blocks
        )

    def take(self, taking: Taking) -> None:
        """See `Document.take`."""
        if not isinstance(taking.get(("messages",)), list):
            raise BadShape("it has no list of turns: name the column 'messages'")
        take_blocks(taking, "system", ("system",))
        for number, message in enumerate(taking.get(("messages",))):
            role = message.get("role") if isinstance(message, dict) else None
            if role not in ("user", "assistant", "system"):
                raise BadShape(f"turn {number + 1} has no role 'user' or 'assistant': give it one")
            take_blocks(taking, role, ("messages", number, "content"))

    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """See `Document.anew`."""
        row: Row = {}
        turns: list[dict[str, Any]] = []
        count_lost(record.messages, lost, "name", "weight", "extra")
        if record.answers:
            lost["answers"] += 1
        for at, message in enumerate(record.messages):
            if message.role == "system" and at == 0:
                row["system"] = message.content
                continue
            role = "user" if message.role == "tool" else message.role
            blocks = [_result(message)] if message.role == "tool" else _blocks(message)
            if turns and turns[-1]["role"] == role == "user" and isinstance(turns[-1]["content"], list):
                turns[-1]["content"] += blocks
            elif message.role in ("user", "assistant") and message[2:4] == ("", ()) and not message.media:
                turns.append({"role": role, "content": message.content})
            else:
                turns.append({"role": role, "content": blocks})
        row["messages"] = turns
        return row

    def put_tools(self, row: Row, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> None:
        """See `Document.put_tools`."""
        if any(
            "input_schema" in tool or ("type" in tool and "function" not in tool) for tool in record.tools
        ):
            super().put_tools(row, record, form, lost)
        elif record.tools:
            row["tools"] = [_tool(tool) for tool in record.tools]


def _tool(tool: Mapping[str, Any]) -> Row:
    name, said, parameters = schema_of(tool)
    return {
        "name": name,
        **({} if said is None else {"description": said}),
        "input_schema": parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}},
    }


def _result(message: Message) -> Row:
    if not message.call_id:
        raise BadShape(
            "a tool's answer names no call, and this shape needs the call's id: write it as messages"
        )
    content: Any = _blocks(message) if message.media else message.content
    error = {"is_error": True} if message.extra.get("is_error") is True else {}
    return {"type": "tool_result", "tool_use_id": message.call_id, "content": content, **error}


def _blocks(message: Message) -> list[Row]:
    """A turn's content in blocks: its thought, its text cut where media stand, its calls."""
    blocks: list[Row] = [{"type": "thinking", "thinking": message.reasoning}] if message.reasoning else []
    done = 0
    for media in (*message.media, None):
        end = len(message.content) if media is None else media.at
        if end > done:
            blocks.append({"type": "text", "text": message.content[done:end]})
            done = end
        if media is not None:
            blocks.append(_media(media))
    for call in message.calls:
        try:
            value = orjson.loads(call.arguments or "{}")
        except ValueError:
            value = None
        if not isinstance(value, dict) or not call.id:
            raise BadShape("a call has no id, or arguments that are no object of JSON: write it as messages")
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": value})
    return blocks


def _media(media: Media) -> Row:
    kind = {"image": "image", "file": "document"}.get(media.kind)
    if kind is None:
        raise BadShape("it holds sound or film, which this shape cannot: write it as messages")
    if media.uri.startswith("data:") and ";base64," in media.uri:
        sort, _, data = media.uri.removeprefix("data:").partition(";base64,")
        return {"type": kind, "source": {"type": "base64", "media_type": sort, "data": data}}
    return {"type": kind, "source": {"type": "url", "url": media.uri}}
