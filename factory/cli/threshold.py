"""`factory calibrate-threshold`: which cosine parts duplicates from the rest, seen on one's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli.common import load_file
from factory.errors import EXIT_NOTHING_DONE, EXIT_SOME_RECORDS_FAILED, FactoryError

if TYPE_CHECKING:
    pass

FIELDS = ("instruction", "prompt", "output", "both")
EmbeddingName = Annotated[
    str,
    typer.Option("--model", help="The embedding model's name on its server. Default: the embedded model."),
]
EmbeddingAddress = Annotated[
    str,
    typer.Option("--base-url", help="The address of an OpenAI-compatible server, usually ending in /v1."),
]


def calibrate_threshold(
    file: Annotated[str, typer.Argument(help="The file to read, or factory:seeds.")],
    model: EmbeddingName = "",
    base_url: EmbeddingAddress = "",
    field: Annotated[
        str, typer.Option("--field", help="The text compared: instruction, prompt, output or both.")
    ] = "prompt",
    sample: Annotated[
        int, typer.Option("--sample", min=2, help="Compare N records, evenly spaced over the file.")
    ] = 2000,
    at: Annotated[
        list[float] | None,
        typer.Option("--at", min=-1, max=1, help="A threshold to show. Repeatable. Default: 0.80 to 0.95."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Show how near a file's texts are to each other, to choose the threshold of dedup_semantic by."""
    from factory.api.steps import model as model_options
    from factory.data.table import Table
    from factory.engine.outside import with_embedder
    from factory.report.run_files.rows import evenly
    from factory.steps.dedup.joins.embedding import embed_texts
    from factory.steps.dedup.semantic.threshold import similarity_profile

    if field not in FIELDS:
        raise FactoryError(f"--field {field}: there are {', '.join(FIELDS)}")
    if bool(model) != bool(base_url):
        raise FactoryError(
            "--model and --base-url go together: the model's name and the address that serves it"
        )
    dataset, skipped = load_file(file)
    written = [text for text in Table(dataset.to_arrow()).texts(field, earlier_turns=True) if text.strip()]
    texts = [written[place] for place in evenly(len(written), sample)]
    if len(texts) < 2:
        typer.echo(
            f"{file}: has fewer than two records with a text in `{field}`, so there is no pair to compare"
        )
        raise typer.Exit(EXIT_NOTHING_DONE)
    models = {"embedder": model_options("openai_embeddings", base_url=base_url, model=model)} if model else {}
    embedded = with_embedder(models, journal, lambda embedder: embed_texts(embedder, texts))
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
    app.command("calibrate-threshold")(calibrate_threshold)
