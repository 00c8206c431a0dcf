"""Session logs of Claude Code: a line for each block of a turn, in a tree, with the tool's own events between."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.blocks import take_blocks
from factory.data.formats.shapes.many import Log
from factory.data.formats.shapes.taken import Taking, text_of

_TYPES = ("user", "assistant", "system", "summary", "file-history-snapshot", "queue-operation", "last-prompt")
_MARKUP = ("<command-", "<local-command-", "<bash-")


class ClaudeCode(Log):
    """Lines of {"type", "uuid", "parentUuid", "sessionId", "message"}; one session is one conversation.

    The conversation is the branch that ends in the last line: its user and assistant turns in the order of the file,
    across compactions. What the tool itself wrote (command markup, notices, errors of the API, summaries), other
    branches and sidechains are no turns; but a command or a summary that was answered, with no other question, is one.
    """

    name = "claude_code"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        kind = row.get("type")
        if kind in ("user", "assistant", "system"):
            return "uuid" in row and ("parentUuid" in row or "sessionId" in row)
        return kind in _TYPES and bool({"leafUuid", "sessionId", "snapshot"} & row.keys())

    def key(self, row: Mapping[str, Any]) -> str:
        """See `ManyRows.key`."""
        session = row.get("sessionId")
        return session if isinstance(session, str) else ""

    def take(self, taking: Taking) -> None:
        """See `Log.take`."""
        lines: list[dict[str, Any]] = taking.document
        spoken = [number for number, line in enumerate(lines) if _is_turn(line)]
        main = [number for number in spoken if lines[number].get("isSidechain") is not True]
        branch = _branch(lines, main, taking.told)
        if len(main) < len(spoken):
            taking.told.append("sidechains, left out of the turns")
        if len(branch) < len(main):
            taking.told.append("other branches of the conversation, left out of the turns")
        opened: dict[str, int] = {}
        own = -1
        for number in branch:
            line = lines[number]
            role, id = line["type"], text_of(line["message"].get("id"))
            if _is_own(line):
                own = number if role == "user" else own
                continue
            if role == "user":
                own = -1
            elif own >= 0 and (not taking.turns or taking.turns[-1].role == "assistant") and id not in opened:
                taking.told.append("a command or a summary that was answered (taken for the user's turn)")
                take_blocks(taking, "user", (own, "message", "content"))
                own = -1
            at = opened.get(id) if role == "assistant" and id else None
            at = take_blocks(taking, role, (number, "message", "content"), at)
            if role == "assistant" and id and at is not None:
                opened[id] = at


def _is_turn(line: Mapping[str, Any]) -> bool:
    return line.get("type") in ("user", "assistant") and isinstance(line.get("message"), dict)


def _is_own(line: Mapping[str, Any]) -> bool:
    """Whether a line is the tool's own, not what a person or a model said."""
    if any(line.get(name) is True for name in ("isMeta", "isCompactSummary", "isApiErrorMessage")):
        return True
    content = line["message"].get("content")
    return line["type"] == "user" and isinstance(content, str) and content.lstrip().startswith(_MARKUP)


def _branch(lines: list[dict[str, Any]], main: list[int], told: list[str]) -> list[int]:
    """The lines of the branch that ends in the last one: its ancestors, and what belongs to their turns."""
    where = {line["uuid"]: number for number, line in enumerate(lines) if isinstance(line.get("uuid"), str)}
    kept: set[int] = set()
    number = main[-1] if main else -1
    while number >= 0 and number not in kept:
        kept.add(number)
        parent = lines[number].get("parentUuid") or lines[number].get("logicalParentUuid")
        if parent is None:
            break
        above = where.get(parent) if isinstance(parent, str) else None
        if above is None or above in kept:
            told.append("a line whose parent is not there (the line before it is taken for it)")
            before = bisect_left(main, number) - 1
            while before >= 0 and main[before] in kept:
                before -= 1
            above = main[before] if before >= 0 else -1
        number = above
    # Parallel calls stand on side branches: lines of the same answer, and the results of its calls.
    answers = {id for one in kept if isinstance(id := _message_id(lines[one]), str)}
    with_answer = [one for one in main if one in kept or _message_id(lines[one]) in answers]
    calls = {id for one in with_answer for id in _ids(lines[one], "tool_use", "id")}
    taken = set(with_answer)
    return [
        one
        for one in main
        if one in taken or not calls.isdisjoint(_ids(lines[one], "tool_result", "tool_use_id"))
    ]


def _message_id(line: Mapping[str, Any]) -> str | None:
    if line.get("type") != "assistant" or not isinstance(line.get("message"), dict):
        return None
    id = line["message"].get("id")
    return id if isinstance(id, str) else None


def _ids(line: Mapping[str, Any], kind: str, key: str) -> list[str]:
    content = line["message"].get("content")
    blocks = content if isinstance(content, list) else []
    found = [block.get(key) for block in blocks if isinstance(block, dict) and block.get("type") == kind]
    return [id for id in found if isinstance(id, str)]
