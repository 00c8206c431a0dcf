"""`factory measure` and `factory tags`: what a set is like, alone and beside another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.common import load_file, shown_progress
from factory.errors import EXIT_SOME_RECORDS_FAILED

if TYPE_CHECKING:
    from factory.data.table import Table

tags_app = typer.Typer(help="Compare sets by their tags.", no_args_is_help=True, rich_markup_mode=None)

SetArgument = Annotated[
    str, typer.Argument(help="A data file, or a run's folder. Tags are the rows' column `tags`.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Take only the first N records.")]
NAMED = 3
"""Pairs of verb and noun that are printed."""
ENGLISH = ("en", "eng", "english")
PARSED = 2000
"""English instructions that are parsed unasked: some ten seconds."""
VENDI = 200
VENDI_CHARACTERS = 1000
"""How much of an instruction the Vendi score reads: a long one costs as much time as many short ones."""
FEWEST_TO_HALVE = 20
"""Fewer instructions are taken as they are: their halves would say little."""


def measure(
    file: SetArgument,
    pool: Annotated[
        str | None, typer.Option("--pool", help="The set whose tags diversity is a share of.")
    ] = None,
    vendi: Annotated[
        int | None,
        typer.Option(
            "--vendi",
            min=0,
            help=f"Embed N instructions, evenly spaced, for the Vendi score, which is the mean over random halves of "
            f"them; 0: none. Default: {VENDI}.",
        ),
    ] = None,
    verb_noun: Annotated[
        bool | None,
        typer.Option(
            "--verb-noun/--no-verb-noun",
            help=f"Count verb-noun pairs. Default: in {PARSED:,} instructions, where spaCy's model is installed.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the measures to this JSON file too.")
    ] = None,
    limit: LimitOption = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Measure a set: words, languages, tasks, verb-noun pairs, Vendi score, tags, diversity and complexity."""
    from factory.report.measures import measure_lines, measures
    from factory.steps.tags.tag_sets.measure import tag_counts

    name, table, skipped = _table(file, limit, out)
    tags = None
    if pool is not None:
        _, whole, skipped_of_pool = _table(pool, None, out)
        skipped += skipped_of_pool
        tags = tag_counts([[tag["name"] for tag in tags] for tags in whole.values("tags")])
    found = measures(table, name, tags)
    if verb_noun is not False:
        found["verb_noun"] = _verb_noun(table, needed=verb_noun is True)
    if vendi != 0:
        found["vendi"] = _vendi(table, vendi or VENDI, journal, needed=vendi is not None)
    typer.echo("\n".join(measure_lines(found)))
    if out is not None:
        import orjson

        from factory.data.whole_file import write_whole

        write_whole(out, orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
        typer.echo(f"written to {out}")
    if skipped:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


@tags_app.callback()
def tags() -> None:
    """Compare sets by their tags."""


@tags_app.command()
def compare(
    first: SetArgument,
    second: SetArgument,
    out: Annotated[Path | None, typer.Option("--out", help="Write the comparison to this HTML page.")] = None,
    limit: LimitOption = None,
) -> None:
    """Put two sets side by side: diversity, complexity, coverage, tags of one set only."""
    from factory.report.measures import TaggedSet
    from factory.report.page.comparison import comparison_lines, write_comparison

    tables = [_table(file, limit, out) for file in (first, second)]
    one, other = (TaggedSet.of(name, table) for name, table, _ in tables)
    if one.name == other.name:
        one, other = one._replace(name=first), other._replace(name=second)
    typer.echo("\n".join(comparison_lines(one, other)))
    if out is not None:
        write_comparison(out, one, other)
        typer.echo(f"written to {out}")
    if any(skipped for *_, skipped in tables):
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def _table(file: str, limit: int | None, out: Path | None) -> tuple[str, Table, int]:
    """A set's name, its records (a data file's, or those that a run kept), and how many rows could not be read.

    Raises:
        InputError: there is no such file, or the run has no records yet.
        OutputError: `out` is the file itself.
    """
    from factory.data.table import Table
    from factory.errors import InputError

    folder = Path(file)
    if folder.is_dir():
        from factory.report.run_files.rows import kept_files, open_rows

        files = kept_files(folder)
        if not files:
            raise InputError(f"{file}: holds no run: name a data file, or the folder of a run")
        open_rows(files[0])
        table = Table.read(files[0])
        return folder.name, table if limit is None else table.take(range(min(limit, len(table)))), 0
    import orjson

    from factory.data.text import shorten
    from factory.report.plain import visible

    dataset, skipped = load_file(file, limit, out=out)
    table = Table(dataset.to_arrow())
    columns = (orjson.loads(meta) for meta in table.values("meta") if '"tags":' in meta)
    if unread := [tags for row in columns if (tags := row.get("tags"))]:
        typer.echo(
            f"warning: {file}: in {len(unread):,} rows the column tags is no list of texts, such as "
            f'{shorten(visible(str(unread[0])), 60)}: they count as untagged; write ["sql", "joins"]',
            err=True,
        )
    return folder.name, table, skipped


def _verb_noun(table: Table, needed: bool) -> dict[str, Any]:
    """The verb-noun pairs of the English instructions; of a sample, or why there are none, unless `needed`.

    Raises:
        MissingDependency: spaCy or its model is not installed, and the pairs are needed.
    """
    from factory.errors import MissingDependency
    from factory.report.plain import visible
    from factory.report.run_files.rows import evenly
    from factory.statistics.verb_noun import verb_noun_pairs

    texts = [
        text
        for text, language in zip(table.texts("instruction"), table.values("lang"), strict=True)
        if language.lower().replace("_", "-").split("-")[0] in ENGLISH and text.strip()
    ]
    whole = needed or len(texts) <= PARSED
    try:
        pairs = verb_noun_pairs(texts if whole else [texts[at] for at in evenly(len(texts), PARSED)])
    except MissingDependency as error:
        if needed:
            raise
        return {"different": None, "texts": 0, "top": [], "said": f"not counted: {error}"}
    parsed = len(texts) if whole else PARSED
    top = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:20]
    said = (
        f"{len(pairs):,} different in the {pairs.total():,} of {parsed:,} English instructions that have one"
    )
    said += "" if whole else ", evenly spaced (--verb-noun takes all)"
    if top:
        said += "; most often " + ", ".join(f"{' '.join(pair)} {number:,}" for pair, number in top[:NAMED])
    named = [[*pair, number] for pair, number in top]
    return {"different": len(pairs), "texts": parsed, "top": named, "said": visible(said)}


