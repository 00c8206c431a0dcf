"""Commands on several files, the list of what they let go, and training data without a recipe."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from factory.cli.app import app
from factory.errors import EXIT_NOTHING_DONE, FactoryError

ROWS = [
    {"id": f"mine-{at}", "instruction": text, "output": output, "url": "u"}
    for at, (text, output) in enumerate(
        [("Name a river.", "=1+1"), ("name a river", "- one\n- two"), ("Why is the sea salty?", "Rivers.")]
    )
]


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in" / "part-2.jsonl", *ROWS[1:])
    write(tmp_path / "in" / "part-1.jsonl", ROWS[0])
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("named", [["in"], ["in/*.jsonl"], ["in/part-1.jsonl", "in/part-2.jsonl"]])
@pytest.mark.parametrize("words", [["apply", "dedup_exact"], ["dedup", "--exact"]])
def test_a_command_reads_several_files_folders_and_patterns(
    here: Path, words: list[str], named: list[str]
) -> None:
    done = command(*words, *named, "--out", "out.jsonl")
    assert done.exit_code == 0, done.output
    assert lines(here / "out.jsonl") == [ROWS[0], ROWS[2]]


@pytest.mark.slow
@pytest.mark.parametrize("words", [["apply", "dedup_exact"], ["dedup", "--exact"]])
def test_what_was_let_go_is_listed_with_the_users_own_ids(here: Path, words: list[str]) -> None:
    with (here / "in" / "part-2.jsonl").open("a") as file:
        file.write("no json\n")
    done = command(*words, "in", "--dropped", "gone.jsonl")
    assert done.exit_code == 3, done.output
    assert "2 that were let go listed in gone.jsonl" in done.output
    bad, twin = sorted(lines(here / "gone.jsonl"), key=lambda row: row["kind"])
    assert (twin["id"], twin["kind"], twin["against"]) == ("mine-1", "exact_duplicate", "mine-0")
    assert twin["reason"].startswith("identical with mine-0 (")
    assert (bad["kind"], bad["failed"]) == ("bad_row", True)
    assert "part-2.jsonl:3" in bad["reason"]
    assert command(*words, "in", "--dropped", "gone.csv").exit_code == 3
    with (here / "gone.csv").open(newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == {bad["id"], "mine-1"}


@pytest.mark.slow
def test_that_a_list_can_be_had_is_said_where_something_was_let_go(here: Path) -> None:
    assert "--dropped FILE lists the 1" in command("apply", "dedup_exact", "in").stderr
    assert "--dropped" not in command("apply", "dedup_exact", "in/part-1.jsonl").stderr


def test_a_list_that_cannot_be_written_is_told_before_the_work(here: Path) -> None:
    for place, said in (("gone.txt", "end the name in"), ("in/part-1.jsonl", "is the file that is read")):
        done = command("apply", "dedup_exact", "in", "--dropped", place)
        assert isinstance(done.exception, FactoryError)
        assert said in str(done.exception)
    assert lines(here / "in" / "part-1.jsonl") == [ROWS[0]]


def test_families_are_shown_by_the_users_own_ids(here: Path) -> None:
    output = command("dedup", "in", "--exact").output
    assert "1 for mine-0  Name a river." in output
    assert "identical: mine-1" in output


@pytest.mark.slow
def test_a_benchmark_is_named_with_its_file_or_folder(here: Path) -> None:
    question = {"question": " ".join(f"word{at}" for at in range(20))}
    write(here / "bench" / "a.jsonl", question)
    write(here / "bench" / "b.jsonl", {"question": " ".join(f"other{at}" for at in range(20))})
    write(here / "own.jsonl", {"instruction": question["question"], "output": "x"}, ROWS[0])
    for against in (["a=bench/a.jsonl", "b=bench/b.jsonl"], ["both=bench"], ["both=bench/*.jsonl"]):
        options = [word for one in against for word in ("--against", one)]
        done = command("apply", "decontaminate", "own.jsonl", *options, "--out", "clean.jsonl")
        assert done.exit_code == 0, done.output
        assert lines(here / "clean.jsonl") == [ROWS[0]]


def test_the_encoding_is_an_option(here: Path) -> None:
    (here / "a.csv").write_bytes("指令,输出\n什么是潮汐,海水的涨落\n".encode("gbk"))
    assert command("apply", "dedup_exact", "a.csv", "--encoding", "gbk", "--out", "b.csv").exit_code == 0
    assert (here / "b.csv").read_text() == '"指令","输出"\n"什么是潮汐","海水的涨落"\n'


@pytest.mark.slow
def test_cells_that_a_spreadsheet_would_run_are_guarded_and_told(here: Path) -> None:
    done = command("apply", "dedup_exact", "in", "--field", "both", "--out", "out.csv")
    assert "2 cells that a spreadsheet would take for a formula" in done.stderr
    with (here / "out.csv").open(newline="") as file:
        assert [row["output"] for row in csv.DictReader(file)] == ["'=1+1", "'- one\n- two", "Rivers."]
    done = command("apply", "dedup_exact", "in", "--field", "both", "--out", "out.csv", "--no-csv-safe")
    assert "formula" not in done.stderr
    with (here / "out.csv").open(newline="") as file:
        assert [row["output"] for row in csv.DictReader(file)] == [row["output"] for row in ROWS]


def test_files_become_training_data_without_a_recipe(here: Path) -> None:
    done = command(
        "export", "in", "--out", "set", "--formats", "messages", "--formats", "alpaca", "--carry", "url"
    )
    assert done.exit_code == 0, done.output
    assert "3 records written to set" in done.output
    assert [row["url"] for row in lines(here / "set" / "alpaca" / "train.jsonl")] == ["u"] * 3
    assert len(lines(here / "set" / "messages" / "train.jsonl")) == 3
    assert command("export", "in", "--out", "one.jsonl", "--formats", "openai").exit_code == 0
    assert [set(row) for row in lines(here / "one.jsonl")] == [{"messages"}] * 3


@pytest.mark.slow
def test_what_cannot_be_exported_is_told_by_its_cause(here: Path) -> None:
    write(here / "asks.jsonl", {"instruction": "Why?"})
    (here / "bad.jsonl").write_text("no json\n")
    for words, said in (
        (["asks.jsonl", "--out", "set"], "none of the 1 records has an answer"),
        (["bad.jsonl", "--out", "set"], "no row could be read"),
        (
            ["in", "--out", "a.jsonl", "--formats", "messages", "--formats", "alpaca"],
            "a file holds one format",
        ),
        (["in", "--out", "in/part-1.jsonl"], "is the file that is read"),
    ):
        done = command("export", *words)
        assert isinstance(done.exception, FactoryError), words
        assert said in str(done.exception)
    write(here / "mixed.jsonl", {"instruction": "Why?"}, ROWS[0])
    done = command("export", "mixed.jsonl", "--out", "set")
    assert "1 records without an answer are left out" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["measure", "--vendi", "0", "--no-verb-noun"],
        ["score"],
        ["calibrate", "--score", "length", "--label", "grade"],
    ],
)
def test_the_commands_that_look_read_several_files_too(here: Path, words: list[str]) -> None:
    for number in (1, 2):
        write(
            here / "graded" / f"{number}.jsonl",
            *({"instruction": f"{number} {at}?", "output": "x" * at, "grade": at % 2} for at in range(1, 7)),
        )
    name, *options = words
    done = command(name, "graded/1.jsonl", "graded/2.jsonl", *options)
    assert done.exit_code == 0, done.output
    assert "12" in done.output
    assert command(name, "graded", *options).output.split()[-5:] == done.output.split()[-5:]


def test_where_apply_keeps_nothing_what_was_let_go_is_still_written(tmp_path: Path) -> None:
    given, out, dropped = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "dropped.jsonl"))
    given.write_text('{"instruction": "Say hi.", "output": "hi", "constraints": "no commas"}\n')
    done = CliRunner().invoke(
        app, ["apply", "verify", str(given), "--out", str(out), "--dropped", str(dropped)]
    )
    assert done.exit_code == EXIT_NOTHING_DONE
    assert f"{out} is not written: no record is left" in done.output
    assert not out.exists()
    assert "bad_constraint" in dropped.read_text()
