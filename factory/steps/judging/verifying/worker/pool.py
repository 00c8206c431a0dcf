"""Processes that do the jobs of verifiers, as many as there are cores; one that takes too long is ended.

What hangs (5^(5^(5^5)) as a formula, a pattern of a hostile schema) is ended with its process (`process_apart`).
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from factory.data.process_apart import ProcessApart

Kind = Literal["formula", "schema"]

SECONDS = 5.0
"""Time of a job by the clock, unless told otherwise."""
_LOADING = 120.0
"""Seconds that a process may take to start on a busy machine."""
_GRACE = 2.0
_lock = threading.Lock()
_START = "import sys; sys.path.insert(0, sys.argv[1]); from inside.child import main; del sys.path[0]; main()"


class JobFailed(Exception):
    """A job that came to nothing; `kind`: "timeout", "memory", "not_started" or "verifier_failed"."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class _Worker:
    """One process, started when it has a job."""

    def __init__(self) -> None:
        self._process = ProcessApart(_START, str(Path(__file__).parent))
        self._loaded: set[str] = set()

    def do(self, kind: Kind, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What came of a job; blocks."""
        if not self._process.running:
            self._start()
        if kind not in self._loaded:
            if self._ask({"task": "load", "kind": kind, "seconds": _LOADING}, _LOADING) != {}:
                self.end()
                raise JobFailed("not_started", f"the verifier's process cannot load what {kind}s need")
            self._loaded.add(kind)
        told = self._ask({**job, "task": kind, "seconds": seconds}, seconds + _GRACE)
        if told is None:
            raise JobFailed("timeout", f"the verifier took more than {seconds:g} s and was ended")
        if told.get("error") == "memory":
            raise JobFailed("memory", "the verifier took more memory than it may")
        if "error" in told:
            raise JobFailed("verifier_failed", f"the verifier failed: {told['error']}")
        return told

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.end()

    def _start(self) -> None:
        self._loaded = set()
        try:
            self._process.start()
        except OSError as error:
            raise JobFailed("not_started", f"no process can be started ({error.strerror})") from None

    def _ask(self, job: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        try:
            return self._process.ask(job, seconds)
        except RecursionError:
            raise JobFailed("verifier_failed", "it is nested too deeply to be verified") from None


class _Pool:
    """Workers that wait for jobs."""

    def __init__(self, size: int) -> None:
        self._all = [_Worker() for _ in range(size)]
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._all:
            self._free.put(worker)
        self.threads = ThreadPoolExecutor(size, thread_name_prefix="factory-verifier")

    def do(self, kind: Kind, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        worker = self._free.get()
        try:
            return worker.do(kind, job, seconds)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        for worker in self._all:
            worker.end()


@functools.cache
def _pool() -> _Pool:
    pool = _Pool(os.cpu_count() or 1)
    atexit.register(pool.close)
    return pool


async def do_job(kind: Kind, job: dict[str, Any], seconds: float = SECONDS) -> dict[str, Any]:
    """Do a job in a process apart; `job` is plain JSON, and so is what comes of it (see `inside/child.py`).

    Raises:
        JobFailed: it took too long or too much memory, or failed.
    """
    with _lock:
        pool = _pool()
    return await asyncio.get_running_loop().run_in_executor(pool.threads, pool.do, kind, job, seconds)
