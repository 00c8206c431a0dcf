"""All runs in a folder, a line each: how they stand and what they came to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from factory.data.run_manifest import Manifest
from factory.data.text import shorten
from factory.report.plain import count, duration, money, visible
from factory.report.run_files.state import run_state

if TYPE_CHECKING:
    from rich.console import Console


def print_runs(runs: list[tuple[Path, Manifest]], console: Console) -> None:
    """Print each run: its folder, how it stands, when it began, its records, calls, time and cost."""
    from rich.table import Table
    from rich.text import Text

    priced = any(manifest.cost is not None for _, manifest in runs)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold")
    table.add_column("started", no_wrap=True)
    for name in ("records", "kept", "calls", "time", *(["cost"] if priced else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", overflow="fold")
    for folder, manifest in runs:
        state = run_state(folder, manifest)
        numbers = [
            count(manifest.records),
            count(manifest.kept),
            count(manifest.calls),
            duration(manifest.seconds),
        ]
        if priced:
            numbers.append(money(manifest.cost) if manifest.cost is not None else "")
        began = manifest.started[:16].replace("T", " ")
        short = shorten(state.partition(" (")[0], 60) or "finished"  # `factory report` tells the rest
        table.add_row(Text(visible(str(folder))), Text(began), *numbers, Text(short))
    console.print(table)
