"""What a benchmark file asks: its rows as items, in the shapes that benchmarks come in.

GSM8K       question, answer
HumanEval   task_id, prompt (code), entry_point
MMLU        question, choices, answer; also the choices as columns A to D
IFEval      key, prompt, instruction_id_list
MT-Bench    question_id, turns (also of {"content"}, as in Arena-Hard); each turn is an item
others      a question, prompt, instruction, problem, query or text, with an input; an input alone (BIG-Bench
            Hard); messages, conversations

Upper and lower case are the same in the columns' names. Answers are left out: a short one (a number, a letter)
is everywhere, and a long one is known by its question.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from factory.data.text import shorten

_QUESTION = ("question", "prompt", "instruction", "problem", "query", "goal", "ctx", "text", "input")
_INPUT = ("input", "context", "passage")
_TURNS = ("turns", "messages", "conversations", "conversation")
_CHOICES = ("choices", "options", "endings")
_ID = ("task_id", "question_id", "id", "key", "idx", "uid")
# The text of a docstring up to its examples: with the function renamed and the examples gone it is the task.
_DOCSTRING = re.compile(r"(\"\"\"|''')(.*?)(?=>>>|\1)", re.DOTALL)


class Item(NamedTuple):
    """One question of a benchmark.

    id: its id in the file, else the number of its line or row
    core: where in `text` the part lies that gives the item away by itself, (0, 0) where there is none:
        the question of a multiple choice, the description in a function's docstring
    function: the name of the function that is to be written, which can be another without a difference
    """

    benchmark: str
    id: str
    text: str
    core: tuple[int, int] = (0, 0)
    function: str = ""


def benchmark_items(name: str, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Item | str]:
    """The items of a benchmark's rows, each row with its place; for a row that holds none, why, as a sentence."""
    for place, row in rows:
        items = _items(name, place, row)
        if items:
            yield from items
        else:
            columns = ", ".join(shorten(str(key), 30) for key in list(row)[:8]) or "nothing"
            yield f"row {place} has no question, only {columns}: name its column 'question' or 'prompt'"


def without_entities(text: str) -> str:
    """A text with HTML's entities ("&lt;", "&#39;") as the characters that they stand for."""
    return html.unescape(text) if "&" in text else text


def _unescaped(value: Any) -> Any:
    if isinstance(value, str):
        return without_entities(value)
    if isinstance(value, list | tuple):
        return [_unescaped(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _unescaped(one) for key, one in value.items()}
    return value


def _items(name: str, place: int, row: Mapping[str, Any]) -> list[Item]:
    row = {key.lower(): _unescaped(value) for key, value in row.items()}
    id = next((str(row[key]) for key in _ID if isinstance(row.get(key), (str, int))), str(place))
    if isinstance(row.get("subject"), str):  # MMLU numbers its questions within a subject
        id = f"{row['subject']}/{id}"
    question = next((row[key] for key in _QUESTION if _is_text(row.get(key))), "")
    listed = _TURNS if question else (*_TURNS, *_QUESTION)
    turns = next((row[key] for key in listed if isinstance(row.get(key), (list, tuple))), None)
    if turns is not None:
        asked = [text for turn in turns if (text := _turn(turn)).strip()]
        ids = [id] if len(asked) == 1 else [f"{id}/turn {number}" for number in range(1, len(asked) + 1)]
        return [Item(name, of, text) for of, text in zip(ids, asked, strict=True)]
    if not question:
        return []
    choices = next((row[key] for key in _CHOICES if row.get(key) is not None), None)
    if choices is None and all(key in row for key in "abcd"):
        choices = [row[key] for key in "abcd"]
    if choices is not None:
        return [Item(name, id, f"{question}\n{_choices(choices)}", (0, len(question)))]
    function = row.get("entry_point")
    if isinstance(function, str):
        docstrings = list(_DOCSTRING.finditer(question))  # helper functions come first, the task last
        return [Item(name, id, question, docstrings[-1].span(2) if docstrings else (0, 0), function)]
    instances = row.get("instances")
    several = [one for one in instances if isinstance(one, Mapping)] if isinstance(instances, list) else []
    asked = list(dict.fromkeys(_with_material(question, holder) for holder in several or [row]))
    ids = [id] if len(asked) == 1 else [f"{id}/instance {number}" for number in range(1, len(asked) + 1)]
    return [Item(name, of, text) for of, text in zip(ids, asked, strict=True)]


def _with_material(question: str, holder: Mapping[str, Any]) -> str:
    """A question with the material that it is asked about."""
    material = next((holder[key] for key in _INPUT if _is_text(holder.get(key))), "")
    return f"{question}\n{material}" if material and material != question else question


def _turn(turn: Any) -> str:
    """What a person says in a turn, "" for a turn of the model."""
    if isinstance(turn, str):
        return turn
    if not isinstance(turn, Mapping):
        return ""
    said = turn.get("content", turn.get("value"))
    role = turn.get("role", turn.get("from", "user"))
    return said if isinstance(said, str) and role in ("user", "human", "prompter") else ""


def _choices(choices: Any) -> str:
    if isinstance(choices, Mapping):  # ARC: {"text": [...], "label": [...]}
        choices = choices.get("text", list(choices.values()))
    if isinstance(choices, Sequence) and not isinstance(choices, str):
        return "\n".join(str(choice) for choice in choices)
    return str(choices)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
