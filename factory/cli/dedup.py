"""`factory dedup`: take the duplicates out of a file and show the largest families of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.common import load_file
from factory.cli.threshold import EmbeddingAddress, EmbeddingName
from factory.errors import EXIT_SOME_RECORDS_FAILED, FactoryError

if TYPE_CHECKING:
    from factory.api.dataset import Dataset

MEMBERS = 2
"""Dropped records shown of each family."""
CHARACTERS = 70
"""Of a text that is shown."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(dedup)


def dedup(
    file: Annotated[str, typer.Argument(help="The file to read, or factory:seeds.")],
    exact: Annotated[
        bool, typer.Option("--exact", help="Drop a record whose text is the same but for case and spacing.")
    ] = False,
    rouge: Annotated[
        float | None,
        typer.Option(
            "--rouge", help="Drop a record whose ROUGE-L with one kept before it is greater. Usual: 0.7."
        ),
    ] = None,
    minhash: Annotated[
        float | None,
        typer.Option(
            "--minhash",
            help="Drop a long record whose Jaccard similarity of word 5-grams with one is greater. Usual: 0.8.",
        ),
    ] = None,
    semantic: Annotated[
        float | None,
        typer.Option("--semantic", help="Drop a record whose cosine with one is greater. Usual: 0.95."),
    ] = None,
    field: Annotated[
        str, typer.Option("--field", help="The text compared: instruction, prompt, output or both.")
    ] = "prompt",
    model: EmbeddingName = "",
    base_url: EmbeddingAddress = "",
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, help="Threads, or Ray's processors, for --rouge and --semantic."),
    ] = 1,
    engine: Annotated[
        str, typer.Option("--engine", help="Where --rouge and --semantic compare: local, or ray.")
    ] = "local",
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write: .jsonl, .json, .csv or .parquet.")
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="Families to show of each cause.")] = 5,
) -> None:
    """Remove duplicates from a file: the same, near word for word, or by meaning. By default --rouge 0.7."""
    from factory.api.steps import model as model_options
    from factory.data.formats.write import check_file_place

    if out is not None:
        check_file_place(out.expanduser())
    if bool(model) != bool(base_url) or (model and semantic is None):
        raise FactoryError(
            "--semantic, --model and --base-url go together: the threshold, the model's name and the address that "
            "serves it"
        )
    place = {"engine": engine, "workers": workers}
    steps: list[tuple[str, dict[str, Any]]] = [("dedup_exact", {})] if exact else []
    if rouge is not None:
        steps.append(("dedup_rouge", {"threshold": rouge, **place}))
    if minhash is not None:
        steps.append(("dedup_minhash", {"threshold": minhash}))
    if semantic is not None:
        served = (
            {"model": model_options("openai_embeddings", base_url=base_url, model=model)} if model else {}
        )
        steps.append(("dedup_semantic", {"threshold": semantic, **served, **place}))
    steps = steps or [("dedup_rouge", {"threshold": 0.7, **place})]
    if engine != "local" and not any("engine" in options for _, options in steps):
        raise FactoryError(f"--engine {engine} goes with --rouge or --semantic: the others compare here")
    dataset, skipped = load_file(file, out=out)
    for name, options in steps:
        dataset = dataset.then(name, field=field, **options)
    result = dataset.run(journal=journal, show_progress=True)
    assert result.progress is not None
    for warning in result.progress.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for progress in result.progress.steps:
        typer.echo(f"{progress.label}: {progress.entered:,} in, {progress.passed:,} out")
    for line in _families(result, field, show) if show else ():
        typer.echo(line)
    if out is not None:
        result.save(out)
        typer.echo(f"{len(result):,} records written to {out}")
    if skipped or result.progress.failed:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def _families(result: Dataset, field: str, most: int) -> Iterator[str]:
    """The largest families by each cause: the record that is kept, and some that were dropped for it."""
    from factory.data.table import Table
    from factory.data.text import shorten
    from factory.report.duplicate_families import CAUSES, duplicate_families, how_near, largest_by_cause
    from factory.report.plain import visible

    found = duplicate_families(result.dropped)
    if not found:
        return
    texts: dict[str, str] = {}
    for arrow in (result.dropped.to_arrow(), result.to_arrow()):
        table = Table(arrow)
        texts |= zip(table.ids(), table.texts(field), strict=True)

    def said(id: str) -> str:
        return f"{visible(id)}  {visible(shorten(texts.get(id, ''), CHARACTERS))}"

    yield f"{len(found):,} {'families' if len(found) > 1 else 'family'} of duplicates; the largest by cause:"
    for kind, largest in largest_by_cause(found, most).items():
        total = sum(family.causes.get(kind, 0) for family in found)
        yield f"{CAUSES[kind]}: {total:,} dropped"
        for family in largest:
            yield f"{family.causes[kind]:>7,} for {said(family.kept)}"
            for id, drop in family.members(kind)[:MEMBERS]:
                yield f"            {visible(how_near(drop, family.kept))}: {said(id)}"
