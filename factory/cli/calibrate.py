"""`factory calibrate`: scores in a file against labels in the same file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from factory.errors import InputError

if TYPE_CHECKING:
    from factory.steps.judging.verdicts.calibrate import Calibration

TEXT = "output"

Rows: TypeAlias = list[Mapping[str, Any]]

_PAIR = {
    **dict.fromkeys(("0", "tie", "tied", "c", "both", "equal"), 0),
    **dict.fromkeys(("1", "a", "first", "output_1", "response1"), 1),
    **dict.fromkeys(("2", "b", "second", "output_2", "response2"), 2),
}


def calibrate(
    file: Annotated[Path, typer.Argument(help="A file of rows: .jsonl, .json, .csv or .parquet, gzip too.")],
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
    good: Annotated[
        str,
        typer.Option(
            "--good",
            help="Which labels are good: '>= 4', or the one text that is. Default: the higher of two numbers.",
        ),
    ] = "",
) -> None:
    """Hold scores against labels: agreement, correlation, confusion, bias, and a threshold. Calls nobody.

    Labels of pairs are 1 (or A) where the first answer is better, 2 (or B) the second, 0 (or tie) neither;
    scores of `judge_pair` (1, 0.5, 0) are read as such. Other labels are numbers, or classes as text.
    """
    rows = list(_rows(file))
    if bool(first) != bool(second):
        raise InputError("--first and --second go together: name the columns of both answers of a pair")
    made = _made(rows, score, bool(first), file)
    for option, column in (("--score", score), ("--label", label), ("--first", first), ("--second", second)):
        if column and not (made and option == "--score"):
            _check(rows, column, option, file)
    if first:
        found = _pairs(rows, score, label, first, second, made)
        expected = ": those of pairs are 1 or A, 2 or B, 0 or tie"
    else:
        found = _single(rows, score, label, text, good, made, file)
        expected = ""
    if not found.rows:
        raise InputError(f"{file}: no row has both a score and a label that can be read{expected}")
    typer.echo("\n".join(found.lines()))


def _made(rows: Rows, score: str, pairs: bool, file: Path) -> bool:
    """Whether the scores are made of the answers' lengths, which no column holds."""
    if score not in ("length", "longer") or _there(rows, score):
        return False
    if score == "longer" and not pairs:
        raise InputError("--score longer compares the answers of a pair: name them with --first and --second")
    if score == "length" and pairs:
        raise InputError("--score length is for single answers: of pairs it is --score longer")
    return True


def _check(rows: Rows, column: str, option: str, file: Path) -> None:
    if not _there(rows, column):
        raise InputError(f"{file}: no row has {column!r}, the column of {option}; {_known(rows)}")
    if all(_value(row, column) in (None, "") for row in rows):
        raise InputError(f"{file}: {column!r}, the column of {option}, is empty in every row")


def _pairs(rows: Rows, score: str, label: str, first: str, second: str, made: bool) -> Calibration:
    from factory.steps.judging.verdicts.calibrate import calibrate_pairs

    lengths = [[len(str(_value(row, column) or "")) for row in rows] for column in (first, second)]
    said: list[int | None]
    if made:
        said = [0 if a == b else 1 if a > b else 2 for a, b in zip(*lengths, strict=True)]
    else:
        values = [_value(row, score) for row in rows]
        fractions = 0.5 in values or "judge_pair" in score
        said = [_outcome(value) if fractions else _winner(value) for value in values]
        _tell_unread(values, said, score)
    wanted = [_value(row, label) for row in rows]
    winners = [_winner(value) for value in wanted]
    _tell_unread(wanted, winners, label)
    return calibrate_pairs(said, winners, *lengths)


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


