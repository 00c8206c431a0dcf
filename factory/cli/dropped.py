"""The list of what a command let go: one row for each, with the reason and what it lost against."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.errors import OutputError

if TYPE_CHECKING:
    from factory.api.dataset import Dataset
    from factory.data.record import Record

DroppedOption = Annotated[
    Path | None,
    typer.Option(
        "--dropped",
        help="Write a list of what was let go to this file (.jsonl, .json or .csv): id, kind, reason, and against "
        "which record.",
    ),
]

_ENDINGS = (".jsonl", ".ndjson", ".json", ".csv")
_CHARACTERS = 200
"""Of an instruction that is shown."""


def check_dropped(path: Path | None) -> None:
    """Make sure, before the work, that the list can be written.

    Raises:
        OutputError: its name does not tell how, or it cannot be written.
    """
    from factory.data.formats.write import check_file_place

    if path is None:
        return
    if not path.name.lower().endswith(_ENDINGS):
        raise OutputError(f"--dropped {path}: end the name in {', '.join(_ENDINGS)}")
    check_file_place(path.expanduser())


def own_ids(*sets: Dataset) -> dict[str, str]:
    """The user's own id of each record that has one, by the record's."""
    return {
        record.id: str(own)
        for one in sets
        for record in one
        if (own := record.meta.get("id")) is not None and not isinstance(own, (dict, list))
    }


def dropped_rows(result: Dataset) -> Iterator[dict[str, Any]]:
    """A row for each record that was let go: `id` and `against` are the user's own ids where rows have them."""
    own = own_ids(result.dropped, result)
    for record in result.dropped:
        yield _row(record, own)


def _row(record: Record, own: dict[str, str]) -> dict[str, Any]:
    from factory.data.text import shorten

    drop = record.dropped
    assert drop is not None
    against = own.get(drop.against, drop.against)
    return {
        "id": own.get(record.id, record.id),
        "step": drop.step,
        "kind": drop.kind,
        "reason": drop.reason.replace(drop.against, against) if drop.against else drop.reason,
        "against": against,
        "failed": drop.failed,
        "numbers": dict(drop.numbers),
        "source": record.source,
        "instruction": shorten(record.instruction, _CHARACTERS),
        "record": record.id,
        "against_record": drop.against,
    }


def tell_dropped(result: Dataset, path: Path | None) -> None:
    """Write the list where one is asked for, and tell; else tell how to have one.

    Raises:
        OutputError: it cannot be written.
    """
    number = len(result.dropped)
    if path is None:
        if number:
            typer.echo(
                f"--dropped FILE lists the {number:,} that were let go, each with its reason", err=True
            )
        return
    from factory.data.formats.row_files import write_plain_rows

    guarded = write_plain_rows(list(dropped_rows(result)), path.expanduser())
    typer.echo(f"{number:,} that were let go listed in {path}")
    if guarded:
        typer.echo(f"warning: {path}: {guarded}", err=True)
