"""`factory recipes`: the built-in recipes."""

from __future__ import annotations

from typing import Annotated

import typer


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


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(recipes)
