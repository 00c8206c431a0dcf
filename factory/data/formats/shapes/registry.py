"""The shapes there are, in the order in which a row is tried; a shape of one's own file joins them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.formats.shapes.alpaca import Alpaca
from factory.data.formats.shapes.base import Shape
from factory.data.formats.shapes.completions import Completions
from factory.data.formats.shapes.conversation import Messages, ShareGpt
from factory.data.formats.shapes.foreign import FOREIGN
from factory.data.formats.shapes.openai_preference import OpenAIPreference
from factory.data.formats.shapes.preference import Preference
from factory.data.formats.shapes.prompt_completion import PromptCompletion
from factory.data.formats.shapes.ultrachat import UltraChat

REGISTERED: tuple[Shape, ...] = (
    *FOREIGN,
    OpenAIPreference(),
    Preference(),
    UltraChat(),
    ShareGpt(),
    Messages(),
    PromptCompletion(),
    Completions(),
    Alpaca(),
)
"""Every shape; the first that matches a row is its shape, so the narrow ones come before the wide ones."""
SHAPES = tuple(shape.name for shape in REGISTERED)
"""The names of the shapes."""
_NAMED = {shape.name: shape for shape in REGISTERED}


def shape_named(name: str) -> Shape | None:
    """The shape of a name, None where there is none."""
    return _NAMED.get(name)


def recognise(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The shape that most of `rows` have, None where no row has a known one; the first row decides a tie."""
    found = [shape.name for row in rows if (shape := _shape(row)) is not None]
    return max(found, key=found.count) if found else None


def _shape(row: Mapping[str, Any]) -> Shape | None:
    return next((shape for shape in REGISTERED if shape.matches(row)), None)
