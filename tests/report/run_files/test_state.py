"""A run seen from another terminal: going with its counts, stopped, dead, or done."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import ScriptedServer, echo
from typer.testing import CliRunner

import factory.engine.run as engine_run
from factory.cli.app import app
from factory.data.run_manifest import Manifest
from factory.engine.run import Run, RunOptions
from factory.errors import RunStopped
from factory.recipe.recipe import build_recipe
from factory.report.run_files.manifest import read_manifest
from factory.report.run_files.state import is_held, run_state

RECORDS = 12


def recipe(server: ScriptedServer, folder: Path, **model: Any) -> dict[str, Any]:
    path = folder / "seeds.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"instruction": f"Say {n}."}) + b"\n" for n in range(RECORDS)))
    return {
        "name": "watched",
        "models": {"m": {"provider": "openai", "base_url": server.base_url, "model": "scripted", **model}},
        "steps": [{"read": {"path": str(path)}}, {"respond": {}}, {"dedup_exact": {}}],
    }


def seen(command: str, folder: Path) -> str:
    result = CliRunner().invoke(app, [command, str(folder)])
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


@pytest.mark.slow
def test_a_run_that_goes_shows_its_counts_and_one_that_was_killed_is_told_as_dead(
    server: ScriptedServer, tmp_path: Path
) -> None:
    answered = 0

    async def some(request: dict[str, Any]) -> str:
        nonlocal answered
        answered += 1
        if answered > 5:
            await asyncio.sleep(60)
        return echo(request)

    server.script = some
    file = tmp_path / "recipe.json"
    file.write_bytes(orjson.dumps(recipe(server, tmp_path)))
    code = "import factory.engine.run as r; r.FOLLOW_SECONDS = 0.1; from factory.cli.app import main; main()"
    run = tmp_path / "runs" / "one"
    words = ["run", str(file), "--out", str(run), "--journal", str(tmp_path / "j.db")]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(0.1)
            if (run / "manifest.json").is_file() and read_manifest(run).calls == 5:
                break
        assert read_manifest(run).kept == RECORDS, "7 are inside the step, 5 have passed it"
        assert f"{RECORDS} of {RECORDS} records live so far running (counts of" in seen("report", run)
        assert "running" in seen("runs", run.parent)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert "ended without a word (killed" in seen("report", run)
    assert "ended" in seen("runs", run.parent)
    assert "ended without a word" in (run / "report.html").read_text()


def test_a_run_that_stopped_counts_what_lives(server: ScriptedServer, tmp_path: Path) -> None:
    data = recipe(server, tmp_path)
    data["budget"] = {"calls": 7}
    with pytest.raises(RunStopped):
        Run(build_recipe(data), RunOptions(out=tmp_path / "run", journal=tmp_path / "j.db")).execute()
    manifest = read_manifest(tmp_path / "run")
    assert manifest.kept == manifest.records == RECORDS
    shown = seen("report", tmp_path / "run")
    assert f"{RECORDS} of {RECORDS} records live so far stopped:" in shown
    assert "survived" not in shown


@pytest.mark.slow
def test_a_finished_run_says_no_more(server: ScriptedServer, tmp_path: Path) -> None:
    run = Run(
        build_recipe(recipe(server, tmp_path)), RunOptions(out=tmp_path / "run", journal=tmp_path / "j.db")
    )
    result = run.execute()
    assert run_state(result.folder, result.facts) == ""
    assert not is_held(result.folder)
    assert f"{RECORDS} of {RECORDS} records kept" in seen("report", result.folder)
    assert "finished" in seen("runs", tmp_path)


def test_an_older_manifest_without_the_time_of_its_counts_is_read(tmp_path: Path) -> None:
    assert "ended without a word" in run_state(tmp_path, Manifest(status="running", started="yesterday"))


def test_why_says_that_a_run_which_goes_has_no_records_yet(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = recipe(server, tmp_path)
    data["budget"] = {"calls": 2}
    monkeypatch.setattr(engine_run, "FOLLOW_SECONDS", 0.01)
    with pytest.raises(RunStopped):
        Run(build_recipe(data), RunOptions(out=tmp_path / "run", journal=tmp_path / "j.db")).execute()
    result = CliRunner().invoke(app, ["why", "abcdef", str(tmp_path / "run")])
    assert "holds no records yet (stopped:" in str(result.exception)


def test_there_may_be_no_run_at_all(tmp_path: Path) -> None:
    assert "holds no run yet" in seen("runs", tmp_path)
