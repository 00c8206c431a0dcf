"""Rows of a prompt and two answers, one chosen and one rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.answers import PAIR
from factory.data.formats.shapes.alpaca import (
    INSTRUCTION,
    take_column,
    take_history,
    take_system,
    write_history,
)
from factory.data.formats.shapes.answers import (
    check_sides,
    is_turns,
    read_side,
    shared_start,
    style_of,
    two_sides,
    write_side,
)
from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.formats.shapes.calls import put_tools, take_arguments, take_tools
from factory.data.formats.shapes.conversation import Messages, ShareGpt
from factory.data.formats.shapes.media import put_media, take_media
from factory.data.formats.shapes.spelled import decoded, same
from factory.data.formats.shapes.turns import read_turns, write_turns
from factory.data.record import Candidate, Message, Record, join_input
from factory.data.text import is_blank

_SIDES = (("chosen", "rejected"), ("chosen_messages", "rejected_messages"))
_SCORES = ("score_chosen", "score_rejected")


class Preference(Shape):
    """chosen and rejected, each a text, a turn or a list of turns (TRL, LLaMA-Factory, Axolotl, UltraFeedback).

    The prompt is a text or a list of turns in `prompt`, an instruction and input, a conversation beside the two, or
    the start that both share. Scores of the two are read from score_chosen and score_rejected.

    Its form: "ask": "text", "turns", "list" or "whole" by where the prompt stands; "sides": 1 for chosen_messages;
    "repeats": columns that tell the prompt or the chosen answer again; the columns' own spelling under their names.
    """

    name = "preference"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        return _sides(row) is not None

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        form: dict[str, Any] = {}
        told: list[str] = []
        at = _sides(row) or 0
        if at:
            form["sides"] = at
        good, bad = _SIDES[at]
        raw = row.get(good)
        chosen, rejected = read_side(row, good, form, told), read_side(row, bad, form, told)
        input_chars = 0
        if chosen and rejected and "user" in (chosen[0].role, chosen[min(1, len(chosen) - 1)].role):
            form["ask"] = "whole"
            shared = shared_start(chosen, rejected)
            prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
            _take_repeated(row, prompt, raw, form)
        else:
            prompt, input_chars = _take_prompt(row, form, told)
        if not prompt or prompt[0].role != "system":
            system = take_system(row, form)
            prompt = [*([Message("system", system)] if system else []), *prompt]
        prompt = take_media(row, prompt, form, told)
        check_sides(prompt, chosen, rejected, told)
        scores = _take_scores(row, form)
        return Parsed(
            (*prompt, *chosen),
            input_chars,
            meta=row,
            tools=take_tools(row, form, told),
            template_arguments=take_arguments(row),
            answers=(
                Candidate(tuple(chosen), scores=scores[0]),
                Candidate(tuple(rejected), scores=scores[1]),
            ),
            chosen=0,
            form=form,
            told=tuple(told),
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        prompt, chosen, rejected = two_sides(record)
        if len(record.answers) > 2:
            lost["answers"] += 1
        row: Row = {}
        if form.get("system") and prompt and prompt[0].role == "system":
            row[form["system"]] = prompt[0].content
            prompt = prompt[1:]
        prompt = put_media(row, prompt, form)
        good, bad = _SIDES[form.get("sides", 0)]
        if form.get("ask") == "whole":
            chosen, rejected = (*prompt, *chosen), (*prompt, *rejected)
        else:
            _put_prompt(row, record, prompt, form, lost)
        row[good] = write_side(chosen, _as_now(form.get(good, {}), chosen), lost)
        row[bad] = write_side(rejected, _as_now(form.get(bad, {}), rejected), lost)
        for name in form.get("repeats", ()):
            row[name] = row[good] if name == "messages" else _first_asked(prompt)
        put_tools(row, record.tools, form)
        if record.template_arguments:
            row["chat_template_kwargs"] = dict(record.template_arguments)
        for name, answer in zip(form.get("scores", ()), _ordered(record), strict=False):
            if "score" in answer.scores:
                row[name] = answer.scores["score"]
        return row


def _sides(row: Mapping[str, Any]) -> int | None:
    """Which of `_SIDES` a row has, None where it has none."""
    for at, names in enumerate(_SIDES):
        values = [row.get(name) for name in names]
        if all(name in row for name in names) and any(
            isinstance(value, str | list | dict) or hasattr(value, "tolist") for value in values
        ):
            return at
    return None


def _as_now(spelled: Mapping[str, Any], turns: Sequence[Message]) -> Mapping[str, Any]:
    return spelled if turns or not spelled else {**spelled, "as": "turns"}


def _take_repeated(row: Row, prompt: Sequence[Message], chosen: Any, form: dict[str, Any]) -> None:
    repeats = []
    if "messages" in row and same(row["messages"], chosen):
        repeats.append("messages")
    if isinstance(row.get("prompt"), str) and row["prompt"] == _first_asked(prompt):
        repeats.append("prompt")
    for name in repeats:
        del row[name]
    if repeats:
        form["repeats"] = repeats


def _first_asked(prompt: Sequence[Message]) -> str:
    return next((turn.content for turn in prompt if turn.role == "user"), "")


def _take_prompt(row: Row, form: dict[str, Any], told: list[str]) -> tuple[list[Message], int]:
    """The prompt that stands beside the two answers, and how many characters of it are input."""
    listed = decoded(row.get("prompt"))
    if is_turns(listed):
        form["ask"] = "turns"
        if style_of(listed) == "sharegpt":
            form["style"] = "sharegpt"
        turns = read_turns(listed, style_of(listed), form, told)
        del row["prompt"]
        return turns, 0
    key = next((name for name in INSTRUCTION if row.get(name) is not None), None)
    if key is not None:
        form["ask"] = "text"
        if key != "prompt":
            form["instruction"] = key
        instruction = take_column(row, key)
        if is_blank(instruction):
            raise BadShape(f"its {key} is empty: fill it in, or remove the row")
        input = ""
        if isinstance(row.get("input"), str):
            form["input"] = True
            input = row.pop("input")
            input = "" if is_blank(input) else input
        history = take_history(row, form, told)
        return [*history, Message("user", join_input(instruction, input))], len(input)
    shape = next((shape for shape in (ShareGpt(), Messages()) if shape.matches(row)), None)
    if shape is None:
        raise BadShape("it has no prompt that its two answers answer: name the column 'prompt'")
    form |= {"ask": "list", "style": shape.name}
    return list(shape.take_turns(row, form, told)), 0


def _put_prompt(
    row: Row, record: Record, prompt: Sequence[Message], form: Mapping[str, Any], lost: Counter[str]
) -> None:
    ask = form.get("ask", "turns")
    if ask == "text" and prompt and prompt[-1].is_plain and prompt[0].role == "user":
        if len(prompt) > 1:
            row["history"] = write_history(prompt[:-1], form, lost)
        if form.get("input"):
            row[form.get("instruction", "prompt")] = record.instruction
            row["input"] = record.input
        else:
            row[form.get("instruction", "prompt")] = prompt[-1].content
        return
    style = form.get("style", "messages")
    spelled = {key: value for key, value in form.items() if key not in (*_SIDES[0], *_SIDES[1])}
    turns = write_turns(prompt, style, {} if ask == "text" else spelled, lost)
    columns = (ShareGpt if style == "sharegpt" else Messages).columns
    row[form.get("list", columns[0]) if ask == "list" else "prompt"] = turns


def _take_scores(row: Row, form: dict[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    values = [row.get(name) for name in _SCORES]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {}, {}
    form["scores"] = list(_SCORES)
    first, second = (float(row.pop(name)) for name in _SCORES)
    return {"score": first}, {"score": second}


def _ordered(record: Record) -> tuple[Candidate, Candidate]:
    others = [answer for at, answer in enumerate(record.answers) if at != record.chosen]
    rejected = next((one for one in others if one.verdicts.get(PAIR) == "rejected"), others[0])
    return record.answers[record.chosen], rejected
