"""`factory run` and `factory estimate`: a recipe, its plan, its cost."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from factory.cli.common import command_again
from factory.cli.outcome import Outcome
from factory.errors import (
    EXIT_NOTHING_DONE,
    EXIT_SOME_RECORDS_FAILED,
    FactoryError,
    RunInterrupted,
    RunStopped,
    exit_code_of,
)
from factory.recipe.model_spec import MODEL_FORMS, model_override

if TYPE_CHECKING:
    from factory.engine.plan.rehearsal import DryRun
    from factory.engine.run import RunOptions
    from factory.recipe.recipe import Recipe

EXIT_CODES = (
    "Exit codes: 0 done; 2 a mistake in the command, the recipe or the input; 3 done, but some records failed; "
    "4 nothing was kept, or the run had to stop; 5 it waits for the results of a batch; 130 stopped by Ctrl-C."
)
RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe's YAML file, or the name of a built-in recipe.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="The run's folder. Default: one of its own below outputs/.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override an option: step.field=value. Repeatable.")
]


ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="[NAME=]MODEL",
        help="Use MODEL for the recipe's model NAME, in place of its entry or as a new one; without NAME=, for its "
        f"only chat model. {MODEL_FORMS} Repeatable.",
    ),
]


def run(
    recipe: RecipeArgument,
    out: OutOption = None,
    set_: SetOption = None,
    model: ModelOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take only the first N records.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, the prompts and an estimate; call nobody.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before calls that cost money.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another run in the same folder.")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where replies are kept. Default: outputs/journal.db.")
    ] = None,
    stop_after_alike: Annotated[
        int,
        typer.Option(
            "--stop-after-alike",
            min=0,
            help="Stop when so many records of a step fail alike and none went well. 0: never.",
        ),
    ] = 8,
    tolerate: Annotated[
        str,
        typer.Option(
            "--tolerate",
            help="Failed records, as a number or a share (5, 0.1%), that are no cause for exit code 3.",
        ),
    ] = "0",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Tell nothing but errors, and what --json tells.")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option("--log", help="Write all that is told to this file too, each line with the time."),
    ] = None,
    json_: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print the outcome as one JSON object: status, exit_code, counts, folder, cost, message.",
        ),
    ] = False,
) -> None:
    """Run a recipe. The same command again goes on where a stopped run was, and asks nothing twice."""
    from factory.engine.run import RunOptions

    if dry_run and json_:
        raise FactoryError("--json tells the outcome of a run: leave out --dry-run")
    with Outcome(quiet=quiet, log=log, as_json=json_) as outcome:
        from factory.recipe.recipe import load_recipe

        loaded = load_recipe(recipe, _overrides(model, set_))
        tolerated = Tolerance.read(tolerate)
        if dry_run:
            from factory.engine.run import with_export

            loaded = with_export(loaded)
            _show_plan(loaded, _dry(loaded, limit), limit)
            return
        if not yes and sys.stdin.isatty() and any(getattr(m, "price", None) for m in loaded.models.values()):
            _confirm_cost(loaded, limit)
        options = RunOptions(out, limit, journal, strict, overwrite, stop_after_alike)
        _run(loaded, options, tolerated, outcome)


class Tolerance(NamedTuple):
    """How many records may fail: a number, or a share of all."""

    number: int = 0
    share: float = 0.0

    @classmethod
    def read(cls, text: str) -> Tolerance:
        """The tolerance that "5" or "0.1%" says.

        Raises:
            FactoryError: the text says none.
        """
        said = text.strip()
        with contextlib.suppress(ValueError):
            if not said.endswith(("%", "％")):
                if (number := int(said)) >= 0:
                    return cls(number=number)
            elif 0 <= (percent := float(said[:-1])) <= 100:
                return cls(share=percent / 100)
        raise FactoryError(
            f"--tolerate {text}: give a number of records or a share of them, such as 5 or 0.1%"
        )

    def covers(self, failed: int, records: int) -> bool:
        """Whether so many failed of so many records are tolerated."""
        return failed <= max(self.number, self.share * records)


def _overrides(models: list[str] | None, settings: list[str] | None) -> tuple[str, ...]:
    """What the options change of the recipe: whole models first, so that --set may set a field of one."""
    return (*map(model_override, models or ()), *(settings or ()))


def _run(recipe: Recipe, options: RunOptions, tolerance: Tolerance, outcome: Outcome) -> None:
    from factory.engine.run import Run

    the_run = Run(recipe, options)
    outcome.show(the_run)
    error: FactoryError | None = None
    try:
        result = the_run.execute(on_start=outcome.started)
    except FactoryError as caught:
        error = caught
    finally:
        outcome.stop_showing(error)
    if error is not None:
        if isinstance(error, (RunStopped, RunInterrupted)):
            answered = the_run.progress.calls + the_run.progress.replayed
            outcome.say(
                f"{error}\nSaved: {answered:,} replies in the journal; none is asked for again. To go on:\n"
                f"    {command_again()}",
                error=True,
            )
            raise typer.Exit(exit_code_of(error))
        raise error
    from factory.report.page.page import write_report

    write_report(result.folder)
    outcome.finished(result)
    if result.kept == 0:
        raise typer.Exit(EXIT_NOTHING_DONE)
    if result.failed and tolerance.covers(result.failed, result.facts.records):
        outcome.say(f"{result.failed:,} of {result.facts.records:,} records failed, which --tolerate allows")
    elif result.failed:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def _dry(recipe: Recipe, limit: int | None) -> DryRun:
    from factory.engine.blocking import run_blocking
    from factory.engine.plan.rehearsal import dry_run

    return run_blocking(lambda: dry_run(recipe, limit))


def _confirm_cost(recipe: Recipe, limit: int | None) -> None:
    from factory.engine.plan.estimate import bounds
    from factory.engine.plan.foretell import foretold

    said = foretold(recipe.steps, recipe.labels(), recipe.seed, limit=limit)
    typer.echo("\n".join([*bounds(recipe, _dry(recipe, limit)).lines(), *map(_printable, said)]), err=True)
    typer.confirm("Go on?", abort=True, err=True)


def _show_plan(recipe: Recipe, plan: DryRun, limit: int | None) -> None:
    from factory.engine.plan.estimate import bounds

    records = f"{plan.records:,}" if plan.records is not None else f"at least {plan.sampled:,}"
    told = f"at most {plan.made:,} records made of nothing" if plan.made else ""
    if plan.sampled or not told:
        told = f"{records} records in{told and f', {told}'}"
    typer.echo(f"{recipe.name}: {told}, seed {recipe.seed}, recipe {recipe.hash()}\n")
    for step in plan.steps:
        options = ", ".join(f"{key}={value}" for key, value in step.options.items())
        typer.echo(f"{step.label}  {options}")
        for name, asked in step.asked.items():
            per_record = asked.calls / max(1, plan.sampled)
            typer.echo(f"    asks {name}, at most {per_record:.1f} calls for each record that came in")
        for name, asked in step.once.items():
            typer.echo(
                f"    asks {name}, at most {asked.calls:,} calls{' besides' if name in step.asked else ''}"
            )
    for step in plan.steps:
        for number, prompt in enumerate(step.prompts, start=1):
            typer.echo(f"\n--- {step.label}, prompt {number} for the first record ---")
            for message in prompt:
                typer.echo(f"[{message.role}]\n{_printable(message.content)}")
    from factory.engine.plan.foretell import foretold

    if said := foretold(recipe.steps, recipe.labels(), recipe.seed, limit=limit, always=True):
        typer.echo("\n" + "\n".join(map(_printable, said)))
    first, *others = bounds(recipe, plan).lines()
    typer.echo(f"\nEstimate: {first}.")
    typer.echo("\n".join([*others, "Replies that are in the journal cost nothing."]))


def _printable(text: str) -> str:
    """Text of data as it may go to a terminal: no control characters."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def estimate(
    recipe: RecipeArgument,
    set_: SetOption = None,
    model: ModelOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take only the first N records.")
    ] = None,
    probe: Annotated[
        int, typer.Option("--probe", min=0, help="Run the first N records for real and measure on them.")
    ] = 0,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where replies are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Tell the calls, tokens, money and time that a run will take."""
    from factory.engine.plan import probe as probing
    from factory.recipe.recipe import load_recipe

    loaded = load_recipe(recipe, _overrides(model, set_))
    told = probing.probe(loaded, probe, limit, journal) if probe else probing.estimate(loaded, limit)
    typer.echo("\n".join(told.lines()))


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(epilog=EXIT_CODES)(run)
    app.command()(estimate)
