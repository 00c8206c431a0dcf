"""`factory select`: choose rows of a file by a method, and show what the choice is beside random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

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
from factory.cli.dropped import DroppedOption, check_dropped, tell_dropped
from factory.cli.options import StepCommand, StepOption, chosen_options, options_of

STEP = "select"


class SelectCommand(StepCommand):
    """`factory select`, which takes the options of the step of that name."""

    def sections(self, words: Sequence[str]) -> Mapping[str, Sequence[StepOption]]:
        """See `StepCommand.sections`."""
        return {"How rows are chosen": options_of(STEP, taken=self.own_options())}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(cls=SelectCommand)(select)


def select(
    context: typer.Context,
    files: FilesArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write: .jsonl, .json, .csv or .parquet.")
    ] = None,
    dropped: DroppedOption = None,
    encoding: EncodingOption = "",
    csv_safe: CsvSafeOption = True,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random choices.")] = 0,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Choose rows of files by a method, beside random draws and the longest rows of the same size.

    --compare METHOD, once for each, shows methods side by side and chooses nothing. `factory steps select` shows the
    methods.
    """
    from factory.data.formats.write import check_file_place
    from factory.report.page.facts import facts_lines

    if out is not None:
        check_file_place(out.expanduser())
    check_dropped(dropped)
    dataset, skipped = load_files(files, encoding=encoding, out=out, dropped=dropped)
    dataset = dataset.then(STEP, **chosen_options(context).get(STEP, {}))
    result = dataset.run(seed=seed, journal=journal, show_progress=True)
    assert result.progress is not None
    echo_warnings(result.progress)
    for progress in result.progress.steps:
        typer.echo(f"{progress.entered:,} rows in, {progress.passed:,} out")
        for line in facts_lines(progress.facts):
            typer.echo(line)
    if out is not None:
        save_result(result, out, csv_safe=csv_safe)
    tell_dropped(result, dropped)
    end(result, out, skipped)
