"""The clock is wrong, is set back between runs, or jumps while one goes on: no result and no reply depends on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from preloaded import preloaded
from scripted_server import ScriptedServer
from test_full_disk import prepare, results

MAIN = "from factory.cli.app import main; main()"
YEARS = 20 * 365 * 86400


class Clocked:
    """Commands in a folder, under clocks that are wrong."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._library = library
        self._folder = folder

    def run(self, off: int, *words: str, jumps: int = 0) -> str:
        """All that a command says, which has to end well, with a clock that is `off` by seconds."""
        clock = {"LD_PRELOAD": str(self._library), "CLOCK_OFF": str(off), "CLOCK_JUMPS": str(jumps)}
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            cwd=self._folder,
            env=os.environ | clock,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.mark.slow
def test_no_result_and_no_reply_depends_on_the_clock(server: ScriptedServer, tmp_path: Path) -> None:
    library = preloaded("wrong_clock", tmp_path)
    whole = Clocked(library, prepare(tmp_path / "whole", server.base_url))
    whole.run(0, "run", "recipe.yaml", "--out", "out")
    wanted, needed = results(tmp_path / "whole"), len(server.requests)
    for name, off, jumps in (("behind", -YEARS, 0), ("jumps", YEARS, 7)):
        clocked = Clocked(library, prepare(tmp_path / name, server.base_url))
        server.requests.clear()
        clocked.run(off, "run", "recipe.yaml", "--out", "out", jumps=jumps)
        assert results(tmp_path / name) == wanted, name
        # Set forward or back since: what is in the journal is there, and is found.
        clocked.run(-off, "run", "recipe.yaml", "--out", "out")
        assert results(tmp_path / name) == wanted, name
        assert len(server.requests) == needed
        for words in (["report", "out"], ["runs", "."], ["journal", "stats"]):
            clocked.run(off, *words)
