"""A packed file is closed when it has been read."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.data.formats.files import open_bytes


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: gzip.compress(bz2.compress(data))]
)
def test_closing_what_is_unpacked_closes_the_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "rows.jsonl.packed"
    path.write_bytes(pack(b"a\nb\n"))
    stream = open_bytes(path)
    assert stream.read() == b"a\nb\n"
    file = stream.packed  # type: ignore[attr-defined]
    stream.close()
    assert file.closed
