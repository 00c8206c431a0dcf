"""Ranges of a share, such as "0.1..0.9"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_SHARE = r"\d+(?:\.\d+)?|\.\d+"
_RANGE = re.compile(rf"({_SHARE})?\s*\.\.\s*({_SHARE})?")


@dataclass(frozen=True, slots=True)
class ShareRange:
    """A range of a share, both ends in it; a pydantic field of this type is written as text ("0.1..0.9")."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range; an end left out is 0 or 1.

        Raises:
            ValueError: it is no two numbers with ".." between, from 0 to 1 and in order.
        """
        match = _RANGE.fullmatch(text.strip())
        if match is None or match[1] is match[2] is None:
            raise ValueError("must be two shares with .. between, such as '0.1..0.9', '0.1..' or '..0.9'")
        low, high = float(match[1] or 0), float(match[2] or 1)
        if not 0 <= low <= high <= 1:
            raise ValueError("must be two shares from 0 to 1, the lower one first, such as '0.1..0.9'")
        return cls(low, high)

    def holds(self, value: float) -> bool:
        """Whether `value` is in the range."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^\\s*{_RANGE.pattern}\\s*$"}

    @classmethod
    def _validate(cls, value: object) -> ShareRange:
        if isinstance(value, ShareRange):
            return value
        if not isinstance(value, str):
            raise ValueError("must be two shares with .. between, such as '0.1..0.9'")
        return cls.parse(value)
