"""Prints what two versions of a set differ by."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from factory.data.text import shorten
from factory.report.differences.compare import Differences, Row
from factory.report.plain import visible

CHARACTERS = 160
"""Of a text that changed."""
BEFORE = 20
"""Characters of it that are shown before the first that differs."""
_SIGNS = {"gone": "-", "added": "+", "changed": "~"}


def print_differences(found: Differences, first: str, second: str, console: Console) -> None:
    """The counts, which add up to the rows of both, why, and some rows of each kind."""
    table = Table(box=None, pad_edge=False)
    for column in ("", visible(first), visible(second)):
        table.add_column(Text(column), justify="right" if column else "left")
    table.add_row("rows", f"{found.first:,}", f"{found.second:,}")
    table.add_row("the same in both", f"{found.same:,}", f"{found.same:,}")
    table.add_row("changed", f"{found.changed:,}", f"{found.changed:,}")
    table.add_row("gone", f"{found.gone:,}", "")
    table.add_row("added", "", f"{found.added:,}")
    console.print(table)
    by = ", ".join(f"{how} {number:,}" for how, number in found.by.most_common())
    if by:
        _say(console, f"Rows found again by: {by}.")
    if found.passed_over:
        _say(console, f"Not compared, as one version does not carry them: {', '.join(found.passed_over)}.")
    for kind, counts in (*found.reasons.items(), ("changed", found.parts)):
        if counts:
            _say(console, f"\n{kind}:")
        for reason, number in counts.most_common():
            _say(console, f"{number:>9,}  {reason}")
        for row in found.examples[kind]:
            _print_row(console, _SIGNS[kind], row)


def _print_row(console: Console, sign: str, row: Row) -> None:
    _say(console, f"  {sign} {row.id}  {row.title}")
    if row.why:
        _say(console, f"      {shorten(row.why, CHARACTERS)}")
    for part, (was, now) in row.changed.items():
        _say(console, f"      {part}: {' -> '.join(map(_shown, _from_change(was, now)))}")


def _from_change(was: Any, now: Any) -> tuple[Any, Any]:
    """Both values; of texts that begin alike, from shortly before where they part, so that it is seen."""
    if not (isinstance(was, str) and isinstance(now, str)):
        return was, now
    shorter = min(len(was), len(now))
    alike = next((at for at in range(shorter) if was[at] != now[at]), shorter)
    if alike < CHARACTERS // 4:
        return was, now
    start = alike - BEFORE
    return f"…{was[start:]}", f"…{now[start:]}"


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "(none)"
    return f"{value:.4g}" if isinstance(value, float) else shorten(str(value), CHARACTERS // 2)


def _say(console: Console, line: str) -> None:
    console.print(Text(visible(line)), soft_wrap=True)
