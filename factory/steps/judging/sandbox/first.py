"""The first tier: Monty, an interpreter of part of Python that has no way out to the machine.

Monty (pydantic-monty) is written in Rust and runs in worker processes with an empty environment. It has no files,
environment, sockets, processes, ctypes, frames or garbage collector: to reach what it should not, code would have to
find a fault in Monty itself. So the outcome cannot be forged: the interpreter that says it is not the code's to reach.
Clock and chance are fixed, and a sleep takes no time: the same program has the same outcome.

What floods its output is told so, but runs until its time is over.

Of the language it lacks generators (`yield`), inheritance, `del` and some of the library (`string`, `enum`, `heapq`);
a program that needs those is refused, not failed.
"""

from __future__ import annotations

import atexit
import builtins
import datetime
import functools
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from factory.data.text import shorten
from factory.errors import RunStopped
from factory.steps.judging.sandbox.program import Limits, Outcome, Program, Verdict
from factory.steps.judging.sandbox.values import NotPlain, plain

if TYPE_CHECKING:
    from pydantic_monty import Monty, MontyError

_GIVEN = "__given__"
_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_NO_NAME = re.compile(r"name '(\w+)' is not defined")
_NOT_YET = re.compile(r"The monty syntax parser does not yet support (.+)")
_lock = threading.Lock()


@functools.cache
def _pool() -> Monty:
    try:
        from pydantic_monty import Monty

        pool = Monty(min_processes=1, max_processes=os.cpu_count() or 1)
        pool.__enter__()
    except Exception as error:  # its program is not there or cannot be run here, and no record is to blame
        raise RunStopped(
            "the first tier of the sandbox does not start "
            f"({type(error).__name__}: {shorten(str(error), 200)}): install it anew with "
            "pip install --force-reinstall pydantic-monty, and look that programs may be run from where it lies"
        ) from error
    atexit.register(pool.__exit__, None, None, None)
    return pool


class _Printed:
    """What a program prints: as much as is kept, and how much more there was."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.kept, self.cut = limits, bytearray(), 0

    def __call__(self, stream: Literal["stdout", "stderr"], text: str) -> None:
        data = text.encode("utf-8", "replace")
        room = max(0, self.limits.output - len(self.kept))
        self.kept += data[:room]
        self.cut += len(data[room:])
        if self.flooded:
            raise RuntimeError("the output is a flood")

    @property
    def flooded(self) -> bool:
        return len(self.kept) + self.cut > self.limits.flood

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")


def run_first(program: Program, limits: Limits) -> Outcome:
    """Run a program in Monty; blocks until it has ended, which takes a millisecond where it is short.

    Raises:
        RunStopped: Monty does not start.
    """
    with _lock:
        pool = _pool()
    from pydantic_monty import MontyError

    printed = _Printed(limits)
    verdict: Verdict
    value, started, feed = None, time.monotonic(), ""
    try:
        with pool.checkout(
            limits={
                "max_memory": limits.memory,
                "max_feed_duration_secs": limits.seconds,
                "max_suspensions": 100,
            },
            os_policy={"datetime": _NOW, "sleep": "zero", "random_start": {"seed": 0}},
            assert_message_annotations=False,
        ) as session:
            started = time.monotonic()
            feed = "code"
            session.feed_run(_without_surrogates(program.code), print_callback=printed)
            if program.tests:
                feed = "tests"
                session.feed_run(_without_surrogates(program.tests), print_callback=printed)
            if program.call:
                feed = "call"
                said = _without_surrogates(json.dumps(program.arguments, ensure_ascii=False))
                given = {_GIVEN: json.loads(said)}
                found = session.feed_run(f"{program.call}(*{_GIVEN})", inputs=given, print_callback=printed)
                value = plain(found)
        verdict, error = "passed", ""
    except MontyError as raised:
        verdict, error = _verdict(raised, feed)
        if printed.flooded:
            verdict, error = "killed", f"it printed more than {limits.flood:,} bytes"
    except NotPlain as raised:
        verdict, error = "raised", f"{program.call}: {raised}"
    return Outcome(verdict, "first", value, error, printed.text, printed.cut, time.monotonic() - started)


def _without_surrogates(text: str) -> str:
    """`text` with a "?" for each half of a surrogate pair, which Monty's strings cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _verdict(raised: MontyError, feed: str) -> tuple[Verdict, str]:
    from pydantic_monty import MontyCrashedError

    if isinstance(raised, MontyCrashedError):
        return ("timeout" if raised.timed_out else "killed"), shorten(f"its worker ended: {raised}", 200)
    inner = raised.exception()
    kind, said = type(inner).__name__, str(inner)
    error = shorten(f"{kind}: {said}" if said else kind, 200)
    for lacks in _LACKING:
        if what := lacks(kind, said):
            return "refused", f"the first tier of the sandbox knows part of Python, and has no {what}"
    if isinstance(inner, TimeoutError) and "limit exceeded" in said:
        return "timeout", error
    if isinstance(inner, MemoryError):
        return "memory", error
    if isinstance(inner, AssertionError) and feed == "tests":
        return "failed", error
    return "raised", error


def _no_module(kind: str, said: str) -> str:
    found = _NO_MODULE.fullmatch(said) if kind in ("ModuleNotFoundError", "ImportError") else None
    return f"module {found[1]}" if found and found[1].split(".")[0] in sys.stdlib_module_names else ""


def _no_builtin(kind: str, said: str) -> str:
    found = _NO_NAME.fullmatch(said) if kind == "NameError" else None
    return f"{found[1]}()" if found and hasattr(builtins, found[1]) else ""


def _no_syntax(kind: str, said: str) -> str:
    found = _NOT_YET.fullmatch(said) if kind == "NotImplementedError" else None
    return found[1] if found else ""


_LACKING: tuple[Callable[[str, str], str], ...] = (_no_module, _no_builtin, _no_syntax)
