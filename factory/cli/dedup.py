"""`factory dedup`: take the duplicates out of a file and show the largest families of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.common import (
    CsvSafeOption,
    EncodingOption,
    FilesArgument,
    echo_warnings,
    end,
    load_files,
    save_result,
)
from factory.cli.dropped import DroppedOption, check_dropped, own_ids, tell_dropped
from factory.cli.options import Chosen, StepCommand, StepOption, chosen_options, options_of
from factory.errors import FactoryError

if TYPE_CHECKING:
    from factory.api.dataset import Dataset

MEMBERS = 2
"""Dropped records shown of each family."""
CHARACTERS = 70
"""Of a text that is shown."""


STEPS = {
    "exact": "dedup_exact",
    "rouge": "dedup_rouge",
    "minhash": "dedup_minhash",
    "semantic": "dedup_semantic",
}
"""The steps in the order in which they run, by the options that choose them."""
BY_DEFAULT = "dedup_rouge"


class DedupCommand(StepCommand):
    """`factory dedup`, which takes the options of all steps that drop duplicates."""

    def sections(self, words: Sequence[str]) -> Mapping[str, Sequence[StepOption]]:
        """See `StepCommand.sections`."""
        from factory.step import find_step

        choose: list[StepOption] = []
        shared: dict[tuple[str, str], list[StepOption]] = {}
        each: dict[str, Sequence[StepOption]] = {}
        for prefix, name in STEPS.items():
            kind = find_step(name)
            choose.append(StepOption(prefix, name, kind))
            each[f"Options of {name}; each chooses it too"] = options_of(name, prefix)
            for option in options_of(name):
                info = kind.model_fields[option.field]
                shared.setdefault((option.name, repr((info.annotation, info.default))), []).append(option)
        # What several steps have in common with one default may be said once for all, and so may `check`.
        common = [
            replace(options[0], step="")
            for (name, _), options in shared.items()
            if len(options) > 1 or name == "check"
        ]
        return {"Steps": choose, "For every chosen step that has it": common, **each}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(cls=DedupCommand)(dedup)


def dedup(
    context: typer.Context,
    files: FilesArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write: .jsonl, .json, .csv or .parquet.")
    ] = None,
    dropped: DroppedOption = None,
    encoding: EncodingOption = "",
    csv_safe: CsvSafeOption = True,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="Families to show of each cause.")] = 5,
) -> None:
    """Remove duplicates from files: the steps of that name in a row, in the order below. By default --rouge.

    Each compares the prompt (instruction and input) unless --field says otherwise.
    """
    from factory.data.formats.write import check_file_place

    steps = _chosen_steps(chosen_options(context))
    if out is not None:
        check_file_place(out.expanduser())
    check_dropped(dropped)
    dataset, skipped = load_files(files, encoding=encoding, out=out, dropped=dropped)
    for name, options in steps:
        dataset = dataset.then(name, **options)
    fields = {step.name: step.model_dump()["field"] for step in dataset.pending}
    result = dataset.run(journal=journal, show_progress=True)
    assert result.progress is not None
    echo_warnings(result.progress)
    for progress in result.progress.steps:
        spared = progress.facts.get("kept_for_their_signs", 0)
        told = f", {spared:,} of them kept for their signs" if spared else ""
        typer.echo(f"{progress.label}: {progress.entered:,} in, {progress.passed:,} out{told}")
    for line in _families(result, fields, show) if show else ():
        typer.echo(line)
    if out is not None:
        save_result(result, out, csv_safe=csv_safe)
    tell_dropped(result, dropped)
    end(result, out, skipped)


def _chosen_steps(chosen: Chosen) -> list[tuple[str, dict[str, Any]]]:
    """Each step that was chosen, with its options, in the order of `STEPS`.

    Raises:
        FactoryError: an option is for none of them.
    """
    from factory.step import find_step

    names = [name for name in STEPS.values() if name in chosen] or [BY_DEFAULT]
    steps = {name: dict(chosen.get(name, {})) for name in names}
    for field, value in chosen.get("", {}).items():
        takers = [name for name in STEPS.values() if field in find_step(name).model_fields]
        if not set(takers) & set(names):
            flags = " or ".join(f"--{flag}" for flag, name in STEPS.items() if name in takers)
            raise FactoryError(f"--{field} {value} goes with {flags}: the steps that have it")
        for name in set(takers) & set(names):
            steps[name] = {field: value, **steps[name]}
    return list(steps.items())


def _families(result: Dataset, fields: Mapping[str, str], most: int) -> Iterator[str]:
    """The largest families by each cause: the record that is kept, and some that were dropped for it.

    Args:
        fields: which text each step compared
    """
    from factory.data.table import Table
    from factory.data.text import shorten
    from factory.report.duplicate_families import CAUSES, duplicate_families, how_near, largest_by_cause
    from factory.report.plain import visible

    found = duplicate_families(result.dropped)
    if not found:
        return
    tables = [Table(arrow) for arrow in (result.dropped.to_arrow(), result.to_arrow())]

    @functools.cache
    def texts_of(field: str) -> dict[str, str]:
        return {
            id: text for table in tables for id, text in zip(table.ids(), table.texts(field), strict=True)
        }

    ids = own_ids(result.dropped, result)

    def said(id: str, field: str) -> str:
        return f"{visible(ids.get(id, id))}  {visible(shorten(texts_of(field).get(id, ''), CHARACTERS))}"

    yield f"{len(found):,} {'families' if len(found) > 1 else 'family'} of duplicates; the largest by cause:"
    for kind, largest in largest_by_cause(found, most).items():
        total = sum(family.causes.get(kind, 0) for family in found)
        yield f"{CAUSES[kind]}: {total:,} dropped"
        for family in largest:
            members = family.members(kind)
            field = fields[members[0][1].step.split("-", 1)[-1]]
            first = members[0][1]
            _, of, reference = first.reason.partition(f" with {first.against} of the reference ")
            kept = f"{first.against} of the reference {reference}" if of else ""
            yield f"{family.causes[kind]:>7,} for {visible(shorten(kept, 2 * CHARACTERS)) or said(family.kept, field)}"
            for id, drop in members[:MEMBERS]:
                near = how_near(
                    drop._replace(against=ids.get(drop.against, drop.against)),
                    ids.get(family.kept, family.kept),
                )
                yield f"            {visible(near)}: {said(id, field)}"