def _vendi(table: Table, wanted: int, journal: Path | None, needed: bool) -> dict[str, Any]:
    """The Vendi score of so many instructions; why there is none, where it is not `needed`.

    Raises:
        FactoryError: the embedded model or the journal is not to be had, and the score is needed.
    """
    from factory.engine.outside import with_embedder
    from factory.errors import FactoryError
    from factory.report.run_files.rows import evenly
    from factory.statistics.vendi import SAMPLES, sampled_vendi

    texts = [text for text in table.texts("instruction") if text.strip()]
    texts = [texts[at][:VENDI_CHARACTERS] for at in evenly(len(texts), wanted)]
    if not texts:
        return {"score": None, "texts": 0, "said": "none: there is no instruction"}
    try:
        with shown_progress() as progress:
            vectors = with_embedder({}, journal, lambda embedder: embedder.embed(texts), progress)
    except FactoryError as error:
        if needed:
            raise
        return {"score": None, "texts": 0, "said": f"not measured: {error}"}
    whole = len(texts) < FEWEST_TO_HALVE
    found = sampled_vendi(vectors, len(texts) if whole else len(texts) // 2)
    of = "all" if whole else f"{SAMPLES} random samples of {found.size:,}"
    spread = "" if whole else f" ± {found.deviation:.1f}"
    said = (
        f"{found.score:.1f}{spread} of at most {max(1, found.size - 1):,}, centred, by the embedded model ({of} of "
        f"{len(texts):,} instructions; ±: standard deviation); where nothing is in common {found.null:.1f} ± "
        f"{found.null_deviation:.1f}; without centring {found.plain:.1f}"
    )
    return {**found._asdict(), "texts": len(texts), "said": said}


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(measure)
    app.add_typer(tags_app, name="tags")
