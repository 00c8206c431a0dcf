"""A numeric column of one's own orders rows as a score does; what is no finite number is missing."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factory.data.formats.read import read_records
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.data.user_columns import known_scores, score_values
from factory.step import Context, WholeSet
from factory.steps.assemble.mixture import Mixture
from factory.steps.assemble.schedule import Schedule

VALUES: list[Any] = [3.0, None, 1, "high", True, math.inf, 2.5, -1]


def records() -> list[Record]:
    return [
        new_record(f"Question {at}?", output="Yes.", lang="en", meta={"quality": value})
        for at, value in enumerate(VALUES)
    ]


def read_csv(path: Path) -> list[Record]:
    return [row for row in read_records(path) if isinstance(row, Record)]


def run(step: WholeSet) -> tuple[Table, list[str]]:
    said: list[str] = []

    def nobody(name: str) -> Any:
        raise AssertionError(name)

    context = Context("02-step", 0, nobody, nobody, warn=said.append, tell=said.append)
    return asyncio.run(step.run(Table.from_records(records()), context)), said


def test_only_finite_numbers_are_values() -> None:
    table = Table.from_records(records())
    assert known_scores(table, ["quality"]) == ["quality"]
    wanted = [3.0, math.nan, 1.0, math.nan, math.nan, math.nan, 2.5, -1.0]
    np.testing.assert_array_equal(score_values(table, "quality"), wanted)
    assert np.isnan(score_values(table, "other")).all()


@pytest.mark.parametrize(
    ("written", "number"),
    [("0.25", 0.25), (" -3 ", -3.0), ("+1e-3", 0.001), (".5", 0.5), ("7.", 7.0), ("", None), ("high", None),
     ("nan", None), ("inf", None), ("1e999", None), ("1_000", None), ("1,5", None), ("٣", None), ("3 of 5", None)],
)  # fmt: skip
def test_a_number_written_as_a_text_as_all_of_a_csv_is_counts(written: str, number: float | None) -> None:
    table = Table.from_records([new_record("q", output="a", meta={"quality": written})])
    found = score_values(table, "quality")[0]
    assert math.isnan(found) if number is None else found == number
    assert number is None or known_scores(table, ["quality"]) == ["quality"]


def test_rows_of_a_csv_are_ordered_by_its_column(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("question,answer,cost\nWhy?,So.,10\nHow?,Thus.,9.5\nWho?,She.,\n")
    rows = Table.from_records(read_csv(tmp_path / "rows.csv"))
    np.testing.assert_array_equal(score_values(rows, "cost"), [10, 9.5, math.nan])


def test_a_score_goes_before_a_column_of_its_name() -> None:
    record = replace(new_record("q", output="a", meta={"quality": 9}), scores={"quality": 1.0})
    assert score_values(Table.from_records([record]), "quality").tolist() == [1.0]


def test_a_curriculum_lets_go_what_has_no_number() -> None:
    table, said = run(Schedule(method="curriculum", score="quality", stages=2))
    gone = [record for record in table.records() if record.dropped is not None]
    assert len(gone) == 4
    assert any("4 of 8 records have no quality" in sentence for sentence in said)


@pytest.mark.parametrize(("size", "highest"), [(1, [3.0]), (3, [3.0, 2.5, 1])])
def test_a_mixture_takes_the_highest_and_tells_how_many_have_none(size: int, highest: list[float]) -> None:
    table, said = run(Mixture(by="lang", size=size, score="quality"))  # type: ignore[arg-type]
    kept = [record.meta["quality"] for record in table.records() if record.dropped is None]
    assert sorted(kept, reverse=True) == highest
    assert any("4 of 8 records have no quality, and go last" in sentence for sentence in said)


def test_a_column_of_numbers_makes_ranges() -> None:
    table, said = run(Mixture(by="quality", cuts=(2,), shares="balanced", size=4))  # type: ignore[arg-type]
    kept = [record.meta["quality"] for record in table.records() if record.dropped is None]
    assert sorted(kept) == [-1, 1, 2.5, 3.0]
    assert any("4 of 8 records are without quality" in sentence for sentence in said)
