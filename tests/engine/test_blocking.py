"""A signal to a command that runs: a clean stop, whoever sends it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

from factory.engine.blocking import run_blocking


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
