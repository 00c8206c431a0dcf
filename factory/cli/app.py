"""The command line: what a person types. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from factory.cli.apply import register as register_apply
from factory.cli.calibrate import register as register_calibrate
from factory.cli.common import command_again
from factory.cli.dedup import register as register_dedup
from factory.cli.journal import app as journal_app
from factory.cli.measure import register as register_measure
from factory.cli.run import register as register_run
from factory.cli.score import register as register_score
from factory.cli.serve import register as register_serve
from factory.cli.threshold import register as register_threshold
from factory.errors import EXIT_NOTHING_DONE, FactoryError, RunInterrupted

app = typer.Typer(
    name="factory",
    help="Make supervised fine-tuning data: evolve, answer, tag, judge, deduplicate, assemble, explain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models_app = typer.Typer(
    help="List the models that need no server, and get those that are not there.", rich_markup_mode=None
)
app.add_typer(models_app, name="models")
app.add_typer(journal_app, name="journal")
register_run(app)
register_apply(app)
register_score(app)
register_serve(app)
register_measure(app)
register_dedup(app)
register_calibrate(app)
register_threshold(app)


@app.command()
def why(
    record: Annotated[
        str, typer.Argument(help="A record's id, the beginning of one, or the source row's own id.")
    ],
    folder: Annotated[Path | None, typer.Argument(help="The run's folder. Default: the latest run.")] = None,
) -> None:
    """Tell where a record came from and why it was kept or dropped."""
    from rich.console import Console

    from factory.engine.folder import OUTPUTS
    from factory.report.terminal.why import explain, latest_run, print_explanation

    print_explanation(explain(folder or latest_run(OUTPUTS), record), Console())


@app.command()
def report(
    folder: Annotated[Path | None, typer.Argument(help="The run's folder. Default: the latest run.")] = None,
) -> None:
    """Print a run's funnel and write its report.html anew."""
    from rich.console import Console

    from factory.engine.folder import OUTPUTS
    from factory.report.page.page import write_report
    from factory.report.run_files.manifest import read_manifest
    from factory.report.terminal.funnel import print_funnel
    from factory.report.terminal.why import latest_run

    folder = folder or latest_run(OUTPUTS)
    write_report(folder)
    print_funnel(read_manifest(folder), Console(), folder)


@app.command()
def steps(name: Annotated[str, typer.Argument(help="Show this step's manual.")] = "") -> None:
    """List the steps, or show one step's manual and options."""
    from factory.recipe.option_docs import option_rows
    from factory.step import find_step, step_names

    if not name:
        for known in step_names():
            typer.echo(f"{known:<16} {find_step(known).summary()}")
        return
    step = find_step(name)
    import inspect

    typer.echo(f"{inspect.cleandoc(step.__doc__ or '')}\n\nOptions:")
    for field, kind, default, description in option_rows(step):
        typer.echo(f"  {field}  ({kind}, default {default})\n      {description}")


@app.command()
def recipes(
    name: Annotated[str, typer.Argument(help="Print this recipe, to start your own from.")] = "",
) -> None:
    """List the built-in recipes, or print one."""
    from factory.recipe.recipe import RECIPES, builtin_recipes, load_recipe

    if name:
        load_recipe(name)
        typer.echo((RECIPES / f"{name}.yaml").read_text(encoding="utf-8"), nl=False)
        return
    for known in builtin_recipes():
        typer.echo(f"{known:<16} {load_recipe(known).data.get('description', '')}")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the models that run in this process: what is here and what can be had."""
    if context.invoked_subcommand is None:
        from factory.models.llama.catalogue import catalogue_lines

        typer.echo("\n".join(catalogue_lines()))


@models_app.command("get")
def models_get(
    name: Annotated[
        str,
        typer.Argument(
            help="A name that `factory models` lists, or org/repo/file.gguf on the Hugging Face hub."
        ),
    ],
) -> None:
    """Fetch a model's weights."""
    from factory.models.llama.catalogue import get_model

    typer.echo(get_model(name))


def _version(show: bool) -> None:
    if show:
        from factory import __version__

        typer.echo(f"factory {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make supervised fine-tuning data: evolve, answer, tag, judge, deduplicate, assemble, explain."""


def main() -> None:
    """Run the command line: a mistake is one sentence and an exit code, never a traceback."""
    try:
        app()
    except FactoryError as error:
        typer.echo(f"error: {error}", err=True)
        if isinstance(error, RunInterrupted):
            typer.echo(
                f"Replies that came are in the journal; none is asked for again. To go on:\n    {command_again()}",
                err=True,
            )
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"error: {where}{error.strerror or error}", err=True)
        sys.exit(EXIT_NOTHING_DONE)
    except Exception as error:
        if os.environ.get("FACTORY_DEBUG"):
            raise
        typer.echo(
            f"error: a fault in factory itself: {type(error).__name__}: {error}; "
            "set FACTORY_DEBUG=1 to see where, and please report it",
            err=True,
        )
        sys.exit(EXIT_NOTHING_DONE)
