"""Large sets in several Parquet files: all rows once, in order, under names that loaders know."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.formats import parquet_files
from factory.data.formats.parquet_files import Shards
from factory.data.formats.release import release_files
from factory.data.formats.write import write_dataset
from factory.data.record import Record, new_record

FORMATS = ("messages", "parquet")


def rows(number: int) -> list[Record]:
    return [new_record(f"question {at}", output="2024-01-01") for at in range(number)]


def ids(paths: list[Path]) -> list[str]:
    return [id for path in paths for id in pq.read_table(path, columns=["id"]).column("id").to_pylist()]


@pytest.mark.parametrize(("number", "files"), [(6, 2), (7, 3), (3, 1)])
def test_a_file_has_so_many_rows_at_most_and_its_name_says_which_of_how_many(
    tmp_path: Path, number: int, files: int
) -> None:
    write_dataset(rows(number), tmp_path, FORMATS, shards=Shards(rows=3))
    names = sorted(path.name for path in (tmp_path / "parquet").iterdir())
    several = [f"train-{at:05d}-of-{files:05d}.parquet" for at in range(files)]
    assert names == (several if files > 1 else ["train.parquet"])
    assert ids(release_files(tmp_path)) == [record.id for record in rows(number)]
    assert [pq.read_metadata(tmp_path / "parquet" / name).num_rows for name in names] == [
        min(3, number - 3 * at) for at in range(files)
    ]


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(1, 25), st.integers(1, 10))
def test_every_row_is_in_one_file_and_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, number: int, most: int
) -> None:
    folder = tmp_path_factory.mktemp("set")
    files = write_dataset(rows(number), folder, FORMATS, shards=Shards(rows=most))
    assert ids(release_files(folder)) == [record.id for record in rows(number)]
    assert sum(file.rows for file in files if file.path.parent.name == "parquet") == number


def test_a_file_that_grows_large_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_files, "_ROW_GROUP", 2)
    import random

    chance = random.Random(1)
    noise = [new_record(f"{at} {chance.randbytes(400_000).hex()}", output="x") for at in range(6)]
    write_dataset(noise, tmp_path, ("parquet",), shards=Shards(megabytes=1))
    found = release_files(tmp_path)
    assert [path.name for path in found] == [f"train-{at:05d}-of-00003.parquet" for at in range(3)]
    assert all(path.stat().st_size > 1_000_000 for path in found[:-1])
    assert ids(found) == [record.id for record in noise]


def test_a_later_export_leaves_no_file_of_an_earlier_one(tmp_path: Path) -> None:
    for most in (2, 3, None):
        write_dataset(rows(7), tmp_path, FORMATS, shards=Shards(rows=most))
        held = list((tmp_path / "parquet").iterdir())
        assert sorted(held) == sorted(release_files_of(tmp_path, "parquet"))


def release_files_of(folder: Path, name: str) -> list[Path]:
    import yaml

    header = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    (config,) = (one for one in header["configs"] if one["config_name"] == name)
    return [path for one in config["data_files"] for path in sorted(folder.glob(one["path"]))]


def test_an_export_that_fails_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = parquet_files._write_one, []

    def second_fails(*args: object) -> int:
        calls.append(args)
        if len(calls) == 2:
            raise OSError("the disk is gone")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(parquet_files, "_write_one", second_fails)
    with pytest.raises(OSError, match="gone"):
        write_dataset(rows(7), tmp_path, ("parquet",), shards=Shards(rows=2))
    assert list((tmp_path / "parquet").iterdir()) == []


def test_llama_factory_gets_the_folder_of_the_files(tmp_path: Path) -> None:
    dates = [new_record("2024-01-01", output="2024-01-01", occurrence=at) for at in range(5)]
    write_dataset(dates, tmp_path, ("messages",), shards=Shards(rows=2))
    entry = json.loads((tmp_path / "dataset_info.json").read_text())["messages"]
    assert entry["file_name"] == "messages_parquet"  # the rows are dates alone, which JSON Lines would change
    assert all(path.suffix == ".parquet" for path in (tmp_path / "messages_parquet").iterdir())


def test_datasets_loads_all_files_as_one_set(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    write_dataset(rows(7), tmp_path / "set", FORMATS, shards=Shards(rows=3))
    for name in FORMATS:
        loaded = datasets.load_dataset(
            str(tmp_path / "set"), name, split="train", cache_dir=str(tmp_path / "c")
        )
        assert loaded["id"][:] == [record.id for record in rows(7)]
