"""`factory steps`: what steps there are, and the manual of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from factory.step import Step


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
    for line in _models(step):
        typer.echo(line)


def _models(step: type[Step]) -> list[str]:
    """How the models that a step names are written; nothing where it names none."""
    from factory.recipe.model_spec import MODEL_FORMS
    from factory.step import Source

    embeddings = step.model_fields_of("embedding")
    named = [field for field in step.model_fields if field in (*step.model_fields_of("chat"), *embeddings)]
    if not named or issubclass(step, Source):
        return []
    first = named[0]
    model = "openai:NAME@http://127.0.0.1:8000/v1"
    if first in embeddings:
        model = "openai_embeddings:NAME@http://127.0.0.1:8000/v1"
    elif step.scores_with(first):
        model = "transformers:smollm2"
    return [
        f"\nModels: in a recipe, {' and '.join(f'`{field}`' for field in named)} is a name under `models:`. On the "
        f"command line it is {MODEL_FORMS[0].lower()}{MODEL_FORMS[1:]}",
        f"  factory apply {step.name} FILE --{first.replace('_', '-')} {model}",
    ]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(steps)
