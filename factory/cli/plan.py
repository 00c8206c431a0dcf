"""`factory plan`: a coverage plan as a tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plan(
    file: Annotated[
        Path, typer.Argument(help="A plan as `explore` hands it out, steps/01-explore/plan.yaml of its run.")
    ],
) -> None:
    """Show a coverage plan as a tree: what is planned of each task, what was made, and why there is less."""
    from factory.report.page.facts import facts_lines
    from factory.report.plain import count
    from factory.steps.agents.exploring.plan_file import load_plan

    read = load_plan(file.expanduser())
    for line in facts_lines({"plan": read.rows()}, rows=None):
        typer.echo(line)
    tasks = sum(1 for _ in read.walk()) - 1
    open_leaves = sum(leaf.count is None for leaf in read.leaves())
    typer.echo(
        f"{count(tasks)} tasks, {count(read.planned)} records planned"
        + (
            f", and {count(open_leaves)} tasks without a count share what `size` leaves"
            if open_leaves
            else ""
        )
        + (f"; names pruned: {count(len(read.pruned))}" if read.pruned else "")
    )


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(plan)