def _single(rows: Rows, score: str, label: str, text: str, good: str, made: bool, file: Path) -> Calibration:
    from factory.steps.judging.verdicts.calibrate import calibrate_classes, calibrate_scores
    from factory.steps.keep import Condition

    texts = [_answer(row, text) for row in rows]
    lengths = [float(len(one)) if isinstance(one, str) else float("nan") for one in texts]
    if not any(isinstance(one, str) for one in texts):
        if made or text != TEXT:
            raise InputError(
                f"{file}: no row has an answer in {text!r}, the column of --text; {_known(rows)}"
            )
        typer.echo(
            f"warning: no row has an answer in {text!r}: name its column with --text, for length", err=True
        )
    said: list[Any] = lengths if made else [_value(row, score) for row in rows]
    wanted = [_value(row, label) for row in rows]
    stray = _first_text(said), _first_text(wanted)
    if stray[0] and stray[1]:
        if good:
            raise InputError("--good says from which label on a score is good, and these scores are classes")
        return calibrate_classes([_class(value) for value in said], [_class(value) for value in wanted])
    if stray[0]:
        raise InputError(
            f"{file}: {score!r} has the text {stray[0]} where the labels are numbers: leave a missing score empty"
        )
    if stray[1]:
        return calibrate_scores(
            _floats(said), _good_texts(wanted, good, stray[1], label, file), lengths=lengths
        )
    try:
        condition = Condition.parse(good) if good else None
    except ValueError as error:
        raise InputError(f"--good {error}") from error
    return calibrate_scores(_floats(said), _floats(wanted), lengths=lengths, good=condition)


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


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    from factory.data.formats.files import check_file, file_format
    from factory.data.formats.rows import raw_rows

    check_file(file)
    for row in raw_rows(file, file_format(file)):
        if row.problem or not isinstance(row.value, Mapping):
            raise InputError(f"{file}:{row.place}: {row.problem or 'it is not an object with named fields'}")
        yield row.value


def _value(row: Mapping[str, Any], column: str) -> Any:
    """A column's value: of the row itself, or among the scores or the source's columns of a record."""
    if column in row:
        return row[column]
    if f"score.{column}" in row:
        return row[f"score.{column}"]
    for holder in (row.get("scores"), row.get("meta")):
        held = _mapping(holder)
        if column in held:
            return held[column]
    return None


def _answer(row: Mapping[str, Any], column: str) -> Any:
    """The answer of a row: its column, or the last turn of a conversation where it has no such column."""
    value = _value(row, column)
    turns = row.get("messages") or row.get("conversations")
    if value is not None or column != TEXT or not isinstance(turns, list):
        return value
    last = turns[-1]
    if not isinstance(last, Mapping) or (last.get("role") or last.get("from")) not in ("assistant", "gpt"):
        return None
    return last.get("content") or last.get("value")


def _there(rows: Rows, column: str) -> bool:
    """Whether any row has this column, be it empty."""
    return any(
        column in holder or f"score.{column}" in holder
        for row in rows
        for holder in (row, _mapping(row.get("scores")), _mapping(row.get("meta")))
    )


def _mapping(holder: Any) -> Mapping[str, Any]:
    """The scores or meta of a record as its files hold them: an object, pairs, or JSON text."""
    from factory.data.formats.values import loads

    if isinstance(holder, str) and holder.startswith("{"):
        try:
            holder = loads(holder)
        except ValueError:
            return {}
    if isinstance(holder, Mapping):
        return holder
    if isinstance(holder, list) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in holder
    ):
        return dict(holder)
    return {}


def _known(rows: Rows) -> str:
    from factory.data.text import shorten

    names = dict.fromkeys(
        str(name)
        for row in rows[:20]
        for holder in (row, _mapping(row.get("scores")), _mapping(row.get("meta")))
        for name in holder
    )
    return f"there are {', '.join(shorten(name, 30) for name in list(names)[:30]) or 'none'}"


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


def _winner(value: Any) -> Literal[0, 1, 2] | None:
    """The winner that a label of a pair names, None where it names none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _PAIR.get(str(value).strip().lower())  # type: ignore[return-value]


def _outcome(value: Any) -> Literal[0, 1, 2] | None:
    """The winner that a score of `judge_pair` names: 1 the first, 0 the second."""
    number = _number(value)
    return {1.0: 1, 0.5: 0, 0.0: 2}.get(number) if number is not None else None  # type: ignore[return-value]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(calibrate)
