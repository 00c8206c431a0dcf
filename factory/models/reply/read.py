"""One reading of every provider's reply, and why some replies are no answer to what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from factory.data.record import ToolCall
from factory.data.text import is_blank, shorten
from factory.errors import RecordFailed
from factory.models.base import ChatRequest, Reply, TokenLogprob, Usage
from factory.models.failures import TransientFailure
from factory.models.reply.ends import (
    CALLS,
    CUT,
    FILTERED,
    MISHAP,
    REFUSED,
    REPEATS,
    UNKNOWN,
    WHOLE,
    kind_of_end,
    normal_end,
    told_end,
)
from factory.models.reply.gate import may_hold_any, may_hold_mark

_UNCOUNTED = Usage()
UNUSABLE = frozenset(
    {
        "bad_reply",
        "broken_call",
        "called_a_tool",
        "control_marks",
        "only_reasoning",
        "refused",
        "repetition",
        "truncated",
        "unknown_end",
    }
)
"""Kinds of failure that are one reply's own: another sample of the same prompt may be an answer."""


class Refused(RecordFailed):
    """The model or a filter gave no answer. No reply, so that a later run asks again; its tokens were paid."""

    def __init__(self, reason: str, usage: Usage) -> None:
        super().__init__("refused", reason)
        self.usage = usage


def read_reply(
    text: str,
    end: object,
    request: ChatRequest | None,
    *,
    usage: Usage = _UNCOUNTED,
    reasoning: str = "",
    logprobs: tuple[TokenLogprob, ...] = (),
    calls: tuple[ToolCall, ...] = (),
    refusal: str = "",
) -> Reply:
    """What a provider was sent, as a reply: its end in one spelling; reasoning, calls and control marks apart.

    end: how the server says the reply ended, in its own words
        (where it says nothing, a reply of all the tokens that it might have was cut, and another counts as whole)
    request: what was asked; where its answer may speak of such marks, less is taken apart
    refusal: the words with which the model says apart from its answer that it gives none

    Raises:
        TransientFailure: the reply broke off by a mishap, which another try may mend.
        Refused: the model or the server's filter gave no answer, or half of one.
    """
    told = told_end(end)
    kind = kind_of_end(told)
    if kind == MISHAP:
        raise TransientFailure(f"the reply broke off: the server ended it with {told!r}")
    if refusal or kind in (FILTERED, REFUSED):
        told, text = (REFUSED, refusal) if refusal else (told, text)
        raise Refused(_refusal(told, text), usage)
    noted: tuple[str, ...] = ()
    if not told:
        noted = ("end_not_told",)
        if request is not None and 0 < request.sampling.max_tokens <= usage.completion_tokens:
            told = CUT  # nobody says so, but it has all the tokens that it might have
    return read_again(Reply(text, told, usage, reasoning, logprobs, calls, noted), request)


def read_again(reply: Reply, request: ChatRequest | None) -> Reply:
    """A reply as it was stored, read as one is read today; one that was read so is given back as it is."""
    end = normal_end(reply.finish_reason)
    if not _may_hold_more(reply.text, request):
        if reply.calls and end == WHOLE:
            end = CALLS
        return reply if end == reply.finish_reason else replace(reply, finish_reason=end)
    from factory.models.reply.apart import take_apart

    text = reply.text
    half: tuple[str, ...] = ()
    if end == CUT and text.endswith("\ufffd"):
        # The limit fell within a character of several tokens.
        text, half = text.rstrip("\ufffd"), ("half_character",)
    parts = take_apart(text, request, thought=bool(reply.reasoning))
    if end == CUT and parts.ended:
        end = WHOLE  # what was cut is what the model wrote behind its answer
    calls = reply.calls + parts.calls
    if calls and end == WHOLE:
        end = CALLS
    if parts.text == reply.text and end == reply.finish_reason and calls == reply.calls:
        return reply
    reasoning = "\n\n".join(thought for thought in (reply.reasoning, parts.reasoning) if thought)
    noted = (*reply.noted, *half, *parts.noted)
    return replace(reply, text=parts.text, finish_reason=end, reasoning=reasoning, calls=calls, noted=noted)


def _may_hold_more(text: str, request: ChatRequest | None) -> bool:
    """Whether a text is worth a closer look; JSON that was asked for is left in its form, and has no labels."""
    if request is None or request.schema is None:
        return may_hold_any(text)
    return may_hold_mark(text) or "\ufffd" in text


def is_mishap(reply: Reply) -> bool:
    """Whether a stored reply broke off by a mishap: it was paid, and is no answer."""
    return kind_of_end(reply.finish_reason) == MISHAP


