"""The second tier, seen from inside: sets up the walls, runs the code behind them, and reports from before them.

Three processes. The first enters the namespaces and waits. The watcher is the first process of the new namespace: it
keeps the clock, and is the only one with a way to report. The worker, its child, gives up all rights and runs the
code; it tells the watcher what came of it over a pipe, behind a token.

The token keeps out what a program prints, writes into descriptors or leaves by exiting (`os._exit(0)`, `atexit`):
without it there is no "passed". It lies in the worker's memory, though, where code written against this very file
could find it, as it could make its own tests pass by other means (an `__eq__` that is always true).
"""

from __future__ import annotations

import builtins
import json
import os
import resource
import select
import signal
import sys
import time
import types
from typing import Any, NoReturn

from . import walls

_OWN = dict(vars(builtins))
globals()["__builtins__"] = _OWN

MOST = 1 << 20
"""Bytes of a report, at the most; a value is bounded to half of it."""


def main() -> NoReturn:
    """Read the job from standard input, run it, and write the outcome as JSON to the descriptor it names."""
    walls.die_with_parent()
    job = json.loads(sys.stdin.buffer.read())
    report = int(job["report"])
    os.environ.clear()
    try:
        walls.enter_namespaces(job["folder"], job["files"])
    except walls.WallFailed as error:
        _tell(report, {"wall": str(error)})
        os._exit(0)
    try:
        first = os.fork()
    except OSError as error:
        _tell(report, {"wall": f"no process can be made in its namespace ({error.strerror})"})
        os._exit(0)
    if first == 0:
        walls.die_with_parent()
        walls.guard()
        try:
            _tell(report, _watch(job, report))
        except Exception as error:
            _tell(report, {"wall": f"the watcher failed ({type(error).__name__}: {error})"})
        os._exit(0)
    os.close(report)
    os.waitpid(first, 0)
    os._exit(0)


def _tell(place: int, what: dict[str, Any]) -> None:
    data = memoryview(json.dumps(what).encode())
    while data:
        data = data[os.write(place, data) :]


def _watch(job: dict[str, Any], report: int) -> dict[str, Any]:
    """Run the worker for as long as it may; what came of it."""
    reading, writing = os.pipe()
    token = os.urandom(16).hex().encode()
    started = time.monotonic()
    worker = os.fork()
    if worker == 0:
        os.close(report)
        os.close(reading)
        leave = os._exit
        try:
            _work(job, writing, token)
        finally:
            leave(1)
    os.close(writing)
    said, late = _listen(worker, reading, started + job["seconds"])
    os.kill(worker, signal.SIGKILL)
    _, status, used = os.wait4(worker, 0)
    seconds = time.monotonic() - started
    outcome = _read(said, token)
    if outcome is None:
        outcome = _ended(status, late, used.ru_utime + used.ru_stime >= job["seconds"])
    return {**outcome, "seconds": seconds}


def _listen(worker: int, reading: int, until: float) -> tuple[bytes, bool]:
    """What the worker says until it ends, and whether it had to be stopped."""
    ended = os.pidfd_open(worker)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(reading, select.POLLIN)
    said = b""
    while (left := until - time.monotonic()) > 0:
        ready = dict(poll.poll(left * 1000 + 1))
        if reading in ready:
            data = os.read(reading, 1 << 16)
            said += data
            if not data or len(said) > MOST:
                poll.unregister(reading)
        elif ended in ready:
            return said, False
    return said, True


def _read(said: bytes, token: bytes) -> dict[str, Any] | None:
    """The worker's word, where it is its word and whole: the token, verdict, error and value by lines, the token."""
    lines = said.split(b"\n")
    if len(lines) != 5 or lines[0] != token or lines[4] != token:
        return None
    try:
        value = json.loads(lines[3])
    except ValueError:
        return {"verdict": "raised", "error": "its value is no JSON"}
    return {"verdict": lines[1].decode(), "error": lines[2].decode("utf-8", "replace"), "value": value}


def _ended(status: int, late: bool, spent: bool) -> dict[str, Any]:
    """What came of a worker that said nothing."""
    if late:
        return {"verdict": "timeout", "error": "it was still running"}
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU or (number == signal.SIGKILL and spent):
            return {"verdict": "timeout", "error": "it used up its processor time"}
        return {"verdict": "killed", "error": f"signal {signal.Signals(number).name} ended it"}
    code = os.WEXITSTATUS(status)
    return {"verdict": "raised", "error": f"it ended itself before its end, with exit status {code}"}


def _work(job: dict[str, Any], writing: int, token: bytes) -> None:
    """Run the code behind the walls and tell what came of it; never returns."""
    # Taken before the code runs, which may replace them; so may it the built-ins, of which this file has its own.
    dumps, write, leave, flush = json.dumps, os.write, os._exit, sys.stdout.flush
    get_limit, set_limit, memory = resource.getrlimit, resource.setrlimit, resource.RLIMIT_AS

    def tell(verdict: str, error: str = "", value: str = "null") -> None:
        try:  # noqa: SIM105 - the code may have replaced what `contextlib` holds
            flush()
        except BaseException:
            pass  # it replaced what prints: what it printed is lost, and no cause for another verdict
        lines = (verdict.encode(), error.encode("utf-8", "replace"), value.encode())
        said = b"\n".join((token, *lines, token))
        while said:
            said = said[write(writing, said) :]
        leave(0)

    os.setsid()
    os.umask(0o077)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(1, 2)
    os.dup2(writing, 3)
    writing = 3
    os.closerange(4, 4096)
    try:
        walls.limit(job["seconds"], job["memory"], job["files"])
        walls.give_up_rights(job["folder"])
    except (walls.WallFailed, OSError, ValueError) as error:
        tell("refused", str(error))
    sys.argv[:] = [""]
    module = types.ModuleType("__main__")
    space = module.__dict__
    space["__builtins__"] = builtins
    sys.modules["__main__"] = module
    stage, value = "code", "null"
    try:
        exec(compile(job["code"], "<code>", "exec"), space)  # noqa: S102 - this is what the walls are for
        # What the code did to the built-ins does not reach its tests.
        space["__builtins__"] = _OWN
        if job["tests"]:
            stage = "tests"
            exec(compile(job["tests"], "<tests>", "exec"), space)  # noqa: S102
        if job["call"]:
            stage = "call"
            found = space[job["call"]](*job["arguments"])
            stage = "value"
            value = dumps(found)
            if len(value) > MOST // 2:
                raise ValueError("too long")
    except MemoryError:
        set_limit(memory, (get_limit(memory)[1],) * 2)
        tell("memory", "MemoryError")
    except BaseException as error:
        if stage == "value":
            tell(
                "raised",
                f"{job['call']}: it returned a {type(found).__name__}, which is no JSON, or too much",
            )
        tell("failed" if stage == "tests" and type(error) is AssertionError else "raised", _line(error))
    tell("passed", value=value)


def _line(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        said = " ".join(f"{error}".split())[:200]
    except BaseException:
        said = "its message cannot be told"
    return f"{kind}: {said}" if said else kind
