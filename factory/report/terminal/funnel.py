"""The funnel in a terminal: what each step let through, where the rest went, and which files to look at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from factory.data.run_manifest import Manifest, StepFacts
from factory.report.coverage import COVERAGE, coverage_lines
from factory.report.page.facts import facts_lines
from factory.report.plain import count, counts, duration, lacks, money, visible
from factory.report.run_files.state import run_state

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FILES = ("report.html", "dataset", COVERAGE, "dropped.parquet", "manifest.json")
"""What a person looks at after a run, the first first."""
REASONS = 6
"""How many first reasons stand under the table."""
FAILURES = ("bad_reply", "bad_request", "call_failed", "context_length", "refused")
"""Kinds of missing scores that a call failed for."""


def print_funnel(manifest: Manifest, console: Console, folder: Path) -> None:
    """Print a run's funnel, its sums, and those of its files that are there.

    Reads well at 80 columns and in a pipe: columns are set apart by spaces, colour only adds.
    """
    from rich.text import Text

    def say(line: str, style: str = "") -> None:
        console.print(Text(line, style), soft_wrap=True)

    say(headline(manifest), "bold" if manifest.kept or not manifest.finished else "bold red")
    if state := run_state(folder, manifest):
        say(state)
    if manifest.steps:
        console.print()
        console.print(_table(manifest))
    for step in manifest.steps:
        if plan := step.facts.get("plan"):
            console.print()
            for line in facts_lines({f"plan of {step.label}": plan}):
                say(line)
    if told := first_reasons(manifest):
        console.print()
        for line in told:
            say(line)
    console.print()
    for name, fact in sums(manifest):
        say(f"{name:<8} {fact}")
    for line in coverage_lines(folder):
        say(line)
    paths = [folder / name for name in FILES if (folder / name).exists()]
    if paths:
        console.print()
        for path in paths:
            say(f"{path}/" if path.is_dir() else str(path), "cyan")


def headline(manifest: Manifest) -> str:
    """The outcome in one sentence; where nothing was kept, where everything went."""
    name = f"{visible(manifest.recipe)}: " if manifest.recipe else ""
    if not manifest.finished:
        return f"{name}{count(manifest.kept)} of {count(manifest.records)} records live so far"
    if manifest.kept:
        return f"{name}{count(manifest.kept)} of {count(manifest.records)} records kept"
    if not manifest.records:
        first = f": {visible(manifest.steps[0].label)} gave none" if manifest.steps else ""
        return f"{name}no record came in{first}"
    where = ", ".join(
        f"{count(step.let_go)} in {visible(step.label)} ({_kinds(step)})"
        for step in manifest.steps
        if step.let_go
    )
    return f"{name}0 of {count(manifest.records)} records survived: {where}"


def sums(manifest: Manifest) -> list[tuple[str, str]]:
    """Named facts about the whole run, those that it has."""
    facts = [
        (
            "records",
            f"{count(manifest.records)}: {count(manifest.kept)} {'kept' if manifest.finished else 'live'}, "
            f"{count(manifest.dropped)} dropped, {count(manifest.failed)} failed",
        )
    ]
    if manifest.calls or manifest.replayed:
        retries = f", {count(manifest.retries)} sent again" if manifest.retries else ""
        facts.append(
            (
                "calls",
                f"{count(manifest.calls)} sent, {count(manifest.replayed)} replayed from the journal{retries}",
            )
        )
        facts += [
            (
                f"of `{visible(name)}`",
                f"{count(number)} replayed, which {visible(server) or 'this process'} gave, not "
                f"{visible(model.server) or 'this process'}",
            )
            for name, model in manifest.models.items()
            for server, number in model.replayed_from.items()
        ]
        facts.append(
            (
                "tokens",
                f"{count(manifest.prompt_tokens)} in prompts, {count(manifest.completion_tokens)} in replies",
            )
        )
    if manifest.cost is not None:
        facts.append(("money", f"{money(manifest.cost)} (in the currency of the recipe's prices)"))
    if manifest.seconds:
        facts.append(("time", duration(manifest.seconds)))
    return facts


def _table(manifest: Manifest) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("step", no_wrap=True)
    for name in ("in", "new", "dropped", "failed", "out"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for step in manifest.steps:
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


def reasons(step: StepFacts) -> str:
    """Why a step let records go, or without what: "low_score 8, too_long 2; failed: bad_reply 1"."""
    parts = [counts(step.dropped)] if step.dropped else []
    if step.failed:
        parts.append(f"failed: {counts(step.failed)}")
    parts += [f"{lacks(name)}: {counts(kinds)}" for name, kinds in step.lacking.items()]
    return "; ".join(parts)


def first_reasons(manifest: Manifest) -> list[str]:
    """What was said of the first record of each kind of failure; where nothing was kept, of each kind of drop too."""
    lines = []
    for step in manifest.steps:
        kinds = [*step.failed, *(() if manifest.kept else step.dropped)]
        kinds += [kind for kinds in step.lacking.values() for kind in kinds if kind in FAILURES]
        lines += [
            f"first {visible(kind)} of {visible(step.label)}: {visible(step.reasons[kind])}"
            for kind in dict.fromkeys(kinds)
            if step.reasons.get(kind)
        ]
    return lines[:REASONS]


def _kinds(step: StepFacts) -> str:
    kinds = Counter(step.dropped) + Counter(step.failed)
    return visible(next(iter(kinds))) if len(kinds) == 1 else counts(kinds)
