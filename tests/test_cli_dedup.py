"""`factory dedup`: a file without its duplicates, and the families they make."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson

COMMAND = [sys.executable, "-c", "from factory.cli import main; main()", "dedup"]
ROWS = [
    "Name a river.",
    "Why do cats purr?",
    "Name a river!",
    "name a \x1b[31m river",
    "说出一条河。",
    "说出一条河！",
]


def dedup(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done


def test_a_file_loses_its_duplicates_and_the_largest_families_are_shown(tmp_path: Path) -> None:
    lines = [orjson.dumps({"instruction": text, "output": "x"}) for text in ROWS]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    done = dedup(tmp_path, "rows.jsonl", "--rouge", "0.7", "--out", "kept.jsonl")
    assert done.returncode == 0, done.stderr
    first, families, largest, other, written = done.stdout.splitlines()
    assert first == "01-dedup_rouge: 6 in, 3 out"
    assert families.startswith("2 families of duplicates")
    assert largest.split()[0] == "3"
    assert "Name a river." in largest
    assert largest.endswith("(near_duplicate 2)")
    assert "说出一条河。" in other
    assert written == "3 records written to kept.jsonl"
    rows = [orjson.loads(line) for line in (tmp_path / "kept.jsonl").read_bytes().splitlines()]
    assert [row["messages"][0]["content"] for row in rows] == [ROWS[0], ROWS[1], ROWS[4]]


def test_a_bad_row_is_told_and_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"instruction": "a b c", "output": "x"}\nnot json\n')
    done = dedup(tmp_path, "rows.jsonl")
    assert done.returncode == 3
    assert "rows.jsonl:2" in done.stderr
    missing = dedup(tmp_path, "absent.jsonl")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    assert "absent.jsonl does not exist" in missing.stderr
