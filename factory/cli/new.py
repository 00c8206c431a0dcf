"""`factory new`: a recipe proposed for documents, for rows, or for a brief alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.errors import EXIT_NOTHING_DONE, FactoryError, OutputError
from factory.recipe.model_spec import MODEL_FORMS

if TYPE_CHECKING:
    from factory.data.record import Record
    from factory.recipe.proposing.propose import Proposed

PREVIEWED = 10
CHARACTERS = 400


def new(
    place: Annotated[
        str,
        typer.Argument(
            metavar="[PLACE]",
            help="A folder of documents, a file or folder of rows, or a pattern. Leave it out to plan from a brief.",
        ),
    ] = "",
    brief: Annotated[
        str, typer.Option("--brief", help="What the set is for and who asks, in a sentence or two.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", help="The recipe's file; - prints it.")] = Path("recipe.yaml"),
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help=f"The model that writes. {MODEL_FORMS}")
    ] = "local",
    size: Annotated[int | None, typer.Option("--size", min=1, help="About how many rows you want.")] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help=f"Run {PREVIEWED} records of it and show what comes.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a recipe that is there already.")
    ] = False,
) -> None:
    """Look at a sample of what you have, and write a recipe for it: plain YAML, to edit and run."""
    from factory.recipe.recipe import parse_recipe

    if str(out) != "-" and out.exists() and not overwrite:
        raise OutputError(f"{out} is there already: name another file with --out, or give --overwrite")
    if preview and str(out) == "-":
        raise FactoryError("--preview runs a recipe that was written: name a file with --out")
    proposed = propose(place.strip(), " ".join(brief.split()), model, size)
    parse_recipe(proposed.text, str(out))  # what is proposed can be run
    if str(out) == "-":
        typer.echo(proposed.text, nl=False)
        return
    for sentence in proposed.told:
        typer.echo(sentence)
    from factory.data.whole_file import write_whole

    write_whole(out, proposed.text.encode())
    typer.echo(f"\n{out}")
    typer.echo(f"    factory estimate {out}   # calls and tokens at the most")
    typer.echo(f"    factory run {out}")
    if preview:
        _preview(out, proposed)


def propose(place: str, brief: str, model: str, size: int | None) -> Proposed:
    """The recipe for what a person has.

    Raises:
        FactoryError: there is neither a place nor a brief, or the place cannot be read.
    """
    from factory.data.text import shorten
    from factory.recipe.model_spec import model_value
    from factory.recipe.proposing.look import DocumentSample, look_at
    from factory.recipe.proposing.propose import for_brief, for_documents, for_rows
    from factory.steps.agents.grounding.kinds import SHARES

    given = model_value(model)
    teacher = given if isinstance(given, dict) else {"provider": "local"}
    brief = shorten(brief, 2000)
    if not place:
        if not brief:
            raise FactoryError(
                'give a folder of documents or a file of rows, or --brief "..." to plan from nothing, such as '
                'factory new docs/ --brief "Questions of operators about the pump"'
            )
        return for_brief(brief, teacher, size)
    sample = look_at(Path(place))
    if isinstance(sample, DocumentSample):
        shares = {str(kind): share for kind, share in SHARES.items()}
        return for_documents(place, sample, brief, teacher, size, shares)
    return for_rows(place, sample, brief, teacher, size)


def _preview(path: Path, proposed: Proposed) -> None:
    """Run ten records of a recipe, and show what was kept and what was let go."""
    from factory.api.run import run
    from factory.recipe.recipe import load_recipe

    recipe = load_recipe(str(path), proposed.preview)
    result = run(recipe, limit=PREVIEWED, out=Path("outputs") / f"{recipe.name}-preview", overwrite=True)
    kept = list(result.table().records())
    made = [row for row in result.dropped_table().records() if row.dropped and row.dropped.kind not in _OWN]
    typer.echo(
        f"\n{len(kept):,} rows were kept, {len(made):,} let go; all of them: {result.folder}/report.html"
    )
    for row in kept[:PREVIEWED]:
        typer.echo(f"\n{_told(row)}")
    for row in made[:PREVIEWED]:
        assert row.dropped is not None
        typer.echo(f"\nlet go, {row.dropped.kind}: {_short(row.dropped.reason)}\n{_told(row)}")
    if not kept:
        raise typer.Exit(EXIT_NOTHING_DONE)


_OWN = {"chunk", "not_drawn", "seed"}
"""Why records are let go that rows were made of, or that a preview does not look at."""


def _told(row: Record) -> str:
    """A row as a person reads it: its turns, and the words that it rests on."""
    lines = [f"{turn.role:<9} {_short(turn.content)}" for turn in row.messages if turn.content]
    spans = row.meta.get("spans")
    for span in spans if isinstance(spans, list) else ():
        lines.append(f"{'span':<9} {_short(span['quote'])} ({_short(str(span.get('file', '')))})")
    return "\n".join(lines)


def _short(text: str) -> str:
    from factory.data.text import shorten
    from factory.report.plain import visible

    return visible(shorten(text, CHARACTERS))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(new)
