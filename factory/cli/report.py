"""`factory report`: a run's funnel and its page, from the run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path | None, typer.Argument(help="The run's folder. Default: the latest run.")] = None,
) -> None:
    """Print a run's funnel and write its report.html anew."""
    from rich.console import Console

    from factory.engine.folder import OUTPUTS
    from factory.report.page.page import write_report
    from factory.report.run_files.manifest import latest_run, read_manifest
    from factory.report.terminal.funnel import print_funnel

    folder = folder or latest_run(OUTPUTS)
    write_report(folder)
    print_funnel(read_manifest(folder), Console(), folder)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(report)
