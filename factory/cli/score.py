"""`factory score`: several scores of a file's rows side by side, and how far they agree."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.common import EncodingOption, FilesArgument, echo_warnings, load_files
from factory.cli.options import options_of
from factory.errors import EXIT_NOTHING_DONE, EXIT_SOME_RECORDS_FAILED, FactoryError
from factory.recipe.model_spec import MODEL_FORMS, model_value

if TYPE_CHECKING:
    from factory.api.dataset import Dataset
    from factory.statistics.agreement import Agreement, Scores

_ALIASES = {"tags": "tag"}
_BESIDE = ("judge_spread.", "judge_level.", "judge_selectit.")
"""How the names of scores begin that stand beside a judge's score: how sure it is, and the level that the score is
the expectation of. Nobody ranks by them, so they are not compared."""
TAGS, LENGTH = "tags", "answer length"
"""The columns that are counted rather than scored: the number of tags, and the words of the answer."""


def score(
    files: FilesArgument,
    with_: Annotated[
        str,
        typer.Option(
            "--with", help="The steps that score, with commas between them: ifd,judge,tags. May be empty."
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The file to write: .jsonl and .json keep all of each row; .parquet has its texts, its tags and a "
            "column for each score.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="An option of a step: step.option=value, such as ifd.method=cherry. Repeatable."
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help=f"The model of all steps that have one and are not given another with --set. {MODEL_FORMS} For ifd, "
            "perplexity and the like one that scores given texts, such as transformers:smollm2.",
        ),
    ] = None,
    encoding: EncodingOption = "",
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random choices.")] = 0,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Take only the first N records.")
    ] = None,
    top: Annotated[
        float, typer.Option("--top", min=0.0001, max=1, help="Share of the rows whose picks are compared.")
    ] = 0.1,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where replies are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Add scores to a file's rows and tell how the scores agree with each other and with length."""
    from factory.report.plain import counts
    from factory.step import Source, find_step

    names = [_ALIASES.get(name.strip(), name.strip()) for name in with_.split(",") if name.strip()]
    for name in names:
        if issubclass(find_step(name), Source):
            raise FactoryError(f"--with {name}: that step brings records in; name steps that score")
    options = _options(set_ or [], names)
    if model is not None:
        _give_model(model, names, options)
    layout = None if out is None else _layout(out)
    dataset, skipped = load_files(files, limit, encoding=encoding, out=out)
    for name in names:
        dataset = dataset.then(name, **options.get(name, {}))
    result = dataset.run(seed=seed, journal=journal, show_progress=True)
    if result.progress is not None:
        echo_warnings(result.progress)
    for step in result.progress.steps if result.progress else ():
        if gone := {**step.dropped, **step.failed}:
            typer.echo(
                f"{step.label}: {step.entered:,} in, {step.passed:,} out, let go: {counts(gone)}", err=True
            )
    if not len(result):
        typer.echo("No record is left, so that there is nothing to compare.", err=True)
        raise typer.Exit(EXIT_NOTHING_DONE)
    typer.echo("\n".join(lines(result, top)))
    if out is not None:
        result.save(out, layout)
        typer.echo(f"\n{len(result):,} records written to {out}")
    if skipped or (result.progress is not None and result.progress.failed):
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def lines(dataset: Dataset, top: float) -> list[str]:
    """What is told of the scores of a finished dataset: each of them, then every pair."""
    from factory.data.text import shorten
    from factory.report.plain import visible
    from factory.statistics.agreement import agreements

    scores = columns(dataset)
    why = _why_missing(dataset, scores)
    table: list[tuple[str, ...]] = [("score", "rows", "median", "with length (95 %)", "not scored")]
    pairs = agreements(scores, top)
    for name, values in scores.items():
        known = [value for value in values.tolist() if not math.isnan(value)]
        median = f"{statistics.median(known):.4g}" if known else "-"
        along = next((pair for pair in pairs if (pair.first, pair.second) == (name, LENGTH)), None)
        table.append(
            (_name(name), f"{len(known):,}", median, _correlation(along), shorten(visible(why[name]), 200))
        )
    told = _aligned(table)
    others = [
        pair
        for pair in pairs
        if (pair.second != LENGTH or len(scores) == 2)
        and pair.rows
        and not any(name.startswith(_BESIDE) for name in pair[:2])
    ]
    if others:
        told += [
            "",
            f"How the scores agree (rank correlation; overlap of the top {top * 100:.4g}%; 95 % intervals)",
        ]
        told += _aligned(_pairs(others))
    if len(scores) == 1:
        told += ["", "No record has a score or a tag: name steps that score, such as --with ifd,judge,tags."]
    return told


def not_scored(dataset: Dataset) -> list[str]:
    """How many records lack a score that they were to have, or tags or a task, and the commonest reason."""
    from factory.data.text import shorten

    wanted, _ = _missing_everywhere(dataset)
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in dataset:
        for name, why in record.lacking.items():
            if why.kind or name in wanted:
                counted[name][why.reason] += 1
    return [
        f"{_name(name)}: {reasons.total():,} of {len(dataset):,} records have none: "
        f"{shorten(reasons.most_common(1)[0][0], 200)}"
        for name, reasons in sorted(counted.items())
    ]


