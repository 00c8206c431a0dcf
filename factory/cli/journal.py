"""`factory journal`: look into the journal, take replies out of it, write it out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.errors import FactoryError

if TYPE_CHECKING:
    from factory.engine.journal.contents import Group

app = typer.Typer(
    help="Look at the replies that are kept, remove some, or write them out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

JournalOption = Annotated[
    Path | None, typer.Option("--journal", help="The journal. Default: outputs/journal.db.")
]


@app.command()
def stats(journal: JournalOption = None) -> None:
    """Count the replies by kind, model and the server that they came from."""
    from factory.engine.journal.contents import file_size, groups
    from factory.report.plain import visible

    path = _path(journal)
    found = groups(path)
    total = sum(group.replies for group in found)
    typer.echo(f"{path}: {_size(file_size(path))}, {total:,} replies")
    if not found:
        typer.echo(
            f"Where it was copied from a run that had not ended, replies lie in the log beside the original, "
            f"{path.name}-wal: copy that too"
        )
        return
    rows = [("kind", "model", "replies", "size", "oldest", "newest", "server")]
    for group in found:
        times = (_day(group.oldest), _day(group.newest))
        rows.append(
            (
                group.kind,
                visible(group.model),
                f"{group.replies:,}",
                _size(group.size),
                *times,
                _server(group),
            )
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if at in (2, 3) else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(cells).rstrip())
    unchecked = sum(group.unchecked for group in found)
    if unchecked:
        typer.echo(
            f"{unchecked:,} of {total:,} replies were stored before replies had checksums: of these a bit that flips "
            "inside a text is not noticed when they are replayed"
        )


@app.command()
def prune(
    model: Annotated[
        str | None,
        typer.Option("--model", help="Replies of this model, as `factory journal stats` names it."),
    ] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", min=0, help="Replies that are older than so many days.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", help="Replies that came from this address, as `factory journal stats` names it."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    journal: JournalOption = None,
) -> None:
    """Remove replies; a run that needs one of them asks its model again."""
    from factory.engine.journal.contents import groups, matching
    from factory.engine.journal.contents import prune as remove
    from factory.errors import nearest

    if model is None and older_than is None and server is None:
        raise FactoryError(
            "name what is to go: --model MODEL, --server ADDRESS, --older-than DAYS, or several"
        )
    path = _path(journal)
    held = groups(path)
    names = sorted({group.model for group in held})
    if model is not None and model not in names:
        raise FactoryError(f"{path} holds no reply of model {model!r}{nearest(model, names)}")
    keys = matching(path, model, older_than, None if server is None else _servers(path, server, held))
    if not keys:
        typer.echo(f"{path} holds no such reply; nothing was removed")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise FactoryError(f"{len(keys):,} replies would go; say --yes to remove them")
        typer.confirm(
            f"Remove {len(keys):,} replies from {path}? They would have to be paid for again.", abort=True
        )
    done = remove(path, keys)
    left = f"{path} was {_size(done.before)} and is {_size(done.after)}"
    if not done.shrunk:
        left = "another process has the journal open: its file shrinks when it is pruned again after that"
    typer.echo(f"{done.replies:,} replies removed; {left}")


@app.command()
def export(
    out: Annotated[
        Path | None, typer.Argument(help="The file to write, .jsonl or .jsonl.gz. Default: the terminal.")
    ] = None,
    vectors: Annotated[
        bool,
        typer.Option("--vectors", help="Write the numbers of embeddings too, not their dimension alone."),
    ] = False,
    journal: JournalOption = None,
) -> None:
    """Write each request and its reply as a line of JSON."""
    from factory.engine.journal.contents import export as write

    count = write(_path(journal), out, vectors=vectors)
    if out is not None:
        typer.echo(f"{count:,} replies written to {out}")


def _servers(path: Path, wanted: str, held: list[Group]) -> list[str]:
    """What stands in the journal for the server at this address, alone or as one of several replicas."""
    from factory.errors import nearest
    from factory.models.address import shown_address

    known = {group.server for group in held if group.server}
    shown = {wanted, shown_address(wanted)}
    found = [one for one in known if one == wanted or not shown.isdisjoint(one.split(" "))]
    if not found:
        hint = nearest(wanted, sorted(known))
        raise FactoryError(f"{path} holds no reply that is known to come from {shown_address(wanted)}{hint}")
    return found


def _server(group: Group) -> str:
    from factory.report.plain import visible

    return "(not noted)" if group.server is None else visible(group.server) or "(this process)"


def _path(journal: Path | None) -> Path:
    from factory.engine.folder import OUTPUTS

    return journal if journal is not None else OUTPUTS / "journal.db"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size / 1e3:,.1f} kB"


def _day(seconds: float) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # by a clock that was far off
        return "?"
