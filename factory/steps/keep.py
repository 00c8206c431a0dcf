"""Conditions on a score, such as ">= 4", and what they do to a record."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from factory.data.record import Missing, Record

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
_CONDITION = re.compile(r"(>=|<=|==|>|<)\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a score with a number; a pydantic field of this type is written as text (">= 4")."""

    operator: str
    threshold: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a condition.

        Raises:
            ValueError: `text` is not an operator (>=, >, <=, <, ==) and a number.
        """
        match = _CONDITION.fullmatch(text.strip())
        if match is None:
            raise ValueError("must be >=, >, <=, < or == and a number, such as '>= 4'")
        return cls(match[1], float(match[2]))

    def holds(self, value: float) -> bool:
        """Whether `value` meets the condition; NaN never does."""
        return _COMPARE[self.operator](value, self.threshold)

    def __str__(self) -> str:
        return f"{self.operator} {self.threshold:g}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^\\s*{_CONDITION.pattern}\\s*$"}

    @classmethod
    def _validate(cls, value: object) -> Condition:
        if isinstance(value, Condition):
            return value
        return cls.parse(value if isinstance(value, str) else repr(value))


def lacks_score(name: str) -> Missing:
    """Why a score that is made of others is missing: a record has no score of this name."""
    return Missing("lacks_score", f"there is no score {name!r}")


def keep_where(record: Record, score: str, condition: Condition | None, step: str) -> Record:
    """`record`, marked dropped by `step` where its score named `score` does not meet `condition`.

    A score that is missing cannot be held against the condition: the record is set aside as failed
    ("no_score", with why the score is missing in its reason), never treated as low.
    """
    if condition is None:
        return record
    if score not in record.scores:
        why = record.lacking.get(score)
        return record.drop(
            step, "no_score", f"{score} is missing{f': {why.reason}' if why else ''}", failed=True
        )
    value = record.scores[score]
    if condition.holds(value):
        return record
    low = condition.operator.startswith(">") or value < condition.threshold
    return record.drop(
        step, "low_score" if low else "high_score", f"{score} is {value:g}, not {condition}", {"score": value}
    )
