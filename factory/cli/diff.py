"""`factory diff`: what two versions of a set differ by, and why."""

from __future__ import annotations

from typing import Annotated

import typer

_VERSION = "A run's folder, a file of records, the folder of an export, or hf://org/name@tag for a release on the hub."


def diff(
    first: Annotated[str, typer.Argument(help=f"The earlier version. {_VERSION}")],
    second: Annotated[str, typer.Argument(help="The later version; likewise.")],
    examples: Annotated[
        int, typer.Option("--examples", min=0, help="Rows of each kind to show, one of each reason first.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two versions of a set: rows added, gone and changed, and why.

    A row is found again by its id, else by that of its source, else by what it says. The counts add up to the rows of
    both. Of runs it is told which step let a row go.
    """
    from rich.console import Console

    from factory.report.differences.compare import compare
    from factory.report.differences.version import Version
    from factory.report.terminal.differences import print_differences

    def warn(sentence: str) -> None:
        typer.echo(f"warning: {sentence}", err=True)

    found = compare(Version.read(first, warn), Version.read(second, warn), examples)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(found.to_json(), option=orjson.OPT_INDENT_2, default=str).decode())
    else:
        print_differences(found, first, second, Console())


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(diff)
