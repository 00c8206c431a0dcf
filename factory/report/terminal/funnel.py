"""The funnel in a terminal: what each step let through, where the rest went, and which files to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.report.plain import count, counts, duration, money, visible
from factory.report.run_files.manifest import Funnel, StepCounts, read_funnel

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FILES = ("report.html", "dataset", "dropped.parquet", "manifest.json")
"""What a person looks at after a run, the first first."""


def print_funnel(manifest: Mapping[str, Any], console: Console, folder: Path) -> None:
    """Print a run's funnel, its sums, and those of its files that are there.

    Reads well at 80 columns and in a pipe: columns are set apart by spaces, colour only adds.
    """
    from rich.text import Text

    funnel = read_funnel(manifest)

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style), soft_wrap=True)

    say(headline(funnel), "bold" if funnel.kept else "bold red")
    if funnel.status not in ("", "finished"):
        say(visible(funnel.status))
    if funnel.steps:
        console.print()
        console.print(_table(funnel))
    console.print()
    for name, fact in sums(funnel):
        say(f"{name:<8} {fact}")
    paths = [folder / name for name in FILES if (folder / name).exists()]
    if paths:
        console.print()
        for path in paths:
            say(f"{path}/" if path.is_dir() else str(path), "cyan")


def headline(funnel: Funnel) -> str:
    """The outcome in one sentence; where nothing was kept, where everything went."""
    name = f"{visible(funnel.recipe)}: " if funnel.recipe else ""
    if funnel.kept:
        return f"{name}{count(funnel.kept)} of {count(funnel.records)} records kept"
    if not funnel.records:
        first = f": {visible(funnel.steps[0].label)} gave none" if funnel.steps else ""
        return f"{name}no record came in{first}"
    where = ", ".join(
        f"{count(step.let_go)} in {visible(step.label)} ({_kinds(step)})"
        for step in funnel.steps
        if step.let_go
    )
    return f"{name}0 of {count(funnel.records)} records survived: {where}"


def sums(funnel: Funnel) -> list[tuple[str, str]]:
    """Named facts about the whole run, those that it has."""
    facts = [
        (
            "records",
            f"{count(funnel.records)}: {count(funnel.kept)} kept, "
            f"{count(funnel.dropped)} dropped, {count(funnel.failed)} failed",
        )
    ]
    if funnel.calls or funnel.replayed:
        retries = f", {count(funnel.retries)} sent again" if funnel.retries else ""
        facts.append(
            (
                "calls",
                f"{count(funnel.calls)} sent, {count(funnel.replayed)} replayed from the journal{retries}",
            )
        )
        facts.append(
            (
                "tokens",
                f"{count(funnel.prompt_tokens)} in prompts, {count(funnel.completion_tokens)} in replies",
            )
        )
    if funnel.cost is not None:
        facts.append(("money", f"{money(funnel.cost)} (in the currency of the recipe's prices)"))
    if funnel.seconds:
        facts.append(("time", duration(funnel.seconds)))
    return facts


def _table(funnel: Funnel) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("step", no_wrap=True)
    for name in ("in", "new", "dropped", "failed", "out"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for step in funnel.steps:
        dropped, failed = sum(step.dropped.values()), sum(step.failed.values())
        table.add_row(
            Text(visible(step.label)),
            count(step.entered),
            Text(count(step.made), "" if step.made else "dim"),
            Text(count(dropped), "yellow" if dropped else "dim"),
            Text(count(failed), "red" if failed else "dim"),
            Text(count(step.passed), "bold"),
            Text(reasons(step)),
        )
    return table


def reasons(step: StepCounts) -> str:
    """Why a step let records go, or without what: "low_score 8, too_long 2; failed: bad_reply 1"."""
    parts = [counts(step.dropped)] if step.dropped else []
    if step.failed:
        parts.append(f"failed: {counts(step.failed)}")
    parts += [f"{name.replace('_', ' ')}: {counts(kinds)}" for name, kinds in step.missed.items()]
    return "; ".join(parts)


def _kinds(step: StepCounts) -> str:
    kinds = Counter(step.dropped) + Counter(step.failed)
    return visible(next(iter(kinds))) if len(kinds) == 1 else counts(kinds)
