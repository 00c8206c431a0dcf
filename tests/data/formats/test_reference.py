"""Files that records are compared with: what is read of them, and what is said of the rest."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.data.formats.reference import reference_records, reference_rows
from factory.errors import InputError

ROWS = b'{"turns": ["a", "b"], "id": 7}\n\n[1]\nnot json\n{"question": "q"}\n'


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rows_come_as_they_are_with_their_line_numbers(tmp_path: Path, name: str) -> None:
    warned: list[str] = []
    path = tmp_path / name
    path.write_bytes(gzip.compress(ROWS) if name.endswith("gz") else ROWS)
    rows = list(reference_rows(path, warned.append))
    assert rows == [(1, {"turns": ["a", "b"], "id": 7}), (5, {"question": "q"})]
    assert [f"{path}:3:" in warned[0], f"{path}:4:" in warned[1], len(warned)] == [True, True, 2]


def test_records_come_without_the_rows_that_are_none(tmp_path: Path) -> None:
    warned: list[str] = []
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"instruction": "a", "output": "b"}\n{"instruction": ""}\n')
    (record,) = reference_records(path, warned.append)
    assert (record.instruction, record.output, record.source) == ("a", "b", "rows")
    assert len(warned) == 1
    assert f"{path}:2:" in warned[0]


@pytest.mark.parametrize("read", [reference_rows, reference_records])
def test_a_file_that_gives_nothing_is_an_error_that_names_it(
    read: Callable[..., object], tmp_path: Path
) -> None:
    empty, absent, bad = tmp_path / "empty.jsonl", tmp_path / "absent.jsonl", tmp_path / "bad.jsonl"
    empty.write_bytes(b"")
    bad.write_bytes(b"[1]\n[2]\n")
    for path in (empty, absent, bad):
        with pytest.raises(InputError, match=path.name):
            list(read(path, lambda sentence: None))  # type: ignore[call-overload]
