"""`factory publish`: put a run's set on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SAID = {
    "new": "published",
    "new version": "published in the place of the rows before",
    "tagged": "the rows were there; their tag was set",
    "there already": "nothing to do: these rows are there already, under this tag",
}


def publish(
    folder: Annotated[Path, typer.Argument(help="The run's folder, or one that `factory export` wrote.")],
    name: Annotated[str, typer.Argument(help="Where to: hf://org/name.")],
    public: Annotated[
        bool,
        typer.Option(
            "--public", help="Make a new repository public, or publish in one that is. Default: private."
        ),
    ] = False,
    new_version: Annotated[
        bool,
        typer.Option(
            "--new-version",
            help="Put the set in the place of other rows of this repository, which stay under their own tag.",
        ),
    ] = False,
) -> None:
    """Publish a set on the Hugging Face hub: one commit, with a tag that names the run.

    The token is read from HF_TOKEN in the environment, and the hub's address from HF_ENDPOINT where that is set.
    Publishing the same run again changes nothing.
    """
    from factory.data.publishing import publish as send
    from factory.data.publishing import release_of

    def tell(sentence: str) -> None:
        typer.echo(f"warning: {sentence}", err=True)

    done = send(release_of(folder.expanduser()), name, private=not public, new_version=new_version, tell=tell)
    typer.echo(f"{done.name}@{done.tag}: {_SAID[done.how]}")
    typer.echo(f"{'private' if done.private else 'public'}, commit {done.commit[:12]}: {done.url}")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(publish)
