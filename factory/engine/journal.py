"""The journal: every reply that was ever paid for, durable before anyone uses it.

One SQLite file in WAL mode, shared by all runs and safe for several processes. A call's key is a hash of what
would be sent and of the sample's number, so the journal is content-addressed: running a recipe again replays
what is there and pays only for what is new. Writes are grouped: one thread commits all that waits, with a real
fsync, and only then are the replies released.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import queue
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from factory.errors import OutputError, RunStopped

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    request BLOB NOT NULL,
    reply BLOB NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID
"""
_GROUP = 512
_BUSY_SECONDS = 60.0


class _Write(NamedTuple):
    row: tuple[bytes, str, str, bytes, bytes, float]
    done: asyncio.Future[None]


def call_key(kind: str, identity: str, request: Any) -> bytes:
    """The key of a call: 16 bytes of a hash of its kind, who answers and what would be sent."""
    canonical = orjson.dumps([kind, identity, request], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=16).digest()


class Journal:
    """Replies by key. Reads are direct; a write returns when the reply is on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = _open(path)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def get(self, key: bytes) -> bytes | None:
        """The reply stored under this key, or None."""
        try:
            row = self._connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise RunStopped(f"the journal {self.path} cannot be read: {error}") from error
        return row[0] if row else None

    async def put(self, key: bytes, kind: str, model: str, request: bytes, reply: bytes) -> None:
        """Store a reply; returns once it is durable.

        Raises:
            RunStopped: the disk is full or the journal cannot be written.
        """
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_loop, name="journal", daemon=True)
            self._thread.start()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put(_Write((key, kind, model, request, reply, time.time()), done))
        await done

    def close(self) -> None:
        """Finish what is queued and close the file."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._connection.close()

    def _write_loop(self) -> None:
        connection: sqlite3.Connection | None = None
        closing = False
        while not closing:
            first = self._queue.get()
            group: list[_Write] = []
            item: _Write | None = first
            while True:
                if item is None:
                    closing = True
                    break
                group.append(item)
                if len(group) >= _GROUP:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            if not group:
                break
            problem: sqlite3.Error | None = None
            try:
                if connection is None:
                    connection = _connect(self.path)
                with connection:
                    connection.executemany(
                        "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?)",
                        [write.row for write in group],
                    )
            except sqlite3.Error as error:
                problem = error
            for loop in {write.done.get_loop() for write in group}:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(_release, group, loop, problem, self.path)
        if connection is not None:
            connection.close()


def _release(
    group: list[_Write], loop: asyncio.AbstractEventLoop, problem: sqlite3.Error | None, path: Path
) -> None:
    for write in group:
        if write.done.get_loop() is not loop or write.done.done():
            continue
        if problem is None:
            write.done.set_result(None)
        else:
            write.done.set_exception(
                RunStopped(
                    f"the journal {path} cannot be written ({problem}); free some space or mend its permissions, "
                    "then run the same command again: what is in the journal is not paid for twice"
                )
            )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL makes each commit an fsync: a reply survives not only `kill -9` but a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path)
        connection.execute(_SCHEMA)
        connection.commit()
        return connection
    except sqlite3.DatabaseError as error:
        if "readonly" in str(error) or "unable to open" in str(error) or "full" in str(error):
            raise OutputError(
                f"the journal {path} cannot be written ({error}); name another place with --journal FILE"
            ) from error
        if "locked" in str(error):
            raise OutputError(
                f"the journal {path} is locked by another process that does not let go"
            ) from error
        raise OutputError(
            f"the journal {path} is damaged ({error}); move it aside to start a new one, "
            "or name another with --journal FILE"
        ) from error
    except OSError as error:
        raise OutputError(
            f"the journal {path} cannot be written ({error.strerror or error}); name another place with --journal FILE"
        ) from error
