"""`factory clean`: a report of any file, the cleaned set, and repairs with a preview."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()", "clean"]
ROWS = [
    {"instruction": "Tell me of Rome.", "output": "It&#39;s the capital of Italy."},
    {"instruction": "Name a fruit.", "input": "<noinput>", "output": "An apple."},
    {"instruction": "怎样排序？", "output": "抱歉，我无法回答这个问题。"},
    {"instruction": "Why is the sea salty?", "output": "Rivers bring salt. \x1b[31m"},
    {"instruction": "Name a tree.", "output": "An oak."},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, ROWS)))
    return path


def clean(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
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


@pytest.mark.slow
def test_it_shows_counts_examples_and_places_and_writes_nothing(file: Path) -> None:
    done = clean(file.parent, "rows.jsonl")
    assert done.returncode == 0
    assert "5 rows: 4 have a fault by a rule (80.0%)" in done.stdout
    assert "rows.jsonl:1  assistant: …It⟦&#39;⟧s the capital of Italy." in done.stdout
    assert "refusal" in done.stdout
    assert "\x1b" not in done.stdout
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.slow
def test_it_writes_the_cleaned_set_and_what_it_left_out(file: Path) -> None:
    done = clean(
        file.parent, "rows.jsonl", "--profile", "strict", "--out", "good.jsonl", "--dropped", "gone.jsonl"
    )
    assert done.returncode == 0, done.stderr
    rows = [orjson.loads(line) for line in (file.parent / "good.jsonl").read_bytes().splitlines()]
    assert [row["output"] for row in rows] == [
        "It's the capital of Italy.",
        "An apple.",
        "Rivers bring salt.",
        "An oak.",
    ]
    assert rows[1].get("input", "") == ""
    (gone,) = [orjson.loads(line) for line in (file.parent / "gone.jsonl").read_bytes().splitlines()]
    assert gone["kind"] == "refusal"


@pytest.mark.slow
def test_a_repair_is_shown_and_made_with_out(file: Path) -> None:
    done = clean(file.parent, "rows.jsonl", "--find", "oak", "--replace", "elm")
    assert "a repair changes 1 of 5 rows" in done.stdout
    assert "- An oak." in done.stdout
    assert "+ An elm." in done.stdout
    done = clean(file.parent, "rows.jsonl", "--only", "html_entities")
    assert "a repair changes 1 of 5 rows" in done.stdout
    done = clean(file.parent, "rows.jsonl", "--find", "oak", "--replace", "elm", "--out", "new.jsonl")
    assert done.returncode == 0, done.stderr
    assert b"An elm." in (file.parent / "new.jsonl").read_bytes()


@pytest.mark.slow
def test_a_sample_has_intervals_and_is_the_same_each_time(file: Path) -> None:
    first = clean(file.parent, "rows.jsonl", "--sample", "3", "--seed", "5").stdout
    assert "a sample of 3 of 5 rows" in first
    assert "95 % interval" in first
    assert clean(file.parent, "rows.jsonl", "--sample", "3", "--seed", "5").stdout == first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rows.jsonl", "--only", "refusl"], "did you mean 'refusal'?"),
        (["rows.jsonl", "--profile", "strikt"], "did you mean 'strict'?"),
        (["rows.jsonl", "--regex", "(", "--replace", ""], "is no pattern"),
        (["rows.jsonl", "--replace", "x"], "give one"),
        (["rows.jsonl", "--sample", "3", "--out", "x.jsonl"], "leave one out"),
        (["rows.jsonl", "--out", "rows.jsonl", "--profile", "mend"], "is the file that is read"),
        (["none.jsonl"], "none.jsonl"),
        ([], "name the files"),
        (["rows.jsonl", "--only", "refusal", "--only", "refusal"], "the rule 'refusal' is given twice"),
    ],
)
def test_a_mistake_is_one_sentence(file: Path, arguments: list[str], said: str) -> None:
    done = clean(file.parent, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_it_lists_the_rules_and_the_profiles(tmp_path: Path) -> None:
    done = clean(tmp_path, "--rules")
    assert "html_entities" in done.stdout
    assert "strict" in done.stdout
