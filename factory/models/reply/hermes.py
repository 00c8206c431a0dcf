"""A call of a tool as Hermes' template writes it into text."""

from __future__ import annotations

import orjson

from factory.data.record import ToolCall


def read_call(text: str) -> ToolCall | None:
    """The call that stands between <tool_call> and </tool_call>; None where it cannot be read."""
    try:
        call = orjson.loads(text)
        name, arguments = call["name"], call.get("arguments", {})
    except (ValueError, LookupError, TypeError):
        return None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict | str):
        return None
    return ToolCall(name, arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())
