"""Files that are small on the disk and would fill the memory, and lines without an end."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.formats import files
from factory.data.formats.files import byte_lines
from factory.data.formats.read import read_records
from factory.errors import InputError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test reaches quickly."""
    monkeypatch.setattr(files, "_PIECE", 1 << 16)
    monkeypatch.setattr(files, "LONGEST_LINE", 1 << 22)


def bomb(path: Path, length: int, byte: bytes = b" ") -> Path:
    with gzip.open(path, "wb", 9) as file:
        for _ in range(length >> 20):
            file.write(byte * (1 << 20))
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "name", ["x.jsonl.gz", "x.json.gz", "x.csv.gz", "x.tsv.gz", "x.parquet.gz", "x.jsonl"]
)
@pytest.mark.parametrize("byte", [b" ", b"["])
def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path, name: str, byte: bytes) -> None:
    path = bomb(tmp_path / name, 16 << 20, byte)
    tracemalloc.start()
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        list(read_records(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20


@pytest.mark.usefixtures("small")
def test_a_line_without_an_end_is_refused_in_a_plain_file_too(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(b'{"instruction": "a", "output": "b"}\n{"instruction": "')
        file.truncate(1 << 30)  # a hole: it takes no space
    tracemalloc.start()
    with pytest.raises(InputError, match="line 2 is longer than"):
        list(byte_lines(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 32 << 20


@pytest.mark.slow
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv"])
@pytest.mark.parametrize("start", [b"", b"{}\n", b"instruction,output\n"])
def test_blank_lines_without_end_are_refused(tmp_path: Path, name: str, start: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(start + b"\n" * (1 << 20)))
    with pytest.raises(InputError, match="blank lines in a row"):
        list(read_records(path))


@pytest.mark.usefixtures("small")
def test_one_row_over_and_over_is_no_bomb(tmp_path: Path) -> None:
    row = b'{"instruction": "Why are there tides?", "output": "Of the moon."}\n'
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(row * 20_000, 9))
    assert sum(1 for _ in byte_lines(path)) == 20_000


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_long_line_is_read_whole(tmp_path: Path, encoding: str) -> None:
    long = "".join(chr(0x4E00 + at % 9973) for at in range(200_000))
    path = tmp_path / "x.jsonl"
    path.write_bytes(f"a\n{long}\n{long}".encode(encoding))
    assert [line.decode() for line in byte_lines(path)] == ["a\n", f"{long}\n", long]


@given(st.binary(max_size=200), st.integers(1, 9))
def test_lines_do_not_depend_on_the_pieces_they_are_read_in(data: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_PIECE", piece)
        patch.setattr(files, "LONGEST_LINE", 1000)
        stream = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]
        found = list(files._lines(Path("x"), stream, stream.readline, b"\n"))
    assert found == list(io.BytesIO(data))
