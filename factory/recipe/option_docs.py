"""What the options of a step or a provider are, for help texts, signatures and reference pages."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import json
import re
import textwrap
import types
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_LIMITS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


class OptionRow(NamedTuple):
    """An option as it is told: `default` is JSON, or "required"."""

    name: str
    type: str
    default: str
    description: str


def option_rows(model: type[BaseModel]) -> list[OptionRow]:
    """What each field of a class is, in their order.

    Its description is that of its `Field`, or else the docstring below it.
    """
    written = _docstrings(model)
    rows = []
    for name, info in model.model_fields.items():
        default = (
            "required"
            if info.is_required()
            else json.dumps(info.get_default(call_default_factory=True), default=str, ensure_ascii=False)
        )
        told = " ".join((info.description or written.get(name, "")).split())
        kind = ", ".join([type_text(plain_type(info.annotation)), *limits(info)])
        rows.append(OptionRow(name, kind, default, told))
    return rows


def limits(info: FieldInfo) -> list[str]:
    """The bounds of a number: ["> 0", "<= 1"]."""
    return [
        f"{sign} {bound:,}"
        for mark in info.metadata
        for name, sign in _LIMITS.items()
        if isinstance(bound := getattr(mark, name, None), (int, float))
    ]


def choices(annotation: Any) -> tuple[str, ...]:
    """What may be written for an option that takes one of a few texts, or a list of such; else nothing."""
    if get_origin(annotation) is Literal:
        return tuple(str(value) for value in get_args(annotation))
    if get_origin(annotation) in (tuple, list):
        return choices(get_args(annotation)[0])
    return ()


def plain_type(annotation: Any) -> Any:
    """A type without what `Annotated` says of it and of its parts."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain_type(parts[0])
    plain = parts if origin is Literal else tuple(map(plain_type, parts))
    if plain == parts:
        return annotation
    return Union[plain] if origin in (Union, types.UnionType) else origin[plain]  # noqa: UP007


def union(annotation: Any) -> tuple[Any, ...]:
    """The parts of a union, or the one type that it is."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def type_text(annotation: Any) -> str:
    """A type as a person reads it: `int | none`, `set | task`, `list of str`."""
    if len(parts := union(annotation)) > 1:
        return " | ".join(map(type_text, parts))
    origin = get_origin(annotation)
    if named := choices(annotation):
        listed = "list of " if origin in (tuple, list) else ""
        return listed + " | ".join(value or '""' for value in named)
    if origin in (tuple, list):
        return f"list of {type_text(get_args(annotation)[0])}"
    if origin in (dict, collections.abc.Mapping):
        return "mapping of {} to {}".format(*map(type_text, get_args(annotation)))
    if origin is None:
        return "none" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))
    return re.sub(r"\b(typing|factory|collections\.abc)\.(\w+\.)*", "", str(annotation))


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field of a class and of its bases.

    Pydantic can read them too, but does so whenever a class is made, which every run waits for.
    """
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        except OSError:  # made where there is no source to read, as in an interpreter's prompt
            continue
        assert isinstance(tree, ast.ClassDef)
        for field, below in pairwise(tree.body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[field.target.id] = str(below.value.value)
    return found
