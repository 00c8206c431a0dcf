"""`factory calibrate`: scores in a file against labels in the same file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory.cli.common import EncodingOption, FilesArgument
from factory.cli.labelled_rows import (
    TEXT,
    Rows,
    answer_of,
    columns_there,
    is_there,
    lineage_numbers,
    lineages_of,
    read_rows,
    value_of,
)
from factory.errors import InputError

if TYPE_CHECKING:
    from factory.steps.judging.verdicts.calibrate import Calibration

KINDS = ("nominal", "ordinal", "number", "pair")


def calibrate(
    files: FilesArgument,
    score: Annotated[
        str,
        typer.Option(
            "--score",
            help="The column of the judge's scores, such as judge.quality. Or `length`: how long the answer is; "
            "with --first and --second, `longer`: the longer answer wins.",
        ),
    ],
    label: Annotated[str, typer.Option("--label", help="The column of the labels.")],
    text: Annotated[str, typer.Option("--text", help="The column of the answers, for their length.")] = TEXT,
    first: Annotated[str, typer.Option("--first", help="Pairs: the column of the first answers.")] = "",
    second: Annotated[str, typer.Option("--second", help="Pairs: the column of the second answers.")] = "",
    encoding: EncodingOption = "",
    good: Annotated[
        str,
        typer.Option(
            "--good",
            help="Which labels are good: '>= 4', or the one text that is. Default: the higher of two numbers.",
        ),
    ] = "",
    kind: Annotated[
        str,
        typer.Option(
            "--kind",
            help="What scores and labels are: nominal (names of classes), ordinal (levels of one scale), number, or "
            "pair (which of two answers wins). Default: by what they look like, which is told.",
        ),
    ] = "",
    labels: Annotated[
        str, typer.Option("--labels", help="Pairs: what the labels mean: first=1,second=0,tie=0.5.")
    ] = "",
    verdicts: Annotated[
        str, typer.Option("--verdicts", help="Pairs: what the scores mean, where it is not the same.")
    ] = "",
    group: Annotated[
        str,
        typer.Option(
            "--group",
            help="The column by which rows belong together, for the intervals. Default: the seed that records were "
            "made from, else the prompt.",
        ),
    ] = "",
) -> None:
    """Hold scores against labels: agreement, correlation, confusion, bias, and a threshold. Calls nobody.

    Labels of pairs are A and B, first and second, tie; or numbers: 1, 2 and 0 for neither; 1, 0.5 and 0 as the
    scores of `judge_pair` are. Where numbers may mean several things, --labels says which. Other labels are numbers,
    or classes as text; --kind says which where numbers may be either.

    Every number has its 95 % interval, by a bootstrap of whole lineages. A threshold is suggested only where the
    interval of the AUC lies above chance; how well it does is told of rows that it was not chosen by.
    """
    rows, file = list(read_rows(files, encoding)), Path(", ".join(files))
    if bool(first) != bool(second):
        raise InputError("--first and --second go together: name the columns of both answers of a pair")
    if kind and kind not in KINDS:
        raise InputError(f"--kind {kind}: it is one of {', '.join(KINDS)}")
    pairs = bool(first or labels or verdicts) or kind == "pair"
    if pairs and kind not in ("", "pair"):
        raise InputError(
            f"--kind {kind} is for single answers: leave out --first, --second, --labels, --verdicts"
        )
    made = _made(rows, score, bool(first), file)
    for option, column in (
        ("--score", score),
        ("--label", label),
        ("--first", first),
        ("--second", second),
        ("--group", group),
    ):
        if column and not (made and option == "--score"):
            _check(rows, column, option, file)
    lineages = lineages_of(rows, group)
    if pairs:
        found, read = _pairs(rows, score, label, (first, second), (labels, verdicts), made, lineages)
        expected = ": those of pairs are A or B or tie, or numbers that --labels says the meaning of"
    else:
        found, read = _single(rows, score, label, text, good, made, file, kind, lineages)
        expected = ""
    if not found.rows:
        raise InputError(f"{file}: no row has both a score and a label that can be read{expected}")
    first_line, *others = found.lines()
    typer.echo("\n".join([first_line, f"read as: {read}", *others]))
    level = score.replace("judge.", "judge_level.", 1)
    if not pairs and found.threshold is not None and level != score and is_there(rows, level):
        typer.echo(
            f"note: `keep` of `judge` goes by the stated level, not by {score}, which is an expectation; for a `keep` "
            f"calibrate with --score {level}"
        )


def _made(rows: Rows, score: str, pairs: bool, file: Path) -> bool:
    """Whether the scores are made of the answers' lengths, which no column holds."""
    if score not in ("length", "longer") or is_there(rows, score):
        return False
    if score == "longer" and not pairs:
        raise InputError("--score longer compares the answers of a pair: name them with --first and --second")
    if score == "length" and pairs:
        raise InputError("--score length is for single answers: of pairs it is --score longer")
    return True


