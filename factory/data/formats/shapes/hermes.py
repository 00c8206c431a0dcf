"""ShareGPT rows whose calls stand in the text, as Hermes and many others spell them: <tool_call>, <tool_response>."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from factory.data.formats.shapes.base import Parsed, Row, Shape
from factory.data.formats.shapes.conversation import ShareGpt
from factory.data.formats.shapes.spelled import compact, decoded, json_style, json_text
from factory.data.formats.shapes.taken import text_of
from factory.data.formats.values import DEEPEST, plain
from factory.data.record import Message, Record, ToolCall

_CALL, _END = "<tool_call>", "</tool_call>"
_RESPONSE = re.compile(r"(<tool_response>\s*)(.*?)(\s*</tool_response>)", re.DOTALL)
_DECODER = json.JSONDecoder()
_TEXTS = ShareGpt()  # the rows as they are, with calls and answers in their texts


class Hermes(Shape):
    """conversations whose gpt turns call in <tool_call> and whose tool turns answer in <tool_response>.

    Calls and answers are taken out of the text where putting them back gives the same text, character by character;
    a text that is spelled otherwise stays a text, and that is told. Its form has, besides what `ShareGpt` notes, by the
    number of the message: "tool_calls": {"between": the texts around the calls, "styles": one a call, "keys": the order
    of each call's keys}, "tool_responses": [the texts around the answers that the turn held], and
    "bare": whether answers stand without marks.
    """

    name = "hermes"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        turns = row.get("conversations")
        marks = {"gpt": _CALL, "tool": "<tool_response>"}
        return isinstance(turns, list) and any(
            isinstance(turn, dict)
            and isinstance(text := turn.get("value"), str)
            and marks.get(text_of(turn.get("from")), "\0") in text
            for turn in turns
        )

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        parsed = _TEXTS.read(row)
        form: dict[str, Any] = {"tool_calls": {}, "tool_responses": {}}
        told = list(parsed.told)
        messages: list[Message] = []
        for at, message in enumerate(parsed.messages):
            found = None
            if message.role == "assistant" and not message.calls and _CALL in message.content:
                found = _calls_of(message.content)
                if found is not None:
                    content, calls, spelled = found
                    form["tool_calls"][str(at)] = spelled
                    message = message._replace(content=content, calls=calls)
                else:
                    told.append(
                        "a <tool_call> that is not told apart from the text around it (left in the text)"
                    )
            if message.role == "tool" and (answers := _answers_of(message)) is not None:
                texts, around = answers
                form["tool_responses"][str(at)] = around
                messages += [message._replace(content=text) for text in texts]
                continue
            if message.role == "tool":
                form["bare"] = True
            messages.append(message)
        form = {key: value for key, value in form.items() if value}
        if "tool_calls" in form:
            told = [one for one in told if one != "an answer to a call that is not there"]
        return replace(
            parsed, messages=tuple(messages), form={**parsed.form, **form}, told=tuple(told), exact=False
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        joined: list[Message] = []
        calls, answers = form.get("tool_calls", {}), form.get("tool_responses", {})
        for role, group in itertools.groupby(record.messages, key=lambda message: message.role):
            turns = list(group)
            if role == "tool":
                around = answers.get(str(len(joined)))
                if around is None and form.get("bare"):
                    joined += turns
                    continue
                lost.update(name for name in ("call_id", "name") for turn in turns if getattr(turn, name))
                joined.append(_join_answers(turns, around))
            else:
                for message in turns:
                    spelled = calls.get(str(len(joined)))
                    if message.calls:
                        text = _join_calls(message, spelled)
                        lost.update(["call_id"] if any(call.id for call in message.calls) else [])
                        message = message._replace(content=text, calls=())
                    joined.append(message)
        return _TEXTS.write(replace(record, messages=tuple(joined)), form, lost)


def _calls_of(text: str) -> tuple[str, tuple[ToolCall, ...], dict[str, Any]] | None:
    """The text before the calls, the calls, and how they are spelled; None where they are not at the end, or odd."""
    start = text.index(_CALL)
    content = text[:start].rstrip()
    between, styles, orders, calls = [], [], [], []
    done = len(content)
    while (opened := text.find(_CALL, done)) >= 0:
        if text[done:opened].strip() not in ("", _END):
            return None
        begin = opened + len(_CALL)
        begin += len(text[begin:]) - len(text[begin:].lstrip())
        read = _read_call(text, begin)
        if read is None:
            return None
        call, style, keys, end = read
        between.append(text[done:begin])
        calls.append(call)
        styles.append(style)
        orders.append(keys)
        done = end
    if text[done:].strip() != _END:
        return None
    between.append(text[done:])
    spelled = {"between": between, "styles": styles, "keys": orders}
    whole = _join_calls(Message("assistant", content, calls=tuple(calls)), spelled)
    return (content, tuple(calls), spelled) if whole == text else None


def _read_call(text: str, begin: int) -> tuple[ToolCall, str, list[str], int] | None:
    """A call that starts at a place of a text: JSON, or a Python dict; its style, its keys in order, its end."""
    try:
        value, end = _DECODER.raw_decode(text, begin)
        style = json_style(text[begin:end], value)
    except (ValueError, RecursionError):
        end = text.find(_END, begin)
        raw = text[begin:end].rstrip()
        if end < 0 or raw.count("{") + raw.count("[") + raw.count("(") > DEEPEST:
            return None
        end, style = begin + len(raw), "python"
        try:
            value = ast.literal_eval(raw)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return None
    if not isinstance(value, dict) or set(value) != {"name", "arguments"} or not style:
        return None
    name, arguments = value["name"], value["arguments"]
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    try:
        if plain(arguments) != arguments:
            return None
        call = ToolCall(name, json_text(arguments, style) if style != "python" else compact(arguments))
    except (ValueError, TypeError, RecursionError):
        return None
    return call, style, list(value), end


def _join_calls(message: Message, spelled: Mapping[str, Any] | None) -> str:
    """A turn's text and its calls as one text."""
    calls = message.calls
    if spelled is None or len(spelled["styles"]) != len(calls):
        around = f"\n{_END}\n{_CALL}\n"
        first = f"\n{_CALL}\n" if message.content else f"{_CALL}\n"
        spelled = {
            "between": [first, *[around] * (len(calls) - 1), f"\n{_END}"],
            "styles": ["spaced"] * len(calls),
            "keys": [["name", "arguments"]] * len(calls),
        }
    text = message.content
    for before, call, style, keys in zip(
        spelled["between"], calls, spelled["styles"], spelled["keys"], strict=False
    ):
        value = {"name": call.name, "arguments": decoded(call.arguments)}
        value = {key: value[key] for key in keys}
        text += before + (repr(value) if style == "python" else json_text(value, style))
    return text + str(spelled["between"][-1])


def _answers_of(message: Message) -> tuple[list[str], list[str]] | None:
    """The answers of a tool's turn and the texts around them; None where it is more than answers."""
    texts: list[str] = []
    around: list[str] = []
    done = 0
    for found in _RESPONSE.finditer(message.content):
        if message.content[done : found.start()].strip() or message.media:
            return None
        around.append(
            message.content[done : found.start(2)]
            if not around
            else around.pop() + message.content[done : found.start(2)]
        )
        texts.append(found[2])
        around.append(found[3])
        done = found.end()
    if not texts or message.content[done:].strip():
        return None
    around[-1] += message.content[done:]
    return texts, around


def _join_answers(turns: Sequence[Message], around: Sequence[str] | None) -> Message:
    """Answers as the one turn they were, or as one turn in the usual spelling."""
    if around is None or len(around) != len(turns) + 1:
        mark = "\n</tool_response>\n<tool_response>\n"
        around = ["<tool_response>\n", *[mark] * (len(turns) - 1), "\n</tool_response>"]
    text = around[0] + "".join(turn.content + after for turn, after in zip(turns, around[1:], strict=True))
    return turns[0]._replace(content=text, name="", call_id="")
