"""Rows of an instruction, an input and an output, in their many spellings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, take_arguments, take_tools
from factory.data.formats.shapes.order import check_order
from factory.data.formats.shapes.spelled import decoded, is_text, json_style, json_text, kind_of
from factory.data.formats.shapes.turns import read_text, read_turns, write_text, write_turns
from factory.data.record import Message, Record, join_input
from factory.data.text import is_blank

INSTRUCTION = ("instruction", "prompt", "question", "query")
OUTPUT = ("output", "response", "answer", "completion")
SYSTEM = ("system", "system_prompt")
INSTANCES = "instances"
"""Self-Instruct's column of a task's inputs with their outputs."""


class Alpaca(Shape):
    """instruction, input, output (also prompt/response, question/answer, query/response; Dolly's context/response;
    Self-Instruct's instances), with optional history and system.

    Its form: the names of the columns "instruction", "input" ("" where there is none), "output", "system"; "history":
    "turns" where it is a list of turns; "history_json": the style of a history that is JSON text; "instances": true.
    """

    name = "alpaca"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        return any(name in row for name in INSTRUCTION)

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        told: list[str] = []
        key = next((name for name in INSTRUCTION if row.get(name) is not None), "instruction")
        if key not in row:
            raise BadShape("it has no 'instruction': name the column so, or give the shape of the file")
        if key != "instruction":
            form["instruction"] = key
        instruction = take_column(row, key)
        if is_blank(instruction):
            raise BadShape(f"its {key} is empty: fill it in, or remove the row")
        instances = row.get(INSTANCES)
        if isinstance(instances, list) and instances and isinstance(instances[0], dict):
            form[INSTANCES] = True
            row |= {name: instances[0].get(name) for name in ("input", "output")}
            if len(instances) == 1:
                del row[INSTANCES]
        answer = next((name for name in OUTPUT if row.get(name) is not None), "output")
        # Dolly calls the input "context", and nobody's context is an input where there is an "input" too.
        material = "context" if "input" not in row and "response" in row and "context" in row else "input"
        if answer != "output":
            form["output"] = answer
        if material not in row:
            form["input"] = ""
        elif material != "input":
            form["input"] = material
        exact = isinstance(row.get(answer), str) and isinstance(row.get(material, ""), str)
        output, input = take_column(row, answer), take_column(row, material)
        if is_blank(input):
            exact, input = exact and not input, ""
        history = take_history(row, form, told) if row else []
        system = take_system(row, form) if row else ""
        turns = [Message("user", join_input(instruction, input))]
        if not is_blank(output):
            turns.append(read_text("assistant", output, form, told))
            exact = exact and turns[-1].is_plain
        else:
            exact = exact and not output
        tools = take_tools(row, form, told) if row else ()
        arguments = take_arguments(row) if row else {}
        exact = exact and not (history or system or tools or arguments or INSTANCES in form)
        return Parsed(
            (*([Message("system", system)] if system else []), *history, *turns),
            len(input),
            meta=row,
            tools=tools,
            template_arguments=arguments,
            form=form,
            told=tuple(told),
            exact=exact,
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        at = record.last_user
        system = record.system
        history = record.messages[1 if system else 0 : max(at, 0)]
        answer = record.messages[at + 1 :]
        if at < 0 or len(answer) > 1 or (answer and answer[0].role != "assistant"):
            raise BadShape("it holds turns other than questions and answers: write it as messages")
        if not history and not system and not record.tools and not form:
            output = answer[0].content if answer and answer[0].is_plain else write_answer(answer, form, lost)
            return {"instruction": record.instruction, "input": record.input, "output": output}
        row: Row = {form.get("instruction", "instruction"): record.instruction}
        exchange = {"input": record.input, "output": write_answer(answer, form, lost)}
        if form.get(INSTANCES):
            others = record.meta.get(INSTANCES)
            rest = others[1:] if isinstance(others, list) else []
            row[INSTANCES] = [exchange, *rest]
        else:
            material = form.get("input", "input")
            if material or record.input:
                row[material or "input"] = record.input
            row[form.get("output", "output")] = exchange["output"]
        if system:
            row[form.get("system", "system")] = system
        if history:
            row["history"] = write_history(history, form, lost)
        put_tools(row, record.tools, form)
        if record.template_arguments:
            row["chat_template_kwargs"] = dict(record.template_arguments)
        return row


def write_answer(answer: Sequence[Message], form: Mapping[str, Any], lost: Counter[str]) -> str:
    """The text of an answer of one turn or none."""
    return write_text(answer[0], form, lost) if answer else ""


def take_column(row: Row, key: str) -> str:
    """Takes a column of text out of a row; null and no column are "".

    Raises:
        BadShape: it is something else.
    """
    value = row.get(key)
    if value is not None and not is_text(value):
        raise BadShape(f"its {key} is {kind_of(value)}, not text: write it as text")
    row.pop(key, None)
    return value or ""


def take_system(row: Row, form: dict[str, Any]) -> str:
    """Takes the system text out of a row; an empty one stays where it is."""
    for name in SYSTEM:
        if isinstance(row.get(name), str) and not is_blank(row[name]):
            form["system"] = name
            text: str = row.pop(name)
            return text
    return ""


def take_history(row: Row, form: dict[str, Any], told: list[str]) -> list[Message]:
    """Takes the earlier exchanges out of a row: [question, answer] pairs or a list of turns; none stay where they are.

    Raises:
        BadShape: it is something else, or does not end with an answer.
    """
    value = row.get("history")
    pairs = decoded(value)
    if pairs in (None, [], "", {}):
        return []
    turns: list[Message] = []
    if isinstance(pairs, list) and all(isinstance(pair, dict) for pair in pairs):
        form["history"] = "turns"
        turns = read_turns(pairs, "messages", form, told)
    else:
        for pair in pairs if isinstance(pairs, list) else [None]:
            if not (
                isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
            ):
                raise BadShape("its history is not a list of [question, answer] pairs of text: rewrite it so")
            turns += [Message("user", pair[0]), read_text("assistant", pair[1], form, told)]
    if isinstance(value, str):
        form["history_json"] = json_style(value, pairs) or "spaced"
    del row["history"]
    check_order(turns, told)
    if turns[-1].role != "assistant":
        raise BadShape("its history ends with a question that nobody answers: complete or remove it")
    return turns


def write_history(history: Sequence[Message], form: Mapping[str, Any], lost: Counter[str]) -> Any:
    """Earlier exchanges as `take_history` found them.

    Raises:
        BadShape: they are no pairs.
    """
    roles = [turn.role for turn in history]
    value: list[Any]
    if form.get("history") == "turns":
        value = list(write_turns(history, "messages", form, lost))
    elif roles != ["user", "assistant"] * (len(history) // 2):
        raise BadShape("it holds turns other than questions and answers: write it as messages")
    else:
        texts = [write_text(turn, form, lost) for turn in history]
        value = [texts[at : at + 2] for at in range(0, len(texts), 2)]
    style = form.get("history_json")
    return json_text(value, style) if style else value
