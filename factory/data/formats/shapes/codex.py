"""Session logs of the Codex CLI: the items of its calls of a model, and events that tell the same again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.items import KINDS, Items, take_content
from factory.data.formats.shapes.many import Log
from factory.data.formats.shapes.taken import Path, Taking, text_of

_ENVELOPES = ("session_meta", "turn_context", "response_item", "event_msg", "compacted")
_OWN = ("<environment_context>", "<user_instructions>", "<turn_aborted>", "# AGENTS.md instructions")


class Codex(Log):
    """Lines of {"timestamp", "type", "payload"}, or the bare items of the first versions; a session is a conversation.

    What the session and the developer instruct is one system turn. What the tool tells of its surroundings in the
    user's name is no turn, and neither are events, which repeat the items.
    """

    name = "codex"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        kind = row.get("type")
        if kind is not None and not isinstance(kind, str):
            return False
        if kind in _ENVELOPES:
            return "payload" in row
        if kind is None:
            return {"id", "timestamp", "instructions"} <= row.keys()
        return (
            kind in KINDS and bool({"content", "call_id", "summary"} & row.keys()) and "parentId" not in row
        )

    def key(self, row: Mapping[str, Any]) -> str:
        """See `ManyRows.key`."""
        payload = row.get("payload") if row.get("type") == "session_meta" else None
        id = payload.get("id") if isinstance(payload, dict) else None
        return id if isinstance(id, str) else ""

    def take(self, taking: Taking) -> None:
        """See `Log.take`."""
        system = _take_system(taking)
        items = Items(taking)
        for number, line in enumerate(taking.document):
            here, item = _item(number, line)
            if item is None:
                if line.get("type") == "compacted":
                    taking.told.append("a conversation that was compacted on the way")
                elif line.get("type") not in (*_ENVELOPES, None):
                    taking.told.append("lines of a type that is not known, left out of the turns")
            elif _is_own(item):
                taking.told.append("what the tool tells of its surroundings, left out of the turns")
            elif item.get("role") not in ("developer", "system") or not system:
                items.take(here, item)


def _item(number: int, line: Mapping[str, Any]) -> tuple[Path, Mapping[str, Any] | None]:
    payload = line.get("payload")
    if line.get("type") == "response_item":
        return (number, "payload"), payload if isinstance(payload, dict) else None
    return (number,), line if text_of(line.get("type")) in KINDS and "payload" not in line else None


def _is_own(item: Mapping[str, Any]) -> bool:
    content = item.get("content")
    first = content[0] if isinstance(content, list) and content else None
    text = first.get("text") if isinstance(first, dict) else content
    return item.get("role") == "user" and isinstance(text, str) and text.lstrip().startswith(_OWN)


def _take_system(taking: Taking) -> bool:
    """Takes the instructions of the session and of the developer as one system turn."""
    taking.begin("system")
    for number, line in enumerate(taking.document):
        payload = line.get("payload")
        if line.get("type") == "session_meta" and isinstance(payload, dict):
            for path in (("base_instructions", "text"), ("instructions",)):
                taking.take(0, "content", (number, "payload", *path), "\n\n")
        elif line.get("type") is None:
            taking.take(0, "content", (number, "instructions"), "\n\n")
        here, item = _item(number, line)
        if item is not None and item.get("role") in ("developer", "system"):
            take_content(taking, 0, (*here, "content"), "\n\n")
    if not taking.places:
        taking.turns.clear()
    return bool(taking.places)
