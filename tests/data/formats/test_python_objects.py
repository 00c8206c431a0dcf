"""Records from what a notebook holds."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from factory.data.formats import BadRow, read_hub, records_from
from factory.data.record import Record, new_record
from factory.errors import InputError, MissingDependency

ROWS = [
    {"instruction": "Hi", "input": "", "output": "Hello", "n": 1},
    {"instruction": "写诗", "input": "春", "output": None, "n": None},
]


def check(obj: Any) -> None:
    first, second = records_from(obj, "mine")
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.instruction, first.output, first.source) == ("Hi", "Hello", "mine")
    assert (second.instruction, second.input, second.output, second.lang) == ("写诗", "春", "", "zh")
    assert second.meta == {"n": None}


def test_lists_generators_and_records_are_read() -> None:
    check(ROWS)
    check(iter(ROWS))
    record = new_record("Hi")
    assert list(records_from([record])) == [record]


def test_pandas_frames_are_read_and_missing_values_are_none() -> None:
    pandas = pytest.importorskip("pandas")
    check(pandas.DataFrame(ROWS))
    check(pandas.DataFrame(ROWS).convert_dtypes())


def test_pandas_frames_read_from_parquet_hold_arrays_and_are_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    frame = pandas.DataFrame({"messages": [turns], "when": [pandas.Timestamp("2024-01-02")]})
    frame.to_parquet(tmp_path / "a.parquet")
    (record,) = records_from(pandas.read_parquet(tmp_path / "a.parquet"))
    assert isinstance(record, Record)
    assert record.output == "Hello"
    assert record.meta == {"when": "2024-01-02T00:00:00"}


def test_polars_frames_are_read() -> None:
    polars = pytest.importorskip("polars")
    check(polars.DataFrame(ROWS))
    check(polars.DataFrame(ROWS).lazy())


def test_arrow_tables_are_read() -> None:
    import pyarrow as pa

    check(pa.Table.from_pylist(ROWS))


def test_hugging_face_data_sets_are_read() -> None:
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_list(ROWS)
    check(dataset)
    check(datasets.DatasetDict({"test": dataset}))
    check(datasets.DatasetDict({"train": dataset, "test": dataset.select([0])}))
    with pytest.raises(InputError, match="has the splits a, b: choose one"):
        records_from(datasets.DatasetDict({"a": dataset, "b": dataset}))


@pytest.mark.parametrize("obj", [3, "seeds.jsonl", {"instruction": "Hi"}, None])
def test_other_objects_are_refused_with_a_sentence(obj: object) -> None:
    with pytest.raises(InputError, match="records cannot be read from an object of type"):
        records_from(obj)


def test_rows_that_are_not_objects_are_told() -> None:
    rows = list(records_from([ROWS[0], "text", 3]))
    assert [type(row) for row in rows] == [Record, BadRow, BadRow]


def test_an_empty_list_is_told() -> None:
    with pytest.raises(InputError, match="memory is empty"):
        list(records_from([]))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 1])
def test_a_folder_that_datasets_can_load_is_read(tmp_path: Path, limit: int | None) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    rows = list(read_hub(str(tmp_path), limit=limit))
    assert len(rows) == (limit or 2)
    assert all(isinstance(row, Record) for row in rows)


def test_a_data_set_that_does_not_exist_gives_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(InputError, match="cannot be loaded"):
        read_hub(str(tmp_path / "none"))


def test_without_the_datasets_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency, match=r"sft-factory\[datasets\]"):
        read_hub("some/set")
