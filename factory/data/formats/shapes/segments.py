"""Axolotl's rows of pieces of a text, told by name and refused: nobody speaks in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from factory.data.formats.shapes.base import BadShape, Parsed, Row, Shape
from factory.data.record import Record


class Segments(Shape):
    """segments of {"label", "text"}: pieces of one text, some of them learned. They are no turns, and are refused."""

    name = "input_output"

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        segments = row.get("segments")
        return isinstance(segments, list) and all(
            isinstance(one, dict) and "label" in one for one in segments
        )

    def read(self, row: Row) -> Parsed:
        """See `Shape.read`."""
        raise BadShape(
            "it is in Axolotl's input_output shape, pieces of a text without turns: write who says what, as messages"
        )

    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """See `Shape.write`."""
        raise BadShape("Axolotl's input_output shape has no turns: write it as messages")
