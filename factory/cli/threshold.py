"""`factory calibrate-threshold`: which cosine parts duplicates from the rest, seen on one's own data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from factory.cli.common import EncodingOption, FilesArgument, load_files, shown_progress
from factory.cli.options import StepCommand, StepOption, chosen_options, options_of
from factory.errors import EXIT_NOTHING_DONE, EXIT_SOME_RECORDS_FAILED

STEP = "dedup_semantic"
"""The step whose threshold is chosen, and whose options for what is compared are taken."""
TAKEN = ("field", "model")


class ThresholdCommand(StepCommand):
    """`factory calibrate-threshold`, which compares what the step would compare."""

    def sections(self, words: Sequence[str]) -> Mapping[str, Sequence[StepOption]]:
        """See `StepCommand.sections`."""
        return {f"Options of {STEP}": [option for option in options_of(STEP) if option.field in TAKEN]}


def calibrate_threshold(
    context: typer.Context,
    files: FilesArgument,
    sample: Annotated[
        int, typer.Option("--sample", min=2, help="Compare N records, evenly spaced over the file.")
    ] = 2000,
    at: Annotated[
        list[float] | None,
        typer.Option("--at", min=-1, max=1, help="A threshold to show. Repeatable. Default: 0.80 to 0.95."),
    ] = None,
    encoding: EncodingOption = "",
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Show how near a file's texts are to each other, to choose the threshold of dedup_semantic by."""
    from factory.api.steps import make_step
    from factory.data.table import Table
    from factory.engine.outside import with_embedder
    from factory.models.embed_texts import embed_texts
    from factory.models.naming import ModelEntry
    from factory.report.run_files.rows import evenly
    from factory.steps.dedup.semantic.threshold import similarity_profile

    models: dict[str, ModelEntry] = {}
    field = make_step(STEP, chosen_options(context).get(STEP, {}), models).model_dump()["field"]
    dataset, skipped = load_files(files, encoding=encoding)
    written = [text for text in Table(dataset.to_arrow()).texts(field, compared=True) if text.strip()]
    texts = [written[place] for place in evenly(len(written), sample)]
    if len(texts) < 2:
        typer.echo(
            f"{', '.join(files)}: has fewer than two records with a text in `{field}`, so there is no pair to compare"
        )
        raise typer.Exit(EXIT_NOTHING_DONE)
    with shown_progress() as progress:
        embedded = with_embedder(models, journal, lambda embedder: embed_texts(embedder, texts), progress)
    if embedded.failed:
        why = embedded.failed[min(embedded.failed)]
        typer.echo(f"warning: {len(embedded.failed):,} of {len(texts):,} texts are left out: {why}", err=True)
    profile = similarity_profile(texts, embedded.vectors, at or ())
    typer.echo("\n".join(profile.lines()))
    if len(texts) < len(written):
        typer.echo(
            f"\nA sample of {len(written):,} texts: in the whole set neighbours are nearer. See all with "
            f"--sample {len(written)}."
        )
    if skipped or embedded.failed:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("calibrate-threshold", cls=ThresholdCommand)(calibrate_threshold)
