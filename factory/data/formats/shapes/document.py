"""A row that is a document of its own kind: read by taking the conversation out, written by putting it back."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, take_tools
from factory.data.formats.shapes.taken import Taking, put_back
from factory.data.record import Message, Record


class Document(Shape):
    """A shape whose rows keep all that a record has no field for, with null where the record has one.

    A record whose turns are still those of its row, whatever they say now, is written into the row; any other is
    written anew.

    columns: the columns of a row that the conversation stands in
    """

    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def take(self, taking: Taking) -> None:
        """Takes the turns out of a row."""

    @abstractmethod
    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """A record as a row of this shape, of which nothing is there yet; without its tools.

        Raises:
            BadShape: the shape cannot hold the record.
        """

    def take_tools(self, row: Row, form: dict[str, Any], told: list[str]) -> tuple[Mapping[str, Any], ...]:
        """Takes the schemas of the tools out of a row."""
        return take_tools(row, form, told)

    def put_tools(self, row: Row, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> None:
        """Puts the tools of a record into a row."""
        put_tools(row, record.tools, form)

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        row = copy.deepcopy(row)
        taking = Taking(row)
        self.take(taking)
        taking.finish()
        told = taking.told
        tools = self.take_tools(row, form, told)
        return Parsed(
            tuple(taking.turns),
            lang=taking.lang,
            meta=row,
            tools=tools,
            answers=tuple(taking.answers),
            chosen=taking.chosen,
            form={**form, "places": taking.places},
            told=tuple(told),
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        row = self._put_back(record, form, lost)
        if row is None:
            row = self.anew(record, lost)
            if form.get("places"):
                lost["details of the source's turns"] += 1
        self.put_tools(row, record, form, lost)
        if record.template_arguments:
            lost["template_arguments"] += 1
        return row

    def _put_back(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row | None:
        kept = {key: record.meta[key] for key in self.columns if key in record.meta}
        if not form.get("places") or not kept:
            return None
        changed: Counter[str] = Counter()
        row: Row | None = put_back(kept, form["places"], record, changed)
        if row is None:
            return None
        try:
            parsed = self.read(row)
        except BadShape:
            return None
        if parsed.messages != record.messages or parsed.chosen != record.chosen:
            return None
        if parsed.answers != record.answers:
            return None
        lost.update(changed)
        return row


def count_lost(messages: tuple[Message, ...], lost: Counter[str], *fields: str) -> None:
    """Counts the fields of messages, of those named, that hold something; what else is said of media, always."""
    for message in messages:
        lost.update(name for name in fields if getattr(message, name) not in ("", None, (), {}))
        lost.update("details of media" for media in message.media if media.extra)


def schema_of(tool: Mapping[str, Any]) -> tuple[str, str | None, Any]:
    """A tool's name, its description and the schema of its parameters, whichever way they are spelled."""
    inner = tool.get("function")
    fields = inner if isinstance(inner, Mapping) else tool
    name, said = fields.get("name"), fields.get("description")
    parameters = next((fields[key] for key in ("parameters", "input_schema") if key in fields), None)
    return name if isinstance(name, str) else "", said if isinstance(said, str) else None, parameters
