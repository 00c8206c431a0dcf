"""A turn in OpenAI's or ShareGPT's spelling, read as a message and written again.

How the turns of a row are spelled is noted once for the row, in its `form`, by these keys (each is left out where it
is what the row's style has anyway; a style is "messages" or "sharegpt"):

keys        the names of the role's and the content's key
roles       {"user": "human", ...}: how a role is spelled
parts       {"user": "text", ...}: roles whose content is a list of parts, and the key of their text
reasoning   the key of a thought; "think" in its place: what stands before and after a thought that is in the text;
            "unthought": the same, where there is no thought between
calls       "tool_calls" or "function_call" (OpenAI's old key); "call_role": the role of a turn that is one call
arguments   "object" where arguments are no text; untyped: calls have no "type"; json, call_text: see `calls`
silent      the content of a turn that says nothing but calls: null, "" or "absent"
weight      the key of a weight; one of true and false for those in `weights.FLAGS`
nulls       {"assistant": ["name", ...]}: keys that are null where a turn of the role has nothing for them

A turn that is not spelled so has its differences at its number under the list's name, {"turns": {"2": {"think": before
and after its thought, "keys": {...}, "absent": [...]}}}. They are written only as long as the turn, so written, reads
as the message that it is: a turn that a step has changed is written as the row is spelled. A key of a turn that no
field of a message holds is in the message's `extra`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.base import BadShape, Row
from factory.data.formats.shapes.calls import (
    arguments_as,
    read_call_text,
    read_calls,
    write_call_text,
    write_calls,
)
from factory.data.formats.shapes.parts import read_parts, write_parts
from factory.data.formats.shapes.spelled import changed, changes, is_text, kind_of
from factory.data.formats.shapes.weights import take_weight, write_weight
from factory.data.record import Media, Message
from factory.data.text import shorten

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "question", "用户", "人类", "问"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model", "answer"), "assistant"),
    **dict.fromkeys(
        ("ai", "bot", "chatbot", "gpt_4", "gpt4", "助手", "助理", "机器人", "模型", "答"), "assistant"
    ),
    **dict.fromkeys(("system", "developer", "系统"), "system"),
    **dict.fromkeys(
        (
            "tool",
            "observation",
            "function",
            "function_response",
            "tool_response",
            "tool_result",
            "toolresult",
            "ipython",
            "工具",
        ),
        "tool",
    ),
}
"""Whose turn it is, by how tools spell the role; case and the kind of dash do not matter."""
CALLING = ("function_call", "tool_call", "tool_calls")
"""Roles of an assistant's turn whose content is its calls as JSON text."""

_DEFAULTS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "messages": ("role", "content", {role: role for role in ("system", "user", "assistant", "tool")}),
    "sharegpt": (
        "from",
        "value",
        {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"},
    ),
}
_PLAIN = {style: {raw: role for role, raw in names.items()} for style, (_, _, names) in _DEFAULTS.items()}
_REASONING = ("reasoning_content", "reasoning", "thinking", "thought")
_THOUGHT = re.compile(r"(\s*<think>\s*)(.*?)(\s*</think>\s*)", re.DOTALL)


def read_turns(
    turns: Sequence[Any], style: str, form: dict[str, Any], told: list[str], name: str = "turns"
) -> list[Message]:
    """The messages of a list of turns; `form` is told how they are spelled, `told` what is odd about them.

    Raises:
        BadShape: a turn is none.
    """
    role_key, content_key, _ = _DEFAULTS[style]
    plain = _PLAIN[style]
    messages: list[Message] = []
    fancy = False
    for number, turn in enumerate(turns, 1):
        if type(turn) is dict and len(turn) == 2:  # nearly every turn: what follows is only to be fast
            raw, content = turn.get(role_key), turn.get(content_key)
            role = plain.get(raw) if type(raw) is str else None
            if role and type(content) is str and not (role == "assistant" and "<think>" in content):
                messages.append(Message(role, content))
                continue
        fancy = True
        message, _ = read_turn(turn, number, style, form, told)
        messages.append(message)
    if fancy:
        _note_nulls(turns, messages, form)
        odd: dict[str, Any] = {}
        for at, (message, turn) in enumerate(zip(messages, turns, strict=True)):
            _, think = read_turn(turn, at, style, dict(form), [])
            own = (
                {"think": think} if think and think not in (form.get("think"), form.get("unthought")) else {}
            )
            *_, written = _canonical(message, style, form, think)
            own |= changes(written, turn)
            if own:
                odd[str(at)] = own
        if odd:
            form[name] = odd
    return messages


