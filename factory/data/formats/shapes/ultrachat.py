"""UltraChat's rows: a list of texts, the user's and the assistant's in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.order import check_order
from factory.data.formats.shapes.turns import read_text, write_text
from factory.data.record import Message, Record

_ROLES = ("user", "assistant")


class UltraChat(Shape):
    """data: texts, the user's and the assistant's in turn; an odd number of them waits for an answer."""

    name = "ultrachat"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        data = row.get("data")
        return isinstance(data, list) and bool(data) and all(isinstance(text, str) for text in data)

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        if not self.matches(row):
            raise BadShape("it has no list of texts: name the column 'data'")
        form: dict[str, Any] = {}
        told: list[str] = []
        turns = [read_text(_ROLES[at % 2], text, form, told) for at, text in enumerate(row.pop("data"))]
        check_order(turns, told)
        return Parsed(tuple(turns), meta=row, form=form, told=tuple(told))

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        turns: tuple[Message, ...] = record.messages
        if any(turn.role != _ROLES[at % 2] for at, turn in enumerate(turns)):
            raise BadShape("it holds turns other than questions and answers: write it as messages")
        return {"data": [write_text(turn, form, lost) for turn in turns]}
