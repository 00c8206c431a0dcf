"""What a run will take, asked before it: bounds from a dry run, or figures of a few records really run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from factory.engine.blocking import run_blocking
from factory.engine.plan.estimate import Again, Estimate, bounds, spent
from factory.engine.plan.rehearsal import dry_run
from factory.engine.run import Run, RunOptions
from factory.errors import RecipeError
from factory.models.naming import resolve_model
from factory.models.options import OpenAIOptions
from factory.recipe.recipe import Recipe


def estimate(recipe: Recipe, limit: int | None = None) -> Estimate:
    """What the recipe can take at the most; asks nobody.

    Raises:
        FactoryError: the recipe's input cannot be read.
    """
    return bounds(recipe, run_blocking(lambda: dry_run(recipe, limit)))


def probe(recipe: Recipe, count: int, limit: int | None = None, journal: Path | None = None) -> Estimate:
    """Run the first `count` records for real and carry what they took to all of them.

    Time is what the calls took, shared among as many as may be in flight; a server that slows down when it is
    full takes longer.

    Raises:
        RecipeError: a step asks a model by batch, of which nothing can be measured here and now.
        FactoryError: as a run.
    """
    _refuse_batches(recipe)
    most = estimate(recipe, limit)
    records = most.records
    with tempfile.TemporaryDirectory(prefix="factory-") as folder:
        run = Run(
            recipe,
            RunOptions(Path(folder) / "probe", count if records is None else min(count, records), journal),
        )
        run.execute()
    taken = spent(run.progress)
    probed = min(count, most.counted) if records is None else min(count, records)
    scale = 1.0 if records is None else records / max(1, probed)
    seconds = None
    if all(usage.replayed == 0 for usage in run.progress.models.values()):
        seconds = sum(
            usage.busy_seconds / max(1, usage.concurrency) for usage in run.progress.models.values()
        )
        seconds = max(seconds * scale, run.progress.seconds)
    again = taken.again or Again(0)
    spare = most.again or Again(0)
    # What no run can exceed, no run is said to take: a few records may be costlier than the others.
    known = records is not None

    def carried(one: int, bound: int) -> int:
        return min(round(one * scale), bound) if known else one

    cost = None if taken.cost is None else taken.cost * scale
    if cost is not None and most.cost is not None and known:
        cost = min(cost, most.cost + (spare.cost or 0.0))
    return Estimate(
        records,
        probed,
        carried(taken.calls, most.calls + spare.calls),
        carried(taken.prompt_tokens, most.prompt_tokens + spare.prompt_tokens),
        carried(taken.reply_tokens, most.reply_tokens + spare.reply_tokens),
        cost,
        seconds,
        again=Again(carried(again.calls, spare.calls)),
    )


def _refuse_batches(recipe: Recipe) -> None:
    for label, step in zip(recipe.labels(), recipe.steps, strict=True):
        for _, named in step.models_of("chat"):
            name = resolve_model(recipe.models, named, "chat")
            options = recipe.models.get(name)
            if isinstance(options, OpenAIOptions) and options.batch is not None:
                raise RecipeError(
                    f"model `{name}` of step {label} is asked by batch, so no record can be run to measure on: "
                    f"leave --probe out for the most that a run can take, or put models.{name}.batch=null to "
                    "measure with calls"
                )
