"""`factory export`: files of records as training data, without a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from factory.cli.common import CsvSafeOption, EncodingOption, FilesArgument, load_files
from factory.cli.options import StepCommand, StepOption, chosen_options, options_of
from factory.errors import EXIT_SOME_RECORDS_FAILED, OutputError

STEP = "export"
_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")


class ExportCommand(StepCommand):
    """`factory export`, which takes the options of the step."""

    def sections(self, words: Sequence[str]) -> Mapping[str, Sequence[StepOption]]:
        """See `StepCommand.sections`."""
        return {f"Options of {STEP}": options_of(STEP)}


def export(
    context: typer.Context,
    files: FilesArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="A folder, which `datasets` and LLaMA-Factory load as it is, with each format in a folder of its own; "
            "or one file (.jsonl, .json, .csv, .parquet) of one format.",
        ),
    ],
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take only the first N records.")
    ] = None,
    encoding: EncodingOption = "",
    csv_safe: CsvSafeOption = True,
) -> None:
    """Write files of records as training data, in the formats of the step export."""
    from factory.api.steps import make_step
    from factory.data.formats.packed import unpacked_name
    from factory.data.formats.parquet_files import Shards
    from factory.data.formats.write import write_dataset, write_file
    from factory.steps.files.thoughts.thoughts import Thoughts

    chosen = chosen_options(context).get(STEP, {})
    step = make_step(STEP, dict(chosen), {}).model_dump()
    formats, carry, reasoning = step["formats"], step["carry"], step["reasoning"]
    one = unpacked_name(out.name).lower().endswith(_FILES)
    if one and "formats" in chosen and len(formats) > 1:
        raise OutputError(f"--out {out}: a file holds one format: give --formats once, or name a folder")
    if one and step["twins"] and "formats" not in chosen:
        raise OutputError(
            f"--out {out}: --twins wants a format that tells them apart: give --formats messages"
        )
    dataset, skipped = load_files(files, limit, encoding=encoding, out=out)
    live = [record for record in dataset if record.answered or record.answers]
    if not live:
        why = (
            f"none of the {len(dataset):,} records has an answer" if len(dataset) else "no row could be read"
        )
        raise OutputError(f"{out}: there is nothing to write: {why}")
    if len(live) < len(dataset):
        typer.echo(f"warning: {len(dataset) - len(live):,} records without an answer are left out", err=True)
    thoughts = Thoughts(live, step["reasoning_tokens"], step["twins"])
    place = out.expanduser()
    if one:
        format = formats[0] if "formats" in chosen else None
        written = write_file(thoughts, place, format, carry=carry, reasoning=reasoning, csv_safe=csv_safe)
        told = written.told
    else:
        shards = Shards(step["shard_rows"], step["shard_megabytes"])
        told = write_dataset(
            thoughts, place, formats, carry=carry, reasoning=reasoning, parts=step["parts"], shards=shards
        ).told
    typer.echo(f"{len(live):,} records written to {out}")
    for sentence in thoughts.told():
        typer.echo(f"{out}: {sentence}")
    for sentence in told:
        typer.echo(f"warning: {out}: {sentence}", err=True)
    if skipped:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(cls=ExportCommand)(export)
