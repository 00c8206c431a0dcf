"""`factory calibrate`: scores in a file against labels in the same file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from factory.errors import InputError

if TYPE_CHECKING:
    from factory.score.calibrate import Calibration

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
    text: Annotated[
        str, typer.Option("--text", help="The column of the answers, for their length.")
    ] = "output",
    first: Annotated[str, typer.Option("--first", help="Pairs: the column of the first answers.")] = "",
    second: Annotated[str, typer.Option("--second", help="Pairs: the column of the second answers.")] = "",
    good: Annotated[
        str, typer.Option("--good", help="Which labels are good, such as '>= 4'. Default: the higher of two.")
    ] = "",
) -> None:
    """Hold scores against labels: agreement, correlation, confusion, bias, and a threshold. Calls nobody.

    Labels of pairs are 1 (or A) where the first answer is better, 2 (or B) the second, 0 (or tie) neither;
    scores of `judge_pair` (1, 0.5, 0) are read as such. Other labels are numbers, or classes as text.
    """
    rows = list(_rows(file))
    if bool(first) != bool(second):
        raise InputError("--first and --second go together: name the columns of both answers of a pair")
    for option, column in (("--score", score), ("--label", label), ("--first", first), ("--second", second)):
        made = option == "--score" and column in ("length", "longer")
        if column and not made and all(_value(row, column) is None for row in rows):
            raise InputError(f"{file}: no row has {column!r}, the column of {option}; {_known(rows)}")
    found = _pairs(rows, score, label, first, second) if first else _single(rows, score, label, text, good)
    typer.echo("\n".join(found.lines()))


def _pairs(rows: list[Mapping[str, Any]], score: str, label: str, first: str, second: str) -> Calibration:
    from factory.score.calibrate import calibrate_pairs

    lengths = [[len(str(_value(row, column) or "")) for row in rows] for column in (first, second)]
    said: list[int | None]
    if score == "longer":
        said = [0 if a == b else 1 if a > b else 2 for a, b in zip(*lengths, strict=True)]
    else:
        fractions = any(_value(row, score) == 0.5 for row in rows) or score.startswith("judge_pair")
        said = [_outcome(_value(row, score)) if fractions else _winner(_value(row, score)) for row in rows]
    return calibrate_pairs(said, [_winner(_value(row, label)) for row in rows], *lengths)


def _single(rows: list[Mapping[str, Any]], score: str, label: str, text: str, good: str) -> Calibration:
    from factory.score.calibrate import calibrate_classes, calibrate_scores
    from factory.score.keep import Condition

    try:
        condition = Condition.parse(good) if good else None
    except ValueError as error:
        raise InputError(f"--good {error}") from error
    texts = [_value(row, text) for row in rows]
    lengths = [float(len(one)) if isinstance(one, str) else float("nan") for one in texts]
    said: list[Any] = lengths if score == "length" else [_value(row, score) for row in rows]
    wanted = [_value(row, label) for row in rows]
    if any(_number(value) is None and value not in (None, "") for value in (*said, *wanted)):
        return calibrate_classes([_class(value) for value in said], [_class(value) for value in wanted])
    return calibrate_scores(_floats(said), _floats(wanted), lengths=lengths, good=condition)


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    from factory.formats.files import check_file, file_format
    from factory.formats.rows import raw_rows

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


def _mapping(holder: Any) -> Mapping[str, Any]:
    """The scores or meta of a record as its files hold them: an object, pairs, or JSON text."""
    from factory.formats.values import loads

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


def _known(rows: list[Mapping[str, Any]]) -> str:
    from factory.text import shorten

    names = dict.fromkeys(
        str(name) for row in rows[:20] for holder in (row, _mapping(row.get("scores"))) for name in holder
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
