"""Folders that may not be written: each command says so in a sentence, before it asks or does anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_server import ScriptedServer
from test_full_disk import prepare, results

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders have no such rights there")

MAIN = "from factory.cli.app import main; main()"


def bound_by_rights() -> list[str]:
    """What to put before a command, so that the rights of files count for it: to root they do not, unless told."""
    if os.geteuid():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("nothing is read-only to root here")
    return [setpriv, "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]


def factory(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*bound_by_rights(), sys.executable, "-c", MAIN, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def is_told(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert all(word in told.lower() for word in ("permission denied", *words)), told
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "outputs", "out", "out/steps/03-judge", "out/dataset"])
def test_a_run_that_may_not_write_says_where_and_goes_on_once_it_may(
    place: str, server: ScriptedServer, tmp_path: Path
) -> None:
    folder = prepare(tmp_path / "whole", server.base_url)
    assert factory(folder, "run", "recipe.yaml", "--out", "out").returncode == 0
    wanted = results(folder)
    closed = folder / place
    if not place:
        shutil.rmtree(folder / "out")
        shutil.rmtree(folder / "outputs")
    server.requests.clear()
    rights = closed.stat().st_mode
    closed.chmod(0o555 if closed.is_dir() else 0o444)
    try:
        done = factory(folder, "run", "recipe.yaml", "--out", "out")
    finally:
        closed.chmod(rights)
    is_told(done, place.split("/")[-1])
    assert not server.requests, "what cannot be kept is not paid for"
    assert factory(folder, "run", "recipe.yaml", "--out", "out").returncode == 0
    assert results(folder) == wanted


@pytest.mark.slow
def test_a_journal_that_may_not_be_written_replays_and_stops_before_a_call_is_paid_for(
    server: ScriptedServer, tmp_path: Path
) -> None:
    folder = prepare(tmp_path / "whole", server.base_url)
    assert factory(folder, "run", "recipe.yaml", "--out", "out").returncode == 0
    wanted = results(folder)
    server.requests.clear()
    (folder / "outputs" / "journal.db").chmod(0o444)
    assert factory(folder, "run", "recipe.yaml", "--out", "out").returncode == 0
    assert results(folder) == wanted
    with (folder / "seeds.jsonl").open("a") as seeds:
        seeds.write('\n{"instruction": "And what is one more?"}')
    is_told(factory(folder, "run", "recipe.yaml", "--out", "other"), "journal.db")
    assert not server.requests
    (folder / "outputs" / "journal.db").chmod(0o644)
    assert factory(folder, "run", "recipe.yaml", "--out", "other").returncode == 0
    assert len(server.requests) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["apply", "dedup_exact", "seeds.jsonl", "--out", "closed/kept.jsonl"],
        ["apply", "dedup_exact", "seeds.jsonl", "--out", "kept.jsonl", "--dropped", "closed/dropped.jsonl"],
        ["dedup", "seeds.jsonl", "--out", "closed/kept.jsonl"],
        ["journal", "export", "closed/replies.jsonl", "--journal", "journal.db"],
        ["export", "rows.jsonl", "--out", "closed/set"],
    ],
    ids=lambda command: " ".join(command[:1]),
)
def test_a_command_that_may_not_write_says_where(command: list[str], tmp_path: Path) -> None:
    prepare(tmp_path / "work", "http://127.0.0.1:9/v1")
    folder = tmp_path / "work"
    (folder / "rows.jsonl").write_text('{"instruction": "Say hi.", "output": "Hi."}\n')
    from factory.engine.journal.journal import Journal

    Journal(folder / "journal.db").close()
    (folder / "closed").mkdir()
    (folder / "closed").chmod(0o555)
    is_told(factory(folder, *command), "closed")
    (folder / "closed").chmod(0o755)
    assert not list((folder / "closed").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "apply"])
def test_a_file_that_may_not_be_read_is_named(command: str, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "work", "http://127.0.0.1:9/v1")
    (folder / "seeds.jsonl").chmod(0)
    words = {
        "run": ["run", "recipe.yaml", "--out", "out"],
        "apply": ["apply", "dedup_exact", "seeds.jsonl", "--out", "kept.jsonl"],
    }
    is_told(factory(folder, *words[command]), "seeds.jsonl")
