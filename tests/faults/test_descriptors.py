"""File descriptors run out: what was paid for is kept, and the sentence names what is missing."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import yaml
from scripted_server import ScriptedServer
from test_full_disk import prepare as small_run
from test_full_disk import results

from factory.engine.calls.descriptors import RESERVED, sockets_left

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets are no files there")

MAIN = "from factory.cli.app import main; main()"
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); " + MAIN


def prepare(folder: Path, base_url: str, count: int, concurrency: int) -> None:
    rows = [{"instruction": f"Explain number {n}."} for n in range(count)]
    (folder / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    recipe = {
        "name": "many",
        "models": {
            "teacher": {
                "provider": "openai",
                "base_url": base_url,
                "model": "scripted",
                "concurrency": concurrency,
            }
        },
        "steps": [{"read": {"path": "seeds.jsonl"}}, {"respond": {}}],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))


def factory(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, "run", "recipe.yaml", "--out", "run"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_more_calls_than_descriptors_are_capped_told_and_none_is_lost(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.delay = 0.1
    prepare(tmp_path, server.base_url, 400, 400)
    done = factory(LIMITED.format(soft=200, hard=200), tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 400
    assert 20 < server.max_in_flight < 200 - RESERVED
    manifest = orjson.loads((tmp_path / "run" / "manifest.json").read_bytes())
    (warning,) = manifest["warnings"]
    assert f"{server.max_in_flight} calls at once instead of 400" in warning
    assert "ulimit -n" in warning


@pytest.mark.slow
def test_a_soft_limit_is_raised_where_the_hard_one_allows_it(server: ScriptedServer, tmp_path: Path) -> None:
    server.delay = 0.3
    prepare(tmp_path, server.base_url, 300, 250)
    done = factory(LIMITED.format(soft=128, hard=1000), tmp_path)
    assert done.returncode == 0, done.stderr
    assert server.max_in_flight > 128
    assert not orjson.loads((tmp_path / "run" / "manifest.json").read_bytes())["warnings"]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [4, 5, 8, 12, 13])
def test_a_command_that_finds_no_descriptor_from_the_start_is_no_mistake_of_the_person(
    limit: int, tmp_path: Path
) -> None:
    prepare(tmp_path, "http://127.0.0.1:9/v1", 1, 1)
    recipe = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    recipe["steps"][1] = {"dedup_exact": {}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    done = factory(LIMITED.format(soft=limit, hard=limit), tmp_path)
    assert done.returncode == 4, done.stderr
    assert "error: " in done.stderr
    assert "descriptor" in done.stderr or "Too many open files" in done.stderr
    assert "Traceback" not in done.stderr


# At 17 it is a prompt's file that finds none left, in the middle of a step.
@pytest.mark.slow
@pytest.mark.parametrize("limit", [14, 16, 17, 18, 20])
def test_wherever_in_a_run_no_descriptor_is_left_it_says_so_and_the_same_command_gives_the_same_set(
    limit: int, server: ScriptedServer, tmp_path: Path
) -> None:
    whole = small_run(tmp_path / "whole", server.base_url)
    assert factory(MAIN, whole).returncode == 0
    folder = small_run(tmp_path / "small", server.base_url)
    done = factory(LIMITED.format(soft=limit, hard=limit), folder)
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "no file descriptor is left" in done.stderr
    assert factory(MAIN, folder).returncode == 0
    assert results(folder, "run") == results(whole, "run")


def test_what_is_asked_for_is_granted_where_the_limit_allows_it() -> None:
    assert sockets_left(10) == 10


def test_the_limit_is_raised_no_further_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(256, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, new: limits.append(new))
    monkeypatch.setattr("factory.engine.calls.descriptors.open_files", lambda: iter(range(36)))
    assert sockets_left(100) == 100
    assert sockets_left(156) == 156
    assert limits == [(256, 4096)]
    assert sockets_left(300, taken=100) == 300
    assert limits[-1] == (500, 4096)
    assert sockets_left(10_000) == 4096 - 36 - RESERVED
    assert limits[-1] == (4096, 4096)


@pytest.mark.parametrize("hard", [256, resource.RLIM_INFINITY])
def test_a_limit_that_cannot_be_raised_leaves_one_call_at_least(
    hard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(which: int, new: tuple[int, int]) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, hard))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr("factory.engine.calls.descriptors.open_files", lambda: iter(range(250)))
    assert sockets_left(10) == 1


EXHAUSTED = """
import os, resource, sys
from pathlib import Path
from factory.engine.folder import write_beside
from factory.engine.journal.journal import Journal
from factory.errors import OutputError

for made in (False, True):
    if made:
        Journal(Path(sys.argv[1])).close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for left in range(8):
        try:
            Journal(Path(sys.argv[1])).close()
            print("opened")
        except OutputError as error:
            print(error)
        if left == 0:
            try:
                write_beside(Path(sys.argv[1]).with_name("rows.jsonl"), b"{}")
            except OutputError as error:
                print(error)
        os.close(taken.pop())
    for one in taken:
        os.close(one)
"""


@pytest.mark.slow
def test_a_journal_that_finds_no_descriptor_says_so_however_many_are_left(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXHAUSTED, str(tmp_path / "journal.db")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(said) == 18, said
    assert "opened" in said
    assert all(line == "opened" or "no file descriptor is left" in line for line in said), said
