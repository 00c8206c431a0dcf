"""Session logs of the coding agent pi: entries in a tree under a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.many import Log
from factory.data.formats.shapes.taken import Path, Taking, text_of

_TYPES = ("message", "model_change", "thinking_level_change", "compaction", "branch_summary", "custom")
_MORE = ("custom_message", "label", "session_info")
_ROLES = {"user": "user", "assistant": "assistant", "toolResult": "tool"}


class Pi(Log):
    """A line {"type": "session"}, then lines of {"type", "id", "parentId"}; one session is one conversation.

    The conversation is the branch that ends in the last line: the messages of user, assistant and tools on it.
    """

    name = "pi"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        kind = row.get("type")
        if kind == "session":
            return "version" in row and "id" in row
        return kind in (*_TYPES, *_MORE) and "id" in row and "parentId" in row

    def key(self, row: Mapping[str, Any]) -> str:
        """See `ManyRows.key`."""
        id = row.get("id")
        return id if row.get("type") == "session" and isinstance(id, str) else ""

    def take(self, taking: Taking) -> None:
        """See `Log.take`."""
        lines: list[dict[str, Any]] = taking.document
        branch = _branch(lines, taking.told)
        for number, line in enumerate(lines):
            message = line.get("message")
            if line.get("type") != "message" or not isinstance(message, dict):
                continue
            if number not in branch:
                taking.told.append("other branches of the conversation, left out of the turns")
                continue
            role = _ROLES.get(text_of(message.get("role")))
            if role is None:
                taking.told.append(
                    "commands that a person ran, and other lines that are no turns, left out of the turns"
                )
            else:
                _take_message(taking, role, (number, "message"), message)


def _branch(lines: list[dict[str, Any]], told: list[str]) -> set[int]:
    where = {line["id"]: number for number, line in enumerate(lines) if isinstance(line.get("id"), str)}
    kept: set[int] = set()
    number = len(lines) - 1
    while number >= 0 and number not in kept:
        kept.add(number)
        parent = lines[number].get("parentId")
        if parent is None and "parentId" in lines[number]:
            break
        above = where.get(parent) if isinstance(parent, str) else None
        if above is None or above in kept:
            if parent is not None:
                told.append("a line whose parent is not there (the line before it is taken for it)")
            above = number - 1
        number = above
    return kept


def _take_message(taking: Taking, role: str, here: Path, message: Mapping[str, Any]) -> None:
    content = message.get("content")
    if role == "tool":
        at = taking.begin("tool", extra={"is_error": True} if message.get("isError") is True else {})
        taking.take(at, "call_id", (*here, "toolCallId"))
        taking.take(at, "name", (*here, "toolName"))
    elif content in (None, "", []):
        taking.told.append("a line of a turn that says nothing, left out of the turns")
        return
    else:
        at = taking.begin(role)
    if isinstance(content, str):
        taking.take(at, "content", (*here, "content"))
    for number, part in enumerate(content if isinstance(content, list) else ()):
        place = (*here, "content", number)
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            taking.take(at, "content", (*place, "text"))
        elif kind == "thinking":
            taking.take(at, "reasoning", (*place, "thinking"), "\n\n")
        elif kind == "toolCall":
            taking.call(at, (*place, "name"), (*place, "arguments"), (*place, "id"))
        elif kind != "image" or not taking.media(
            at, "image", (*place, "data"), f"data:{part.get('mimeType', 'image/*')};base64,"
        ):
            taking.told.append(
                "a part of a turn's content of a kind that is not known, left out of the turns"
            )
