"""Rows of Gemini's API and of its tuning: contents of parts, declared functions, a systemInstruction beside."""

from __future__ import annotations

import mimetypes
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from factory.data.formats.shapes.base import BadShape, Row
from factory.data.formats.shapes.document import Document, count_lost, schema_of
from factory.data.formats.shapes.taken import Path, Taking
from factory.data.record import Media, Message, Record

_SYSTEM = ("systemInstruction", "system_instruction")
_DECLARED = ("functionDeclarations", "function_declarations")
_ROLES = {"user": "user", "model": "assistant", "assistant": "assistant", "function": "user", None: "user"}


class Gemini(Document):
    """contents of {"role": user or model, "parts"}; an answer of a function is an object, here its JSON text."""

    name = "gemini"
    columns = ("systemInstruction", "system_instruction", "contents")

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        contents = row.get("contents")
        return (
            isinstance(contents, list)
            and bool(contents)
            and all(isinstance(one, dict) and isinstance(one.get("parts"), list) for one in contents)
        )

    def take(self, taking: Taking) -> None:
        """See `Document.take`."""
        contents = taking.get(("contents",))
        if not isinstance(contents, list):
            raise BadShape("it has no list of turns: name the column 'contents'")
        for key in _SYSTEM:
            if isinstance(taking.get((key, "parts")), list):
                _take_parts(taking, "system", (key, "parts"))
            elif isinstance(taking.get((key,)), str):
                taking.take(taking.begin("system"), "content", (key,))
        for number, content in enumerate(contents):
            role = content.get("role") if isinstance(content, dict) else ""
            if isinstance(role, list | dict) or role not in _ROLES:
                raise BadShape(f"turn {number + 1} has no role 'user', 'model' or 'function': give it one")
            _take_parts(taking, _ROLES[role], ("contents", number, "parts"))

    def take_tools(self, row: Row, form: dict[str, Any], told: list[str]) -> tuple[Mapping[str, Any], ...]:
        """See `Document.take_tools`; the declarations of one group are the tools themselves."""
        tools = super().take_tools(row, form, told)
        if len(tools) == 1 and len(tools[0]) == 1:
            ((key, declared),) = tools[0].items()
            if key in _DECLARED and isinstance(declared, list) and declared:
                form["declared"] = key
                return tuple(declared) if all(isinstance(one, dict) for one in declared) else tools
        return tools

    def put_tools(self, row: Row, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> None:
        """See `Document.put_tools`."""
        if not record.tools or any(key in tool for key in _DECLARED for tool in record.tools):
            super().put_tools(row, record, form, lost)
            return
        plain = all("name" in tool and "input_schema" not in tool for tool in record.tools)
        declared = [dict(tool) if plain else _declaration(tool) for tool in record.tools]
        row["tools"] = [{form.get("declared", _DECLARED[0]): declared}]

    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """See `Document.anew`."""
        row: Row = {}
        contents: list[Row] = []
        count_lost(record.messages, lost, "weight", "extra")
        lost.update("name" for turn in record.messages if turn.name and turn.role != "tool")
        if record.answers:
            lost["answers"] += 1
        names = {call.id: call.name for turn in record.messages for call in turn.calls if call.id}
        for at, message in enumerate(record.messages):
            if message.role == "system" and at == 0:
                row["systemInstruction"] = {"role": "system", "parts": [{"text": message.content}]}
                continue
            if message.role == "system":
                raise BadShape(
                    "it has a system turn in the middle, which this shape cannot hold: move it to the start"
                )
            role = "model" if message.role == "assistant" else "user"
            parts = [_answer(message, names)] if message.role == "tool" else _parts(message)
            before = record.messages[at - 1] if at else None
            if message.role == "tool" and before is not None and before.role == "tool":
                contents[-1]["parts"] += parts
            else:
                contents.append({"role": role, "parts": parts})
        row["contents"] = contents
        return row


def _take_parts(taking: Taking, role: str, path: Path) -> None:
    at: int | None = None
    parts = taking.get(path)
    for number, part in enumerate(parts if isinstance(parts, list) else ()):
        here = (*path, number)
        keys = part.keys() if isinstance(part, dict) else set()
        answer = _key(part, "functionResponse", "function_response") if keys else None
        if answer is not None:
            _take_answer(taking, (*here, answer))
            at = None
            continue
        at = taking.begin(role) if at is None else at
        call = _key(part, "functionCall", "function_call") if keys else None
        if call is not None:
            taking.call(at, (*here, call, "name"), (*here, call, "args"), (*here, call, "id"))
        elif keys and isinstance(part.get("text"), str):
            thought = part.get("thought") is True
            taking.take(at, "reasoning" if thought else "content", (*here, "text"), "\n\n" if thought else "")
        elif not (keys and _take_media(taking, at, here, part)):
            taking.told.append(
                "a part of a turn's content of a kind that is not known, left out of the turns"
            )


def _key(holder: Mapping[str, Any], *names: str) -> str | None:
    return next((name for name in names if isinstance(holder.get(name), dict)), None)


def _take_answer(taking: Taking, here: Path) -> None:
    at = taking.begin("tool")
    taking.take(at, "name", (*here, "name"))
    taking.take(at, "call_id", (*here, "id"))
    taking.take_json(at, (*here, "response"))


def _take_media(taking: Taking, at: int, here: Path, part: Mapping[str, Any]) -> bool:
    key = _key(part, "fileData", "file_data", "inlineData", "inline_data")
    if key is None:
        return False
    sort = next(
        (part[key][name] for name in ("mimeType", "mime_type") if isinstance(part[key].get(name), str)), ""
    )
    kind = sort.partition("/")[0]
    kind = kind if kind in ("image", "audio", "video") else "file"
    if key in ("inlineData", "inline_data"):
        return taking.media(at, kind, (*here, key, "data"), f"data:{sort};base64,")
    name = "fileUri" if "fileUri" in part[key] else "file_uri"
    return taking.media(at, kind, (*here, key, name))


def _declaration(tool: Mapping[str, Any]) -> Row:
    name, said, parameters = schema_of(tool)
    return {
        "name": name,
        **({} if said is None else {"description": said}),
        **({} if parameters is None else {"parameters": parameters}),
    }


def _object(text: str) -> Row | None:
    try:
        value = orjson.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _answer(message: Message, names: Mapping[str, str]) -> Row:
    said = _object(message.content) if message.content else None
    name = message.name or names.get(message.call_id, "")
    if not name:
        raise BadShape(
            "a tool's answer names neither its tool nor its call, which this shape needs: name the tool"
        )
    if message.media:
        raise BadShape(
            "a tool's answer shows more than text, which this shape cannot hold: write it as messages"
        )
    id = {"id": message.call_id} if message.call_id else {}
    return {
        "functionResponse": {
            **id,
            "name": name,
            "response": {"output": message.content} if said is None else said,
        }
    }


def _parts(message: Message) -> list[Row]:
    parts: list[Row] = [{"text": message.reasoning, "thought": True}] if message.reasoning else []
    done = 0
    for media in (*message.media, None):
        end = len(message.content) if media is None else media.at
        if end > done:
            parts.append({"text": message.content[done:end]})
            done = end
        if media is not None:
            parts.append(_media(media))
    for call in message.calls:
        arguments = _object(call.arguments)
        if arguments is None:
            raise BadShape(
                "a call's arguments are no object of JSON, which this shape needs: mend or remove the call"
            )
        id = {"id": call.id} if call.id else {}
        parts.append({"functionCall": {**id, "name": call.name, "args": arguments}})
    return parts


def _media(media: Media) -> Row:
    if media.uri.startswith("data:") and ";base64," in media.uri:
        sort, _, data = media.uri.removeprefix("data:").partition(";base64,")
        return {"inlineData": {"mimeType": sort, "data": data}}
    sort = mimetypes.guess_type(media.uri)[0] or ("" if media.kind == "file" else f"{media.kind}/*")
    return {"fileData": {**({"mimeType": sort} if sort else {}), "fileUri": media.uri}}
