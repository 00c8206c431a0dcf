"""JSON by the book, but for a key that stands twice: it has one value, or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class Repeated(ValueError):
    """A key stands twice with different values."""


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of an object.

    Raises:
        Repeated: one of them stands twice with different values.
    """
    fields = dict(pairs)
    if len(fields) < len(pairs):
        for key, value in pairs:
            if fields[key] != value:
                raise Repeated(f"its key {key[:40]!r} stands twice with different values")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=without_repeats)


def strict_value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place of a text, and where it ends.

    Raises:
        Repeated: see there.
        ValueError, RecursionError: it is no JSON.
    """
    return _DECODER.raw_decode(text, at)


def plain_object(text: str) -> dict[str, Any] | None:
    """The object that a text is as a whole, where no backslash in it has to be understood; None for any other text."""
    if text[:1] != "{" or "\\" in text:
        return None
    try:
        value, end = strict_value(text, 0)
    except (ValueError, RecursionError):
        return None
    return value if end == len(text) and isinstance(value, dict) else None


def unwrapped(value: Any) -> Iterator[Any]:
    """A value, and what is in it where it is a mere wrapper: a list of one, or an object with one key."""
    yield value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        yield from unwrapped(value[0])
    elif isinstance(value, dict) and len(value) == 1:
        (inner,) = value.values()
        if isinstance(inner, dict):
            yield from unwrapped(inner)
