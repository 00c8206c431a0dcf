"""`factory dedup`: take the duplicates out of a file and show the largest families of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from factory.errors import EXIT_SOME_RECORDS_FAILED


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(dedup)


def dedup(
    file: Annotated[str, typer.Argument(help="The file to read.")],
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
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write: .jsonl, .json, .csv or .parquet.")
    ] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="Families to show.")] = 10,
) -> None:
    """Remove duplicates from a file: the same, near word for word, or by meaning. By default --rouge 0.7."""
    from factory.dataset import load
    from factory.dedup.families import duplicate_families
    from factory.report.plain import visible
    from factory.text import shorten

    dataset = load(file)
    skipped = list(dataset.dropped)
    for record in skipped[:20]:
        if record.dropped is not None:
            typer.echo(f"warning: skipped: {record.dropped.reason}", err=True)
    steps: list[tuple[str, dict[str, Any]]] = [("dedup_exact", {})] if exact else []
    thresholds = (("dedup_rouge", rouge), ("dedup_minhash", minhash), ("dedup_semantic", semantic))
    steps += [(name, {"threshold": at}) for name, at in thresholds if at is not None]
    for name, options in steps or [("dedup_rouge", {"threshold": 0.7})]:
        dataset = dataset.then(name, field=field, **options)
    result = dataset.run()
    assert result.progress is not None
    for warning in result.progress.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for progress in result.progress.steps:
        typer.echo(f"{progress.label}: {progress.entered:,} in, {progress.passed:,} out")
    families = duplicate_families(result.dropped)
    if families and show:
        texts = {record.id: record.instruction for record in result}
        typer.echo(f"{len(families):,} families of duplicates; the largest, with the record that is kept:")
        for family in families[:show]:
            causes = ", ".join(f"{kind} {count:,}" for kind, count in family.causes.items())
            text = visible(shorten(texts.get(family.kept, ""), 70))
            typer.echo(f"{family.size:>7,}  {family.kept}  {text}  ({causes})")
    if out is not None:
        result.save(out)
        typer.echo(f"{len(result):,} records written to {out}")
    if skipped:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)
