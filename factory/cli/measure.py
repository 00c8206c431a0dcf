"""`factory measure` and `factory tags`: what a set is like, alone and beside another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.api.costly_measures import PARSED, VENDI
from factory.cli.common import EncodingOption, load_files, shown_progress
from factory.errors import EXIT_SOME_RECORDS_FAILED

if TYPE_CHECKING:
    from factory.data.table import Table

tags_app = typer.Typer(help="Compare sets by their tags.", no_args_is_help=True, rich_markup_mode=None)

SetArgument = Annotated[
    str, typer.Argument(help="A data file, or a run's folder. Tags are the rows' column `tags`.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Take only the first N records.")]


def measure(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Data files, folders or patterns of them, or a run's folder. Tags are the rows' column `tags`."
        ),
    ],
    pool: Annotated[
        str | None, typer.Option("--pool", help="The set whose tags diversity is a share of.")
    ] = None,
    vendi: Annotated[
        int | None,
        typer.Option(
            "--vendi",
            min=0,
            help=f"Embed N instructions, evenly spaced, for the Vendi score, NovelSum, k-NN distance, radius and "
            f"log-determinant, each the mean over random halves of them; 0: none. Default: {VENDI}.",
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
    encoding: EncodingOption = "",
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where embeddings are kept. Default: outputs/journal.db.")
    ] = None,
) -> None:
    """Measure a set: words, languages, tasks, verb-noun pairs, diversity of words and of meaning, tags, complexity."""
    from factory.api.costly_measures import embedded_of, verb_noun_of
    from factory.report.measures import measure_lines, measures
    from factory.steps.tags.tag_sets.measure import tag_counts

    name, table, skipped = _table(files, limit, out, encoding)
    tags = None
    if pool is not None:
        _, whole, skipped_of_pool = _table([pool], None, out, encoding)
        skipped += skipped_of_pool
        tags = tag_counts([[tag["name"] for tag in tags] for tags in whole.values("tags")])
    found = measures(table, name, tags)
    if verb_noun is not False:
        found["verb_noun"] = verb_noun_of(table, needed=verb_noun is True)
    if vendi != 0:
        with shown_progress() as progress:
            found |= embedded_of(table, vendi or VENDI, journal, needed=vendi is not None, progress=progress)
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
    encoding: EncodingOption = "",
) -> None:
    """Put two sets side by side: diversity, complexity, coverage, tags of one set only."""
    from factory.report.measures import TaggedSet
    from factory.report.page.comparison import comparison_lines, write_comparison

    tables = [_table([file], limit, out, encoding) for file in (first, second)]
    one, other = (TaggedSet.of(name, table) for name, table, _ in tables)
    if one.name == other.name:
        one, other = one._replace(name=first), other._replace(name=second)
    typer.echo("\n".join(comparison_lines(one, other)))
    if out is not None:
        write_comparison(out, one, other)
        typer.echo(f"written to {out}")
    if any(skipped for *_, skipped in tables):
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def _table(
    files: Sequence[str], limit: int | None, out: Path | None, encoding: str
) -> tuple[str, Table, int]:
    """A set's name, its records (of data files, or those that a run kept), and how many rows could not be read.

    Raises:
        InputError: there is no such file, or a folder holds neither a run with records nor data files.
        OutputError: `out` is a file that is read.
    """
    from factory.data.table import Table
    from factory.errors import InputError

    folder = Path(files[0])
    if len(files) == 1 and folder.is_dir():
        from factory.data.formats.places import data_files
        from factory.report.run_files.rows import kept_files, open_rows

        kept = kept_files(folder)
        if not kept:
            try:
                data_files(folder)
            except InputError as error:
                raise InputError(
                    f"{folder} holds no run that kept records, and no data files: {error}"
                ) from error
    else:
        kept = []
    if kept:
        open_rows(kept[0])
        table = Table.read(kept[0])
        return folder.name, table if limit is None else table.take(range(min(limit, len(table)))), 0
    import orjson

    from factory.data.text import shorten
    from factory.report.plain import visible

    dataset, skipped = load_files(files, limit, encoding=encoding, out=out)
    table = Table(dataset.to_arrow())
    columns = (orjson.loads(meta) for meta in table.values("meta") if '"tags":' in meta)
    if unread := [tags for row in columns if (tags := row.get("tags"))]:
        typer.echo(
            f"warning: {', '.join(files)}: in {len(unread):,} rows the column tags is no list of texts, such as "
            f'{shorten(visible(str(unread[0])), 60)}: they count as untagged; write ["sql", "joins"]',
            err=True,
        )
    return " + ".join(Path(file).name for file in files), table, skipped


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(measure)
    app.add_typer(tags_app, name="tags")