def columns(dataset: Dataset) -> dict[str, Scores]:
    """Every score that a record has or was to have, the number of tags, and the words of the answers."""
    import numpy as np

    from factory.data.table import Table
    from factory.data.text import word_count

    table = Table(dataset.to_arrow())
    wanted, untagged = _missing_everywhere(dataset)
    names = sorted({*table.score_names(), *wanted})
    found: dict[str, Scores] = {name: table.scores(name) for name in names}
    # A record without tags was not tagged, or could not be: that is no low number of them.
    tags = np.array([len(tags) or np.nan for tags in table.values("tags")], dtype=np.float64)
    if untagged or not np.isnan(tags).all():
        found[TAGS] = tags
    found[LENGTH] = np.array([word_count(text) for text in table.texts("output")], dtype=np.float64)
    return found


def _missing_everywhere(dataset: Dataset) -> tuple[set[str], bool]:
    """The scores that some record was to have and lacks, and whether one could not be tagged.

    In a file of a version without `missing`, a score that could not be had is an operation in the record's
    history, with a note of the same name.
    """
    wanted: set[str] = set()
    untagged = False
    for record in dataset:
        operations = {event.operation for event in record.events}
        wanted |= {name for name, why in record.lacking.items() if why.kind or name in operations}
        untagged |= "untagged" in operations or "tag" in record.missing
    return wanted - {"tag", "task"}, untagged


def _why_missing(dataset: Dataset, scores: dict[str, Scores]) -> dict[str, str]:
    """Of each column, how many rows lack it and the reason that most of them give."""
    reasons: dict[str, Counter[str]] = {name: Counter() for name in scores}
    for at, record in enumerate(dataset):
        for name, values in scores.items():
            if math.isnan(values[at]):
                why = record.lacking.get("tag" if name == TAGS else name)
                reasons[name][why.reason if why is not None else ""] += 1
    told = {}
    for name, counted in reasons.items():
        said = [reason for reason, _ in counted.most_common() if reason]
        told[name] = f"{counted.total():,}" + (f": {said[0]}" if said else "") if counted else ""
    return told


def _pairs(pairs: list[Agreement]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "", "Spearman", "overlap", "by chance", "rows")]
    for pair in pairs:
        overlap = _share(pair.overlap)
        if pair.overlap_interval is not None:
            overlap += f" ({_share(pair.overlap_interval[0])} to {_share(pair.overlap_interval[1])})"
        numbers = (_correlation(pair), overlap, _share(pair.chance), f"{pair.rows:,}")
        rows.append((_name(pair.first), _name(pair.second), *numbers))
    return rows


def _options(settings: list[str], names: list[str]) -> dict[str, dict[str, Any]]:
    from factory.errors import nearest

    options: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        step, dot, option = key.partition(".")
        step = _ALIASES.get(step, step)
        if not (equals and dot and option):
            raise FactoryError(f"--set {setting}: write step.option=value, such as ifd.method=cherry")
        if step not in names:
            raise FactoryError(f"--set {setting}: --with names no step {step!r}{nearest(step, names)}")
        known = {one.field: one for one in options_of(step)}
        if option not in known:
            raise FactoryError(
                f"--set {setting}: `{step}` has no option {option!r}{nearest(option, list(known))}"
            )
        options.setdefault(step, {})[option] = known[option].value([text])
    return options


def _give_model(model: str, names: list[str], options: dict[str, dict[str, Any]]) -> None:
    """Put the model of --model among the options of each step that asks a chat model and names none."""
    from factory.step import find_step

    value = model_value(model)
    takers = [name for name in names if "model" in find_step(name).model_fields_of("chat")]
    if not takers:
        raise FactoryError("--model: none of the steps that --with names asks a chat model")
    for name in takers:
        options.setdefault(name, {}).setdefault("model", value)


def _layout(out: Path) -> str | None:
    """How a file that holds scores is written; asked before anything is paid for."""
    from factory.data.formats.write import check_file_place

    name = out.name.lower().removesuffix(".gz")
    if name.endswith(".csv"):
        raise FactoryError(f"{out}: a .csv file has no place for scores: end the name in .jsonl or .parquet")
    check_file_place(out.expanduser())
    return None if name.endswith(".parquet") else "records"


def _name(score: str) -> str:
    from factory.data.text import shorten
    from factory.report.plain import visible

    return shorten(visible(score), 44)


def _correlation(pair: Agreement | None) -> str:
    """A rank correlation with its 95 % interval."""
    if pair is None or math.isnan(pair.spearman):
        return "-"
    low, high = pair.spearman_interval or (math.nan, math.nan)
    return f"{pair.spearman:+.2f} ({low:+.2f} to {high:+.2f})"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0%}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(score)
