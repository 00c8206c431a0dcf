"""How turns and tools are spelled for servers that speak OpenAI's chat completions."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from factory.data.record import Media, Message, ToolCall
from factory.data.text import estimate_tokens, shorten, turn_text
from factory.errors import RecordFailed

_NO_ARGUMENTS = frozenset({"chat_template", "tokenize"})
_SENT_MEDIA = ("image", "audio", "video")
_TOOL_KEYS = {"input_schema": "parameters"}  # as Anthropic spells it
_SENT_ADDRESSES = ("http://", "https://", "data:")
_TEXT_ALONE = Message("", "")[2:]


def wire_messages(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The turns as chat messages; a turn of text alone is its role and content.

    Calls without an id get one (call_0, call_1, ...), and a tool's turn that names none of the calls that wait
    answers the first of them. Pictures, sounds and films go as parts of the content, by their address or as the
    data that they are; the server loads what has an address. Reasoning, weights and what else a source said of a
    turn are not sent.

    Raises:
        RecordFailed: a turn shows a file of this machine, which is never opened for a row's sake, or a kind of
            media that no server takes.
    """
    # Nearly all that a run sends, several times as fast.
    if all(turn[2:] == _TEXT_ALONE for turn in messages):
        return [{"role": role, "content": content} for role, content, *_ in messages]
    free = _free_ids(messages)
    waiting: list[str] = []
    return [_message(turn, waiting, free) for turn in messages]


def wire_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tool schemas as OpenAI spells them; a bare {"name", "parameters"} is wrapped."""
    return [_tool(tool) for tool in tools]


def wire_template_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a row gives the chat template, as `chat_template_kwargs` takes it.

    Raises:
        RecordFailed: a template is among them: some servers would run it in place of the model's own.
    """
    refused = sorted(_NO_ARGUMENTS.intersection(arguments))
    if refused:
        raise RecordFailed(
            "template_in_row",
            f"the row's arguments for the chat template hold {refused[0]!r}, which no row may set: take it out",
        )
    return dict(arguments)


def estimate_prompt_tokens(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """About how many tokens a prompt takes, its tools' schemas counted."""
    schemas = estimate_tokens(orjson.dumps(list(tools)).decode()) if tools else 0
    return schemas + sum(estimate_tokens(turn_text(turn)) for turn in messages)


def sent_messages(messages: Sequence[Message]) -> list[list[Any]]:
    """The turns as a journal's key knows them: role and text, and behind them what else of a turn is sent."""
    return [_sent(turn) for turn in messages]


def no_tools(who: str, why: str) -> RecordFailed:
    """What a provider raises that has no way to offer tools, rather than leave them out unsaid."""
    return RecordFailed("takes_no_tools", f"{who} takes no tools: {why}")


def _sent(turn: Message) -> list[Any]:
    more: dict[str, Any] = {}
    if turn.calls:
        more["calls"] = [list(call) for call in turn.calls]
    if turn.call_id:
        more["call_id"] = turn.call_id
    if turn.name:
        more["name"] = turn.name
    if turn.media:
        more["media"] = [[media.kind, _digest(media.uri), media.at] for media in turn.media]
    return [turn.role, turn.content, more] if more else [turn.role, turn.content]


def _digest(uri: str) -> str:
    """A picture that is given as data would fill the journal: its hash tells it from every other."""
    if not uri.startswith("data:"):
        return uri
    return f"data:{hashlib.blake2b(uri.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _free_ids(messages: Sequence[Message]) -> Iterator[str]:
    # A generator, so that nothing is looked through until a call without an id wants one.
    taken = {call.id for turn in messages for call in turn.calls} | {turn.call_id for turn in messages}
    yield from (name for number in itertools.count() if (name := f"call_{number}") not in taken)


def _message(turn: Message, waiting: list[str], free: Iterator[str]) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": turn.role, "content": _parts(turn) if turn.media else turn.content}
    if turn.role == "user":  # what was not answered by now will not be
        waiting.clear()
    if turn.calls:
        named = [call if call.id else call._replace(id=next(free)) for call in turn.calls]
        waiting += [call.id for call in named]
        sent["tool_calls"] = [_call(call) for call in named]
    if turn.role == "tool":
        answered = turn.call_id
        if waiting and answered not in waiting:
            answered = waiting[0]
        if answered in waiting:
            waiting.remove(answered)
        if answered:
            sent["tool_call_id"] = answered
    if turn.name:
        sent["name"] = turn.name
    return sent


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _parts(turn: Message) -> list[dict[str, Any]]:
    """The content as text and media, each where it stands."""
    parts: list[dict[str, Any]] = []
    start = 0
    for media in sorted(turn.media, key=lambda media: media.at):
        if turn.content[start : media.at]:
            parts.append({"type": "text", "text": turn.content[start : media.at]})
            start = media.at
        parts.append(_media(media))
    if turn.content[start:]:
        parts.append({"type": "text", "text": turn.content[start:]})
    return parts


def _media(media: Media) -> dict[str, Any]:
    if media.kind not in _SENT_MEDIA:
        raise RecordFailed(
            "media_not_sent",
            f"a {shorten(media.kind, 20)} cannot be sent to a chat model: put its text into the turn",
        )
    if not media.uri.lower().startswith(_SENT_ADDRESSES):
        raise RecordFailed(
            "media_not_sent",
            f"{shorten(media.uri, 100)} is no web address and no data: URI, and a file that a row names is not opened: "
            "give its data as a data: URI",
        )
    return {"type": f"{media.kind}_url", f"{media.kind}_url": {"url": media.uri}}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "function" in tool or "name" not in tool:
        return dict(tool)
    bare = {_TOOL_KEYS.get(key, key): value for key, value in tool.items() if key != "type"}
    return {"type": "function", "function": bare}
