"""How the records of a dataset are written to one file, so that it keeps the most of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from factory.data.document import is_of_document
from factory.data.user_columns import own_names

if TYPE_CHECKING:
    from factory.data.formats.write import WrittenFile
    from factory.data.record import Record
    from factory.data.table import Table


def write_table(
    records: Iterable[Record],
    table: Table,
    path: Path,
    format: str | None,
    *,
    carry: Sequence[str],
    reasoning: Literal["field", "think", "none"],
    csv_safe: bool,
) -> WrittenFile:
    """Write the records, which the table holds, to a file; see `Dataset.save`.

    A CSV file whose rows do not go back as they came has the user's own columns too, unless `carry` names some.
    """
    from factory.data.formats.write import write_file  # saves what a mere look at a set need not wait for

    layout = format or _layout(table, path)
    to_csv = ending(path) == "csv"
    if to_csv and layout is None and not carry:
        carry = own_names(table)
    written = write_file(records, path, layout, carry=carry, reasoning=reasoning, csv_safe=csv_safe)
    # The rows' own columns hold the tags and the task that they came with.
    held = (
        set()
        if layout is None
        else {"tags"} - set(written.lost) | (set() if _made(table) else {"task", "scores"})
    )
    lost = [name for name in added_columns(table) if name not in held]
    if to_csv and lost:
        advice = f"a .csv file has no place for {' and '.join(lost)}: end the name in .jsonl or .parquet to keep them"
        return written._replace(advice=(advice,))
    return written


def as_read(table: Table, path: Path) -> str | None:
    """Whether rows go back into the shapes they came in: "source" where they fit and no step added what is lost.

    CSV has no place for that in any shape, so that rows go back with their own columns whatever was added.
    """
    spelled = len(table) > 0 and all(table.values("form"))
    fits = ending(path) == "csv" or (ending(path) in ("json", "jsonl") and not _made(table))
    return "source" if spelled and fits else None


def added_columns(table: Table) -> list[str]:
    """Which of tags, task and scores any record has: what CSV and rows for training have no place for."""
    return [name for name in ("tags", "task", "scores") if any(table.values(name))]


def ending(path: Path) -> str:
    """The ending of a file's name, without .gz; .ndjson is another name of .jsonl."""
    found = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    return "jsonl" if found == "ndjson" else found


def _made(table: Table) -> bool:
    """Whether steps added scores, tags or a task."""
    return any(table.values("scores")) or (bool(added_columns(table)) and any(table.values("events")))


def _layout(table: Table, path: Path) -> str | None:
    """The layout that keeps most in a file of this name; None for what suits its ending."""
    if ending(path) not in ("json", "jsonl", "parquet"):
        return as_read(table, path)
    if added_columns(table) or any(map(is_of_document, islice(table.records(), 1))):
        return "records"
    spelled = as_read(table, path.with_suffix(".jsonl"))
    return ("records" if spelled else None) if ending(path) == "parquet" else spelled
