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


def test_equal_texts_and_near_copies_are_families_of_their_own_causes(tmp_path: Path) -> None:
    text = " ".join(f"word{at}" for at in range(80))
    rows = [text, text.upper(), f"{text} end", "Name a river.", "name a river"]
    lines = [orjson.dumps({"instruction": row, "output": "x"}) for row in rows]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    done = dedup(tmp_path, "rows.jsonl", "--exact", "--minhash", "0.8")
    assert done.returncode == 0, done.stderr
    exact, minhash, families, largest, other = done.stdout.splitlines()
    assert exact == "01-dedup_exact: 5 in, 3 out"
    assert minhash == "02-dedup_minhash: 3 in, 2 out"
    assert families.startswith("2 families of duplicates")
    assert largest.endswith("(exact_duplicate 1, shingle_duplicate 1)")
    assert other.endswith("(exact_duplicate 1)")
    assert "found 1 of the 1 duplicates" in done.stderr


def test_a_bad_row_is_told_and_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"instruction": "a b c", "output": "x"}\nnot json\n')
    done = dedup(tmp_path, "rows.jsonl")
    assert done.returncode == 3
    assert "rows.jsonl:2" in done.stderr
    missing = dedup(tmp_path, "absent.jsonl")
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    assert "absent.jsonl does not exist" in missing.stderr