def read_turn(
    turn: Any, number: int, style: str, form: dict[str, Any], told: list[str]
) -> tuple[Message, list[str]]:
    """One turn, and what stands before and behind the thought that its text begins with, [] where there is none.

    Raises:
        BadShape: it is no turn.
    """
    if not isinstance(turn, dict):
        raise BadShape(f"turn {number} is not an object with a role and a content: rewrite it so")
    left = dict(turn)
    keys = ("from" if "from" in turn else "role", "value" if "value" in turn else "content")
    if keys != form.get("keys", _DEFAULTS[style][:2]) and "keys" not in form:
        form["keys"] = list(keys)
    raw = left.pop(keys[0], None)
    name = re.sub(r"[-\s]+", "_", raw.strip().lower()) if isinstance(raw, str) else ""
    content = left.pop(keys[1], None)
    if name in CALLING:
        return _calling_turn(raw, content, left, form, told), []
    role = ROLES.get(name)
    if role is None and raw is None:
        named = ", ".join(shorten(str(key), 20) for key in list(turn)[:4]) or "nothing"
        raise BadShape(f"turn {number} has no role, only {named}: name its keys {keys[0]!r} and {keys[1]!r}")
    if role is None:
        raise BadShape(
            f"turn {number} has the unknown role {shorten(str(raw), 30)!r}: use system, user, assistant or tool"
        )
    if raw != _DEFAULTS[style][2][role]:
        form.setdefault("roles", {}).setdefault(role, raw)
    calls = _take_calls(left, form, told)
    reasoning = _take_reasoning(left, form)
    refusal = left.get("refusal")
    media: tuple[Media, ...] = ()
    think: list[str] = []
    if isinstance(content, list):
        found = read_parts(content, form)
        form.setdefault("parts", {}).setdefault(role, found.style)
        text, media, calls, reasoning = (
            found.text,
            found.media,
            calls + found.calls,
            reasoning or found.reasoning,
        )
        if found.unknown:
            told.append("a part of a turn's content of a kind that is not known")
    elif is_text(content):
        text = content
    elif content is None and (calls or reasoning or role != "user"):
        text = ""
        if calls:
            form.setdefault("silent", None if keys[1] in turn else "absent")
    else:
        raise BadShape(f"the content of turn {number} is {kind_of(content)}, not text: write it as text")
    if calls and content == "":
        form.setdefault("silent", "")
    if not text and isinstance(refusal, str) and refusal and not calls:
        text = refusal  # what it said in place of an answer
        del left["refusal"]
    if role == "assistant" and not reasoning and "<think>" in text:
        text, reasoning, think = _apart(text, form, told)
    weight = take_weight(left, form, told)
    call_id = _take_text(left, "tool_call_id") if role == "tool" else ""
    speaker = _take_text(left, "name")
    for key in [key for key, value in left.items() if value is None]:
        del left[key]
    return Message(role, text, reasoning, calls, call_id, speaker, weight, media, left), think


def _calling_turn(
    raw: Any, content: Any, left: dict[str, Any], form: dict[str, Any], told: list[str]
) -> Message:
    calls = read_call_text(content, form) or ()
    if calls:
        form.setdefault("call_role", raw)
        text = ""
    else:
        told.append("a turn of calls that are no JSON of a name and arguments")
        text = content if isinstance(content, str) else ""
    weight = take_weight(left, form, told)
    reasoning = _take_reasoning(left, form)
    left = {key: value for key, value in left.items() if value is not None}
    return Message("assistant", text, reasoning, calls, weight=weight, extra=left)


def _take_calls(left: dict[str, Any], form: dict[str, Any], told: list[str]) -> tuple[Any, ...]:
    for key in ("tool_calls", "function_call"):
        value = left.get(key)
        if value in (None, [], {}, ""):
            continue
        calls = read_calls(value, form)
        if calls:
            form.setdefault("calls", key)
            del left[key]
            return calls
        told.append("tool calls that are no list of calls")
    return ()


def _take_reasoning(left: dict[str, Any], form: dict[str, Any]) -> str:
    for key in _REASONING:
        value = left.get(key)
        if isinstance(value, list):
            value = read_parts(value, {}).text
        if isinstance(value, str) and value:
            form.setdefault("reasoning", key)
            del left[key]
            return value
    return ""


def _take_text(left: dict[str, Any], key: str) -> str:
    value = left.get(key)
    return left.pop(key) if isinstance(value, str) and value else ""


def _apart(text: str, form: dict[str, Any], told: list[str]) -> tuple[str, str, list[str]]:
    """A text, the thought it begins with, and what stands before and behind that thought."""
    found = _THOUGHT.match(text)
    if found is None or "<think>" in found[2] or "think>" in text[found.end() :]:
        if text.lstrip().startswith("<think>"):
            told.append("a <think> that is not one closed thought")
        return text, "", []
    think = [found[1], found[3]]
    form.setdefault("think" if found[2] else "unthought", think)
    return text[found.end() :], found[2], think


def _thinking(message: Message, form: Mapping[str, Any], think: Sequence[str] = ()) -> str:
    """The text of an assistant's message with its thought before it, where the row has thoughts in its texts."""
    if message.role != "assistant":
        return message.content
    think = think or form.get("think" if message.reasoning else "unthought", ())
    return f"{think[0]}{message.reasoning}{think[1]}{message.content}" if think else message.content


