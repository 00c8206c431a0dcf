"""xLAM's rows of one query and the calls that answer it, each column of objects as JSON text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, read_call_text, take_tools, write_call_text
from factory.data.formats.shapes.document import count_lost
from factory.data.formats.shapes.order import check_order
from factory.data.formats.shapes.spelled import decoded, kind_of
from factory.data.record import Message, Record
from factory.data.text import is_blank


class Xlam(Shape):
    """query, answers (calls), tools. Without calls nothing is answered: `answers` stays where it is.

    Its form, besides what `calls` notes: "listed": whether the calls are a list and no text.
    """

    name = "xlam"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        return "query" in row and "answers" in row and "tools" in row and "response" not in row

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        told: list[str] = []
        query, said = row.get("query"), row.get("answers")
        if not isinstance(query, str) or is_blank(query):
            raise BadShape("its query is empty or no text: fill it in, or remove the row")
        turns = [Message("user", query)]
        listed = decoded(said)
        if isinstance(listed, list) and listed:
            calls = read_call_text(said, form)
            if calls is None:
                raise BadShape("its answers are no list of calls with a name: mend them, or remove the row")
            if isinstance(said, list):
                form["listed"] = True
            turns.append(Message("assistant", "", calls=calls))
            del row["answers"]
        elif isinstance(listed, str) and not is_blank(listed) and listed.lstrip()[0] not in "[{":
            turns.append(Message("assistant", listed))
            del row["answers"]
        elif listed in (None, "", []):
            told.append("a query that no call answers")
        else:
            raise BadShape(
                f"its answers are {kind_of(said)} and no list of calls as JSON: mend them, or remove the row"
            )
        del row["query"]
        tools = take_tools(row, form, told)
        check_order(turns, told)
        return Parsed(tuple(turns), meta=row, tools=tools, form=form, told=tuple(dict.fromkeys(told)))

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        turns = record.messages
        if turns and turns[0].role == "system":
            lost["system"] += 1
            turns = turns[1:]
        if [turn.role for turn in turns] not in (["user"], ["user", "assistant"]):
            raise BadShape("it is more than one query and its calls: write it as messages")
        count_lost(turns, lost, "reasoning", "media", "name", "weight", "extra")
        lost.update(name for name in ("answers", "template_arguments") if getattr(record, name))
        row: Row = {"query": turns[0].content}
        if len(turns) > 1 and turns[1].calls:
            text = write_call_text(turns[1].calls, form)
            if len(turns[1].calls) == 1:
                text = f"[{text}]"
            row["answers"] = decoded(text) if form.get("listed") else text
            if turns[1].content:
                lost["the text beside the calls"] += 1
        elif len(turns) > 1:
            row["answers"] = turns[1].content
        else:
            row["answers"] = record.meta.get("answers", "[]")
        style = {} if form else {"tools_json": "spaced"}
        put_tools(row, record.tools, {**style, **form})
        return row
