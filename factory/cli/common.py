"""What commands share: the file that is read, and the command itself."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from factory.errors import OutputError

if TYPE_CHECKING:
    from factory.api.dataset import Dataset
    from factory.engine.progress import RunProgress

NAMED = 20
"""Rows that could not be read and are told one by one."""


def load_file(
    file: str, limit: int | None = None, *, strict: bool = False, out: Path | None = None
) -> tuple[Dataset, int]:
    """The records of a file, and how many of its rows could not be read; those are told on standard error.

    Args:
        out: where the result will be written

    Raises:
        InputError: there is no such file, it has no row that can be read, or a row cannot be read and `strict`.
        OutputError: `out` is the file itself, whose rows that could not be read or are let go would be lost.
    """
    from factory.api.dataset import load

    if out is not None and os.path.realpath(out.expanduser()) == os.path.realpath(Path(file).expanduser()):
        raise OutputError(f"--out {out}: is the file that is read: name another one")
    dataset = load(file, limit=limit, strict=strict)
    skipped = len(dataset.dropped)
    for record in list(dataset.dropped)[:NAMED]:
        if record.dropped is not None:
            typer.echo(f"warning: skipped: {record.dropped.reason}", err=True)
    if skipped > NAMED:
        typer.echo(f"warning: and {skipped - NAMED:,} more rows", err=True)
    return dataset, skipped


def save_result(result: Dataset, out: Path, format: str | None = None) -> None:
    """Write the records to a file, and tell how many they are and what the file cannot hold.

    Raises:
        OutputError: it cannot be written.
    """
    written = result.write(out, format or result.as_read(out))
    typer.echo(f"{len(result):,} records written to {out}")
    for sentence in written.told:
        typer.echo(f"warning: {out}: {sentence}", err=True)


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