def read_text(role: str, text: str, form: dict[str, Any], told: list[str]) -> Message:
    """A message of a text alone; the thought that an assistant's text begins with is taken apart."""
    if role != "assistant" or "<think>" not in text:
        return Message(role, text)
    text, reasoning, _ = _apart(text, form, told)
    return Message(role, text, reasoning)


def write_text(message: Message, form: Mapping[str, Any], lost: Counter[str]) -> str:
    """A message as a text alone; what a text cannot hold is counted in `lost`."""
    if message.is_plain and "unthought" not in form:
        return message.content
    lost.update(
        name
        for name, there in (
            ("reasoning", message.reasoning and "think" not in form),
            ("calls", message.calls),
            ("media", message.media),
            ("weight", message.weight is not None),
            ("name", message.name),
        )
        if there
    )
    return _thinking(message, form)


def _note_nulls(turns: Sequence[Any], messages: Sequence[Message], form: dict[str, Any]) -> None:
    """A key that is null in every turn of a role that has no value for it, as `datasets` fills rows up."""
    for role in {message.role for message in messages}:
        alike = [turn for turn, message in zip(turns, messages, strict=True) if message.role == role]
        keys = form.get("keys", ())
        nulls = {
            key
            for turn in alike
            for key, value in turn.items()
            if value is None
            and key not in ("content", "value", *keys)
            and all(key in other for other in alike)
        }
        if nulls:
            form.setdefault("nulls", {})[role] = sorted(nulls)


def write_turns(
    messages: Sequence[Message], style: str, form: Mapping[str, Any], lost: Counter[str], name: str = "turns"
) -> list[Row]:
    """Messages as turns; one that speaks and calls is two where calls have a role of their own."""
    if not form and all(message.is_plain for message in messages):
        role_key, content_key, names = _DEFAULTS[style]
        return [{role_key: names[message.role], content_key: message.content} for message in messages]
    turns: list[Row] = []
    odd = form.get(name, {})
    for at, message in enumerate(messages):
        own = odd.get(str(at))
        written = _canonical(message, style, form, own.get("think", ()) if own else ())
        if own and len(written) == 1:
            turn = changed(written[0], own)
            if not _reads_as(turn, message, style, form):
                (turn,) = _canonical(message, style, form)
            written = [turn]
        turns += written
    return turns


def _reads_as(turn: Row, message: Message, style: str, form: Mapping[str, Any]) -> bool:
    try:
        return read_turn(turn, 1, style, dict(form), [])[0] == message
    except BadShape:
        return False


def _canonical(message: Message, style: str, form: Mapping[str, Any], think: Sequence[str] = ()) -> list[Row]:
    """The turn as the row's form spells it."""
    default_keys, names = _DEFAULTS[style][:2], {**_DEFAULTS[style][2], **form.get("roles", {})}
    role_key, content_key = form.get("keys", default_keys)
    own_role = form.get("call_role", "function_call" if style == "sharegpt" and "calls" not in form else "")
    rest: Row = dict(message.extra)
    if message.name:
        rest["name"] = message.name
    if message.call_id:
        rest["tool_call_id"] = message.call_id
    if message.weight is not None:
        rest |= write_weight(message.weight, form)
    content: Any = _thinking(message, form, think)
    style_of_parts = form.get("parts", {}).get(message.role)
    if message.reasoning and content is message.content and style_of_parts != "value":
        rest[form.get("reasoning", "reasoning_content")] = message.reasoning
    if style_of_parts or message.media:
        content = write_parts(message._replace(content=content), style_of_parts or "text", form)
    before: list[Row] = []
    turn: Row = {role_key: names[message.role], content_key: content, **rest}
    if message.calls and style_of_parts != "value":
        if own_role:
            if message.content:
                before = [turn]
                rest = {}
            turn = {role_key: own_role, content_key: write_call_text(message.calls, form), **rest}
        else:
            turn |= _write_calls(message, form)
            if not content:
                turn = _silent(turn, content_key, form)
    for key in form.get("nulls", {}).get(message.role, ()):
        turn.setdefault(key, None)
    return [*before, turn]


def _write_calls(message: Message, form: Mapping[str, Any]) -> Row:
    if form.get("calls") == "function_call" and len(message.calls) == 1 and not message.calls[0].id:
        (call,) = message.calls
        return {"function_call": {"name": call.name, "arguments": arguments_as(call, form)}}
    return {"tool_calls": write_calls(message.calls, form)}


def _silent(turn: Row, content_key: str, form: Mapping[str, Any]) -> Row:
    silent = form.get("silent")
    if silent == "absent":
        return {key: value for key, value in turn.items() if key != content_key}
    return {**turn, content_key: silent}
