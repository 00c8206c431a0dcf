"""Rows of one instruction and several answers, each an object of its text, its model and its scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.alpaca import INSTRUCTION, OUTPUT, take_column, take_system
from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, take_arguments, take_tools
from factory.data.formats.shapes.turns import read_text, write_text
from factory.data.record import Candidate, Message, Record, join_input
from factory.data.text import is_blank

LISTS = ("completions", "responses", "answers", "generations", "candidates")
_TEXTS = ("response", "answer", "completion", "generation", "output", "content", "text")
_SCORES = ("rating", "rank", "reward")
_EXACT = 2**53
"""A number of this size or above is not the same as a float."""


class Completions(Shape):
    """An instruction and a list of answers to it, none of which is chosen (UltraFeedback's `completions`, Nectar's
    `answers`).

    Numbers of an answer that are named rating, rank, reward, or end in "score", are its scores; what else stands beside
    its text (a critique, annotations) goes with it.

    Its form: "instruction", "input" (None where there is none), "system", "list": the names of columns; "text": the key
    of an answer's text; "turns": how each text was spelled; "scored": of each answer the names of its scores, and
    whether each is written as a whole number.
    """

    name = "completions"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        return (
            any(isinstance(row.get(name), str) for name in INSTRUCTION)
            and not any(isinstance(row.get(name), str) and row[name] for name in OUTPUT)
            and _listed(row) is not None
        )

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        told = ["several answers of which none is chosen, as `pair` does by their scores,"]
        found = _listed(row)
        if found is None:
            raise BadShape(f"it has no list of answers that are objects: name the column {LISTS[0]!r}")
        form["list"], form["text"] = found
        form["instruction"] = key = next(
            (name for name in INSTRUCTION if row.get(name) is not None), INSTRUCTION[0]
        )
        instruction = take_column(row, key)
        if is_blank(instruction):
            raise BadShape(f"its {key} is empty: fill it in, or remove the row")
        form["input"] = "input" if isinstance(row.get("input"), str) else None
        input = take_column(row, "input") if form["input"] else ""
        system = take_system(row, form)
        answers, form["turns"], form["scored"] = [], [], []
        for item in row.pop(form["list"]):
            answers.append(_read_answer(dict(item), form, told))
        return Parsed(
            (
                *([Message("system", system)] if system else []),
                Message("user", join_input(instruction, input)),
            ),
            len(input),
            meta=row,
            tools=take_tools(row, form, told),
            template_arguments=take_arguments(row),
            answers=tuple(answers),
            form=form,
            told=tuple(told),
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        if record.answered or not record.answers:
            raise BadShape("its answer cannot be told from others in a list of them: write it as messages")
        history = record.messages[1 if record.system else 0 : max(record.last_user, 0)]
        if history or record.last_user < 0 or any(len(answer.turns) != 1 for answer in record.answers):
            raise BadShape("it holds turns other than one question and its answers: write it as messages")
        row: Row = {form.get("instruction", INSTRUCTION[0]): record.instruction}
        if form.get("input") or record.input:
            row["input"] = record.input
        if record.system:
            row[form.get("system", "system")] = record.system
        row[form.get("list", LISTS[0])] = [
            _written(answer, at, form, lost) for at, answer in enumerate(record.answers)
        ]
        put_tools(row, record.tools, form)
        if record.template_arguments:
            row["chat_template_kwargs"] = dict(record.template_arguments)
        return row


def _listed(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """The column of a row that is a list of answers, and the key of their texts; None where there is none."""
    for column in LISTS:
        items = row.get(column)
        if not isinstance(items, list) or not items or not all(isinstance(item, Mapping) for item in items):
            continue
        for key in _TEXTS:
            if all(isinstance(item.get(key), str) for item in items):
                return column, key
    return None


def _read_answer(item: Row, form: dict[str, Any], told: list[str]) -> Candidate:
    spelled: dict[str, Any] = {}
    turn = read_text("assistant", item.pop(form["text"]), spelled, told)
    form["turns"].append(spelled)
    model = item.pop("model") if isinstance(item.get("model"), str) and item["model"] else ""
    whole = {name: isinstance(value, int) for name, value in item.items() if _is_score(name, value)}
    form["scored"].append(whole)
    scores = {name: float(item.pop(name)) for name in whole}
    return Candidate((turn._replace(extra=item),), model, scores)


def _is_score(name: str, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _EXACT
    return number and (name in _SCORES or name.lower().endswith("score"))


def _written(answer: Candidate, at: int, form: Mapping[str, Any], lost: Counter[str]) -> Row:
    (turn,) = answer.turns
    spelled, scored = (form.get(name, ()) for name in ("turns", "scored"))
    item: Row = {
        form.get("text", _TEXTS[0]): write_text(
            turn._replace(extra={}), spelled[at] if at < len(spelled) else {}, lost
        ),
        **({"model": answer.model} if answer.model else {}),
    }
    known = scored[at] if at < len(scored) else {}
    scores: Row = {name: value for name, value in answer.scores.items() if _is_score(name, value)}
    if len(scores) < len(answer.scores):
        lost["scores"] += 1
    whole = {name: int(value) for name, value in scores.items() if known.get(name) and value.is_integer()}
    return {**turn.extra, **item, **scores, **whole}
