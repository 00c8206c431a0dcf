"""What a step's method of a `Dataset` takes: at run time for notebooks, as a stub for editors and type checkers.

python -m factory.api.signatures    writes step_methods.pyi anew (`make stub`)
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import json
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from factory.errors import UnknownName, nearest
from factory.recipe.option_docs import option_rows, plain_type, union
from factory.step import Source, Step, find_step, step_names

if TYPE_CHECKING:
    from factory.api.dataset import Dataset

STUB = Path(__file__).with_name("step_methods.pyi")
_WIDTH = 110
_HEAD = '''\
"""The methods of a `Dataset`, one for each step that ships with factory.

Written by `make stub` from the steps' classes; not to be edited.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from langchain_core.language_models import BaseChatModel

from factory.api.dataset import Dataset
from factory.models.options import ModelOptions

Model: TypeAlias = str | Mapping[str, Any] | ModelOptions | BaseChatModel
"""A model's name, its options, what `factory.model(...)` gives, or a LangChain chat model."""

class StepMethods:
'''
_FOOT = """\
    def __getattr__(self, name: str) -> Callable[..., Dataset]: ...  # a plug-in's step
    def __dir__(self) -> list[str]: ...
"""


def step_method(dataset: Dataset, name: str) -> Callable[..., Dataset]:
    """The method of `dataset` that adds the step of this name, with the step's options and manual.

    Raises:
        UnknownName: there is no such step, or it brings records in. It is an AttributeError.
    """
    if name.startswith("_"):  # what notebooks and copy ask every object for
        raise AttributeError(f"a Dataset has no attribute {name!r}")
    if name not in step_names():
        known = [*step_names(), *(own for own in dir(type(dataset)) if not own.startswith("_"))]
        raise UnknownName(f"a Dataset has no step or method {name!r}{nearest(name, sorted(set(known)))}")
    kind = find_step(name)
    if issubclass(kind, Source):
        raise UnknownName(f"`{name}` brings records in: use factory.load")

    def method(**options: Any) -> Dataset:
        return dataset.then(name, **options)

    method.__name__, method.__qualname__ = name, f"Dataset.{name}"
    method.__doc__ = f"{inspect.cleandoc(kind.__doc__ or '')}\n\n{_options(kind)}"
    method.__signature__ = step_signature(kind)  # type: ignore[attr-defined]
    return method


@functools.cache
def step_signature(kind: type[Step]) -> inspect.Signature:
    """The options of a step as keywords, with their types and defaults."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if info.is_required()
            else info.get_default(call_default_factory=True),
            annotation=plain_type(info.annotation),
        )
        # Those without a default are named first, as one looks for them first.
        for name, info in sorted(kind.model_fields.items(), key=lambda item: not item[1].is_required())
    ]
    return inspect.Signature(parameters, return_annotation="Dataset")


@functools.cache
def _options(kind: type[Step]) -> str:
    """The options of a step, each in a line or two."""
    rows = option_rows(kind)
    lines = [f"{row.name} ({row.type}, default {row.default}): {row.description}" for row in rows]
    told = [
        textwrap.fill(line, _WIDTH - 12, initial_indent="    ", subsequent_indent=" " * 8) for line in lines
    ]
    return "\n".join(["Args:", *told]).replace("default required", "required") if told else ""


def stub() -> str:
    """The text of step_methods.pyi."""
    kinds = [find_step(name) for name in step_names()]
    shipped = [
        kind for kind in kinds if kind.__module__.startswith("factory.") and not issubclass(kind, Source)
    ]
    return _HEAD + "".join(f"{_stub_of(kind)}\n" for kind in shipped) + _FOOT


def _stub_of(kind: type[Step]) -> str:
    """One method of the stub."""
    fields = sorted(kind.model_fields.items(), key=lambda item: not item[1].is_required())
    models = {*kind.model_fields_of("chat"), *kind.model_fields_of("embedding")}
    parameters = [
        f"{name}: {_accepted(plain_type(info.annotation), name in models)}{_default(info)}"
        for name, info in fields
    ]
    summary = textwrap.fill(kind.summary(), _WIDTH - 14)
    told = textwrap.indent(f"{summary}\n\n{_options(kind)}", " " * 8).lstrip()
    # A backslash would be an escape in the stub's docstring.
    told = "\n".join(line.rstrip() for line in told.replace("\\", "\\\\").splitlines())
    taken = "".join(f"        {parameter},\n" for parameter in ["self", "*", *parameters])
    return f'    def {kind.name}(\n{taken}    ) -> Dataset:\n        """{told}\n        """\n'


def _accepted(annotation: Any, is_model: bool) -> str:
    """The types that an option takes, as Python text: those that it holds, and what is made into them."""
    parts = union(annotation)
    if len(parts) > 1:
        return " | ".join(dict.fromkeys(_accepted(part, is_model) for part in parts))
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is str:
        return "Model" if is_model else "str"
    if annotation in (None, types.NoneType):
        return "None"
    if origin is Literal:
        return f"Literal[{', '.join(map(_literal, inner))}]"
    if origin in (tuple, list):
        return f"Sequence[{_accepted(inner[0], is_model)}]"
    if origin in (dict, collections.abc.Mapping):
        return f"Mapping[{', '.join(_accepted(part, is_model) for part in inner)}]"
    if annotation is Path:
        return "str | Path"
    if annotation in (bool, int, float):
        return str(annotation.__name__)
    # A class of ours that is written as text, such as a condition.
    return "str"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return ""
    value = info.get_default(call_default_factory=True)
    return f" = {_literal(value)}" if isinstance(value, (str, int, float, types.NoneType)) else " = ..."


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
