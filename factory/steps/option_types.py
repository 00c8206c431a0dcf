"""Types of options that steps of several capabilities have."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BeforeValidator

Item = TypeVar("Item")


def one_or_several(value: object) -> object:
    """A text as the list of it alone, an empty one as an empty list; anything else as it stands."""
    return (value,) if isinstance(value, str) and value else () if value == "" else value


OneOrSeveral = Annotated[tuple[Item, ...], BeforeValidator(one_or_several)]
"""Several of something that is written as text, of which one may stand without brackets."""
