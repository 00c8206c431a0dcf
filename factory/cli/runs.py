"""`factory runs`: the runs of a folder and how they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def runs(
    outputs: Annotated[
        Path | None, typer.Argument(help="The folder that holds the runs. Default: outputs.")
    ] = None,
) -> None:
    """List the runs, the latest first: those that go, those that were stopped, those that are done."""
    from rich.console import Console

    from factory.engine.folder import OUTPUTS
    from factory.report.run_files.manifest import runs_in
    from factory.report.terminal.runs import print_runs

    found = runs_in(outputs or OUTPUTS)
    if not found:
        typer.echo(f"{outputs or OUTPUTS} holds no run yet")
        return
    print_runs(found, Console())


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(runs)
