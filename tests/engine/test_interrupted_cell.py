"""Ctrl-C in a notebook's cell: a clean stop, whatever the version of Python."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from factory.engine.blocking import run_blocking


def in_a_cell(make: Any, stop: Any = None) -> Any:
    """As a notebook runs it: in a thread that has a loop already."""

    async def cell() -> Any:
        return run_blocking(make, stop)

    return asyncio.run(cell())


def press_after(seconds: float, times: int = 1) -> threading.Thread:
    def press() -> None:
        for _ in range(times):
            time.sleep(seconds)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.fixture(autouse=True)
def as_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio.run takes SIGINT for itself; IPython leaves it to Python, which raises KeyboardInterrupt."""
    monkeypatch.setattr(asyncio.runners.signal, "signal", lambda *_: None)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_asks_for_a_clean_stop_and_gives_what_the_stop_gives(times: int) -> None:
    stopped = asyncio.Event()

    async def work() -> str:
        await stopped.wait()
        await asyncio.sleep(0.2 * times)
        return "what was done so far"

    thread = press_after(0.15, times)
    assert in_a_cell(lambda: work(), stopped.set) == "what was done so far"
    thread.join()


@pytest.mark.slow
def test_ctrl_c_ends_what_knows_no_stop() -> None:
    ended = threading.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    thread = press_after(0.15)
    with pytest.raises(KeyboardInterrupt):
        in_a_cell(work)
    thread.join()
    assert ended.is_set(), "nothing goes on behind the cell's back"


def test_an_error_of_the_run_is_raised_in_the_cell() -> None:
    async def work() -> None:
        raise ValueError("mine")

    make: Coroutine[Any, Any, None] | Any = work
    with pytest.raises(ValueError, match="mine"):
        in_a_cell(make)
