"""Rows in unusual spellings, made usual before a shape reads them: names of columns, and turns that are tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.base import Row
from factory.data.formats.shapes.registry import recognise
from factory.data.formats.shapes.spelled import decoded
from factory.data.formats.shapes.turns import ROLES

TURNS = ("messages", "conversations", "conversation")
"""Columns of a list of turns."""
_OF_TURNS = frozenset(TURNS)
_ROLE_KEYS = {"role", "from"}

_GROUPS: Mapping[str, Sequence[str]] = {
    "instruction": ("instruction", "prompt", "question", "query"),
    "input": ("input",),
    "output": ("output", "response", "answer", "completion"),
    "system": ("system", "system_prompt"),
    "messages": TURNS,
    "history": ("history",),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
}
"""Names of columns that mean the same."""

_CHINESE: Mapping[str, str] = {
    **dict.fromkeys(("指令", "指示", "问题", "提问", "提示", "提示词", "题目", "问"), "instruction"),
    **dict.fromkeys(("输入", "材料"), "input"),
    **dict.fromkeys(("输出", "回答", "答案", "答复", "回复", "答"), "output"),
    **dict.fromkeys(("系统", "系统提示", "系统提示词"), "system"),
    **dict.fromkeys(("对话", "消息"), "messages"),
    "历史": "history",
}


_LIKE_ANSWERS = (
    *("solution", "solutions", "response", "responses", "answer", "answers", "completion", "completions"),
    *("generation", "generations", "generated", "output", "outputs", "reply", "replies", "target", "targets"),
    *("assistant", "解答", "解析", "参考答案", "标准答案", "正确答案", "回答", "答案", "输出", "回复"),
)
_ENDS_LIKE_ANSWERS = (
    "answer",
    "answers",
    "response",
    "responses",
    "output",
    "outputs",
    "completion",
    "solution",
    "reply",
)


def unread_answer(columns: Mapping[str, Any]) -> str | None:
    """The first of a row's own columns that looks like an answer by its name and holds a text, or several; or None."""
    for name, value in columns.items():
        words = unicodedata.normalize("NFKC", name).casefold().replace("-", "_").split("_")
        named = name in _LIKE_ANSWERS or "".join(words) in _LIKE_ANSWERS or words[-1] in _ENDS_LIKE_ANSWERS
        if named and _says_something(value):
            return name
    return None


def _says_something(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, Mapping):
        return any(map(_says_something, value.values()))
    return isinstance(value, list) and any(map(_says_something, value))


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))


_GROUP_OF = {name: group for group, names in _GROUPS.items() for name in names}
_KNOWN = {**{_folded(name): name for name in _GROUP_OF}, **_CHINESE}


def column_names(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Columns that are named in capitals or in Chinese, each with the name that it is read by; {} where none is.

    A column is renamed only where no other means the same. A file of inputs and outputs alone is one of instructions.
    """
    columns = dict.fromkeys(str(name) for row in rows for name in row)
    taken = {_GROUP_OF[name] for name in columns if name in _GROUP_OF}
    names: dict[str, str] = {}
    for column in columns:
        known = _KNOWN.get(_folded(column))
        if known is not None and column not in _GROUP_OF and _GROUP_OF[known] not in taken:
            names[column] = known
            taken.add(_GROUP_OF[known])
    before = recognise([usual(row, {})[0] for row in rows])
    after = recognise([usual(row, names)[0] for row in rows]) if names else before
    if after is None and {"input", "output"} <= taken and "instruction" not in taken:
        column = next(name for name in columns if names.get(name, name) == "input")
        return {**names, column: "instruction"}
    return names if after is not None and before in (None, after) else {}


def usual(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Row, bool]:
    """A row with its columns renamed and its turns as a list of objects, and whether anything was changed."""
    made = {names.get(name, name): value for name, value in row.items()} if names else dict(row)
    changed = bool(names)
    for name, value in made.items():
        if type(value) is str and name not in _OF_TURNS:  # nearly every column
            continue
        if name in _OF_TURNS or isinstance(value, dict):
            if type(value) is list and value and type(value[0]) is dict and _ROLE_KEYS & value[0].keys():
                continue
            listed = decoded(value) if name in TURNS else value
            turns = _turns(listed) or _in_capitals(listed)
            if turns is not None:
                made[name] = turns
                changed = True
    return made, changed


def renamed_back(row: Row, names: Mapping[str, str]) -> Row:
    """A row with the names that its columns had."""
    back = {known: own for own, known in names.items()}
    return {back.get(name, name): value for name, value in row.items()} if back else row


def _turns(value: Any) -> list[Row] | None:
    """The turns of an object of lists, or of a list of pairs; None where a value is neither."""
    if isinstance(value, dict):
        for role, content in (("from", "value"), ("role", "content")):
            lists = list(value.values())
            if {role, content} <= value.keys() and all(isinstance(one, list) for one in lists):
                if not lists[0] or len({len(one) for one in lists}) > 1:
                    return None
                return [dict(zip(value, cells, strict=True)) for cells in zip(*lists, strict=True)]
        return None
    if not isinstance(value, list) or not value or not all(map(_is_pair, value)):
        return None
    if all(isinstance(first, str) and first.strip().lower() in ROLES for first, _ in value):
        return [{"role": role, "content": content} for role, content in value]
    turns = ({"role": role, "content": text} for role, text in _in_turn(value) if text is not None)
    return list(turns)


def _in_capitals(value: Any) -> list[Row] | None:
    """Turns whose keys are in capitals, "Role" and "Content"; None where they are not."""
    if not isinstance(value, list) or not value or not all(isinstance(turn, dict) for turn in value):
        return None
    if _ROLE_KEYS & value[0].keys() or not _ROLE_KEYS & {key.lower() for key in value[0]}:
        return None
    return [{key.lower(): part for key, part in turn.items()} for turn in value]


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        return False
    return value[1] is None or isinstance(value[1], str)


def _in_turn(pairs: Sequence[Sequence[Any]]) -> Iterable[tuple[str, Any]]:
    for question, answer in pairs:
        yield "user", question
        yield "assistant", answer
