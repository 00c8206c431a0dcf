"""Rows of a list of turns: OpenAI's messages and ShareGPT's conversations, each of which may hold either spelling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from factory.data.formats.shapes.alpaca import take_system
from factory.data.formats.shapes.answers import labelled, put_label, with_labelled
from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, take_arguments, take_tools
from factory.data.formats.shapes.media import put_media, take_media
from factory.data.formats.shapes.order import check_order, says_nothing
from factory.data.formats.shapes.spelled import decoded, json_style, json_text
from factory.data.formats.shapes.turns import read_turns, write_turns
from factory.data.record import Message, Record, join_input


class Conversation(Shape):
    """A list of turns, with optional tools, system, media and a label (KTO).

    Its form, besides what `turns` notes: "list": the column of the turns, "list_json": the style of turns that are
    JSON text, "system": the column of the system text, "exchange": columns that repeat the last exchange, "waits":
    the empty turn at the end that keeps a place for an answer, "blank": the empty system turn at the start, "label":
    the column of the label.
    """

    columns: ClassVar[tuple[str, ...]]

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        for name in Messages.columns:
            turns = decoded(row.get(name))
            if isinstance(turns, list) and (not turns or isinstance(turns[0], Mapping)):
                return (self.name == "sharegpt") == bool(turns and "from" in turns[0])
        return False

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        told: list[str] = []
        turns = list(self.take_turns(row, form, told))
        system: list[Message] = []
        exact = not form and all(turn.is_plain for turn in turns)
        if exact and turns and not row and not says_nothing(turns[0]) and not says_nothing(turns[-1]):
            check_order(turns, told)  # nothing else to look for
            return Parsed(tuple(turns), meta=row, told=tuple(told), exact=True)
        if turns and turns[0].role == "system" and says_nothing(turns[0]):
            form["blank"] = write_turns(turns[:1], self.name, form, Counter())[0]
            del turns[0]
            form |= {
                "turns": {str(int(at) - 1): odd for at, odd in form.get("turns", {}).items() if at != "0"}
            }
        if not turns or turns[0].role != "system":
            text = take_system(row, form)
            system = [Message("system", text)] if text else []
        if turns and turns[-1].role == "assistant" and says_nothing(turns[-1]):
            # A place kept for an answer that is not there yet.
            form["waits"] = write_turns(turns[-1:], self.name, form, Counter())[0]
            turns.pop()
        turns = take_media(row, turns, form, told)
        check_order(turns, told)
        messages = (*system, *turns)
        input_chars = _take_exchange(row, messages, form)
        tools, arguments = take_tools(row, form, told), take_arguments(row)
        last = max(at for at, turn in enumerate(messages) if turn.role == "user")
        messages, answers, chosen = labelled(row, messages, last + 1, form)
        exact = exact and not (form or tools or arguments or answers)
        return Parsed(
            messages,
            input_chars,
            meta=row,
            tools=tools,
            template_arguments=arguments,
            answers=answers,
            chosen=chosen,
            form=form,
            told=tuple(told),
            exact=exact,
        )

    def take_turns(self, row: Row, form: dict[str, Any], told: list[str]) -> Sequence[Message]:
        """Takes the list of turns out of a row."""
        key = next((name for name in self.columns if isinstance(decoded(row.get(name)), list)), None)
        if key is None:
            raise BadShape(f"it has no list of turns: name the column '{self.columns[0]}'")
        value = row[key]
        turns = decoded(value)
        messages = read_turns(turns, self.name, form, told)
        if key != self.columns[0]:
            form["list"] = key
        if isinstance(value, str):
            form["list_json"] = json_style(value, turns) or "spaced"
        del row[key]
        return messages

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        row: Row = {}
        messages = with_labelled(record)
        if form.get("system") and messages and messages[0].role == "system":
            row[form["system"]] = messages[0].content
            messages = messages[1:]
        elif "blank" in form and messages and messages[0].role != "system":
            row["blank"] = form["blank"]
        messages = put_media(row, messages, form)
        turns = write_turns(messages, self.name, form, lost)
        if "blank" in row:
            turns.insert(0, row.pop("blank"))
        if "waits" in form and not record.answered:
            turns.append(form["waits"])
        style = form.get("list_json")
        row[form.get("list", self.columns[0])] = json_text(turns, style) if style else turns
        for name in form.get("exchange", ()):
            row[name] = getattr(record, name)
        put_tools(row, record.tools, form)
        if record.template_arguments:
            row["chat_template_kwargs"] = dict(record.template_arguments)
        put_label(row, record, form, lost)
        return row


class Messages(Conversation):
    """messages of {"role", "content"}, as OpenAI, TRL, Axolotl and most servers spell them."""

    name = "messages"
    columns = ("messages", "conversations", "conversation", "items")


class ShareGpt(Conversation):
    """conversations of {"from", "value"}, as ShareGPT and LLaMA-Factory spell them."""

    name = "sharegpt"
    columns = ("conversations", "conversation", "messages", "items")


def _take_exchange(row: Row, messages: Sequence[Message], form: dict[str, Any]) -> int:
    """How many characters of the last user turn its `input` column says are input."""
    instruction, input = row.get("instruction"), row.get("input")
    if not isinstance(instruction, str) or not isinstance(input, str):
        return 0
    at = max(index for index, turn in enumerate(messages) if turn.role == "user")
    if messages[at].content != join_input(instruction, input):
        return 0
    form["exchange"] = ["instruction", "input"]
    del row["instruction"], row["input"]
    if "output" in row and row["output"] == (
        messages[-1].content if messages[-1].role == "assistant" else ""
    ):
        form["exchange"].append("output")
        del row["output"]
    return len(input)
