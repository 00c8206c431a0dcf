"""The command line: exit codes, one clear sentence for each mistake, a clean stop, and the way back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from scripted_server import Say, ScriptedServer, echo

COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()"]


def factory(*arguments: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder; no output may ever hold a traceback."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        **options,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "a fault in factory" not in done.stderr
    return done


def helpful(request: dict[str, Any]) -> str:
    if request.get("response_format"):
        return echo(request)
    return f"An answer of some length to: {request['messages'][-1]['content'][:60]}"


@pytest.fixture
def folder(tmp_path: Path, server: ScriptedServer) -> Path:
    """A folder with seeds.jsonl and recipe.yaml that asks the scripted server."""
    server.script = helpful
    rows = [
        {
            "id": f"row-{n}",
            "instruction": f"问题{n}：什么是光合作用？" if n % 2 else f"Why is number {n} so odd?",
        }
        for n in range(8)
    ]
    (tmp_path / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    write_recipe(tmp_path, server.base_url)
    return tmp_path


def write_recipe(folder: Path, url: str, **changes: Any) -> None:
    recipe = {
        "name": "small",
        "models": {"teacher": {"provider": "openai", "base_url": url, "model": "scripted", "concurrency": 4}},
        "steps": [
            {"read": {"path": "seeds.jsonl"}},
            {"respond": {"model": "teacher"}},
            {"judge": {"model": "teacher"}},
            {"export": {"formats": ["messages"]}},
        ],
        **changes,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True, sort_keys=False))


@pytest.mark.slow
def test_a_run_prints_its_funnel_and_the_files_to_look_at(folder: Path) -> None:
    done = factory("run", "recipe.yaml", "--out", "outputs/one", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "8 of 8 records kept" in done.stdout
    for name in ("report.html", "dataset", "dropped.parquet", "manifest.json"):
        assert f"outputs/one/{name}" in done.stdout
        assert (folder / "outputs/one" / name).exists()
    assert (folder / "outputs/journal.db").is_file()


@pytest.mark.slow
def test_limit_takes_the_first_records_and_set_overrides_an_option(folder: Path) -> None:
    done = factory("run", "recipe.yaml", "--limit", "3", "--set", "judge.keep=>= 99", cwd=folder)
    assert done.returncode == 4
    assert "0 of 3 records survived" in done.stdout
    assert re.search(r"03-judge.*low_score", done.stdout)


@pytest.mark.slow
def test_a_dry_run_shows_plan_prompts_and_estimate_and_calls_nobody(
    folder: Path, server: ScriptedServer
) -> None:
    done = factory("run", "recipe.yaml", "--dry-run", cwd=folder)
    assert done.returncode == 0
    assert server.requests == []
    assert "8 records in" in done.stdout
    assert "02-respond" in done.stdout
    assert "Why is number 0 so odd?" in done.stdout
    assert "Why is number 2" not in done.stdout
    assert "16 calls" in done.stdout
    assert not (folder / "outputs").exists()


@pytest.mark.slow
def test_why_tells_the_chain_of_a_kept_record_and_the_reason_of_a_dropped_one(folder: Path) -> None:
    factory("run", "recipe.yaml", "--out", "outputs/one", cwd=folder)
    told = factory("why", "row-1", cwd=folder)
    assert told.returncode == 0, told.stderr
    for part in ("光合作用", "02-respond", "respond/answer@1", "judge.quality", "scripted", "kept"):
        assert part in told.stdout
    factory("run", "recipe.yaml", "--out", "outputs/two", "--set", "judge.keep=>= 99", cwd=folder)
    told = factory("why", "row-1", "outputs/two", cwd=folder)
    assert "low_score" in told.stdout
    missing = factory("why", "no-such-row", "outputs/two", cwd=folder)
    assert missing.returncode == 2
    assert "no-such-row" in missing.stderr


@pytest.mark.slow
def test_report_prints_the_funnel_again_and_writes_the_page_anew(folder: Path) -> None:
    factory("run", "recipe.yaml", "--out", "outputs/one", cwd=folder)
    (folder / "outputs/one/report.html").unlink()
    assert "8 of 8 records kept" in factory("report", cwd=folder).stdout
    assert (folder / "outputs/one/report.html").is_file()


@pytest.mark.slow
def test_a_step_runs_alone_on_a_file(folder: Path) -> None:
    done = factory(
        "apply", "dedup_rouge", "seeds.jsonl", "--threshold", "0.5", "--out", "few.jsonl", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "near_duplicate" in done.stdout
    assert len((folder / "few.jsonl").read_text().splitlines()) == 2
    wrong = factory("apply", "dedup_rouge", "seeds.jsonl", "--treshold", "0.5", cwd=folder)
    assert wrong.returncode == 2
    assert "did you mean 'threshold'?" in wrong.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "recipy.yaml"], "recipy.yaml: no such recipe file"),
        (["run", "quickstrat"], "did you mean 'quickstart'?"),
        (["run", "recipe.yaml", "--set", "juge.keep=>= 3"], "did you mean 'judge'?"),
        (
            ["run", "recipe.yaml", "--set", "judge.kep=3"],
            "recipe.yaml: line 13: step `judge`: unknown key `kep`; did you mean 'keep'?",
        ),
        (["run", "recipe.yaml", "--set", "judge.model=techer"], "did you mean 'teacher'?"),
        (["run", "recipe.yaml", "--set", "read.path=missing.jsonl"], "missing.jsonl"),
        (
            ["run", "recipe.yaml", "--set", "models.teacher.provider=opnai"],
            "`provider` must be one of openai, local",
        ),
        (["run", "recipe.yaml", "--journal", "seeds.jsonl"], "damaged"),
        (["apply", "dedup_ruge", "seeds.jsonl"], "did you mean 'dedup_rouge'?"),
        (["why", "abcd"], "outputs"),
        (["steps", "evlve"], "did you mean 'evolve'?"),
        (["models", "get", "smollm3"], "smollm3"),
        (["run", "recipe.yaml", "--limit", "0"], "--limit"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(folder: Path, arguments: list[str], said: str) -> None:
    done = factory(*arguments, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.slow
def test_an_empty_file_and_one_in_a_wrong_encoding_are_named(folder: Path) -> None:
    (folder / "empty.jsonl").write_bytes(b"")
    done = factory("run", "recipe.yaml", "--set", "read.path=empty.jsonl", cwd=folder)
    assert done.returncode == 2
    assert "empty.jsonl is empty" in done.stderr
    (folder / "gbk.jsonl").write_bytes(
        b'{"instruction": "fine"}\n'
        + '{"instruction": "什么是光合作用？"}\n'.encode("gbk")
        + b'{"instruction": "fine too"}\n'
    )
    done = factory("run", "recipe.yaml", "--set", "read.path=gbk.jsonl", cwd=folder)
    assert done.returncode == 3
    assert "gbk.jsonl:2" in done.stderr
    assert "UTF-8" in done.stderr
    assert "2 of 3 records kept" in done.stdout


@pytest.mark.slow
def test_bad_rows_are_told_the_good_ones_go_on_and_the_exit_code_is_3(folder: Path) -> None:
    with (folder / "seeds.jsonl").open("ab") as file:
        file.write(b'\n{"instruction": "half a row\n{"output": "an answer to nothing"}\n')
    done = factory("run", "recipe.yaml", cwd=folder)
    assert done.returncode == 3
    assert "seeds.jsonl:9" in done.stderr
    assert "seeds.jsonl:10" in done.stderr
    assert "8 of 10 records kept" in done.stdout
    strict = factory("run", "recipe.yaml", "--strict", "--out", "outputs/strict", cwd=folder)
    assert strict.returncode == 2
    assert "seeds.jsonl:9" in strict.stderr


@pytest.mark.slow
def test_a_key_that_is_missing_from_the_environment_is_named_with_the_mend(folder: Path) -> None:
    write_recipe(folder, "https://api.openai.com/v1")
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    done = factory("run", "recipe.yaml", cwd=folder, env=environment)
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr


@pytest.mark.slow
def test_a_refused_connection_ends_with_exit_code_4_and_the_command_to_go_on(folder: Path) -> None:
    write_recipe(folder, "http://127.0.0.1:9/v1")
    done = factory("run", "recipe.yaml", cwd=folder)
    assert done.returncode == 4
    assert "127.0.0.1:9" in done.stderr
    assert "factory run recipe.yaml" in done.stderr


@pytest.mark.slow
def test_replies_that_are_no_json_are_counted_and_the_exit_code_is_3(
    folder: Path, server: ScriptedServer
) -> None:
    server.script = lambda request: (
        "no JSON here" if "number 4" in str(request) and request.get("response_format") else helpful(request)
    )
    done = factory("run", "recipe.yaml", "--set", "judge.keep=>= 1", cwd=folder)
    assert done.returncode == 3
    assert "no_score" in done.stdout
    assert "7 of 8 records kept" in done.stdout


def interrupted(*arguments: str, cwd: Path, server: ScriptedServer, after: int) -> str:
    """What a command says that gets a Ctrl-C once the server has had so many requests."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while len(server.requests) < after:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    return errors


