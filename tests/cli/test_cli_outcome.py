"""`factory run` under a scheduler: quiet, with a log, with its outcome as JSON."""

from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from test_cli import factory

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d \S")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    rows = [{"instruction": f"Name river {n}.", "output": f"It is river {n}."} for n in range(4)]
    rows.append(rows[0])
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n[]")
    (tmp_path / "r.yaml").write_text("name: r\nsteps:\n- read: {path: rows.jsonl}\n- dedup_exact: {}\n")
    return tmp_path


def outcome(stdout: str) -> dict[str, Any]:
    """Standard output, which is one JSON object on one line and nothing else."""
    (line,) = stdout.splitlines()
    found: dict[str, Any] = orjson.loads(line)
    return found


@pytest.mark.slow
def test_the_outcome_is_one_json_object_and_quiet_says_no_more(recipe: Path) -> None:
    done = factory("run", "r.yaml", "--json", "--quiet", "--out", "o", cwd=recipe)
    told = outcome(done.stdout)
    assert (done.returncode, told["exit_code"], told["status"]) == (3, 3, "finished")
    assert (told["records"], told["kept"], told["dropped"], told["failed"]) == (6, 4, 1, 1)
    assert (told["recipe"], told["folder"], told["calls"]) == ("r", "o", 0)
    assert done.stderr == ""
    quiet = factory("run", "r.yaml", "--quiet", "--tolerate", "1", "--out", "o", cwd=recipe)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.slow
def test_a_log_holds_all_that_was_told_behind_the_time_and_is_added_to(recipe: Path) -> None:
    for number in (1, 2):
        done = factory("run", "r.yaml", "--log", "logs/run.log", "--out", "o", cwd=recipe)
        lines = (recipe / "logs" / "run.log").read_text().splitlines()
        assert sum("ended with exit code 3" in line for line in lines) == number
    assert all(map(STAMP.match, lines))
    assert any("warning: skipped: rows.jsonl" in line for line in lines)
    assert any("4 of 6 records kept" in line for line in lines)
    told = [line for line in done.stderr.splitlines() if "01-read" in line or "warning" in line]
    assert told
    assert all(map(STAMP.match, told))  # there is no terminal
    assert "4 of 6 records kept" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "status", "message"),
    [
        (("--set", "read.path=absent.jsonl"), 2, "error", "absent.jsonl does not exist"),
        (("--set", "dedup_exact.feild=x"), 2, "error", "feild"),
        (("--model", "opnai:x"), 2, "error", "did you mean 'openai'"),
    ],
)
def test_a_mistake_is_told_as_json_too_and_as_a_sentence(
    arguments: tuple[str, ...], code: int, status: str, message: str, recipe: Path
) -> None:
    done = factory("run", "r.yaml", "--json", "--quiet", "--log", "l", *arguments, cwd=recipe)
    told = outcome(done.stdout)
    assert (done.returncode, told["exit_code"], told["status"]) == (code, code, status)
    assert message in told["message"]
    assert message in done.stderr
    assert message in (recipe / "l").read_text()


@pytest.mark.slow
def test_a_server_that_is_not_there_is_a_run_that_stopped(recipe: Path) -> None:
    with (recipe / "r.yaml").open("a") as file:
        file.write("- tag: {}\n")
    model = "openai:m@http://127.0.0.1:9/v1"
    rows = ("--set", "read.path=factory:seeds", "--limit", "1")
    done = factory("run", "r.yaml", "--model", model, *rows, "--json", "--quiet", cwd=recipe)
    told = outcome(done.stdout)
    assert (done.returncode, told["exit_code"], told["status"], told["kept"]) == (4, 4, "stopped", 1)
    assert "nobody answers at http://127.0.0.1:9/v1" in told["message"]


@pytest.mark.slow
def test_a_log_that_cannot_be_written_is_a_sentence(recipe: Path) -> None:
    done = factory("run", "r.yaml", "--log", ".", cwd=recipe)
    assert done.returncode == 2
    assert "--log .: cannot be written" in done.stderr
    plan = factory("run", "r.yaml", "--json", "--dry-run", cwd=recipe)
    assert (plan.returncode, "leave out --dry-run" in plan.stderr) == (2, True)


def test_a_terminal_that_is_closed_while_something_is_said_ends_the_command_as_interrupted() -> None:
    script = (
        "import signal, sys\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from factory.cli import app\n"
        "def say_on():\n"
        "    while True: print('said', flush=True)\n"
        "app.app = say_on\n"
        "app.main()\n"
    )
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", script])
    os.read(terminal, 10)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