def _check(rows: Rows, column: str, option: str, file: Path) -> None:
    if not is_there(rows, column):
        raise InputError(f"{file}: no row has {column!r}, the column of {option}; {columns_there(rows)}")
    if all(value_of(row, column) in (None, "") for row in rows):
        raise InputError(f"{file}: {column!r}, the column of {option}, is empty in every row")


def _pairs(
    rows: Rows,
    score: str,
    label: str,
    columns: tuple[str, str],
    means: tuple[str, str],
    made: bool,
    lineages: list[str | None],
) -> tuple[Calibration, str]:
    """`means` are the options --labels and --verdicts."""
    from factory.steps.judging.verdicts.calibrate import calibrate_pairs
    from factory.steps.judging.verdicts.winners import meaning_of, parse_meaning, say, spelled

    lengths = [[len(str(value_of(row, column) or "")) for row in rows] for column in columns if column]

    def winners(column: str, option: str, means: str) -> tuple[list[int | None], str]:
        values = [value_of(row, column) for row in rows]
        own = column.split(".")[0] in ("judge_pair", "judge_pair_given", "judge_pair_swapped")
        meaning = parse_meaning(means, option) if means else meaning_of(values, column, option, own)
        found: list[int | None] = [meaning.get(spelled(value)) for value in values]
        _tell_unread(values, found, column)
        return found, say(meaning, column)

    wanted, read = winners(label, "--labels", means[0])
    if made:
        said: list[int | None] = [0 if a == b else 1 if a > b else 2 for a, b in zip(*lengths, strict=True)]
    else:
        said, also = winners(
            score, "--verdicts", means[1] or (means[0] if _alike(rows, score, label) else "")
        )
        read = f"{also}; {read}"
    return calibrate_pairs(said, wanted, *_two(lengths), groups=lineage_numbers(lineages)), f"pairs ({read})"


def _two(lengths: list[list[int]]) -> tuple[list[int] | None, list[int] | None]:
    return (lengths[0], lengths[1]) if lengths else (None, None)


def _alike(rows: Rows, score: str, label: str) -> bool:
    """Whether scores and labels of pairs have the same values, so that what --labels says holds for both."""
    from factory.steps.judging.verdicts.winners import spelled

    said, wanted = ({spelled(value_of(row, column)) for row in rows} - {""} for column in (score, label))
    return said <= wanted and not score.startswith("judge_pair")


def _tell_unread(values: list[Any], winners: Sequence[int | None], column: str) -> None:
    from factory.data.text import shorten

    read = zip(values, winners, strict=True)
    unread = [value for value, winner in read if winner is None and value not in (None, "")]
    if unread:
        typer.echo(
            f"warning: {len(unread):,} values of {column!r}, such as {shorten(str(unread[0]), 30)!r}, name no winner "
            "and count as missing",
            err=True,
        )


