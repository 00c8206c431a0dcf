"""A completion that comes in pieces, as server-sent events, joined into the whole that was asked for.

Source: the event stream format of HTML (server-sent events), and OpenAI's `chat.completion.chunk`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

_EVENTS = re.compile(rb"\s*(?:(?:data|event|id|retry):|:)")
_COMMENTS = re.compile(rb"(?:\s*:[^\r\n]*+[\r\n])+\s*(?=\{)")
_LONG_PIECE = 40
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


def is_event_stream(raw: bytes) -> bool:
    """Whether a body begins as a stream of events does: with `data:`, another field, or a comment."""
    return _EVENTS.match(raw) is not None


def without_comments(raw: bytes) -> bytes:
    """JSON without the comments that a server sent before it to keep the line open; anything else as it is."""
    found = _COMMENTS.match(raw)
    return raw[found.end() :] if found is not None else raw


def join_events(raw: bytes, loads: Callable[[bytes], Any]) -> dict[str, Any] | None:
    """The completion whose pieces a whole stream holds; an event that is itself a whole reply or an error, as it is.

    None where a piece is not JSON, or the stream ended before `[DONE]` and before its choices did. A server that
    sends in each event all that it has said so far is told by its texts: each goes on from the one before.
    """
    whole: dict[str, Any] = {}
    choices: dict[int, _Choice] = {}
    done = False
    for name, data in _events(raw):
        if data.strip() == b"[DONE]":
            done = True
            break
        try:
            piece = loads(data)
        except ValueError:
            return None
        if not isinstance(piece, dict):
            return None
        if name == b"error":
            return piece if piece.get("error") else {"error": piece}
        told = piece.get("choices")
        if piece.get("error") or (not isinstance(told, list) and "data" in piece) or _is_whole(told):
            return piece
        whole.update(
            {name: value for name, value in piece.items() if name != "choices" and value is not None}
        )
        for part in told if isinstance(told, list) else ():
            if isinstance(part, dict):
                index = part.get("index")
                choices.setdefault(index if isinstance(index, int) else 0, _Choice()).add(part)
    if not choices or not (done or all(choice.finish_reason for choice in choices.values())):
        return None
    joined = [{"index": index, **choices[index].joined()} for index in sorted(choices)]
    return {**whole, "object": "chat.completion", "choices": joined}


def _events(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The name and the data of each event; an event ends with an empty line, and its lines of data are one text."""
    name = b""
    lines: list[bytes] = []
    for line in [*re.split(rb"\r\n|\n|\r", raw), b""]:
        if line.startswith(b"data:"):
            lines.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            name = line[6:].strip()
        elif not line:
            if lines:
                yield name, b"\n".join(lines)
            name, lines = b"", []


def _is_whole(choices: Any) -> bool:
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and ("message" in choice or "text" in choice) and "delta" not in choice
        for choice in choices
    )


class _Choice:
    """What has come of a choice."""

    def __init__(self) -> None:
        self.finish_reason: Any = None
        self._texts: defaultdict[str, list[str]] = defaultdict(list)
        self._logprobs: list[list[Any]] = []
        self._calls: dict[int, _Call] = {}

    def add(self, part: Mapping[str, Any]) -> None:
        self.finish_reason = part.get("finish_reason") or self.finish_reason
        logprobs = part.get("logprobs")
        if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
            self._logprobs.append(logprobs["content"])
        delta = part.get("delta")
        if not isinstance(delta, dict):
            return
        for name in _TEXTS:
            if isinstance(delta.get(name), str):
                self._texts[name].append(delta[name])
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                index = call.get("index")
                if not isinstance(index, int):  # without a number, an id begins a call
                    index = len(self._calls) - (0 if call.get("id") or not self._calls else 1)
                self._calls.setdefault(index, _Call()).add(call)

    def joined(self) -> dict[str, Any]:
        message: dict[str, Any] = {name: _joined(texts) for name, texts in self._texts.items()}
        if self._calls:
            message["tool_calls"] = [self._calls[index].joined() for index in sorted(self._calls)]
        so_far = any(_grows(texts) for texts in self._texts.values())
        told = self._logprobs[-1:] if so_far else self._logprobs
        logprobs = {"content": [place for places in told for place in places]} if told else None
        return {"message": message, "finish_reason": self.finish_reason, "logprobs": logprobs}


def _joined(texts: Sequence[str]) -> str:
    return max(texts, key=len) if _grows(texts) else "".join(texts)


def _grows(texts: Sequence[str]) -> bool:
    """Whether each text is all that was said so far: pieces that begin, three in a row, with all before them are none.

    Two do not tell it ("Ha", "Haha"), unless the first is longer than a piece is.
    """
    said = [text for text in texts if text]
    different = len(set(said))
    if different < 2 or (different == 2 and len(said[0]) < _LONG_PIECE):
        return False
    return all(later.startswith(earlier) for earlier, later in pairwise(said))


class _Call:
    """What has come of a call: its id and name at first, its arguments in pieces."""

    def __init__(self) -> None:
        self._id = ""
        self._texts: dict[str, list[str]] = {"name": [], "arguments": []}

    def add(self, part: Mapping[str, Any]) -> None:
        self._id = self._id or str(part.get("id") or "")
        function = part.get("function")
        for name, pieces in self._texts.items():
            piece = function.get(name) if isinstance(function, dict) else None
            if isinstance(piece, str):
                pieces.append(piece)

    def joined(self) -> dict[str, Any]:
        function = {name: "".join(pieces) for name, pieces in self._texts.items()}
        return {"id": self._id, "type": "function", "function": function}
