"""The disk is full, or the process is killed, at any of its writes: what is there stays, and the same command mends it.

`faulty_disk.c` is put before the C library, so that Python's files, Arrow's and SQLite's are met alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
import yaml
from preloaded import preloaded
from scripted_server import ScriptedServer

COUNT, FULL, ONCE, KILL, KILL_BEFORE_NAME, KILL_AFTER_NAME = range(6)

# Everything is imported once; each run is a fork of it. What it wrote and how it ended is told on a line.
DRIVER = """
import ctypes, os, sys
import factory.cli.app, factory.cli.run, factory.engine.run, factory.engine.execute, factory.report.page.page
import factory.engine.journal.journal, factory.models.openai.chat, factory.steps.files.export
import pyarrow.parquet, rich.console
faults = ctypes.CDLL(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    mode, at, folder = line.rstrip("\\n").split(" ", 2)
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        out = os.open("../said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = ["factory", "run", "recipe.yaml", "--out", "out"]
        faults.faulty_arm(os.getcwd().encode(), int(at), int(mode))
        code = 0
        try:
            factory.cli.app.main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            count = faults.faulty_count()
            faults.faulty_arm(b"/nowhere", 0, 0)
            sys.stdout.flush()
            sys.stderr.flush()
            with open("../count", "w") as file:
                file.write(str(count))
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class End(NamedTuple):
    """How a run ended: its exit code, all that it printed, and how many calls could have failed."""

    code: int
    said: str
    calls: int


class Driver:
    """Runs the recipe in a folder, with a fault."""

    def __init__(self, process: subprocess.Popen[str], place: Path) -> None:
        self._process = process
        self.place = place

    def run(self, folder: Path, mode: int, at: int = 0) -> End:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        (self.place / "count").write_text("0")
        self._process.stdin.write(f"{mode} {at} {folder}\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        said = (self.place / "said").read_text(encoding="utf-8", errors="replace")
        return End(code, said, int((self.place / "count").read_text()))


@contextmanager
def driven(place: Path) -> Iterator[Driver]:
    """A driver whose runs find the faults below `place`."""
    library = preloaded("faulty_disk", place)
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(library)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"LD_PRELOAD": str(library), "NO_COLOR": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield Driver(process, place)
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def prepare(folder: Path, base_url: str) -> Path:
    """A folder with a small recipe and its seeds."""
    folder.mkdir()
    rows = [{"instruction": f"Explain number {n}: 潮汐 and tides."} for n in range(6)]
    (folder / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    recipe = {
        "name": "small",
        "models": {
            "teacher": {"provider": "openai", "base_url": base_url, "model": "scripted", "concurrency": 2}
        },
        "steps": [
            {"read": {"path": "seeds.jsonl"}},
            {"respond": {}},
            {"judge": {}},
            {"dedup_exact": {}},
            {"export": {"formats": ["messages", "parquet"]}},
        ],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def results(folder: Path, out: str = "out") -> dict[str, bytes]:
    """Every result file's bytes; where nothing of a killed run is left over, these are the same files too."""
    skip = {"manifest.json", "report.html", ".lock", "recipe.yaml"}
    paths = sorted(path for path in (folder / out).rglob("*") if path.is_file() and path.name not in skip)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


# A disk is full at each of all calls, and each rename is killed at; the two other modes take every third call, or all
# with FACTORY_FAULT_STEP=1.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "mode",
    [FULL, ONCE, KILL, KILL_BEFORE_NAME, KILL_AFTER_NAME],
    ids=["full from there on", "fails once", "killed", "killed before a name", "killed after a name"],
)
def test_whichever_write_fails_the_run_says_so_and_the_same_command_gives_the_same_set(
    mode: int, server: ScriptedServer, tmp_path: Path
) -> None:
    with driven(tmp_path) as driver:
        whole = prepare(tmp_path / "whole", server.base_url)
        counted = driver.run(whole, COUNT if mode < KILL_BEFORE_NAME else KILL_AFTER_NAME)
        assert counted.code == 0, counted.said
        wanted = results(whole)
        assert len(wanted) > 5
        needed = len(server.requests)
        ends: Counter[int] = Counter()
        step = int(os.environ.get("FACTORY_FAULT_STEP", "3" if mode in (ONCE, KILL) else "1"))
        for at in range(1, counted.calls + 1, step):
            folder = prepare(tmp_path / f"at{at}", server.base_url)
            server.requests.clear()
            end = driver.run(folder, mode, at)
            ends[end.code] += 1
            if mode >= KILL:
                assert end.code in (-9, 0), (at, end)
            elif end.code == 0:  # what failed was of no account, such as the log's last move into the journal
                assert results(folder) == wanted, at
            else:
                # SQLite does not say why a file cannot be opened, and where it fails once there is nothing to be found.
                assert end.code == 4 or (mode == ONCE and "unable to open" in end.said), (at, end)
                assert mode == ONCE or "disk is full" in end.said or "No space left" in end.said, (at, end)
                assert not any(words in end.said for words in ("fault in factory", "Traceback")), (at, end)
            again = driver.run(folder, COUNT)
            assert again.code == 0, (at, end, again)
            assert results(folder) == wanted, (at, end)
            # Of what was paid for, no more than was in flight is paid for again.
            assert len(server.requests) <= needed + 2, at
            shutil.rmtree(folder)
        print(f"\n{counted.calls} calls, exit codes {dict(ends)}")
        assert any(code != 0 for code in ends)
