"""A recipe run from a notebook or a program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from factory.engine.calls.watch import ALIKE
from factory.engine.run import Run, RunOptions, RunResult
from factory.recipe.recipe import Recipe, build_recipe, load_recipe


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    set: tuple[str, ...] | list[str] = (),
    strict: bool = False,
    overwrite: bool = False,
    journal: str | Path | None = None,
    stop_after_alike: int = ALIKE,
) -> RunResult:
    """Run a recipe: a built-in one's name, a YAML file, or the same as a dict. Works inside a notebook.

    Args:
        out: the run's folder; by default one of its own below outputs/.
        limit: take only the first so many records.
        set: overrides, "step.field=value".
        strict: stop at the first row that cannot be read.
        overwrite: replace another run in `out`.
        journal: where replies are kept; by default outputs/journal.db.
        stop_after_alike: stop when so many records of a step fail alike and none went well; 0 never stops.

    Raises:
        FactoryError: the recipe is wrong or nothing could be done.
    """
    from factory.report.page.page import write_report

    if isinstance(recipe, Mapping):
        recipe = build_recipe(dict(recipe), overrides=tuple(set))
    elif not isinstance(recipe, Recipe):
        recipe = load_recipe(str(recipe), tuple(set))
    options = RunOptions(
        Path(out) if out is not None else None,
        limit,
        Path(journal) if journal is not None else None,
        strict,
        overwrite,
        stop_after_alike,
    )
    result = Run(recipe, options).execute()
    write_report(result.folder)
    return result
