"""Rows of questions and answers in turn: UltraChat's list of texts, and ms-swift's list of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.alpaca import take_system
from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.order import check_order
from factory.data.formats.shapes.turns import read_text, write_text
from factory.data.record import Message, Record

_ROLES = ("user", "assistant")
_PAIR = {"human", "assistant"}


class UltraChat(Shape):
    """data: texts, the user's and the assistant's in turn; or conversation: pairs of {"human", "assistant"}.

    An odd number of texts waits for an answer. Its form: "pairs": true for pairs; "system": the column of the system
    text.
    """

    name = "ultrachat"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        data = row.get("data")
        texts = isinstance(data, list) and bool(data) and all(isinstance(text, str) for text in data)
        return texts or _is_pairs(row.get("conversation"))

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        if not self.matches(row):
            raise BadShape("it has no list of texts or pairs: name the column 'data' or 'conversation'")
        form: dict[str, Any] = {}
        told: list[str] = []
        if _is_pairs(row.get("conversation")):
            form["pairs"] = True
            texts = [pair[name] for pair in row.pop("conversation") for name in ("human", "assistant")]
        else:
            texts = row.pop("data")
        system = take_system(row, form)
        turns = [read_text(_ROLES[at % 2], text, form, told) for at, text in enumerate(texts)]
        check_order(turns, told)
        messages = (*([Message("system", system)] if system else []), *turns)
        return Parsed(messages, meta=row, form=form, told=tuple(told))

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        row: Row = {}
        turns = record.messages
        if turns and turns[0].role == "system":
            row[form.get("system", "system")] = turns[0].content
            turns = turns[1:]
        if any(turn.role != _ROLES[at % 2] for at, turn in enumerate(turns)):
            raise BadShape("it holds turns other than questions and answers: write it as messages")
        texts = [write_text(turn, form, lost) for turn in turns]
        if not form.get("pairs"):
            return {**row, "data": texts}
        answers = texts[1::2] if len(texts) % 2 == 0 else [*texts[1::2], ""]
        pairs = zip(texts[::2], answers, strict=True)
        return {**row, "conversation": [{"human": asked, "assistant": answer} for asked, answer in pairs]}


def _is_pairs(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(pair, Mapping)
            and set(pair) == _PAIR
            and all(isinstance(text, str) for text in pair.values())
            for pair in value
        )
    )
