"""How things were spelled, so that they can be spelled the same: JSON text, equality of plain JSON, kinds of values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

import orjson

from factory.data.formats.python_text import python_value
from factory.data.formats.values import NoText, loads, plain, well_formed

STYLES: Mapping[str, Mapping[str, Any]] = {
    "spaced": {"ensure_ascii": False},
    "escaped": {"ensure_ascii": True},
    "compact": {"ensure_ascii": False, "separators": (",", ":")},
    "escaped compact": {"ensure_ascii": True, "separators": (",", ":")},
}
"""The ways in which nearly all JSON text is written: Python's own default is "escaped"."""


def json_text(value: Any, style: str = "compact") -> str:
    """A value as JSON text in one of `STYLES`."""
    return json.dumps(value, **STYLES[style])


def json_style(text: str, value: Any) -> str:
    """The style in which `value` is `text`, "" where it is none of `STYLES`."""
    return next((style for style in STYLES if json_text(value, style) == text), "")


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are the same JSON, up to the order of keys; true is not 1, and 1 is not 1.0."""
    return one is other or _canonical(one) == _canonical(other)


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def compact(value: Any) -> str:
    """A plain value as the JSON text that a record holds."""
    return orjson.dumps(value).decode()


def decoded(value: Any) -> Any:
    """A list or an object that a CSV cell or a text column holds as JSON, or as Python writes it; else the value."""
    if value is None or type(value) is list:
        return value
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, str) and (value.lstrip()[:1] in ("[", "{") or value.startswith("array([")):
        try:
            return plain(loads(well_formed(value)))
        except (ValueError, RecursionError):
            found = python_value(value)
        try:
            return value if found is None else plain(found)
        except (ValueError, RecursionError):
            return value
    return value


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is text, and no bytes that were spelled as such."""
    return isinstance(value, str) and not isinstance(value, NoText)


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        NoText: "bytes that are not UTF-8",
    }
    return names.get(type(value), "text" if isinstance(value, str) else "missing")


def changes(written: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What makes `row` of `written`: {"keys": values to set, "absent": keys to leave out}, {} where nothing does."""
    keys = {key: value for key, value in row.items() if key not in written or not same(written[key], value)}
    absent = sorted(key for key in written if key not in row)
    return {**({"keys": keys} if keys else {}), **({"absent": absent} if absent else {})}


def changed(written: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """`written` with the `changes` made."""
    return {key: value for key, value in written.items() if key not in by.get("absent", ())} | dict(
        by.get("keys", {})
    )
