"""`factory clean`: what the rules of the step `clean` find in a file, and the file without it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.common import (
    NAMED,
    CsvSafeOption,
    EncodingOption,
    MaybeFilesArgument,
    echo_warnings,
    load_files,
    save_result,
)
from factory.cli.dropped import DroppedOption, check_dropped, tell_dropped
from factory.errors import EXIT_NOTHING_DONE, EXIT_SOME_RECORDS_FAILED, FactoryError

if TYPE_CHECKING:
    from factory.data.record import Record

PREVIEWED = 20


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(clean)


def clean(
    files: MaybeFilesArgument = None,
    profile: Annotated[
        str,
        typer.Option("--profile", help="What each rule does: report, mend, strict, or a YAML file of yours."),
    ] = "report",
    only: Annotated[
        list[str] | None, typer.Option("--only", help="This rule alone, or a group's rules; repeatable.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write the cleaned set: .jsonl, .json, .csv or .parquet."),
    ] = None,
    dropped: DroppedOption = None,
    find: Annotated[
        str | None, typer.Option("--find", help="Words to find, in place of rules; with --replace.")
    ] = None,
    regex: Annotated[
        str | None, typer.Option("--regex", help="A pattern to find, as RE2 reads it, in place of rules.")
    ] = None,
    replace: Annotated[
        str | None,
        typer.Option(
            "--replace", help=r"What stands in place of what is found; \1 is a pattern's first group."
        ),
    ] = None,
    ignore_case: Annotated[
        bool,
        typer.Option("--ignore-case", help="For --find and --regex: capitals and small letters are alike."),
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, help="Look at N rows drawn at random; shares then have intervals."),
    ] = None,
    show: Annotated[
        int, typer.Option("--show", min=0, help="Examples of each rule, or changes of a repair.")
    ] = 5,
    encoding: EncodingOption = "",
    csv_safe: CsvSafeOption = True,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the sample.")] = 0,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and the profiles, and end.")] = False,
) -> None:
    """Find faults in the rows of files by named rules, and show how many, where, and five examples of each.

    Nothing is changed without --out. With --out the profile's mends and drops are written. --only RULE or
    --find WORDS --replace WORDS shows what a repair would change, and with --out makes it.
    """
    from factory.data.formats.write import check_file_place

    if rules:
        for line in _rule_list():
            typer.echo(line)
        return
    if not files:
        raise FactoryError("name the files to look at: factory clean FILE; --rules lists the rules")
    if sample is not None and out is not None:
        raise FactoryError("--sample looks at some rows, and --out writes all: leave one out")
    if out is not None:
        check_file_place(out.expanduser())
    check_dropped(dropped)
    if dropped is not None and out is None:
        raise FactoryError("--dropped lists what --out leaves out: give --out too")
    if find is not None or regex is not None:
        if only:
            raise FactoryError("--find and --regex stand in place of rules: leave --only out")
        repair = {"find": find or "", "regex": regex or "", "replace": replace, "ignore_case": ignore_case}
        _repair(files, (), repair, out, show, encoding, csv_safe)
    elif replace is not None:
        raise FactoryError("--replace says what stands in place of --find WORDS or --regex PATTERN: give one")
    elif out is None:
        _report(files, profile, only or (), sample, show, encoding, seed)
    elif only and profile == "report":
        _repair(files, only, {}, out, show, encoding, csv_safe)
    else:
        _write(files, profile, only or (), out, dropped, show, encoding, csv_safe, seed)


def _report(
    files: Sequence[str],
    profile: str,
    only: Sequence[str],
    sample: int | None,
    show: int,
    encoding: str,
    seed: int,
) -> None:
    """Look at the rows as they are read, one by one, and print what was found."""
    from factory.data.record import Event
    from factory.report.cleaning import cleaning_lines
    from factory.steps.clean.clean import Clean
    from factory.steps.clean.cleaning.tally import count, new_tally

    step = Clean(profile=profile, only=tuple(only))
    step.check_ready()
    tally = new_tally(step.cleaner.rules, step.cleaner.actions, profile)
    skipped: list[str] = []
    rows: Iterator[Record] = _records(files, encoding, skipped)
    if sample is not None:
        drawn, total = _drawn(rows, sample, seed)
        rows, tally["sampled_of"] = iter(drawn), total
    for record in rows:
        count(tally, record, step.cleaner.clean(record, Event("clean", "mend")))
    _tell_skipped(skipped)
    for line in cleaning_lines(tally, show):
        typer.echo(line)
    able = [name for name, rule in step.cleaner.rules.items() if rule.mends and tally["rules"][name]["rows"]]
    if only and able and profile == "report":
        _preview(files, able, {}, show, encoding)
    if tally["mended"] or tally["dropped"]:
        typer.echo("nothing is written: --out FILE writes the cleaned set")
    if not tally["rows"]:
        raise typer.Exit(EXIT_NOTHING_DONE)
    if skipped:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def _records(files: Sequence[str], encoding: str, skipped: list[str]) -> Iterator[Record]:
    """The records of files as they are read; of rows that cannot be, the reason goes to `skipped`."""
    from factory.data.formats.read import BadRow
    from factory.data.formats.read_files import read_files
    from factory.data.named_files import named_file

    if len(files) == 1 and files[0].startswith("hf:"):
        dataset, _ = load_files(files)
        yield from dataset
        return
    for row in read_files([named_file(name) for name in files], encoding=encoding):
        if isinstance(row, BadRow):
            skipped.append(f"{row.file}:{row.line}: {row.reason}")
        else:
            yield row


def _tell_skipped(skipped: Sequence[str]) -> None:
    for sentence in skipped[:NAMED]:
        typer.echo(f"warning: skipped: {sentence}", err=True)
    if len(skipped) > NAMED:
        typer.echo(f"warning: and {len(skipped) - NAMED:,} more rows", err=True)


def _drawn(rows: Iterator[Record], number: int, seed: int) -> tuple[list[Record], int]:
    """So many of the rows, in their order, each as likely as any other, and how many there are."""
    import random

    generator = random.Random(seed)
    kept: list[tuple[float, int, Record]] = []
    total = 0
    for total, record in enumerate(rows, 1):
        key = (generator.random(), total)
        if len(kept) < number:
            heapq.heappush(kept, (*key, record))
        elif key > kept[0][:2]:
            heapq.heapreplace(kept, (*key, record))
    return [record for _, _, record in sorted(kept, key=lambda one: one[1])], total


def _write(
    files: Sequence[str],
    profile: str,
    only: Sequence[str],
    out: Path,
    dropped: Path | None,
    show: int,
    encoding: str,
    csv_safe: bool,
    seed: int,
) -> None:
    """Run the step on the files, print what it found, and write what is left."""
    from factory.data.run_manifest import CLEANING
    from factory.report.cleaning import cleaning_lines

    dataset, skipped = load_files(files, encoding=encoding, out=out, dropped=dropped)
    result = dataset.then("clean", profile=profile, only=tuple(only)).run(seed=seed, show_progress=True)
    assert result.progress is not None
    echo_warnings(result.progress)
    for progress in result.progress.steps:
        for line in cleaning_lines(progress.facts.get(CLEANING, {}), show):
            typer.echo(line)
    if len(result):
        save_result(result, out, csv_safe=csv_safe)
    else:
        typer.echo(f"warning: {out} is not written: no record is left", err=True)
    tell_dropped(result, dropped)
    if not len(result):
        raise typer.Exit(EXIT_NOTHING_DONE)
    if skipped or result.progress.failed:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def _repair(
    files: Sequence[str],
    names: Sequence[str],
    repair: dict[str, Any],
    out: Path | None,
    show: int,
    encoding: str,
    csv_safe: bool,
) -> None:
    """Show what a repair changes; with `out` make it."""
    from factory.api.dataset import Dataset
    from factory.api.repairing import apply_repair, preview_repair

    if out is None:
        _preview(files, names, repair, show or PREVIEWED, encoding)
        typer.echo("nothing is written: --out FILE makes the repair")
        return
    dataset, skipped = load_files(files, encoding=encoding, out=out)
    found = preview_repair(dataset, names, **repair, show=show)
    for line in _change_lines(found):
        typer.echo(line)
    save_result(Dataset(apply_repair(dataset, names, **repair)), out, csv_safe=csv_safe)
    if skipped:
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def _preview(
    files: Sequence[str], names: Sequence[str], repair: dict[str, Any], show: int, encoding: str
) -> None:
    from factory.steps.clean.cleaning.repair import preview, repair_rules

    skipped: list[str] = []
    chosen = repair_rules(names, **repair)
    for line in _change_lines(preview(_records(files, encoding, skipped), chosen, show)):
        typer.echo(line)
    if repair:
        _tell_skipped(skipped)


def _change_lines(found: Any) -> Iterator[str]:
    from factory.report.plain import visible

    yield f"a repair changes {found.changed:,} of {found.rows:,} rows"
    for change in found.changes:
        yield f"    {visible(change.place or change.id)}  {change.role}"
        for sign, text in (("-", change.before), ("+", change.after)):
            yield f"      {sign} {visible(text)}".replace("\n", "⏎").replace("\t", "⇥")


def _rule_list() -> Iterator[str]:
    """The rules by group, and the profiles."""
    from factory.steps.clean.profiles.profile import load_profile, profile_names
    from factory.steps.clean.rules.registry import groups, rules

    for group, names in groups().items():
        yield f"{group}:"
        for name in names:
            rule = rules()[name]
            yield f"    {name:<22}  {rule.finds}{' It mends.' if rule.mends else ''}"
    yield "profiles:"
    for name in profile_names():
        yield f"    {name:<22}  {load_profile(name).description}"
