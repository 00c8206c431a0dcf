"""`factory models`: the models that need no server."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="List the models that need no server, and get those that are not there.", rich_markup_mode=None
)


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the models that run in this process: what is here and what can be had."""
    if context.invoked_subcommand is None:
        from factory.models.llama.catalogue import catalogue_lines

        typer.echo("\n".join(catalogue_lines()))


@app.command("get")
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
