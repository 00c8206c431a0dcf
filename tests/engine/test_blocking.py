"""A signal to a command that runs: a clean stop, whoever sends it."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from factory.engine.blocking import run_blocking


@pytest.fixture(autouse=True)
def hung_up_as_usual() -> Iterator[None]:
    """A terminal that is closed ends what runs, though these tests themselves may run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_or_a_closed_terminal_is_a_clean_stop_as_ctrl_c_is(number: int) -> None:
    async def work() -> str:
        stopped = asyncio.Event()
        ask.append(stopped.set)
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stopped.wait(), 10)
        return "what was done so far"

    ask: list[Any] = []
    before = signal.getsignal(number)
    assert run_blocking(lambda: work(), lambda: ask[0]()) == "what was done so far"
    assert signal.getsignal(number) == before


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed() -> None:
    async def work() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        return "all"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_blocking(lambda: work(), lambda: pytest.fail("it was stopped")) == "all"
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
def test_a_closed_terminal_ends_nothing_that_is_still_said(tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = f"""
import asyncio, sys
from pathlib import Path
from factory.engine.blocking import run_blocking

async def work():
    stopped = asyncio.Event()
    ask.append(stopped.set)
    print("at work", flush=True)
    await stopped.wait()

ask = []
run_blocking(lambda: work(), lambda: ask[0]())
print("to nobody", flush=True)
sys.stderr.write("to nobody")
Path({str(done)!r}).write_text("done")
"""
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-c", script])
    said = b""
    while b"\n" not in said:
        said += os.read(terminal, 1000)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert done.read_text() == "done"
