"""How much of a turn is learnt, in the keys and the spellings in use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from factory.data.formats.shapes.base import Row

FLAGS = ("train", "training", "loss")
_WEIGHTS = ("weight", "loss_weight", *FLAGS)


def take_weight(left: dict[str, Any], form: dict[str, Any], told: list[str]) -> float | None:
    """Takes the weight out of a turn's other keys; what is odd about it is told."""
    found: float | None = None
    for key in _WEIGHTS:
        value = left.get(key)
        if value is None:
            continue
        number = _as_weight(value)
        if number is None:
            if key in ("weight", "loss_weight") or isinstance(value, str):
                told.append("a weight that is no number")
            continue
        if isinstance(value, str):
            told.append("a weight that is written as text, and read as its number")
        if not 0 <= number <= 1:
            told.append("a weight that is not between 0 and 1")
            continue
        if 0 < number < 1:
            told.append("a weight between 0 and 1, which most trainers take for 1 or not at all")
        if found is None:
            form.setdefault("weight", key)
            found = number
            del left[key]
    return found


def _as_weight(value: Any) -> float | None:
    """A weight, however it is written: a turn marked as not to be learnt is never one to learn."""
    if isinstance(value, str):
        value = {"true": 1, "false": 0}.get(value.strip().lower(), value)
    with suppress(TypeError, ValueError):
        return float(value)
    return None


def write_weight(weight: float, form: Mapping[str, Any]) -> Row:
    """A turn's weight under the key that its shape has for it."""
    key = form.get("weight", "weight")
    if key in FLAGS and weight in (0, 1):
        return {key: bool(weight)}
    if key in FLAGS:
        key = "weight"
    return {key: int(weight) if weight in (0, 1) and key == "weight" else weight}
