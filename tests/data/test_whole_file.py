"""Files that are there whole or not at all, and whose errors are told as theirs alone."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path

import pytest

from factory.data.record import new_record
from factory.data.table import Table
from factory.data.whole_file import whole_file
from factory.errors import DiskFailed, OutputError

FULL = Path("/dev/full")
BIG = bytes(1 << 18)
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.fixture
def full_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is written goes to a disk that is full."""
    monkeypatch.setattr("factory.data.whole_file.part_of", lambda path: FULL)
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)


@needs_full
@pytest.mark.parametrize("size", [1, len(BIG)])
def test_a_disk_that_fills_while_a_file_is_written_is_told_of_that_file(
    size: int, tmp_path: Path, full_part: None
) -> None:
    with (
        pytest.raises(DiskFailed, match=r"a\.bin cannot be written: the disk is full"),
        whole_file(tmp_path / "a.bin") as file,
    ):
        file.write(BIG[:size])


@needs_full
def test_so_it_is_behind_another_writer(tmp_path: Path, full_part: None) -> None:
    with (
        pytest.raises(DiskFailed, match=r"a\.gz cannot be written: the disk is full"),
        whole_file(tmp_path / "a.gz") as file,
        gzip.open(file, "wb", compresslevel=0) as packed,
    ):
        packed.write(BIG)
    with pytest.raises(DiskFailed, match=r"a\.parquet cannot be written: the disk is full"):
        Table.from_records([new_record("a", output="b")]).write(tmp_path / "a.parquet")


def test_an_error_of_another_file_passes_as_it_is_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(FileNotFoundError) as told, whole_file(path) as file:
        file.write((tmp_path / "missing.jsonl").read_bytes())
    assert str(told.value.filename).endswith("missing.jsonl")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_timeout_or_a_lost_connection_is_no_file_that_cannot_be_written(tmp_path: Path) -> None:
    for error in (TimeoutError("slow"), ConnectionResetError(errno.ECONNRESET, "reset")):
        with pytest.raises(type(error)), whole_file(tmp_path / "a"):
            raise error
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told_before_the_block(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match=r"file/a cannot be written: .*: name another"),
        whole_file(tmp_path / "file" / "a", "name another"),
    ):
        raise AssertionError("not reached")


def test_what_is_written_takes_its_place_when_all_of_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a"
    with whole_file(path) as file:
        file.write(BIG)
        file.write(b"end")
        assert not path.exists()
    assert path.read_bytes() == BIG + b"end"
    assert [entry.name for entry in path.parent.iterdir()] == ["a"]
