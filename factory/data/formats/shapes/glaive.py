"""Glaive's rows: a whole conversation as one text of USER:, ASSISTANT:, FUNCTION RESPONSE:, with calls in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.document import count_lost
from factory.data.formats.shapes.order import check_order
from factory.data.record import Message, Record, ToolCall

_ROLES = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}
_MARKS = {role: f"{mark}: " for mark, role in _ROLES.items()}
_TURN = re.compile(r"(?:\A|(?<=\n))(USER|ASSISTANT|FUNCTION RESPONSE): ?")
_END = re.compile(r"\s*(?:<\|endoftext\|>\s*)?\Z")
# The arguments stand in single quotes inside what looks like JSON.
_CALL = re.compile(r"""(\s*)<functioncall> \{"name": "([^"\\]+)", "arguments": '(.*)'\}\Z""", re.DOTALL)
_SYSTEM = "SYSTEM: "


class Glaive(Shape):
    """system and chat, both texts; the functions stay in the system text, a call is taken out of its turn.

    Its form: "chat": {"roles": one a turn, "around": the texts before, between and behind the turns, "gaps": the space
    before the call of a turn, by its number}, "bare": whether the system text does not begin with "SYSTEM: ".
    """

    name = "glaive"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        chat = row.get("chat")
        return isinstance(chat, str) and isinstance(row.get("system", ""), str) and bool(_TURN.search(chat))

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        if not self.matches(row):
            raise BadShape(
                "it has no chat of USER: and ASSISTANT: turns: give it one, or the shape of the file"
            )
        chat, said = row.pop("chat"), row.pop("system", None)
        form: dict[str, Any] = {}
        told: list[str] = []
        system = []
        if said is not None:
            text = said.removeprefix(_SYSTEM)
            if text == said:
                form["bare"] = True
            if text:
                system = [Message("system", text)]
        turns, form["chat"] = _read_chat(chat, told)
        check_order([*system, *turns], told)
        return Parsed((*system, *turns), meta=row, form=form, told=tuple(dict.fromkeys(told)))

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        turns = record.messages
        count_lost(turns, lost, "reasoning", "media", "name", "call_id", "weight", "extra")
        lost.update(name for name in ("tools", "answers", "template_arguments") if getattr(record, name))
        row: Row = {}
        if turns and turns[0].role == "system":
            row["system"] = ("" if form.get("bare") else _SYSTEM) + turns[0].content
            turns = turns[1:]
        row["chat"] = _write_chat(turns, form.get("chat", {}))
        roles = [turn.role for turn in turns]
        if [_ROLES[mark[1]] for mark in _TURN.finditer(row["chat"])] != roles:
            raise BadShape(
                "a text in it has the marks of a turn, or a system turn is late: write it as messages"
            )
        return row


def _read_chat(chat: str, told: list[str]) -> tuple[list[Message], dict[str, Any]]:
    turns: list[Message] = []
    around: list[str] = []
    gaps: dict[str, str] = {}
    marks = list(_TURN.finditer(chat))
    done = 0
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        around.append(chat[done : mark.end()])
        whole = chat[mark.end() : following.start() if following else len(chat)]
        text = whole[: _END.search(whole).start()]  # type: ignore[union-attr]  # it always finds the end
        done = mark.end() + len(text)
        message = Message(_ROLES[mark[1]], text)
        call = _CALL.search(text) if message.role == "assistant" else None
        if call is not None:
            gaps[str(len(turns))] = call[1]
            content = text[: call.start()]
            message = Message("assistant", content, calls=(ToolCall(call[2], call[3]),))
        elif message.role == "assistant" and "<functioncall>" in text:
            told.append("a <functioncall> that is not told apart from the text around it (left in the text)")
        turns.append(message)
    around.append(chat[done:])
    return turns, {
        "roles": [turn.role for turn in turns],
        "around": around,
        **({"gaps": gaps} if gaps else {}),
    }


def _write_chat(turns: Sequence[Message], spelled: Mapping[str, Any]) -> str:
    if [turn.role for turn in turns] != spelled.get("roles"):
        ends = [" <|endoftext|>\n\n\n" if turn.role == "assistant" else "\n\n\n" for turn in turns]
        marks = [_MARKS.get(turn.role, "") for turn in turns]
        around = ["".join(pair) for pair in zip(["", *ends], [*marks, ""], strict=True)]
        spelled = {"around": around}
    gaps, around = spelled.get("gaps", {}), spelled["around"]
    chat = around[0]
    for number, (turn, after) in enumerate(zip(turns, around[1:], strict=True)):
        text = turn.content
        if turn.calls:
            if len(turn.calls) > 1 or not re.fullmatch(r'[^"\\]+', turn.calls[0].name):
                raise BadShape(
                    "a turn calls several tools at once, which this shape cannot hold: write it as messages"
                )
            name, arguments, _ = turn.calls[0]
            gap = gaps.get(str(number), " " if text else "")
            text += f"""{gap}<functioncall> {{"name": "{name}", "arguments": '{arguments}'}}"""
        chat += text + after
    return str(chat)
