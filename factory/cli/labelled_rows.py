"""Rows of any file whose columns hold scores and labels: what `factory calibrate` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from factory.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TEXT = "output"
"""The column that holds the answer, where no other is named."""

Rows: TypeAlias = list[Mapping[str, Any]]

_PROMPTS = ("instruction", "prompt", "question", "query", "input", "指令", "问题")


def read_rows(files: Sequence[str], encoding: str = "") -> Iterator[Mapping[str, Any]]:
    """The rows of files, folders or patterns as they are.

    Raises:
        InputError: a file cannot be read, or a row is no object with named fields.
    """
    from factory.data.formats.files import check_file, file_format
    from factory.data.formats.rows import raw_rows
    from factory.data.named_files import named_files

    for file in named_files(files):
        check_file(file)
        for row in raw_rows(file, file_format(file), encoding):
            if row.problem or not isinstance(row.value, Mapping):
                problem = row.problem or "it is not an object with named fields"
                raise InputError(f"{file}:{row.place}: {problem}")
            yield row.value


def value_of(row: Mapping[str, Any], column: str) -> Any:
    """A column's value: of the row itself, or among the scores or the source's columns of a record."""
    if column in row:
        return row[column]
    if f"score.{column}" in row:
        return row[f"score.{column}"]
    for holder in (row.get("scores"), row.get("meta")):
        held = _mapping(holder)
        if column in held:
            return held[column]
    return None


def answer_of(row: Mapping[str, Any], column: str) -> Any:
    """The answer of a row: its column, or the last turn of a conversation where it has no such column."""
    value = value_of(row, column)
    turns = row.get("messages") or row.get("conversations")
    if value is not None or column != TEXT or not isinstance(turns, list):
        return value
    last = turns[-1]
    if not isinstance(last, Mapping) or (last.get("role") or last.get("from")) not in ("assistant", "gpt"):
        return None
    return last.get("content") or last.get("value")


def is_there(rows: Rows, column: str) -> bool:
    """Whether any row has this column, be it empty."""
    return any(
        column in holder or f"score.{column}" in holder
        for row in rows
        for holder in (row, _mapping(row.get("scores")), _mapping(row.get("meta")))
    )


def _mapping(holder: Any) -> Mapping[str, Any]:
    """The scores or meta of a record as its files hold them: an object, pairs, or JSON text."""
    from factory.data.formats.values import loads

    if isinstance(holder, str) and holder.startswith("{"):
        try:
            holder = loads(holder)
        except ValueError:
            return {}
    if isinstance(holder, Mapping):
        return holder
    if isinstance(holder, list) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in holder
    ):
        return dict(holder)
    return {}


def columns_there(rows: Rows) -> str:
    """The end of a sentence: which columns there are."""
    from factory.data.text import shorten

    names = dict.fromkeys(
        str(name)
        for row in rows[:20]
        for holder in (row, _mapping(row.get("scores")), _mapping(row.get("meta")))
        for name in holder
    )
    return f"there are {', '.join(shorten(name, 30) for name in list(names)[:30]) or 'none'}"


def lineages_of(rows: Rows, group: str = "") -> list[str | None]:
    """What each row belongs to: its value of the column `group`, else the seed it was made from, else its prompt.

    A record that was made from another belongs to what that one belongs to, where it is in the file too. None where
    nothing tells: the row stands for itself.
    """
    if group:
        return [None if (value := value_of(row, group)) in (None, "") else str(value) for row in rows]
    own = {str(row.get("id")): at for at, row in enumerate(rows) if row.get("id") is not None}

    def lineage(row: Mapping[str, Any]) -> str | None:
        seed = _seed(row)
        if seed is None:
            return _prompt(row)
        return _prompt(rows[own[seed]]) if seed in own and _seed(rows[own[seed]]) is None else f"seed {seed}"

    return [lineage(row) for row in rows]


def lineage_numbers(lineages: list[str | None]) -> NDArray[np.int64]:
    """A number for each lineage, shape (rows,)."""
    from factory.statistics.interval import group_numbers

    return group_numbers(lineages)


def _seed(row: Mapping[str, Any]) -> str | None:
    """The id of the first record that a record of ours was made from."""
    from factory.data.formats.values import loads

    events = row.get("events")
    if isinstance(events, str) and events.startswith("["):
        try:
            events = loads(events)
        except ValueError:
            return None
    for event in events if isinstance(events, list) else ():
        parents = event.get("parents") if isinstance(event, Mapping) else None
        if isinstance(parents, list) and parents:
            return str(parents[0])
    return None


def _prompt(row: Mapping[str, Any]) -> str | None:
    turns = row.get("messages") or row.get("conversations")
    if isinstance(turns, list):
        asked = [turn for turn in turns if isinstance(turn, Mapping)]
        # What the last answer answers; a conversation's system turn is no prompt.
        before = asked[:-1] if asked and (asked[-1].get("role") or asked[-1].get("from")) != "user" else asked
        said = [str(turn.get("content") or turn.get("value") or "") for turn in before]
        return "\n".join(said) if any(said) else None
    said = [str(row[name]) for name in _PROMPTS if isinstance(row.get(name), str) and row[name]]
    return "\n".join(said) if said else None
