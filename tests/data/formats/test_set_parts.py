"""A set with parts is written as a file for each, which loads as what it is and holds the records in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from factory.data.formats.set_parts import part_name, part_names, slug
from factory.data.formats.write import write_dataset
from factory.data.record import Record, new_record


def row(at: int, **meta: Any) -> Record:
    return new_record(f"question {at}", output=f"answer {at}", lang="en", meta=meta)


SPLIT = [row(at, split=("train", "test", "validation", "train")[at % 4]) for at in range(8)]


def read(path: Path) -> list[str]:
    return [orjson.loads(line)["messages"][0]["content"] for line in path.read_bytes().splitlines()]


def test_each_part_has_its_file_with_its_rows_in_order(tmp_path: Path) -> None:
    write_dataset(SPLIT, tmp_path, ["messages"])
    assert {path.name for path in (tmp_path / "messages").iterdir()} == {
        "train.jsonl", "validation.jsonl", "test.jsonl"
    }  # fmt: skip
    assert read(tmp_path / "messages" / "train.jsonl") == [f"question {at}" for at in (0, 3, 4, 7)]
    entries = orjson.loads((tmp_path / "dataset_info.json").read_bytes())
    assert {name: entry["file_name"] for name, entry in entries.items()} == {
        "messages": "messages/train.jsonl",
        "messages_validation": "messages/validation.jsonl",
        "messages_test": "messages/test.jsonl",
    }


@pytest.mark.slow
def test_datasets_loads_each_part_under_its_name(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    staged = [row(at, stage=1 + at // 3) for at in range(7)] + [row(9, split="test", stage=1)]
    write_dataset(staged, tmp_path / "d", ["messages", "parquet"])
    loaded = datasets.load_dataset(str(tmp_path / "d"), "messages", cache_dir=str(tmp_path / "c"))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        "stage_1": 3, "stage_2": 3, "stage_3": 1, "test": 1
    }  # fmt: skip
    assert [turns[0]["content"] for turns in loaded["stage_2"]["messages"]] == [
        f"question {at}" for at in (3, 4, 5)
    ]


def test_an_earlier_export_with_other_parts_leaves_no_file_behind(tmp_path: Path) -> None:
    write_dataset(SPLIT, tmp_path, ["messages", "alpaca", "parquet"])
    write_dataset([row(at, stage=at + 1) for at in range(2)], tmp_path, ["messages"])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*l*")) == [
        "messages/stage_1.jsonl", "messages/stage_2.jsonl"
    ]  # fmt: skip


def test_a_part_of_which_a_format_holds_nothing_has_no_file(tmp_path: Path) -> None:
    tools = ({"type": "function", "function": {"name": "add", "parameters": {}}},)
    from dataclasses import replace

    records = [row(0, split="train"), replace(row(1, split="test"), tools=tools)]
    told = write_dataset(records, tmp_path, ["alpaca", "messages"]).told
    assert not (tmp_path / "alpaca" / "test.jsonl").exists()
    assert (tmp_path / "messages" / "test.jsonl").exists()
    assert [sentence for sentence in told if "left out" in sentence] == [
        "alpaca: 1 record left out: " + told[0].split(": ")[2]
    ]


def test_without_parts_all_is_one_file_in_order(tmp_path: Path) -> None:
    write_dataset(SPLIT, tmp_path, ["messages"], parts=False)
    assert read(tmp_path / "messages" / "train.jsonl") == [f"question {at}" for at in range(8)]


def test_what_is_no_part_stays_a_column() -> None:
    assert part_name(row(0, split="natural_instructions", stage="first", expert="")) == "train"
    assert part_name(row(0, stage=True)) == "train"
    assert part_name(row(0, stage=0)) == "train"
    assert part_name(row(0, expert="../数学 & co")) == "expert_数学_co"
    assert slug("///") == "unnamed"
    mixed = [row(0, split="test"), row(1, stage=10), row(2, stage=2), row(3), row(4, expert="b")]
    assert part_names(mixed) == ["stage_2", "stage_10", "expert_b", "train", "test"]
