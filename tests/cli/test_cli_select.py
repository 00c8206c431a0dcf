"""`factory select` and `Dataset.select`: rows chosen from a file, and the table beside them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import Result
from typer.testing import CliRunner

import factory as sft
from factory.cli.app import app
from factory.errors import FactoryError

ROWS = [
    {
        "id": f"row-{at}",
        "instruction": f"Why is {at} odd?" if at % 2 else f"说出第{at}条河。",
        "output": "so " * at,
    }
    for at in range(1, 41)
]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, ROWS)))
    return tmp_path


def select(options: str) -> Result:
    return CliRunner().invoke(app, ["select", "rows.jsonl", *options.split()])


def test_the_longest_rows_of_a_file_and_why_the_others_are_not_among_them() -> None:
    done = select("--size 5 --method longest --out kept.jsonl --dropped gone.jsonl")
    assert done.exit_code == 0, done.output
    kept = [orjson.loads(line) for line in Path("kept.jsonl").read_bytes().splitlines()]
    assert [row["id"] for row in kept] == [f"row-{at}" for at in range(36, 41)]
    assert "40 rows in, 5 out" in done.output
    assert "random, 20 draws" in done.output
    gone = [orjson.loads(line) for line in Path("gone.jsonl").read_bytes().splitlines()]
    assert len(gone) == 35
    assert "not among the 5 that longest chose of 40" in orjson.dumps(gone).decode()


def test_methods_side_by_side_choose_nothing() -> None:
    done = select("--size 5 --compare longest --compare random --out all.jsonl")
    assert done.exit_code == 0, done.output
    assert "40 rows in, 40 out" in done.output
    assert len(Path("all.jsonl").read_bytes().splitlines()) == 40


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--size 5 --method logest", "logest"),
        ("--size 5 --method top --score exit(1)", "is called like a function"),
        ("--method top", "give either `size` or `tokens`"),
        ("--size 5 --method top", "top chooses by a score: give `score`"),
        ("--size 5 --methd top", "did you mean"),
    ],
)
def test_a_mistake_is_one_sentence(options: str, said: str) -> None:
    done = select(options)
    assert isinstance(done.exception, FactoryError)
    assert said in str(done.exception)


def test_in_a_notebook() -> None:
    chosen = sft.load("rows.jsonl").select(size=4, method="longest", stratify="lang").run()
    assert len(chosen) == 4
    assert len(chosen.dropped) == 36
