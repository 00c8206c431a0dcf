"""The second tier: all of CPython, in a process behind the walls that Linux offers anyone (`inside/walls.py`).

For code that the first tier's part of Python cannot run. The code sees no environment, no file but the standard
library and an empty folder that vanishes with it, no network, no other process, and can make none. It ends when its
time is over, whatever it does, and so does all it started. Packages beside the standard library are not to be had.

What it does not hide: the names and sizes of files whose path the code guesses (not what is in them), the kernel's
version, the time. A fault of the kernel would be a way out. And "passed" is told by the process that the code
runs in (see `inside/child.py`): code that is written against this harness could forge it; the first tier's cannot.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from factory.errors import MissingDependency
from factory.steps.judging.sandbox.program import Limits, Outcome, Program, Tier

_START = "import sys; sys.path.insert(0, sys.argv[1]); from inside.child import main; del sys.path[0]; main()"
_GRACE = 20.0
"""Seconds that the start and the end may take beside the program, on a busy machine."""
_MOST_REPORT = 4 << 20
"""Bytes of a report that are heard; who keeps the clock inside reports less (`MOST` in `inside/child.py`)."""
_lock = threading.Lock()


def why_not_second() -> str:
    """Why this machine has no second tier, as the end of a sentence; "" where it has. Looked at once."""
    with _lock:
        return _probed()


@functools.cache
def _probed() -> str:
    if sys.platform != "linux":
        return f"it is made of what Linux offers, and this is {sys.platform}"
    outcome = _run(Program("def one():\n    return 1", call="one"), Limits(seconds=10.0))
    if outcome.passed and outcome.value == 1:
        return ""
    return outcome.error or f"its trial ended as {outcome.verdict!r}"


def run_second(program: Program, limits: Limits) -> Outcome:
    """Run a program behind the walls; blocks until it has ended, about 0.1 s where it is short."""
    why = why_not_second()
    if why:
        return Outcome("refused", "second", error=refusal(why))
    return _run(program, limits)


def refusal(why: str) -> str:
    """That this machine has no second tier, why, and what to do."""
    return (
        f"the second tier of the sandbox, which runs all of Python, cannot be set up here: {why}; "
        "`sandbox: first` runs the code in an interpreter that knows part of Python"
    )


def check_tier(tier: Tier, step: str) -> None:
    """Make sure that a step's tier of the sandbox can be had, before the first call.

    Raises:
        MissingDependency: it is the second, and this machine has none; says why, and what to do.
    """
    if tier == "second" and (why := why_not_second()):
        raise MissingDependency(f"{step}: {refusal(why)}")


def _run(program: Program, limits: Limits) -> Outcome:
    folder = tempfile.mkdtemp(prefix="factory-sandbox-")
    reading, writing = os.pipe()
    job = {
        "code": program.code,
        "tests": program.tests,
        "call": program.call,
        "arguments": program.arguments,
        "report": writing,
        "folder": folder,
        "seconds": limits.seconds,
        "memory": limits.memory,
        "files": limits.files,
    }
    started = time.monotonic()
    try:
        process = subprocess.Popen(
            [sys.executable, "-S", "-s", "-P", "-B", "-X", "utf8", "-c", _START, str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            cwd="/",
            env={"PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
    except OSError as error:
        os.close(writing)
        os.close(reading)
        os.rmdir(folder)
        return Outcome("refused", "second", error=f"no process can be started ({error.strerror})")
    os.close(writing)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            stdin.write(json.dumps(job).encode())
        heard = _hear(process.stdout.fileno(), reading, limits, started + limits.seconds + _GRACE)
    finally:
        # The group is ours until the process is waited for; the namespace ends with it.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        os.close(reading)
        os.rmdir(folder)
    return _outcome(heard, limits, time.monotonic() - started)


class _Heard:
    """What came out of the sandbox."""

    def __init__(self) -> None:
        self.report, self.printed, self.cut, self.late = bytearray(), bytearray(), 0, False


def _hear(output: int, report: int, limits: Limits, until: float) -> _Heard:
    """Read both pipes to their ends, or until the time is over, or the output or the report a flood."""
    heard = _Heard()
    poll = select.poll()
    waiting = {output, report}
    for place in waiting:
        poll.register(place, select.POLLIN)
    while waiting:
        left = until - time.monotonic()
        if left <= 0:
            heard.late = True
            break
        for place, _ in poll.poll(left * 1000 + 1):
            data = os.read(place, 1 << 16)
            if not data:
                poll.unregister(place)
                waiting.discard(place)
            elif place == report:
                heard.report += data
            else:
                room = max(0, limits.output - len(heard.printed))
                heard.printed += data[:room]
                heard.cut += len(data[room:])
        if len(heard.printed) + heard.cut > limits.flood or len(heard.report) > _MOST_REPORT:
            break
    return heard


def _outcome(heard: _Heard, limits: Limits, seconds: float) -> Outcome:
    printed = heard.printed.decode("utf-8", "replace")
    beside: dict[str, Any] = {"stdout": printed, "cut": heard.cut, "seconds": seconds}
    if len(heard.printed) + heard.cut > limits.flood:
        return Outcome("killed", "second", error=f"it printed more than {limits.flood:,} bytes", **beside)
    if len(heard.report) > _MOST_REPORT:
        return Outcome("killed", "second", error=f"it reported more than {_MOST_REPORT:,} bytes", **beside)
    try:
        told = json.loads(heard.report.decode())
    except ValueError:
        told = {"verdict": "timeout", "error": "it did not end"} if heard.late else {}
    if "wall" in told:
        return Outcome("refused", "second", error=told["wall"], **beside)
    if not told:
        last = printed.strip().splitlines()[-1:] or ["it said nothing"]
        return Outcome("refused", "second", error=f"its process ended early: {last[0][:200]}", **beside)
    beside["seconds"] = told.get("seconds", seconds)
    return Outcome(told["verdict"], "second", told.get("value"), told["error"], **beside)
