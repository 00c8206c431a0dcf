"""Items of OpenAI's Responses API: messages, thoughts, calls and their outputs, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.taken import Path, Taking, text_of

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
KINDS = frozenset(("message", "reasoning", *_CALLS, *_OUTPUTS))
"""The types of items that are turns, or parts of them."""


class Items:
    """Takes items in order: a thought, the words behind it and their calls are one turn of the assistant."""

    def __init__(self, taking: Taking) -> None:
        self.taking = taking
        self.at: int | None = None

    def take(self, here: Path, item: Mapping[str, Any]) -> None:
        """Takes one item; what is none is told."""
        kind = text_of(item.get("type", "message" if "role" in item else None))
        if kind == "message" and text_of(item.get("role")) in _ROLES:
            self._message(here, _ROLES[item["role"]])
        elif kind == "reasoning":
            at = self._assistant("reasoning")
            parts = "content" if isinstance(item.get("content"), list) and item["content"] else "summary"
            listed = item.get(parts)
            for number in range(len(listed) if isinstance(listed, list) else 0):
                self.taking.take(at, "reasoning", (*here, parts, number, "text"), "\n\n")
        elif kind in _CALLS:
            self.taking.call(
                self._assistant("calls"), (*here, "name"), (*here, _CALLS[kind]), (*here, "call_id")
            )
        elif kind in _OUTPUTS:
            self._output(here, item)
        else:
            self.taking.told.append(
                "items that are no turns, such as a search of the web, left out of the turns"
            )

    def _assistant(self, field: str) -> int:
        """The assistant's turn that the next item joins: words come before calls, a thought before both."""
        turns = self.taking.turns
        if self.at is not None:
            turn = turns[self.at]
            if field == "calls" or not (turn.calls or turn.content):
                return self.at
        self.at = self.taking.begin("assistant")
        return self.at

    def _message(self, here: Path, role: str) -> None:
        if role == "assistant":
            at = self._assistant("content")
        else:
            self.at = None
            at = self.taking.begin(role)
        take_content(self.taking, at, (*here, "content"))

    def _output(self, here: Path, item: Mapping[str, Any]) -> None:
        self.at = None
        at = self.taking.begin("tool")
        self.taking.take(at, "call_id", (*here, "call_id"))
        output = item.get("output")
        if isinstance(output, dict) and isinstance(output.get("content"), str):
            self.taking.take(at, "content", (*here, "output", "content"))
        else:
            take_content(self.taking, at, (*here, "output"))


def take_content(taking: Taking, at: int, path: Path, between: str = "") -> None:
    """Takes a text or a list of input_text, output_text, input_image, input_file into a turn."""
    content = taking.get(path)
    if isinstance(content, str):
        taking.take(at, "content", path, between)
    for number, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("input_text", "output_text", "text"):
            taking.take(at, "content", (*path, number, "text"), between)
        elif kind == "refusal":
            taking.take(at, "content", (*path, number, "refusal"))
        elif not (
            (kind == "input_image" and taking.media(at, "image", (*path, number, "image_url")))
            or (kind == "input_file" and taking.media(at, "file", (*path, number, "file_data")))
            or (kind == "input_file" and taking.media(at, "file", (*path, number, "file_id")))
        ):
            taking.told.append(
                "a part of a turn's content of a kind that is not known, left out of the turns"
            )
