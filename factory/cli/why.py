"""`factory why`: where a record came from, what it became, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def why(
    record: Annotated[
        str, typer.Argument(help="A record's id, the beginning of one, or the source row's own id.")
    ],
    folder: Annotated[Path | None, typer.Argument(help="The run's folder. Default: the latest run.")] = None,
) -> None:
    """Tell where a record came from and why it was kept or dropped."""
    from rich.console import Console

    from factory.engine.folder import OUTPUTS
    from factory.engine.journal.contents import servers_of
    from factory.report.run_files.manifest import latest_run
    from factory.report.terminal.why import explain, print_explanation

    explanation = explain(folder or latest_run(OUTPUTS), record)
    keys = [key for event in explanation.record.events for key in event.calls]
    print_explanation(explanation, Console(), servers_of(Path(explanation.journal), keys))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(why)
