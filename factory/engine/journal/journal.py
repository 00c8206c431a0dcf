"""The journal: every reply that was ever paid for, durable before anyone uses it.

One SQLite file, shared by all runs and safe for several processes, and for several machines where the disk's locks
are (it is in WAL mode on a disk of this machine; see `network_disk` for others). A call's key is a hash of what
would be sent and of the sample's number, so the journal is content-addressed: running a recipe again replays
what is there and pays only for what is new. Writes are grouped: one thread commits all that waits, with a real
fsync, and only then are the replies released.

The key names the model and not the address of its server: a server moves, and one of several replicas answers. The
address is kept beside each reply, so that replies of the wrong server can be found and forgotten.

Two processes that ask for the same at the same moment both pay: none waits for a call that another has in flight,
which would need word of every call's beginning and end, on the disk, and of every process that was killed. But the
reply that is stored first is the one that both use.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from factory.data.whole_file import NO_DESCRIPTORS, is_full
from factory.engine.journal import here
from factory.engine.journal.opening import (
    cannot_use,
    connect,
    is_full_there,
    open_journal,
    out_of_descriptors,
    real_path,
    why_read_only,
)
from factory.engine.journal.recovery import beside, is_damage, mark
from factory.engine.journal.rows import COLUMNS, Row, is_whole, row_of
from factory.errors import RunStopped

_GROUP = 512
_SELECT = f"SELECT {COLUMNS} FROM replies WHERE key = ?"
_INSERT = f"INSERT OR IGNORE INTO replies ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_REPLACE = _INSERT.replace("OR IGNORE", "OR REPLACE")
_LOOKED_AT = 20_000
"""Rows that `Journal.knows` looks at."""


class _Write(NamedTuple):
    row: Row
    done: asyncio.Future[bytes]


class Journal:
    """Replies by key. Reads are direct; a write returns when the reply is on disk.

    recovered: a sentence for the person at the terminal where the file was damaged and has just been mended,
        else ""
    damaged: keys of replies that were stored and no longer are what was stored
    broken_off: keys of stored replies that the server did not bring to their end
    twice: replies that were paid for here while another process stored its own
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = real_path(path)
        self._connection, self.recovered = open_journal(path)
        self._connection.text_factory = bytes
        try:
            self._writer = connect(self._file)
            self._read_only = why_read_only(self._writer)
        except BaseException as error:
            self._connection.close()
            if isinstance(error, (OSError, sqlite3.Error)):
                raise cannot_use(self._file, error) from error
            raise
        self._writer.text_factory = bytes
        self._identity = self._identities()
        self._forks = here.forks
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.damaged: set[bytes] = set()
        self.broken_off: set[bytes] = set()
        self.twice = 0
        self._refused: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """The reply stored under this key, as `find` gives it with its row."""
        row = self.find(key)
        return None if row is None else row.reply

    def find(self, key: bytes) -> Row | None:
        """What is stored under this key; None where there is nothing, or it is not what was stored.

        Raises:
            RunStopped: the journal cannot be read.
            OutputError: there is nothing, and what is asked instead could not be stored.
        """
        self._refuse_fork()
        try:
            row = self._stored(self._connection, key)
        except sqlite3.Error as error:
            if is_damage(error):
                raise self._stop_for_damage(error) from error
            raise RunStopped(f"the journal {self.path} cannot be read: {error}") from error
        if row is None and self._read_only is not None:  # told before anybody pays for it
            raise cannot_use(self._file, self._read_only) from self._read_only
        return row

    def knows(self, kind: str, model: str, holding: str = "") -> bool:
        """Whether replies of this kind by this model are seen in it, that hold some text where it is given.

        Looks at the first of its rows by their keys, which are hashes: any that are not rare are among them.
        """
        self._refuse_fork()
        sql = (
            f"SELECT 1 FROM (SELECT kind, model, reply FROM replies ORDER BY key LIMIT {_LOOKED_AT}) "
            "WHERE kind = ? AND model = ? AND (? = '' OR instr(CAST(reply AS TEXT), ?)) LIMIT 1"
        )
        try:
            return self._connection.execute(sql, (kind, model, holding, holding)).fetchone() is not None
        except sqlite3.Error:  # whoever needs a row of it is told
            return False

    def refuse(self, key: bytes, reply: bytes, *, damaged: bool = True) -> None:
        """Take a stored reply that makes no sense, or that broke off, for one that is not there."""
        (self.damaged if damaged else self.broken_off).add(key)
        self._refused[key] = reply

    async def put(
        self, key: bytes, kind: str, model: str, request: bytes, reply: bytes, server: str = ""
    ) -> bytes:
        """Store a reply that came from `server`, and return what is stored, once it is durable.

        That is another reply where another process asked the same and was first.

        Raises:
            RunStopped: the disk is full or the journal cannot be written.
        """
        self._refuse_fork()
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_loop, name="journal", daemon=True)
            self._thread.start()
        done: asyncio.Future[bytes] = loop.create_future()
        row = Row(key, kind, model, request, reply, time.time(), server).sealed()
        self._queue.put(_Write(row, done))
        return await done

    def remarks(self) -> Iterator[str]:
        """What the person at the terminal should know of the replies that were asked for so far."""
        if self.damaged:
            yield (
                f"the journal {self.path}: {len(self.damaged):,} stored replies are damaged and were taken as not "
                "there: each is asked for again, and the new reply replaces it"
            )
        if self.broken_off:
            yield (
                f"the journal {self.path}: {len(self.broken_off):,} stored replies broke off by a mishap of the "
                "server, which an older version did not notice: each is asked for again, and the new reply replaces it"
            )
        if self.twice:
            yield (
                f"the journal {self.path}: {self.twice:,} replies were asked for by another process at the same "
                "time, and both were paid for: the one that was stored first is used by both"
            )

    def close(self) -> None:
        """Finish what is queued and close the file."""
        if self._forks != here.forks:
            return
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._writer.close()
        self._connection.close()

    def _stored(self, connection: sqlite3.Connection, key: bytes) -> Row | None:
        """The whole row of this key. One that is not whole is noted and taken for none."""
        values = connection.execute(_SELECT, (key,)).fetchone()
        if values is None:
            return None
        row = row_of(values)
        if row is None or row.key != key or not is_whole(row):
            self.damaged.add(key)
            return None
        return None if self._refused.get(key) == row.reply else row

    def _write_loop(self) -> None:
        closing = False
        while not closing:
            group: list[_Write] = []
            item = self._queue.get()
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
            stored: list[bytes] = []
            problem: Exception | None = None
            try:
                stored = self._commit([write.row for write in group])
            except Exception as error:  # whatever it is, somebody waits for an answer
                problem = error
            for loop in {write.done.get_loop() for write in group}:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(self._release, group, stored, loop, problem)

    def _commit(self, rows: list[Row]) -> list[bytes]:
        """Store rows in one transaction; returns the reply that is stored for each."""
        connection = self._writer
        with connection:
            before = connection.total_changes
            connection.executemany(_INSERT, rows)
            if connection.total_changes - before == len(rows):
                stored = [row.reply for row in rows]
            else:
                stored = [self._settle(connection, row) for row in rows]
        if self._identities() != self._identity:
            raise RunStopped(
                f"the journal {self.path} was removed, renamed or replaced while it was in use, so that what is "
                "answered from now on would be lost: put it back, then run the same command again"
            )
        return stored

    def _settle(self, connection: sqlite3.Connection, row: Row) -> bytes:
        """The reply of a row that is there now, or was there before; a damaged one is replaced."""
        there = self._stored(connection, row.key)
        if there is None:
            connection.execute(_REPLACE, row)
            return row.reply
        self.twice += there.checksum != row.checksum
        return there.reply

    def _release(
        self,
        group: list[_Write],
        stored: list[bytes],
        loop: asyncio.AbstractEventLoop,
        problem: Exception | None,
    ) -> None:
        for at, write in enumerate(group):
            if write.done.get_loop() is not loop or write.done.done():
                continue
            if problem is None:
                write.done.set_result(stored[at])
            else:
                write.done.set_exception(self._stop_for(problem))

    def _stop_for(self, problem: Exception) -> RunStopped:
        if isinstance(problem, RunStopped):
            return RunStopped(str(problem))
        if isinstance(problem, sqlite3.Error) and is_damage(problem):
            return self._stop_for_damage(problem)
        if is_full(problem) or is_full_there(self._file, problem):
            why, mend = "the disk is full", "free some space"
        elif out_of_descriptors(problem):
            why, mend = NO_DESCRIPTORS.split(": ")
        else:
            why, mend = str(problem), "free some space or mend its permissions"
        return RunStopped(
            f"the journal {self.path} cannot be written ({why}): {mend}, then run the same command again: what is "
            "in the journal is not paid for twice"
        )

    def _stop_for_damage(self, problem: object) -> RunStopped:
        """What to raise where SQLite cannot read on; the next run mends the journal."""
        mark(self._file, problem)
        return RunStopped(
            f"the journal {self.path} is damaged ({problem}): run the same command again, which recovers every "
            "reply that can be read and goes on"
        )

    def _identities(self) -> list[tuple[int, int]]:
        """Which files lie where the journal and its log were opened: neither changes while it is open."""
        found = []
        for file in (self._file, beside(self._file, "-wal")):
            try:
                there = file.stat()
                found.append((there.st_dev, there.st_ino))
            except OSError:
                found.append((0, 0))
        return found

    def _refuse_fork(self) -> None:
        if self._forks != here.forks:
            raise RunStopped(
                f"the journal {self.path} was opened before this process was forked, and cannot be shared that way: "
                'start the process with multiprocessing.get_context("spawn"), or open the journal in it'
            )
