"""Each installed step is a method of a `Dataset`. Editors and type checkers read step_methods.pyi in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from factory.api.signatures import step_method
from factory.step import step_names

if TYPE_CHECKING:
    from factory.api.dataset import Dataset


class StepMethods:
    """Gives a `Dataset` its steps, those of plug-ins too, when they are asked for."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return step_method(cast("Dataset", self), name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *step_names()]