def unusable(reply: Reply, request: ChatRequest) -> RecordFailed | None:
    """Why a reply is no answer to its request, whatever is made of it; None where it is one, or cut, or empty.

    The first reason counts: a filter's, before that of a text which it cut; a limit's, before that of an empty one.
    """
    return (
        _refused(reply)
        or _cut_before_words(reply, request)
        or _called(reply, request)
        or _silent(reply)
        or _marked(reply, request)
    )


def _refusal(end: str, words: str) -> str:
    """Why there is no answer; `words` are the model's own."""
    if kind_of_end(end) == REFUSED:
        return f"the model refused to answer{': ' * bool(words.strip())}{shorten(words, 200)}"
    return f"the server's content filter withheld the reply, or cut it ({shorten(end, 40)})"


def _refused(reply: Reply) -> RecordFailed | None:
    kind = kind_of_end(reply.finish_reason)
    if kind in (REFUSED, FILTERED):  # as an older version stored it
        return RecordFailed("refused", _refusal(reply.finish_reason, reply.text))
    if kind == REPEATS:
        return RecordFailed("repetition", "the server cut the reply, because it repeats itself")
    if kind in (UNKNOWN, MISHAP):
        end = shorten(reply.finish_reason, 40)
        return RecordFailed(
            "unknown_end",
            f"the server ended the reply with {end!r}, which is not known to mean a whole answer",
        )
    return None


def _cut_before_words(reply: Reply, request: ChatRequest) -> RecordFailed | None:
    if reply.finish_reason != CUT:
        return None
    tokens = reply.usage.completion_tokens
    cut = f"cut at {tokens if tokens > 0 else request.sampling.max_tokens:,} tokens"
    if reply.calls:
        return RecordFailed("truncated", f"{cut} while it called a tool: raise max_tokens")
    if not is_blank(reply.text) and _mark_left(reply.text, request)[1] != "thought":
        return None
    if reply.reasoning or not is_blank(reply.text):
        return RecordFailed("truncated", f"{cut} while it was still thinking: raise max_tokens")
    return RecordFailed(
        "truncated", f"{cut} before its first word (its thoughts may have used them up): raise max_tokens"
    )


def _called(reply: Reply, request: ChatRequest) -> RecordFailed | None:
    if not reply.calls:
        if reply.finish_reason == CALLS:
            return RecordFailed("called_a_tool", "the reply ended to call a tool, and no call is in it")
        return None
    if not request.tools:
        named = shorten(reply.calls[0].name, 40)
        return RecordFailed("called_a_tool", f"the answer calls {named!r}, and no tool was offered")
    return next(filter(None, (_broken(call, request) for call in reply.calls)), None)


def _broken(call: ToolCall, request: ChatRequest) -> RecordFailed | None:
    """Why a call cannot be carried out; its arguments are not held against the tool's schema."""
    offered = [_tool_name(tool) for tool in request.tools]
    named = shorten(call.name, 40)
    if "" not in offered and call.name not in offered:
        return RecordFailed(
            "broken_call", f"the answer calls {named!r}, which is not among the tools offered"
        )
    try:
        arguments = orjson.loads(call.arguments or "{}")  # some servers write none for a tool that takes none
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        given = shorten(call.arguments, 40)
        return RecordFailed(
            "broken_call", f"the answer calls {named!r} with {given!r}, which is no JSON object"
        )
    return None


def _tool_name(tool: Mapping[str, Any]) -> str:
    """The name of a tool in either spelling; "" for a kind of tool that has none."""
    inner = tool.get("function")
    return str((inner if isinstance(inner, Mapping) else tool).get("name") or "")


def _silent(reply: Reply) -> RecordFailed | None:
    if reply.calls or not reply.reasoning or not is_blank(reply.text):
        return None
    return RecordFailed("only_reasoning", "the model thought and gave no answer")


def _mark_left(text: str, request: ChatRequest) -> tuple[str, str]:
    # Of a reply that must fit a schema its JSON alone is used.
    if request.schema is not None or not may_hold_any(text):
        return "", ""
    from factory.models.reply.apart import mark_left

    return mark_left(text, request)


def _marked(reply: Reply, request: ChatRequest) -> RecordFailed | None:
    mark, kind = _mark_left(reply.text, request)
    if kind == "call":
        return RecordFailed(
            "called_a_tool",
            f"the answer calls a tool as text ({shorten(mark, 30)!r}), which cannot be read: start the server with the "
            "parser for its model's calls, or ask a model that answers without tools",
        )
    if kind == "token":
        return RecordFailed(
            "control_marks",
            f"the answer holds {shorten(mark, 30)!r}, a token that was not turned into text",
        )
    if kind:
        of = "thoughts" if kind == "thought" else "a chat template"
        return RecordFailed(
            "control_marks",
            f"the answer holds {shorten(mark, 30)!r}, a mark of {of}, where it cannot be taken out",
        )
    return None
