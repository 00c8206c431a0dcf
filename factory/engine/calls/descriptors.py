"""How many sockets this process may open, so that a run never pays for replies that it has no file to keep in."""

from __future__ import annotations

import contextlib

from factory.engine.journal.here import open_files

RESERVED = 64
"""File descriptors that are left to the run's own files, to name look-ups and to what else the process does."""


def sockets_left(wanted: int, taken: int = 0) -> int:
    """How many of the `wanted` further sockets there are descriptors for, beside `taken` that may yet be opened.

    Raises the process's soft limit where that is needed and the hard one allows it. At least 1, since a run without
    any could do nothing; fewer than wanted is for the caller to tell.
    """
    try:
        import resource
    except ImportError:  # Windows: sockets are no files there
        return wanted
    used = sum(1 for _ in open_files()) + RESERVED + taken
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = used + wanted
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return wanted
    more = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with contextlib.suppress(
        ValueError, OSError
    ):  # refused by the system, which knows a lower limit of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(wanted, max(1, soft - used))
