"""What pydantic finds wrong with options, as the end of one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from factory.data.text import shorten
from factory.errors import nearest
from factory.models.options import ModelOptions

_BRANCH = re.compile(r"(?:str|int|float|bool)$|(?:tuple|list|dict|function-\w+)\[")


def option_classes() -> dict[str, type[BaseModel]]:
    """The options of a recipe's `models:` entries, by provider."""
    classes = get_args(get_args(ModelOptions)[0])
    return {kind.model_fields["provider"].default: kind for kind in classes}


def validation_sentence(error: ValidationError, fields: Sequence[str], *, show_input: bool = True) -> str:
    """One of pydantic's complaints as the end of a sentence (`_complaint`); `fields` are the names there are.

    `show_input` is off for models: a key pasted into the wrong field must not be printed.
    """
    first = _complaint(error)
    loc = field_path(error, fields)
    field = ".".join(str(part) for part in loc)
    if first["type"] == "extra_forbidden":
        return f"unknown key `{field}`{nearest(str(loc[-1]), fields) if len(loc) == 1 else ''}"
    if first["type"] == "missing":
        return f"`{field}` is missing"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        # What was written is not shown: it may be a key.
        return f"`provider` must be one of {', '.join(option_classes())}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    plain = show_input and isinstance(first["input"], (str, int, float, bool))
    given = f", not {shorten(repr(first['input']), 60)}" if plain else ""
    return f"`{field}`: {message}{given}" if field else f"{message}{given}"


def _complaint(error: ValidationError) -> Any:
    """The complaint to tell: the first, but that a misspelt name also leaves the right one missing."""
    found = error.errors(include_url=False)
    return next((one for one in found if one["type"] == "extra_forbidden"), found[0])


def field_path(error: ValidationError, fields: Sequence[str]) -> tuple[str | int, ...]:
    """Where the complaint is, without what names the branch of a union: a provider, a type such as `str`."""
    first = _complaint(error)
    loc = tuple(part for part in first["loc"] if isinstance(part, int) or not _BRANCH.match(part))
    return loc[1:] if loc and loc[0] in option_classes() and loc[0] not in fields else loc
