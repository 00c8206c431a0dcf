"""`factory apply`: one step alone, on a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from factory.cli.common import (
    CsvSafeOption,
    EncodingOption,
    MaybeFilesArgument,
    echo_warnings,
    end,
    load_files,
    save_result,
)
from factory.cli.dropped import DroppedOption, check_dropped, tell_dropped
from factory.cli.options import StepCommand, StepOption, chosen_options, options_of, shown_sections
from factory.errors import FactoryError


def apply(
    context: typer.Context,
    step: Annotated[str, typer.Argument(help="A step's name; `factory steps` lists them.")],
    files: MaybeFilesArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The file to write: .jsonl, .json, .csv or .parquet. Rows keep the shape and columns that they came "
            "with; where a step added scores or tags, .jsonl, .json and .parquet keep all of each record.",
        ),
    ] = None,
    dropped: DroppedOption = None,
    encoding: EncodingOption = "",
    csv_safe: CsvSafeOption = True,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random choices.")] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take only the first N records.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first row that cannot be read.")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where replies are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Run one step alone on files. `factory apply STEP --help` shows the step's own options."""
    from factory.cli.score import not_scored
    from factory.data.formats.write import check_file_place
    from factory.report.page.facts import facts_lines
    from factory.report.plain import counts

    options = chosen_options(context).get(step, {})
    if out is not None:
        check_file_place(out.expanduser())
    check_dropped(dropped)
    if files:
        dataset, skipped = load_files(
            files, limit, encoding=encoding, strict=strict, out=out, dropped=dropped
        )
        dataset = dataset.then(step, **options)
    else:
        from factory.api.begin import begin

        dataset, skipped = begin(step, **options), 0
        if limit is not None:
            raise FactoryError(
                f"--limit takes the first records of files, and none is named: `factory steps {step}` shows which "
                "option says how many it makes"
            )
    result = dataset.run(seed=seed, journal=journal, show_progress=True)
    assert result.progress is not None
    echo_warnings(result.progress)
    for progress in result.progress.steps:
        gone = counts({**progress.dropped, **progress.failed})
        typer.echo(
            f"{progress.label}: {progress.entered:,} in, {progress.passed:,} out"
            + (f", let go: {gone}" if gone else "")
        )
        for line in facts_lines(progress.facts):
            typer.echo(f"    {line}")
    for sentence in not_scored(result):
        typer.echo(f"    {sentence}")
    if out is not None:
        save_result(result, out, csv_safe=csv_safe)
        for path in result.save_tables(out):
            typer.echo(f"written beside it: {path}")
    tell_dropped(result, dropped)
    end(result, out, skipped)


class ApplyCommand(StepCommand):
    """`factory apply`, which takes the options of the step that is named."""

    def sections(self, words: Sequence[str]) -> Mapping[str, Sequence[StepOption]]:
        """See `StepCommand.sections`."""
        named = list(self.arguments(words))
        if not named:
            return {}
        from factory.step import Source, find_step, step_names

        # An option of the step that is typed before its name leaves its value among the words.
        step = find_step(next((word for word in named if word in step_names()), named[0]))
        if issubclass(step, Source):
            raise FactoryError(
                f"{step.name} brings records in, as naming FILE does: name a step that works on them"
            )
        return {f"Options of {step.name}": options_of(step.name, taken=self.own_options())}

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The step's manual in a sentence, where it is named."""
        super().format_help_text(ctx, formatter)
        for options in shown_sections(ctx).values():
            for kind in {option.kind for option in options}:
                formatter.write_paragraph()
                formatter.write_text(
                    f"{kind.name}: {kind.summary()} `factory steps {kind.name}` shows its manual."
                )


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(cls=ApplyCommand)(apply)
