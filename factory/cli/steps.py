"""`factory steps`: what steps there are, and the manual of one."""

from __future__ import annotations

from typing import Annotated

import typer


def steps(name: Annotated[str, typer.Argument(help="Show this step's manual.")] = "") -> None:
    """List the steps, or show one step's manual and options."""
    import inspect

    from factory.recipe.option_docs import option_rows
    from factory.step import find_step, step_names

    if not name:
        for known in step_names():
            typer.echo(f"{known:<16} {find_step(known).summary()}")
        return
    step = find_step(name)
    typer.echo(f"{inspect.cleandoc(step.__doc__ or '')}\n\nOptions:")
    for field, kind, default, description in option_rows(step):
        typer.echo(f"  {field}  ({kind}, default {default})\n      {description}")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(steps)
