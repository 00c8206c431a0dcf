"""Curves are read from what trainers really write, and what is forgiven is told."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from factory.cli.app import app
from factory.data.training_log import read_curves
from factory.errors import InputError

LOG = Path("log.jsonl")


def curve(*rows: Mapping[str, Any], metric: str = "eval_loss") -> tuple[list[float], list[float], list[str]]:
    told: list[str] = []
    steps, values = read_curves(LOG, enumerate(rows, start=1), metric, warn=told.append)[""]
    return steps, values, told


@pytest.mark.parametrize(
    "name", ["step", "global_step", "current_steps", "train/global_step", "Step", "_step"]
)
def test_a_step_is_known_by_what_trainers_call_it(name: str) -> None:
    assert curve({name: 10, "eval_loss": 2.0}, {name: 20, "eval_loss": 1.0}) == ([10, 20], [2.0, 1.0], [])


def test_the_step_of_the_trainer_goes_before_the_row_number_of_the_tracker() -> None:
    assert curve({"_step": 3, "train/global_step": 100, "eval/loss": 1.0}, metric="eval/loss")[0] == [100]


def test_numbers_that_a_table_holds_as_text_are_numbers_and_its_empty_cells_are_no_values() -> None:
    rows = [
        {"Step": "10", "eval_loss": "1.5e0"},
        {"Step": "15", "eval_loss": ""},
        {"Step": "20", "eval_loss": " 1 "},
    ]
    assert curve(*rows) == ([10, 20], [1.5, 1.0], [])


@pytest.mark.parametrize("lost", [math.nan, None, "NaN", math.inf])
def test_a_value_that_is_nan_is_left_out_and_told(lost: object) -> None:
    steps, values, told = curve(
        *({"step": at, "eval_loss": lost if at == 1 else 2.0 - at} for at in range(4))
    )
    assert (steps, values) == ([0, 2, 3], [2.0, 0.0, -1.0])
    assert told == [
        '1 values of "eval_loss" are NaN or null and are left out: look at what was evaluated there'
    ]


def test_a_log_that_names_its_sets_in_a_column_says_which_key_holds_the_loss() -> None:
    rows = [{"step": at, "set": "math", "loss": 1.0} for at in range(3)]
    with pytest.raises(InputError, match=r'name their set as "set": .* such as --metric loss'):
        read_curves(LOG, enumerate(rows, start=1), "eval_*_loss", "set", warn=lambda sentence: None)


def test_the_same_line_twice_is_one() -> None:
    row = {"step": 1, "eval_loss": 1.0}
    assert curve(row, row, {"step": 2, "eval_loss": 0.5}) == ([1, 2], [1.0, 0.5], [])


def test_an_evaluation_of_the_best_model_at_the_end_does_not_stand_for_the_last_step() -> None:
    rows = [{"step": at, "eval_loss": float(value)} for at, value in enumerate([3, 1, 2])]
    _, values, told = curve(*rows, {"step": 2, "eval_loss": 1.0})
    assert values == [3, 1, 2]
    assert "the first stands at the end of a run" in told[0]


def test_where_a_run_was_taken_up_again_from_before_the_last_value_stands() -> None:
    rows = [{"step": at, "eval_loss": 3.0 - at} for at in range(3)]
    steps, values, told = curve(*rows, {"step": 1, "eval_loss": 1.5}, {"step": 2, "eval_loss": 0.5})
    assert (steps, values, len(told)) == ([0, 1, 2], [3.0, 1.5, 0.5], 1)


def test_an_exported_table_a_log_of_llama_factory_and_half_a_last_line_say_the_same(tmp_path: Path) -> None:
    losses = [2.0, 1.7, 1.41, 1.1, 0.8]
    rows = [{"current_steps": 100 * at, "eval_loss": value} for at, value in enumerate(losses)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"current_st')
    table = "".join(f'"{100 * at}","{value}"\n' for at, value in enumerate(losses))
    (tmp_path / "runs.csv").write_text('"Step","run - eval/loss"\n' + table)
    found = [
        CliRunner().invoke(app, ["follow", "stop", str(tmp_path / name), "--metric", metric])
        for name, metric in (("log.jsonl", "eval_loss"), ("runs.csv", "run - eval/loss"))
    ]
    assert [one.exit_code for one in found] == [0, 0]
    assert "left out" in found[0].output
    said = [one.stdout.splitlines()[1:] for one in found]
    assert said[0][-2:] == said[1][-2:]
    assert said[0][-1] == "it still gets better: go on"
