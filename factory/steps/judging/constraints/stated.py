"""Constraints on a record: a column of its row, so that every format carries them and any program can read them.

The column is `constraints`: a list of {"kind": ..., "arguments": {...}, "text": ...}, in the order in which they were
added, each with its "category" and, once an answer was verified, "satisfied" (true, false, or null where no verdict
could be had) and "found". Where there is no such column, IFEval's `instruction_id_list` and `kwargs` are read.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from factory.data.answers import CONSTRAINTS
from factory.data.record import Record
from factory.data.text import shorten
from factory.errors import RecordFailed
from factory.step import Context
from factory.steps.judging.constraints.constraint import Category, Constraint
from factory.steps.judging.constraints.registry import BadConstraint, make_constraint

COLUMN = CONSTRAINTS
_KEYS = frozenset({"kind", "arguments", "text", "category", "satisfied", "found"})


class Stated(NamedTuple):
    """A constraint as an instruction states it, and what became of it.

    text: its words in the instruction; "" where the source does not tell
    satisfied: whether the answer meets it; None where no verdict was had
    found: what was found in the answer, or why there is no verdict
    """

    constraint: Constraint
    text: str = ""
    satisfied: bool | None = None
    found: str = ""

    @property
    def category(self) -> Category:
        """The category of its kind."""
        return self.constraint.category

    def words(self, language: str) -> str:
        """The constraint in words."""
        return self.text or self.constraint.wording(language)

    def with_verdict(self, satisfied: bool | None, found: str) -> Stated:
        """The same with a verdict."""
        return Stated(self.constraint, self.text, satisfied, found)

    def as_json(self, verified: bool = True) -> dict[str, Any]:
        """As it lies in the column."""
        constraint = self.constraint
        said: dict[str, Any] = {
            "kind": constraint.kind,
            "arguments": constraint.arguments(),
            "category": constraint.category,
            "text": self.text,
        }
        if verified:
            said["satisfied"], said["found"] = self.satisfied, self.found
        return said


def stated_constraints(record: Record) -> tuple[Stated, ...]:
    """The constraints on a record's answer, in order; none where it has no such column.

    Raises:
        BadConstraint: the column holds something else, a kind that there is not, or wrong arguments; the sentence
            begins with the place.
    """
    column = record.meta.get(COLUMN)
    if column is not None:
        return _each(column, COLUMN, read_stated)
    names, arguments = record.meta.get("instruction_id_list"), record.meta.get("kwargs")
    if names is None:
        return ()
    if not isinstance(names, Sequence) or isinstance(names, str):
        raise BadConstraint("the column instruction_id_list is no list of names")
    given = [{}] * len(names) if arguments is None else arguments
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != len(names):
        raise BadConstraint(
            "the column kwargs is no list with one entry for each name in instruction_id_list"
        )
    return _each(list(zip(names, given, strict=True)), "instruction_id_list", _read_ifeval)


def bad_constraint(error: BadConstraint, record: Record, context: Context) -> RecordFailed:
    """The failure of a record whose constraints cannot be read; told with the first row of each sentence."""
    told = context.facts.setdefault("constraints_not_read", {})
    told[str(error)] = told.get(str(error), 0) + 1
    if told[str(error)] == 1:
        where = (
            record.place
            or f"the record {record.meta.get('id') or record.id} of {record.source or 'no source'}"
        )
        context.warn(f"{context.step}: {where}: {error}; it is set aside, and so is each row with the same")
    return RecordFailed("bad_constraint", f"{record.place}: {error}" if record.place else str(error))


def as_column(stated: Sequence[Stated], *, verified: bool = False) -> list[dict[str, Any]]:
    """What the column holds of these constraints, with their verdicts or without."""
    return [one.as_json(verified) for one in stated]


def with_constraints(record: Record, stated: Sequence[Stated], *, verified: bool = False) -> Record:
    """The record with these constraints in its column."""
    return record.but(meta={**record.meta, COLUMN: as_column(stated, verified=verified)})


def _each(column: object, name: str, read: Any) -> tuple[Stated, ...]:
    if type(column) is not list and (not isinstance(column, Sequence) or isinstance(column, str)):
        raise BadConstraint(f"the column {name} is no list of constraints: {shorten(repr(column), 60)}")
    found: list[Stated] = []
    try:
        for value in column:
            found.append(read(value))
    except BadConstraint as error:
        raise BadConstraint(f"number {len(found) + 1} in the column {name}: {error}") from None
    return tuple(found)


def _read_ifeval(value: tuple[object, object]) -> Stated:
    name, arguments = value
    return Stated(make_constraint(_name(name), _mapping(arguments)))


def read_stated(value: object) -> Stated:
    """A constraint as it lies in data: {"kind": ..., "arguments": {...}}, its words and verdict where they are there.

    Raises:
        BadConstraint: it is none.
    """
    try:
        said = orjson.dumps(value)
    except TypeError:  # no JSON
        return _stated(value)
    return _stated_once(said)


# The constraints of a set are few beside its records: "at least 100 words" stands in thousands of them.
@functools.lru_cache(maxsize=8192)
def _stated_once(said: bytes) -> Stated:
    return _stated(orjson.loads(said))


def _stated(value: object) -> Stated:
    row = value if type(value) is dict else _mapping(value)
    if "kind" not in row:
        raise BadConstraint('it has no "kind": write {"kind": "punctuation:no_comma", "arguments": {}}')
    if not _KEYS.issuperset(row):
        unknown = [key for key in row if key not in _KEYS]
        raise BadConstraint(
            f'it has a key {shorten(str(unknown[0]), 40)!r} that is not read: arguments stand under "arguments"'
        )
    kind, arguments = row["kind"], row.get("arguments") or {}
    constraint = make_constraint(
        kind if type(kind) is str else _name(kind),
        arguments if type(arguments) is dict else _mapping(arguments),
    )
    text, satisfied, found = row.get("text"), row.get("satisfied"), row.get("found")
    met = satisfied if satisfied is True or satisfied is False else None
    return Stated(constraint, str(text) if text else "", met, str(found) if found else "")


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise BadConstraint(f"the kind is no text: {shorten(repr(value), 60)}")
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):
        raise BadConstraint(f"it is no object with named fields: {shorten(repr(value), 60)}")
    return value
