"""A dataset that begins with nothing: its first step makes the records."""

from __future__ import annotations

from typing import Any

from factory.api.dataset import Dataset
from factory.data.table import Table
from factory.errors import RecipeError
from factory.step import WholeSet


def begin(name: str, /, **options: Any) -> Dataset:
    """A `Dataset` of the records that a step makes of nothing: `begin("explore", domain="cooking").respond()`.

    Raises:
        RecipeError: there is no such step or option, or the step works on records.
    """
    begun = Dataset(Table.from_records([])).then(name, **options)
    step = begun.pending[0]
    if not (isinstance(step, WholeSet) and step.begins()):
        raise RecipeError(f"{name} works on records: name the files that they lie in, or load them")
    return begun