def _single(
    rows: Rows,
    score: str,
    label: str,
    text: str,
    good: str,
    made: bool,
    file: Path,
    kind: str,
    lineages: list[str | None],
) -> tuple[Calibration, str]:
    from factory.steps.judging.verdicts.calibrate import calibrate_classes, calibrate_scores
    from factory.steps.keep import Condition

    texts = [answer_of(row, text) for row in rows]
    lengths = [float(len(one)) if isinstance(one, str) else float("nan") for one in texts]
    if not any(isinstance(one, str) for one in texts):
        if made or text != TEXT:
            raise InputError(
                f"{file}: no row has an answer in {text!r}, the column of --text; {columns_there(rows)}"
            )
        typer.echo(
            f"warning: no row has an answer in {text!r}: name its column with --text, for length", err=True
        )
    said: list[Any] = lengths if made else [value_of(row, score) for row in rows]
    wanted = [value_of(row, label) for row in rows]
    groups = lineage_numbers(lineages)
    stray = _first_text(said), _first_text(wanted)
    if kind == "nominal" or (not kind and stray[0] and stray[1]):
        if good:
            raise InputError("--good says from which label on a score is good, and these scores are classes")
        found = calibrate_classes(
            [_class(value) for value in said], [_class(value) for value in wanted], groups
        )
        return found, "names of classes"
    if stray[0]:
        raise InputError(
            f"{file}: {score!r} has the text {stray[0]} where the labels are numbers: leave a missing score empty"
        )
    if stray[1]:
        if kind == "ordinal":
            raise InputError(
                f"{file}: {label!r} has the text {stray[1]}: levels are numbers; or --kind nominal"
            )
        labels = _good_texts(wanted, good, stray[1], label, file)
        found = calibrate_scores(_floats(said), labels, lengths=lengths, groups=groups)
        return found, f"scores are numbers, the label {good} is good and any other is bad"
    try:
        condition = Condition.parse(good) if good else None
    except ValueError as error:
        raise InputError(f"--good {error}") from error
    numbers = sorted({value for value in _floats(wanted) if value == value})
    if not kind and not good and not made:
        _ask_for_kind(numbers, _floats(said), score, label, file)
    found = calibrate_scores(
        _floats(said),
        _floats(wanted),
        lengths=lengths,
        good=condition,
        groups=groups,
        levels=kind == "ordinal",
    )
    read = "levels of one scale" if kind == "ordinal" else "numbers on a scale"
    if condition is not None:
        read += f"; labels {condition} are good"
    elif len(numbers) == 2:
        read += f"; the label {numbers[1]:g} is good, {numbers[0]:g} bad"
    return found, read if kind else f"{read} (--kind nominal, ordinal or pair reads them otherwise)"


def _ask_for_kind(labels: list[float], scores: list[float], score: str, label: str, file: Path) -> None:
    """Three codes that scores and labels share may be classes, levels, or winners of pairs: nothing tells which."""
    codes = set(labels)
    said = {value for value in scores if value == value}
    if len(codes) == 3 and said <= codes and all(value.is_integer() for value in codes):
        shown = ", ".join(f"{value:g}" for value in labels)
        raise InputError(
            f"{file}: {score!r} and {label!r} have the values {shown}, which may be classes, levels of a scale, or "
            "winners of pairs: say which with --kind nominal, ordinal, number or pair"
        )


def _good_texts(labels: list[Any], good: str, stray: str, label: str, file: Path) -> list[float]:
    """1 for the label named by --good, 0 for any other text, NaN where there is none."""
    named = [_class(value) for value in labels]
    if good not in named:
        raise InputError(
            f"{file}: {label!r} has texts such as {stray}, and the scores are numbers: name the label that is good "
            "with --good"
        )
    return [float("nan") if name is None else float(name == good) for name in named]


def _first_text(values: list[Any]) -> str:
    """The first value that is no number, quoted; "" where all are numbers."""
    from factory.data.text import shorten

    texts = (value for value in values if value not in (None, "") and _number(value) is None)
    return next((repr(shorten(str(value), 30)) for value in texts), "")


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, (int, float, str)) else None
    except ValueError:
        return None


def _floats(values: list[Any]) -> list[float]:
    return [float("nan") if (number := _number(value)) is None else number for value in values]


def _class(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or value == "" else str(value)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(calibrate)