@pytest.mark.slow
def test_ctrl_c_finishes_what_is_in_flight_and_says_how_to_go_on(
    folder: Path, server: ScriptedServer
) -> None:
    server.delay = 0.3
    errors = interrupted("run", "recipe.yaml", "--out", "outputs/one", cwd=folder, server=server, after=6)
    assert re.search(r"stopping; replies in flight are waited for first: \d", errors)
    asked = len(server.requests)
    saved = re.search(r"Saved: (\d+) replies", errors)
    assert saved
    assert int(saved[1]) == asked  # none of those in flight was lost
    assert "factory run recipe.yaml --out outputs/one" in errors
    server.delay = 0
    done = factory("run", "recipe.yaml", "--out", "outputs/one", cwd=folder)
    assert done.returncode == 0
    assert len(server.requests) == 16  # each call once, over both runs


@pytest.mark.slow
def test_ctrl_c_in_a_step_alone_says_how_to_go_on(folder: Path, server: ScriptedServer) -> None:
    server.delay = 0.3
    model = f"{{provider: openai, base_url: '{server.base_url}', model: scripted, concurrency: 2}}"
    command = ["apply", "respond", "seeds.jsonl", "--model", model, "--out", "answered.jsonl"]
    errors = interrupted(*command, cwd=folder, server=server, after=3)
    assert "To go on:\n    factory apply respond seeds.jsonl --model" in errors
    asked = len(server.requests)
    assert factory(*command, cwd=folder).returncode == 0
    assert len(server.requests) == 8  # each call once, over both
    assert asked < 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("apply", "dedup_exact", "seeds.jsonl"),
        ("dedup", "seeds.jsonl", "--exact"),
        ("score", "seeds.jsonl"),
        ("measure", "seeds.jsonl"),
        ("tags", "compare", "other.jsonl", "seeds.jsonl"),
    ],
)
def test_no_command_writes_over_the_file_that_it_reads(folder: Path, command: tuple[str, ...]) -> None:
    """Rows that could not be read, or were let go, would be lost."""
    before = (folder / "seeds.jsonl").read_bytes()
    (folder / "other.jsonl").write_bytes(before)
    (folder / "link.jsonl").symlink_to(folder / "seeds.jsonl")
    for out in ("seeds.jsonl", "../" + folder.name + "/seeds.jsonl", "link.jsonl"):
        done = factory(*command, "--out", out, cwd=folder)
        assert done.returncode == 2
        assert f"--out {out}: is the file that is read: name another one" in done.stderr
    assert (folder / "seeds.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_full_disk_stops_the_run_cleanly_and_a_later_run_goes_on(
    folder: Path, server: ScriptedServer
) -> None:
    # A limit on the size of any file stands for a full disk: writing beyond it fails as a full disk does.
    server.script = lambda request: helpful(request) if request.get("response_format") else "long " * 30000
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); from factory.cli.app import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "run", "recipe.yaml", "--out", "outputs/one"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode in (2, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written" in done.stderr
    again = factory("run", "recipe.yaml", "--out", "outputs/one", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert "8 of 8 records kept" in again.stdout


@pytest.mark.slow
def test_text_from_data_cannot_drive_the_terminal(folder: Path, server: ScriptedServer) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07[bold red]{{{x}}}{0}%s"
    (folder / "seeds.jsonl").write_bytes(orjson.dumps({"id": "evil", "instruction": evil}))
    server.script = lambda request: Say(text=evil) if not request.get("response_format") else helpful(request)
    for arguments in (
        ["run", "recipe.yaml"],
        ["why", "evil"],
        ["run", "recipe.yaml", "--dry-run"],
        ["report"],
    ):
        done = factory(*arguments, cwd=folder)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr
    assert any("[bold red]{{{x}}}{0}%s" in str(request["messages"]) for request in server.requests)
    assert "\x1b" not in next((folder / "outputs").glob("*/report.html")).read_text()


@pytest.mark.slow
def test_the_version_and_the_lists_answer(folder: Path) -> None:
    assert re.match(r"factory \d+\.\d+", factory("--version", cwd=folder).stdout)
    assert "dedup_rouge" in factory("steps", cwd=folder).stdout
    assert "threshold" in factory("steps", "dedup_rouge", cwd=folder).stdout
    assert "quickstart" in factory("recipes", cwd=folder).stdout
    assert yaml.safe_load(factory("recipes", "quickstart", cwd=folder).stdout)["name"] == "quickstart"
    assert "smollm2" in factory("models", cwd=folder).stdout
