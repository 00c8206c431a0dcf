"""The command line: what a person types. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer

from factory.cli.apply import register as register_apply
from factory.cli.calibrate import register as register_calibrate
from factory.cli.clean import register as register_clean
from factory.cli.common import command_again
from factory.cli.dedup import register as register_dedup
from factory.cli.diff import register as register_diff
from factory.cli.export import register as register_export
from factory.cli.fit import app as fit_app
from factory.cli.follow import app as follow_app
from factory.cli.journal import app as journal_app
from factory.cli.measure import register as register_measure
from factory.cli.models import app as models_app
from factory.cli.new import register as register_new
from factory.cli.plan import register as register_plan
from factory.cli.prompts import app as prompts_app
from factory.cli.publish import register as register_publish
from factory.cli.recipes import register as register_recipes
from factory.cli.report import register as register_report
from factory.cli.run import register as register_run
from factory.cli.runs import register as register_runs
from factory.cli.score import register as register_score
from factory.cli.select import register as register_select
from factory.cli.serve import register as register_serve
from factory.cli.steps import register as register_steps
from factory.cli.teachers import register as register_teachers
from factory.cli.threshold import register as register_threshold
from factory.cli.why import register as register_why
from factory.errors import EXIT_INTERRUPTED, EXIT_NOTHING_DONE, FactoryError, RunInterrupted, exit_code_of

app = typer.Typer(
    name="factory",
    help="Make supervised fine-tuning data: evolve, answer, tag, judge, deduplicate, assemble, explain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")
app.add_typer(journal_app, name="journal")
app.add_typer(fit_app, name="fit")
app.add_typer(prompts_app, name="prompts")
app.add_typer(follow_app, name="follow")
register_new(app)
register_run(app)
register_apply(app)
register_score(app)
register_serve(app)
register_measure(app)
register_clean(app)
register_dedup(app)
register_select(app)
register_export(app)
register_publish(app)
register_diff(app)
register_calibrate(app)
register_teachers(app)
register_threshold(app)
register_why(app)
register_report(app)
register_runs(app)
register_steps(app)
register_recipes(app)
register_plan(app)


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
        sys.exit(exit_code_of(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno == errno.EIO and _terminal_is_gone():
            # It was closed while something was said; nobody is there to be told.
            for number in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            sys.exit(EXIT_INTERRUPTED)
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


def _terminal_is_gone() -> bool:
    """Whether what is said goes to a terminal that was closed."""
    try:
        import termios
    except ImportError:  # Windows
        return False
    for number in (1, 2):
        try:
            termios.tcgetattr(number)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                return True
    return False
