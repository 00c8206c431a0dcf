"""The content of a turn as Anthropic's blocks: text, thinking, tool_use, tool_result, image, document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.taken import Path, Taking
from factory.data.text import is_blank

BLOCKS = frozenset(
    (
        "text",
        "thinking",
        "redacted_thinking",
        "tool_use",
        "tool_result",
        "image",
        "document",
        "server_tool_use",
    )
)
"""The types of blocks; those that are not texts and pictures tell the shape."""


def take_blocks(taking: Taking, role: str, path: Path, at: int | None = None) -> int | None:
    """Takes the content of one turn, a text or a list of blocks; gives the turn that what comes next may join.

    An answer of a tool is a turn of its own, wherever it stands among the user's words. Content without anything to
    say makes no turn.
    """
    content = taking.get(path)
    if isinstance(content, str):
        if not is_blank(content):
            at = taking.begin(role) if at is None else at
            taking.take(at, "content", path)
        return at
    for number, block in enumerate(content if isinstance(content, list) else ()):
        here = (*path, number)
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "tool_result":
            take_result(taking, here, block)
            at = None
            continue
        if kind == "redacted_thinking":
            taking.told.append("a thought that is encrypted, left out of the turns")
        elif kind not in ("text", "thinking", "tool_use", "image", "document"):
            taking.told.append(
                "a part of a turn's content of a kind that is not known, left out of the turns"
            )
        elif kind == "text" and not block.get("text"):
            continue
        else:
            at = taking.begin(role) if at is None else at
            _take_block(taking, at, here, block)
    return at


def _take_block(taking: Taking, at: int, here: Path, block: Mapping[str, Any]) -> None:
    kind = block["type"]
    if kind == "text":
        taking.take(at, "content", (*here, "text"))
    elif kind == "thinking":
        taking.take(at, "reasoning", (*here, "thinking"), "\n\n")
    elif kind == "tool_use":
        taking.call(at, (*here, "name"), (*here, "input"), (*here, "id"))
    elif not take_source(taking, at, "image" if kind == "image" else "file", here):
        taking.told.append("a picture or a file without an address, left out of the turns")


def take_source(taking: Taking, at: int, kind: str, here: Path) -> bool:
    """Takes the address of a picture or a file out of its `source`: base64 data, a url, a file's id or its text."""
    source = taking.get((*here, "source"))
    if not isinstance(source, dict):
        return False
    sort = source.get("media_type")
    if source.get("type") in ("base64", "text") and isinstance(sort, str):
        encoding = ";base64" if source["type"] == "base64" else ""
        return taking.media(at, kind, (*here, "source", "data"), f"data:{sort}{encoding},")
    key = next((key for key in ("url", "file_id", "path") if isinstance(source.get(key), str)), None)
    return key is not None and taking.media(at, kind, (*here, "source", key))


def take_result(taking: Taking, here: Path, block: Mapping[str, Any]) -> None:
    """Takes a tool's answer as a turn; that it is an error stands in the turn's `extra` too."""
    extra = {"is_error": True} if block.get("is_error") is True else {}
    at = taking.begin("tool", extra=extra)
    taking.take(at, "call_id", (*here, "tool_use_id"))
    content = block.get("content")
    if isinstance(content, str):
        taking.take(at, "content", (*here, "content"))
        return
    for number, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            taking.take(at, "content", (*here, "content", number, "text"))
        elif kind != "image" or not take_source(taking, at, "image", (*here, "content", number)):
            taking.told.append("a part of a tool's answer of a kind that is not known, left out of the turns")
