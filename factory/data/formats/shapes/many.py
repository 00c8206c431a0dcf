"""Conversations that are many rows: trees of messages, session logs of agents."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.taken import Taking, put_back
from factory.data.record import Record

LINES = "lines"
"""The key under which the rows of a conversation stand, in order."""


class ManyRows(Shape):
    """A shape in which many rows are one conversation: read from one row {"lines": [rows]}, and written as one."""

    @abstractmethod
    def key(self, row: Mapping[str, Any]) -> str:
        """What a row says of the conversation it belongs to; "" where it belongs to the one before it."""

    @staticmethod
    def lines(row: Row) -> list[Any]:
        """The rows of a conversation, taken out of the one row that holds them.

        Raises:
            BadShape: it holds none.
        """
        lines = row.get(LINES)
        if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
            raise BadShape("it has no list of lines that are objects: read the file that the tool wrote")
        return lines


class Log(ManyRows):
    """A session log of an agent, one conversation a file. It cannot be made of a record that was not read from one."""

    @abstractmethod
    def take(self, taking: Taking) -> None:
        """Takes the turns of the main conversation out of the lines of a log."""

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`. Every line stays in `meta`, in order, with null where the turns hold what it said."""
        lines = copy.deepcopy(self.lines(row))
        taking = Taking(lines)
        self.take(taking)
        taking.finish()
        form = {"places": taking.places}
        return Parsed(tuple(taking.turns), meta={**row, LINES: lines}, form=form, told=tuple(taking.told))

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        lines = (
            put_back(record.meta.get(LINES), form.get("places", ()), record, lost)
            if form.get("places")
            else None
        )
        if lines is None or not self._tells(lines, record):
            raise BadShape(
                f"its turns are not those of its {self.name} log, and a log is not made up: write it as messages"
            )
        lost.update(name for name in ("tools", "answers", "template_arguments") if getattr(record, name))
        return {LINES: lines}

    def _tells(self, lines: list[Any], record: Record) -> bool:
        try:
            return self.read({LINES: lines}).messages == record.messages
        except BadShape:
            return False
