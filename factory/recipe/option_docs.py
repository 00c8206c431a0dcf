"""What the options of a step or a provider are, for help texts and reference pages."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from itertools import pairwise

from pydantic import BaseModel


def option_rows(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """(name, type, default, description) of each field: for help texts and reference pages."""
    written = _docstrings(model)
    rows = []
    for name, info in model.model_fields.items():
        annotation = getattr(info.annotation, "__name__", None) or str(info.annotation)
        if getattr(info.annotation, "__args__", None):
            annotation = str(info.annotation)
        annotation = re.sub(r"\b(typing|factory|collections\.abc)\.(\w+\.)*", "", annotation)
        default = (
            "required"
            if info.is_required()
            else json.dumps(info.get_default(call_default_factory=True), default=str)
        )
        rows.append(
            (name, annotation, default, " ".join((info.description or written.get(name, "")).split()))
        )
    return rows


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
