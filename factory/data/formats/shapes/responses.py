"""Requests of OpenAI's Responses API: instructions, and items of input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.base import BadShape, Row
from factory.data.formats.shapes.document import Document, count_lost, schema_of
from factory.data.formats.shapes.items import KINDS, Items
from factory.data.formats.shapes.taken import Taking, text_of
from factory.data.record import Message, Record


class Responses(Document):
    """input of items (messages, calls and their outputs, thoughts) or one text, with instructions and flat tools."""

    name = "responses"
    columns = ("instructions", "input")

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        items = row.get("input")
        if "output" in row or "messages" in row or "instruction" in row or "preferred_output" in row:
            return False
        if isinstance(items, str):
            return row.keys() <= {"input", "instructions", "tools", "model"}
        return (
            isinstance(items, list)
            and bool(items)
            and all(
                isinstance(item, dict) and ("role" in item or text_of(item.get("type")) in KINDS)
                for item in items
            )
        )

    def take(self, taking: Taking) -> None:
        """See `Document.take`."""
        if taking.get(("instructions",)):
            taking.take(taking.begin("system"), "content", ("instructions",))
        listed = taking.get(("input",))
        if isinstance(listed, str):
            taking.take(taking.begin("user"), "content", ("input",))
        elif isinstance(listed, list):
            items = Items(taking)
            for number, item in enumerate(listed):
                if not isinstance(item, dict):
                    raise BadShape(f"item {number + 1} of its input is no object: rewrite it so")
                items.take(("input", number), item)
        else:
            raise BadShape("its input is neither a text nor a list of items: write it so")

    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """See `Document.anew`."""
        row: Row = {}
        items: list[Row] = []
        count_lost(record.messages, lost, "name", "weight", "extra")
        if record.answers:
            lost["answers"] += 1
        for at, message in enumerate(record.messages):
            if message.role == "system" and at == 0:
                row["instructions"] = message.content
            elif message.role == "tool":
                items.append(
                    {"type": "function_call_output", "call_id": message.call_id, "output": message.content}
                )
                lost.update("media" for _ in message.media)
            else:
                items += _items(message)
        row["input"] = items
        return row

    def put_tools(self, row: Row, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> None:
        """See `Document.put_tools`."""
        if all("type" in tool and "function" not in tool for tool in record.tools):
            super().put_tools(row, record, form, lost)
        else:
            row["tools"] = [_tool(tool) for tool in record.tools]


def _tool(tool: Mapping[str, Any]) -> Row:
    name, said, parameters = schema_of(tool)
    more = {} if said is None else {"description": said}
    return {
        "type": "function",
        "name": name,
        **more,
        "parameters": parameters or {"type": "object", "properties": {}},
    }


def _items(message: Message) -> list[Row]:
    items: list[Row] = []
    if message.reasoning:
        items.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": message.reasoning}]})
    if message.media:
        items.append({"role": message.role, "content": _parts(message)})
    elif message.content:
        items.append({"role": message.role, "content": message.content})
    for call in message.calls:
        items.append(
            {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
        )
    return items


def _parts(message: Message) -> list[Row]:
    kind = "output_text" if message.role == "assistant" else "input_text"
    parts: list[Row] = []
    done = 0
    for media in (*message.media, None):
        end = len(message.content) if media is None else media.at
        if end > done:
            parts.append({"type": kind, "text": message.content[done:end]})
            done = end
        if media is not None and media.kind not in ("image", "file"):
            raise BadShape("it holds sound or film, which this shape cannot: write it as messages")
        if media is not None:
            image = media.kind == "image"
            parts.append(
                {"type": "input_image", "image_url": media.uri}
                if image
                else {"type": "input_file", "file_data": media.uri}
            )
    return parts
