"""Rows of a prompt and its completion, each a text or a list of turns; with a label they are KTO's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.alpaca import take_system
from factory.data.formats.shapes.answers import (
    is_turns,
    labelled,
    put_label,
    read_side,
    style_of,
    with_labelled,
    write_side,
)
from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, take_arguments, take_tools
from factory.data.formats.shapes.media import put_media, take_media
from factory.data.formats.shapes.order import check_order, says_nothing
from factory.data.formats.shapes.spelled import decoded
from factory.data.formats.shapes.turns import read_turns, write_turns
from factory.data.record import Message, Record
from factory.data.text import is_blank

_PAIRS = (("prompt", "completion"), ("input", "output"))


class PromptCompletion(Shape):
    """prompt and completion (TRL), each a text or a list of turns; also turns in `input` with an output (Nemotron).

    A prompt without a completion waits for an answer. With a `label` of true or false (KTO) the completion is an
    answer of that verdict; one labelled false is no part of the conversation.

    Its form: "pair": 1 for input and output; "ask": "text" for a prompt that is text; "begun": how many turns of the
    prompt are the beginning of the answer; the completion's own spelling under its column.
    """

    name = "prompt_completion"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        return _pair(row) is not None

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        told: list[str] = []
        at = _pair(row)
        if at is None:
            raise BadShape(
                "it has no prompt and completion: name the columns so, or give the shape of the file"
            )
        if at:
            form["pair"] = at
        ask, answer = _PAIRS[at]
        prompt = _take_prompt(row, ask, form, told)
        if prompt[0].role != "system":
            system = take_system(row, form)
            prompt = [*([Message("system", system)] if system else []), *prompt]
        completion: list[Message] = []
        if row.get(answer) is not None:
            completion = read_side(row, answer, form, told)
            if all(map(says_nothing, completion)):
                completion = []
        prompt = take_media(row, prompt, form, told)
        check_order([*prompt, *completion], told)
        messages = (*prompt, *completion)
        last = max(at for at, turn in enumerate(messages) if turn.role == "user") + 1
        if last < len(prompt):
            form["begun"] = len(prompt) - last
        tools, arguments = take_tools(row, form, told), take_arguments(row)
        messages, answers, chosen = labelled(row, messages, len(prompt), form)
        return Parsed(
            messages,
            meta=row,
            tools=tools,
            template_arguments=arguments,
            answers=answers,
            chosen=chosen,
            form=form,
            told=tuple(told),
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        ask, answer = _PAIRS[form.get("pair", 0)]
        row: Row = {}
        messages = with_labelled(record)
        if form.get("system") and messages and messages[0].role == "system":
            row[form["system"]] = messages[0].content
            messages = messages[1:]
        last = max((at for at, turn in enumerate(messages) if turn.role == "user"), default=-1) + 1
        at = min(last + form.get("begun", 0), len(messages))
        prompt, completion = put_media(row, messages[:at], form), messages[at:]
        if form.get("ask") == "text" and len(prompt) == 1 and prompt[0].is_plain:
            row[ask] = prompt[0].content
        else:
            spelled = {key: value for key, value in form.items() if key not in (answer, "ask")}
            row[ask] = write_turns(prompt, form.get("style", "messages"), spelled, lost)
        if completion:
            row[answer] = write_side(completion, form.get(answer, _like(form)), lost)
        put_tools(row, record.tools, form)
        if record.template_arguments:
            row["chat_template_kwargs"] = dict(record.template_arguments)
        put_label(row, record, form, lost)
        return row


def _pair(row: Mapping[str, Any]) -> int | None:
    """Which of `_PAIRS` a row has, None where it has none."""
    for at, (ask, answer) in enumerate(_PAIRS):
        asked = decoded(row.get(ask)) if not isinstance(row.get(ask), str) else row[ask]
        if (
            is_turns(asked)
            and asked
            and {"role", "from"} & set(asked[0])
            and (answer == "completion" or answer in row)
        ):
            return at
        plain = isinstance(asked, str) and not any(
            name in row for name in ("instruction", "input", "history")
        )
        if plain and ask == "prompt" and answer in row:
            return at
    return None


def _take_prompt(row: Row, ask: str, form: dict[str, Any], told: list[str]) -> list[Message]:
    value = row.pop(ask)
    if isinstance(value, str):
        form["ask"] = "text"
        if is_blank(value):
            raise BadShape(f"its {ask} is empty: fill it in, or remove the row")
        return [Message("user", value)]
    turns = decoded(value)
    if style_of(turns) == "sharegpt":
        form["style"] = "sharegpt"
    return read_turns(turns, style_of(turns), form, told)


def _like(form: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a completion is spelled in a row that had none: as its prompt is."""
    return {"as": "text"} if form.get("ask") == "text" else {}
