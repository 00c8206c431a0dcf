"""The self-training guard: whose round is which, what is let go, and what the set says of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import ScriptedServer, in_thread

import factory as sft
from factory.data.record import Event, Record, new_record
from factory.data.rounds import ROUND
from factory.data.table import Table
from factory.errors import RunStopped
from factory.step import Context
from factory.steps.assemble.self_training_guard import SelfTrainingGuard, was_written


def context() -> tuple[Context, list[str], list[str]]:
    told: list[str] = []
    warned: list[str] = []

    def none(name: str) -> Any:
        raise AssertionError("this step asks no model")

    return Context("04-guard", 0, none, none, tell=told.append, warn=warned.append), told, warned


def guard(records: Sequence[Record], **options: Any) -> tuple[list[Record], Context, list[str]]:
    made, told, _ = context()
    table = asyncio.run(SelfTrainingGuard(**options).run(Table.from_records(records), made))
    return list(table.records()), made, told


def row(number: int, round: object = None, *steps: str, source: str = "people") -> Record:
    record = new_record(f"Question {number}", output="Yes.", source=source)
    if round is not None:
        record = replace(record, meta={ROUND: round})
    return replace(record, events=tuple(Event(step, "it", model="m") for step in steps))


def rounds(records: Sequence[Record]) -> list[object]:
    return [record.meta.get(ROUND) for record in records]


def kinds(records: Sequence[Record]) -> list[str]:
    return [record.dropped.kind if record.dropped else "" for record in records]


def test_a_record_that_a_model_wrote_in_is_one_round_further_and_one_that_was_judged_is_not() -> None:
    records = [
        row(0),
        row(1, None, "02-respond"),
        row(2, 1, "02-evolve", "03-judge"),
        row(3, 2),
        row(4, None, "02-judge", "03-tag", "04-fit"),
        row(5, None, "02-anothers_plug_in"),
    ]
    made, _, _ = guard(records, max_rounds=9, real_share=0)
    assert rounds(made) == [0, 1, 2, 2, 0, 1]


def test_a_round_counts_once_however_often_the_guard_stands_in_the_line() -> None:
    once, *_ = guard([row(0, None, "02-respond")], real_share=0)
    assert was_written(row(0, None, "02-respond"))
    assert not was_written(once[0])
    assert rounds(guard(once, real_share=0)[0]) == [1]
    again = [replace(once[0], events=(*once[0].events, Event("06-refine", "rewrite", model="m")))]
    assert rounds(guard(again, real_share=0)[0]) == [2]


def test_rounds_beyond_the_most_are_let_go_with_a_count() -> None:
    made, ctx, told = guard([row(0), row(1, 2), row(2, 2, "02-respond")], max_rounds=2, real_share=0)
    assert kinds(made) == ["", "", "too_many_rounds"]
    assert made[2].dropped is not None
    assert made[2].dropped.reason == "it went through 3 rounds of models that write; at most 2 are kept"
    assert ctx.facts["dropped_too_many_rounds"] == 1
    assert ctx.facts["rounds"] == [
        {"round": 0, "came_in": 1, "kept": 1},
        {"round": 2, "came_in": 1, "kept": 1},
        {"round": 3, "came_in": 1, "kept": 0},
    ]
    assert "50.0% of 2 records that are kept were written by no model" in told[0]


def test_real_rows_keep_their_share_and_the_highest_rounds_go_first() -> None:
    records = [row(0), *(row(number, 1 + number % 2) for number in range(1, 9))]
    made, ctx, _ = guard(records, real_share=0.25)
    kept = [record for record in made if record.dropped is None]
    assert rounds(kept) == [0, 1, 1, 1]
    assert kinds(made).count("real_share") == ctx.facts["dropped_real_share"] == 5
    assert ctx.facts["real_share_of_what_is_kept"] == 0.25


def test_no_real_row_where_a_share_is_wanted_stops_the_run_and_the_advice_works() -> None:
    records = [row(number, None, "02-respond") for number in range(3)]
    with pytest.raises(RunStopped, match=r"all 3 records were written by models.*or set `real_share: 0`"):
        guard(records, real_share=0.1)
    assert kinds(guard(records, real_share=0)[0]) == [""] * 3
    assert kinds(guard([*records, row(9)], real_share=0.1)[0]) == [""] * 4


def test_a_source_that_models_wrote_can_be_named_and_one_that_is_not_there_is_told() -> None:
    made, _, warned = context()
    table = Table.from_records([row(0), row(1, source="alpaca")])
    step = SelfTrainingGuard(generated=("alpaca", "dolly"), real_share=0)
    assert rounds(list(asyncio.run(step.run(table, made)).records())) == [0, 1]
    assert "no record is of the source 'dolly'" in warned[0]


@pytest.mark.parametrize("told", ["two", -1, 1.5, True, []])
def test_a_round_that_is_none_is_never_taken_for_a_real_row(told: object) -> None:
    made, ctx, _ = guard([row(0), row(1, told)], real_share=0)
    assert kinds(made) == ["", "unknown_round"]
    assert ctx.facts["rows_with_an_unknown_round"] == 1
    assert made[1].meta[ROUND] == told


@pytest.mark.parametrize("told", ["2", 2.0])
def test_a_round_that_a_table_made_text_or_a_number_of_is_read(told: object) -> None:
    assert rounds(guard([row(0, told)], real_share=0)[0]) == [2]


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(0, 4), st.floats(0, 1))
def test_what_is_kept_holds_both_bounds_and_no_more_than_needed_is_let_go(
    told: list[int], most: int, share: float
) -> None:
    records = [row(number, round) for number, round in enumerate(told)]
    real, fit = told.count(0), sum(0 < number <= most for number in told)
    if share and fit and not real:
        with pytest.raises(RunStopped):
            guard(records, max_rounds=most, real_share=share)
        return
    made, _, _ = guard(records, max_rounds=most, real_share=share)
    kept = [int(str(record.meta[ROUND])) for record in made if record.dropped is None]
    assert kept.count(0) == real
    assert max(kept, default=0) <= most
    written = len(kept) - real
    assert not kept or real / len(kept) >= share - 1e-9
    if written < fit:  # one more would be too many
        assert real / (len(kept) + 1) < share + 1e-9


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.randoms())
def test_the_order_of_the_set_has_no_say(told: list[int], draw: Any) -> None:
    records = [row(0), *(row(number, round) for number, round in enumerate(told, start=1))]
    kept = {record.id for record in guard(records, real_share=0.3)[0] if record.dropped is None}
    draw.shuffle(records)
    assert kept == {record.id for record in guard(records, real_share=0.3)[0] if record.dropped is None}


@pytest.mark.slow
def test_a_run_exports_the_rounds_for_the_next_one_and_its_card_says_them(tmp_path: Path) -> None:
    rows = [{"instruction": f"Write {number}", "source": "x"} for number in range(4)]
    rows += [{"instruction": f"Real {number}", "output": "A person's."} for number in range(2)]

    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with in_thread(ScriptedServer()) as server:
        recipe = {
            "name": "first",
            "models": {"t": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
            "steps": [
                {"read": {"path": str(tmp_path / "rows.jsonl")}},
                {"respond": {"model": "t"}},
                {"self_training_guard": {"max_rounds": 2, "real_share": 0.3}},
                {"export": {"formats": ["messages"]}},
            ],
        }
        first = tmp_path / "first"
        sft.run(recipe, out=first, journal=tmp_path / "journal.db", show_progress=False)
    exported = (first / "dataset" / "messages" / "train.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)[ROUND] for line in exported) == [0, 0, 1, 1, 1, 1]
    card = (first / "dataset" / "README.md").read_text()
    assert "## Rounds of self-training\n\n2 of 6 rows (33.3%) were written by no model." in card
    assert "| 0 | 2 |\n| 1 | 4 |" in card
    manifest = json.loads((first / "manifest.json").read_text())
    facts = next(step["facts"] for step in manifest["steps"] if step["label"].endswith("self_training_guard"))
    assert facts["rounds"][1] == {"round": 1, "came_in": 4, "kept": 4}
    read = list(sft.load(first / "dataset" / "messages" / "train.jsonl"))
    assert sorted(record.meta[ROUND] for record in read) == [0, 0, 1, 1, 1, 1]
