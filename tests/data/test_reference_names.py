"""What a name given as a reference stands for: files, runs, releases; and what leads out of a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.data.formats.reference import reference_records
from factory.data.formats.release import card_patterns, release_files
from factory.data.formats.write import write_dataset
from factory.data.record import new_record
from factory.data.references import references
from factory.errors import InputError

SHARDS = """---
configs:
- config_name: other
  data_files: other.jsonl
- config_name: sft
  default: true
  data_files:
  - {split: train, path: "sft/train-*.parquet"}
  - {split: test, path: ["sft/test.parquet", "../secret.parquet", "/etc/passwd"]}
---
# A card
"""


def test_a_file_and_a_pattern_are_themselves(tmp_path: Path) -> None:
    for name in ("a-1.jsonl", "a-2.jsonl"):
        (tmp_path / name).write_text('{"instruction": "q", "output": "a"}\n')
    assert [one.name for one in references(str(tmp_path / "a-*.jsonl"))] == ["a-1", "a-2"]
    assert references([str(tmp_path / "a-1.jsonl"), ""])[0].path == tmp_path / "a-1.jsonl"


def test_an_export_of_several_formats_is_the_one_that_its_card_names_as_the_default(tmp_path: Path) -> None:
    folder = tmp_path / "release-1"
    write_dataset([new_record("q", output="a")], folder, ("messages", "alpaca", "parquet"))
    (found,) = references(str(folder))
    assert (found.name, found.path.parent.name) == ("release-1", "messages_parquet")
    assert [record.instruction for record in reference_records(found.path, print)] == ["q"]


def test_all_splits_of_the_default_configuration_count_and_nothing_outside_of_the_folder(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "release"
    (folder / "sft").mkdir(parents=True)
    (folder / "README.md").write_text(SHARDS)
    (tmp_path / "secret.parquet").touch()
    for name in ("train-00001-of-00002", "train-00000-of-00002", "test"):
        (folder / "sft" / f"{name}.parquet").touch()
    names = [path.name for path in release_files(folder)]
    assert names == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test.parquet"]
    assert card_patterns(folder) == ["sft/train-*.parquet", "sft/test.parquet"]


@pytest.mark.parametrize(
    "header", ["", "---\n{[\n---\n", "---\nconfigs: 3\n---\n", "---\nconfigs: [{}]\n---\n"]
)
def test_a_card_that_names_no_files_is_no_release(tmp_path: Path, header: str) -> None:
    (tmp_path / "README.md").write_text(header)
    assert release_files(tmp_path) == []


def test_a_release_without_its_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(SHARDS)
    with pytest.raises(InputError, match="lacks the files that its card names"):
        references(str(tmp_path))


def test_a_run_that_has_not_finished_is_told_by_how_it_stands(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    (tmp_path / "manifest.json").write_text('{"status": "stopped: the budget is spent"}')
    with pytest.raises(
        InputError, match=r"has not finished \(stopped: the budget is spent\): run its recipe"
    ):
        references(str(tmp_path))
