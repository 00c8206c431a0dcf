"""The journal: every reply that was ever paid for, durable before anyone uses it.

One SQLite file in WAL mode, shared by all runs and safe for several processes. A call's key is a hash of what
would be sent and of the sample's number, so the journal is content-addressed: running a recipe again replays
what is there and pays only for what is new. Writes are grouped: one thread commits all that waits, with a real
fsync, and only then are the replies released.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from pathlib import Path
from typing import NamedTuple

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


class Journal:
    """Replies by key. Reads are direct; a write returns when the reply is on disk.

    recovered: a sentence for the person at the terminal where the file was damaged and has just been mended,
        else ""
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection, self.recovered = open_journal(path)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def get(self, key: bytes) -> bytes | None:
        """The reply stored under this key, or None.

        Raises:
            RunStopped: the journal cannot be read.
        """
        try:
            row = self._connection.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            from factory.engine.journal.recovery import is_damage

            if is_damage(error):
                raise self.damaged(error) from error
            raise RunStopped(f"the journal {self.path} cannot be read: {error}") from error
        return row[0] if row else None

    def damaged(self, problem: object) -> RunStopped:
        """What to raise where something stored makes no sense; the next run mends the journal."""
        from factory.engine.journal.recovery import mark

        mark(self.path, problem)
        return RunStopped(
            f"the journal {self.path} is damaged ({problem}): run the same command again, which recovers every "
            "reply that can be read and goes on"
        )

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
                    _make_durable(connection)
                with connection:
                    connection.executemany(
                        "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?)",
                        [write.row for write in group],
                    )
            except sqlite3.Error as error:
                problem = error
            for loop in {write.done.get_loop() for write in group}:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(self._release, group, loop, problem)
        if connection is not None:
            connection.close()

    def _release(
        self, group: list[_Write], loop: asyncio.AbstractEventLoop, problem: sqlite3.Error | None
    ) -> None:
        from factory.engine.journal.recovery import is_damage

        for write in group:
            if write.done.get_loop() is not loop or write.done.done():
                continue
            if problem is None:
                write.done.set_result(None)
            elif is_damage(problem):
                write.done.set_exception(self.damaged(problem))
            else:
                write.done.set_exception(
                    RunStopped(
                        f"the journal {self.path} cannot be written ({problem}); free some space or mend its "
                        "permissions, then run the same command again: what is in the journal is not paid for twice"
                    )
                )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)


def _make_durable(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # For this one statement SQLite does not wait: another process is making the same new file.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
    # FULL makes each commit an fsync: a reply survives not only `kill -9` but a power cut.
    connection.execute("PRAGMA synchronous = FULL")


def _create(path: Path) -> sqlite3.Connection:
    """Open the journal, made anew where there is none, and read enough of it to meet plain damage."""
    connection = _connect(path)
    try:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if tables and "replies" not in tables:
            raise OutputError(
                f"{path} is a database of something else; name another journal with --journal FILE"
            )
        _make_durable(connection)
        connection.execute(_SCHEMA)
        connection.commit()
        for order in ("ASC", "DESC"):
            connection.execute(f"SELECT key, created FROM replies ORDER BY key {order} LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def open_journal(path: Path) -> tuple[sqlite3.Connection, str]:
    """The journal at this path, made anew where there is none, and a sentence where it had to be mended ("").

    Raises:
        OutputError: it cannot be opened, or the file is something else.
    """
    # Imported here: it reads what this module's keys are made of.
    from factory.engine.journal import recovery as care

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        care.finish(path)
        inode = path.stat().st_ino if path.exists() else 0
        known = care.is_marked(path)
        if not known and not care.begins_as_database(path):
            # Told before SQLite sees it: a file of less than 512 bytes it would take for an empty database.
            if not care.is_journal(path):
                raise _damaged(path, "file is not a database")
            known = True
        recovered = care.recover(path, inode, _create) if known else ""
        stranded = care.rows_out_of_reach(path)
        try:
            connection = _create(path)
        except sqlite3.DatabaseError as error:
            if not care.is_damage(error) or recovered or not care.is_journal(path):
                raise
            recovered = care.recover(path, inode, _create)
            connection = _create(path)
        else:
            added = care.add_rows(connection, stranded)
            if added:
                recovered = (
                    f"the log of the journal {path} was damaged: {added:,} replies were recovered from it"
                )
        return connection, recovered
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise OutputError(
                f"the journal {path} is locked by another process that does not let go"
            ) from error
        if care.is_damage(error):
            raise _damaged(path, error) from error
        # The folder or the file is read-only, or the disk is full.
        raise OutputError(
            f"the journal {path} cannot be written ({error}); name another place with --journal FILE"
        ) from error
    except OSError as error:
        raise OutputError(
            f"the journal {path} cannot be written ({error.strerror or error}); name another place with --journal FILE"
        ) from error


def _damaged(path: Path, problem: object) -> OutputError:
    return OutputError(
        f"the journal {path} is damaged ({problem}); move it aside to start a new one, "
        "or name another with --journal FILE"
    )
