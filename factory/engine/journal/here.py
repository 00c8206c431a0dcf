"""Whether this very process has a file open already.

POSIX drops all locks that a process has on a file as soon as it closes any descriptor of that file
(https://www.sqlite.org/howtocorrupt.html, 2.2). So a journal may be read beside SQLite, byte by byte, only where
nothing in the process has it open: no other `Journal`, and no connection that somebody else made. The system's own
list of descriptors knows all of them, whatever name they were opened by.

A process that was forked while a journal was open has SQLite's notes of the parent's locks, and none of the locks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

_DESCRIPTORS = "/dev/fd"
_MOST_DESCRIPTORS = 1 << 16  # looked at where the system has no list of them

opening = threading.RLock()
"""Held from the look at the descriptors to the moment that SQLite has the file open."""

forks = 0
"""How many forks lie between this process and the one that Python began in."""

_inherited: set[tuple[int, int]] = set()


def open_files() -> Iterator[os.stat_result]:
    """What each descriptor of this process stands for."""
    numbers: Iterator[int]
    try:
        numbers = map(int, os.listdir(_DESCRIPTORS))
    except OSError:  # no /proc, as in some containers
        numbers = iter(range(_MOST_DESCRIPTORS))
    for number in numbers:
        try:
            yield os.fstat(number)
        except OSError:  # that of the listing itself, or one that was just closed
            continue


def is_open_here(path: Path) -> bool:
    """Whether something in this process has the file open, under this name or another."""
    if os.name == "nt":  # its locks go with the handle that took them
        return False
    try:
        wanted = path.stat()
    except OSError:
        return False
    return any(os.path.samestat(wanted, one) for one in open_files())


def was_open_at_fork(path: Path) -> bool:
    """Whether this process was forked from one that had the file open, and still has what it inherited."""
    try:
        wanted = path.stat()
    except OSError:
        return False
    return (wanted.st_dev, wanted.st_ino) in _inherited and is_open_here(path)


def _after_fork() -> None:
    global opening, forks
    opening, forks = threading.RLock(), forks + 1
    _inherited.update((one.st_dev, one.st_ino) for one in open_files())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
