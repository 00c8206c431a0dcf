"""Runs a command for as long as its standard input is open, and leaves nothing of it behind.

    python -I guard.py COMMAND ...

Who started it holds the other end of the pipe. When that end closes, be it because its holder was killed, the
command's whole process group is asked to end, and soon made to. Only the standard library is used.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 10.0
"""How long the command may take to end once it was asked to."""


def main(command: list[str]) -> int:
    """Run `command`; returns its exit status."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    status = child.wait()
    _signal_group(child, signal.SIGKILL)  # what the command itself started and left running
    return status


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    _signal_group(child, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)
    _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) & 0xFF)
