"""A coroutine run to its end from ordinary code: a command, a notebook's cell, a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_blocking(
    make: Callable[[], Coroutine[Any, Any, Result]], stop: Callable[[], None] | None = None
) -> Result:
    """Run a coroutine to its end from ordinary code, inside a running event loop too (Jupyter).

    The first Ctrl-C calls `stop` in the coroutine's loop, and so does a request to end, or a terminal that is closed;
    what happens then is its business.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if threading.current_thread() is threading.main_thread():
            return asyncio.run(_with_signals(make, stop))
        return asyncio.run(make())
    return _in_thread(make, stop)


async def _with_signals(
    make: Callable[[], Coroutine[Any, Any, Result]], stop: Callable[[], None] | None
) -> Result:
    loop = asyncio.get_running_loop()
    if stop is None or sys.platform == "win32":
        return await make()
    numbers = [signal.SIGINT, signal.SIGTERM]
    for number in numbers:
        loop.add_signal_handler(number, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)
        terminals = [number for number in (1, 2) if os.isatty(number)]
        loop.add_signal_handler(signal.SIGHUP, _hung_up, terminals, stop)
    try:
        return await make()
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _hung_up(terminals: Sequence[int], stop: Callable[[], None]) -> None:
    """The terminal is closed: what is still said goes nowhere, rather than to end what is left to do."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in terminals:
        os.dup2(nowhere, number)
    os.close(nowhere)
    stop()


def _in_thread(make: Callable[[], Coroutine[Any, Any, Result]], stop: Callable[[], None] | None) -> Result:
    """Run in a thread with a loop of its own, since the caller's thread has one that is busy.

    Ctrl-C calls `stop`, or cancels what runs where there is none. The thread is not joined while it works: before
    Python 3.13 a Ctrl-C within `join` could leave a thread that runs marked as ended.
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()
    started = threading.Event()
    ask_to_stop: list[Callable[[], object]] = []

    async def main() -> Result:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        ask_to_stop.append(lambda: loop.call_soon_threadsafe(stop or task.cancel))
        started.set()
        return await make()

    def work() -> None:
        try:
            results.append(asyncio.run(main()))
        except BaseException as error:  # handed to the caller's thread, which raises it
            errors.append(error)
        finally:
            started.set()
            ended.set()

    threading.Thread(target=work, name="factory-run", daemon=True).start()
    while not ended.is_set():
        try:
            ended.wait(0.1)
        except KeyboardInterrupt:
            started.wait()
            with contextlib.suppress(RuntimeError):  # the loop has just ended by itself
                for ask in ask_to_stop:
                    ask()
    if errors:
        if isinstance(errors[0], asyncio.CancelledError):
            raise KeyboardInterrupt from None
        raise errors[0]
    return results[0]
