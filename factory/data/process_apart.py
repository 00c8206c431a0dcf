"""A process that does jobs which may hang, swell or crash: a line of JSON in, a line of JSON out, a time for each.

What hangs in a library's native code cannot be stopped in a thread, nor always by a signal that Python handles, and
what crashes there takes its process with it; so such a job runs in a process of its own, killed when its time is over.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any


class Ending:
    """Ends from another thread the processes that are started where `ENDING` holds this, so that none is waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: list[subprocess.Popen[bytes]] = []
        self.over = False
        """Whether all were ended."""

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Take a process for one that was started here; it is ended at once where all are."""
        with self._lock:
            self._started = [*(one for one in self._started if one.returncode is None), process]
            if self.over:
                process.kill()

    def end(self) -> None:
        """End those that run, and any that will be started."""
        with self._lock:
            self.over = True
            for process in self._started:
                process.kill()


ENDING: ContextVar[Ending | None] = ContextVar("ENDING", default=None)
"""Who may end the processes that are started."""


class ProcessApart:
    """A Python process that is started when it has a job, and again when it was ended."""

    def __init__(self, code: str, *arguments: str) -> None:
        """Args:
        code: what the process runs: reads jobs from standard input, writes a line for each to standard output
        arguments: its `sys.argv[1:]`
        """
        self._command = [sys.executable, "-P", "-X", "utf8", "-c", code, *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.signal = 0
        """What ended the process before, as the number of a signal; 0 of none."""

    @property
    def running(self) -> bool:
        """Whether it is there for a job."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it anew.

        Raises:
            OSError: no process can be started.
        """
        self.end()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        if ending := ENDING.get():
            ending.add(self._process)

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process is None:
            return
        self._process.kill()
        self.signal = max(0, -self._process.wait())
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process = None

    def send(self, job: dict[str, Any]) -> None:
        """Give the process a job, whose reply `receive` waits for; where it is gone, that gives None.

        Raises:
            RecursionError: the job is nested too deeply to be written.
        """
        said = json.dumps(job).encode() + b"\n"
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(said)
            self._process.stdin.flush()

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """The reply to the job that was sent; None where the process ended, or was ended after so long, without one."""
        with self._timed(seconds):
            return self._reply()

    def ask(self, job: dict[str, Any], seconds: float) -> dict[str, Any] | None:
        """`send` and `receive`, within the time.

        Raises:
            RecursionError: as `send`.
        """
        with self._timed(seconds):
            self.send(job)
            return self._reply()

    @contextlib.contextmanager
    def _timed(self, seconds: float) -> Iterator[None]:
        assert self._process is not None
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _reply(self) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            self.end()
            return None
        found: dict[str, Any] = json.loads(line)
        return found
