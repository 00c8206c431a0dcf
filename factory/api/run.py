"""A recipe run from a notebook or a program."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from factory.api.showing import live, told_how_to_go_on
from factory.engine.calls.watch import ALIKE
from factory.engine.progress import RunProgress
from factory.engine.run import Run, RunOptions, RunResult
from factory.recipe.recipe import Recipe, build_recipe, load_recipe


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    *,
    out: str | Path | None = None,
    limit: int | None = None,
    set: str | Sequence[str] = (),
    strict: bool = False,
    overwrite: bool = False,
    journal: str | Path | None = None,
    stop_after_alike: int = ALIKE,
    show_progress: bool | None = None,
) -> RunResult:
    """Run a recipe: a built-in one's name, a YAML file, or the same as a dict. Works inside a notebook.

    Args:
        out: the run's folder; by default one of its own below outputs/.
        limit: take only the first so many records.
        set: one override, "step.field=value", or several.
        strict: stop at the first row that cannot be read.
        overwrite: replace another run in `out`.
        journal: where replies are kept; by default outputs/journal.db.
        stop_after_alike: stop when so many records of a step fail alike and none went well; 0 never stops.
        show_progress: show counts, rates and the time left while it runs; by default in a notebook alone.

    Raises:
        FactoryError: the recipe is wrong or nothing could be done.
    """
    from factory.report.page.page import write_report

    overrides = (set,) if isinstance(set, str) else tuple(set)
    if isinstance(recipe, Mapping):
        recipe = build_recipe(dict(recipe), overrides=overrides)
    elif not isinstance(recipe, Recipe):
        recipe = load_recipe(str(recipe), overrides)
    elif overrides:
        recipe = build_recipe(dict(recipe.data), recipe.name, overrides=overrides)
    options = RunOptions(
        Path(out) if out is not None else None,
        limit,
        Path(journal) if journal is not None else None,
        strict,
        overwrite,
        stop_after_alike,
    )
    the_run = Run(recipe, options)
    with told_how_to_go_on(the_run.progress), contextlib.ExitStack() as shown:

        def show(progress: RunProgress) -> None:
            shown.enter_context(live(progress, show_progress))

        result = the_run.execute(on_start=show)
    write_report(result.folder)
    return result
