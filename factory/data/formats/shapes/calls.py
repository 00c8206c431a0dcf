"""Calls of tools and the schemas of tools: between the spellings of rows and a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.spelled import compact, decoded, json_style, json_text
from factory.data.record import ToolCall


def read_calls(value: Any, form: dict[str, Any]) -> tuple[ToolCall, ...] | None:
    """OpenAI's `tool_calls`, or a list of bare {"name", "arguments"}; None where it is no list of calls.

    Arguments that are JSON text are kept byte for byte; an object becomes compact JSON text, and `form` remembers
    under "arguments" that it was one. A call without a name has the name "".
    """
    listed = decoded(value)
    listed = [listed] if isinstance(listed, dict) else listed
    if not isinstance(listed, list) or not all(isinstance(call, dict) for call in listed):
        return None
    calls = []
    for call in listed:
        function = call.get("function", call)
        if not isinstance(function, dict):
            return None
        name, id = function.get("name"), call.get("id")
        arguments = function.get("arguments", "")
        if isinstance(arguments, dict):
            form.setdefault("arguments", "object")
        if "function" in call and "type" not in call:
            form.setdefault("untyped", True)
        calls.append(
            ToolCall(
                name if isinstance(name, str) else "",
                arguments if isinstance(arguments, str) else compact(arguments),
                id if isinstance(id, str) else "",
            )
        )
    return tuple(calls)


def write_calls(calls: Sequence[ToolCall], form: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Calls as OpenAI's `tool_calls`; no id is made up where there is none."""
    return [
        {
            **({"id": call.id} if call.id else {}),
            **({} if form.get("untyped") else {"type": "function"}),
            "function": {"name": call.name, "arguments": arguments_as(call, form)},
        }
        for call in calls
    ]


def arguments_as(call: ToolCall, form: Mapping[str, Any]) -> Any:
    """A call's arguments as `form` has them: text, or the object that the text means where it means one."""
    if form.get("arguments") != "object":
        return call.arguments
    value = decoded(call.arguments)
    return value if isinstance(value, dict) else call.arguments


def read_call_text(text: Any, form: dict[str, Any]) -> tuple[ToolCall, ...] | None:
    """The calls of a text that is JSON of one {"name", "arguments"} or a list of them; None where it is none.

    `form` remembers under "json" how the text is spaced and escaped. Arguments keep their own bytes where the text is
    in one of the usual styles.
    """
    value = decoded(text)
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in listed):
        return None
    style = json_style(text, value) if isinstance(text, str) else ""
    if style:
        form.setdefault("json", style)
    calls = []
    for call in listed:
        arguments, id = call.get("arguments", ""), call.get("id")
        if isinstance(arguments, str):
            form.setdefault("call_text", "text")
        else:
            arguments = json_text(arguments, style) if style else compact(arguments)
        calls.append(ToolCall(call["name"], arguments, id if isinstance(id, str) else ""))
    return tuple(calls)


def write_call_text(calls: Sequence[ToolCall], form: Mapping[str, Any]) -> str:
    """Calls as the JSON text that `read_call_text` reads."""
    values = []
    for call in calls:
        arguments: Any = call.arguments
        if form.get("call_text") != "text":
            arguments = decoded(call.arguments)
        values.append({"name": call.name, "arguments": arguments, **({"id": call.id} if call.id else {})})
    return json_text(values[0] if len(values) == 1 else values, form.get("json", "spaced"))


def take_tools(row: dict[str, Any], form: dict[str, Any], told: list[str]) -> tuple[Mapping[str, Any], ...]:
    """Takes the schemas of the tools offered out of a row: a list, or JSON text of one, in `tools` or `functions`.

    What offers no tool (null, "", an empty list) stays where it is, and so does what is no list of objects, which is
    told. `form` remembers the column under "tools" and the style of the text under "tools_json".
    """
    for name in ("tools", "functions"):
        value = row.get(name)
        tools = decoded(value)
        if isinstance(tools, dict) and tools:
            tools = [tools]
        if isinstance(tools, list) and tools and all(isinstance(tool, dict) for tool in tools):
            if name != "tools":
                form["tools"] = name
            if isinstance(value, str):
                form["tools_json"] = json_style(value, tools) or "spaced"
            del row[name]
            return tuple(tools)
        if tools not in (None, "", [], {}) and not (isinstance(tools, str) and tools.strip() == "null"):
            told.append(f"{name} that are no list of schemas")
    return ()


def put_tools(row: dict[str, Any], tools: Sequence[Mapping[str, Any]], form: Mapping[str, Any]) -> None:
    """Puts the tools of a record into a row as `take_tools` found them."""
    if tools:
        listed = [dict(tool) for tool in tools]
        style = form.get("tools_json")
        row[form.get("tools", "tools")] = json_text(listed, style) if style else listed


def take_arguments(row: dict[str, Any]) -> Mapping[str, Any]:
    """Takes the arguments of the chat template out of a row; an empty object, or what is none, stays."""
    value = row.get("chat_template_kwargs")
    if isinstance(value, dict) and value:
        del row["chat_template_kwargs"]
        return value
    return {}


def call_troubles(calls: Sequence[ToolCall], known: set[str]) -> list[str]:
    """What to tell of a turn's calls; their ids are added to those `known`."""
    told = []
    for call in calls:
        if call.id:
            if call.id in known:
                told.append("a call id that two calls have")
            known.add(call.id)
        if not call.name.strip():
            told.append("a call without a name")
        if not _is_object(call.arguments):
            told.append("a call whose arguments are no JSON object")
    return told


def _is_object(text: str) -> bool:
    return isinstance(decoded(text), dict)
