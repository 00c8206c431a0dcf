"""What commands share: the file that is read, and the command itself."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.errors import EXIT_NOTHING_DONE, EXIT_SOME_RECORDS_FAILED, OutputError

if TYPE_CHECKING:
    from factory.api.dataset import Dataset
    from factory.engine.progress import RunProgress

NAMED = 20
"""Rows that could not be read and are told one by one."""


FilesArgument = Annotated[
    list[str],
    typer.Argument(
        help="The files to read: names, folders or patterns such as 'data/*.jsonl', or factory:seeds."
    ),
]
MaybeFilesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILES]...",
        show_default=False,
        help="The files to read: names, folders or patterns such as 'data/*.jsonl', or factory:seeds. A step that "
        "makes records of nothing needs none.",
    ),
]
EncodingOption = Annotated[
    str,
    typer.Option("--encoding", help="What the text of the files is in, such as gb18030. Default: UTF-8."),
]
CsvSafeOption = Annotated[
    bool,
    typer.Option(
        "--csv-safe/--no-csv-safe",
        help="In a .csv file, put ' before cells that a spreadsheet would take for a formula.",
    ),
]


def load_files(
    files: Sequence[str],
    limit: int | None = None,
    *,
    encoding: str = "",
    strict: bool = False,
    out: Path | None = None,
    dropped: Path | None = None,
) -> tuple[Dataset, int]:
    """The records of files, and how many of their rows could not be read; those are told on standard error.

    Args:
        out, dropped: where the result, and the list of what is let go, will be written

    Raises:
        InputError: there is no such file, it has no row that can be read, or a row cannot be read and `strict`.
        OutputError: `out` or `dropped` is a file that is read, whose rows that could not be read or are let go would
            be lost.
    """
    from factory.api.dataset import load
    from factory.data.named_files import named_files

    read = {os.path.realpath(path) for path in named_files(files, documents=True)}
    for option, place in (("--out", out), ("--dropped", dropped)):
        if place is not None and os.path.realpath(place.expanduser()) in read:
            raise OutputError(f"{option} {place}: is the file that is read: name another one")
    hub = len(files) == 1 and files[0].startswith("hf:")
    dataset = load(files[0] if hub else list(files), limit=limit, strict=strict, encoding=encoding)
    skipped = len(dataset.dropped)
    for record in list(dataset.dropped)[:NAMED]:
        if record.dropped is not None:
            typer.echo(f"warning: skipped: {record.dropped.reason}", err=True)
    if skipped > NAMED:
        typer.echo(f"warning: and {skipped - NAMED:,} more rows", err=True)
    return dataset, skipped


def save_result(result: Dataset, out: Path, format: str | None = None, *, csv_safe: bool = True) -> None:
    """Write the records to a file, and tell how many they are and what the file cannot hold.

    Where none is left the file stays as it is: `end` tells why.

    Raises:
        OutputError: it cannot be written.
    """
    if not len(result):
        return
    written = result.write(out, format or result.as_read(out), csv_safe=csv_safe)
    typer.echo(f"{len(result):,} records written to {out}")
    for sentence in written.told:
        typer.echo(f"warning: {out}: {sentence}", err=True)


def end(result: Dataset, out: Path | None, skipped: int) -> None:
    """The end of a command on files: tells why no record is left, where none is.

    Args:
        skipped: rows that could not be read

    Raises:
        typer.Exit: no record is left, or rows could not be read, or records failed.
    """
    if not len(result):
        from factory.api.why_empty import why_empty

        told = f"{out} is not written: " if out is not None else ""
        typer.echo(f"warning: {told}no record is left: {why_empty(result.dropped.to_arrow())}", err=True)
        raise typer.Exit(EXIT_NOTHING_DONE)
    if skipped or (result.progress is not None and result.progress.failed):
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def echo_warnings(progress: RunProgress) -> None:
    """What asks for a look after a dataset ran, on standard error; notices were shown while it went."""
    for sentence in progress.warnings:
        typer.echo(f"warning: {sentence}", err=True)


@contextmanager
def shown_progress() -> Iterator[RunProgress]:
    """Counts for work outside of a run, shown on standard error while the block lasts."""
    from rich.console import Console

    from factory.engine.progress import RunProgress
    from factory.report.terminal.live import LiveProgress

    progress = RunProgress()
    with LiveProgress(progress, Console(stderr=True), brief=True):
        yield progress


def command_again() -> str:
    """The command as it was typed."""
    return shlex.join(["factory", *sys.argv[1:]])
