"""OpenAI's preference rows: an input of messages, a preferred and a non-preferred output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.answers import check_sides, is_turns, read_side, two_sides, write_side
from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, take_arguments, take_tools
from factory.data.formats.shapes.turns import read_turns, write_turns
from factory.data.record import Candidate, Record

_GOOD, _BAD = "preferred_output", "non_preferred_output"


class OpenAIPreference(Shape):
    """input (messages, tools), preferred_output and non_preferred_output, each a list of turns.

    What else `input` holds stays in `meta`, in an `input` of its own.
    """

    name = "openai_preference"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        return isinstance(row.get("input"), Mapping) and _GOOD in row

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        told: list[str] = []
        asked = row.pop("input", None)
        if not isinstance(asked, dict) or not is_turns(asked.get("messages")):
            raise BadShape(
                "its input has no list of messages: write it so, as OpenAI's preference rows have it"
            )
        asked = dict(asked)
        prompt = read_turns(asked.pop("messages"), "messages", form, told)
        chosen, rejected = read_side(row, _GOOD, form, told), read_side(row, _BAD, form, told)
        check_sides(prompt, chosen, rejected, told)
        tools, arguments = take_tools(asked, form, told), take_arguments(asked)
        if asked:
            row["input"] = asked
        return Parsed(
            (*prompt, *chosen),
            meta=row,
            tools=tools,
            template_arguments=arguments,
            answers=(Candidate(tuple(chosen)), Candidate(tuple(rejected))),
            chosen=0,
            form=form,
            told=tuple(told),
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        prompt, chosen, rejected = two_sides(record)
        if len(record.answers) > 2:
            lost["answers"] += 1
        spelled = {key: value for key, value in form.items() if key not in (_GOOD, _BAD)}
        asked: Row = {"messages": write_turns(prompt, "messages", spelled, lost)}
        put_tools(asked, record.tools, form)
        if record.template_arguments:
            asked["chat_template_kwargs"] = dict(record.template_arguments)
        return {
            "input": asked,
            _GOOD: write_side(chosen, form.get(_GOOD, {}), lost),
            _BAD: write_side(rejected, form.get(_BAD, {}), lost),
        }
