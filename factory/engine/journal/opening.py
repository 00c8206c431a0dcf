"""How a journal's file is opened: made, brought to today's form, mended, or refused in a sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from factory.data.whole_file import NO_DESCRIPTORS, is_full
from factory.engine.journal import here
from factory.engine.journal import recovery as care
from factory.engine.journal.network_disk import network_disk
from factory.errors import DiskFailed, OutputError

FORM = 2
"""The form of the table, as `PRAGMA user_version`. The first had no number (0), and neither servers nor checksums."""
_COLUMNS = {
    "key": "BLOB",
    "kind": "TEXT",
    "model": "TEXT",
    "request": "BLOB",
    "reply": "BLOB",
    "created": "REAL",
    "server": "TEXT",
    "checksum": "BLOB",
}
_ADDED = ("server", "checksum")
# Rows of two kilobytes lie one behind the other, and their keys in a narrow index: in the tree of keys itself, where
# the first journals had them, a row costs three times as much to write, and a key that is not there as much to find.
_SCHEMA = """
CREATE TABLE replies (
    key BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    request BLOB NOT NULL,
    reply BLOB NOT NULL,
    created REAL NOT NULL,
    server TEXT,
    checksum BLOB
)
"""
_BUSY_SECONDS = 60.0
_DESCRIPTORS = 12  # more than the two connections of a journal need
_ELSEWHERE = "name another with --journal FILE"


def real_path(path: Path) -> Path:
    """The file itself, whatever links lead to it: SQLite keeps the log beside that."""
    return Path(os.path.realpath(path))


def open_journal(path: Path) -> tuple[sqlite3.Connection, str]:
    """The journal at this path, made anew where there is none, and a sentence where it had to be mended ("").

    Raises:
        OutputError: it cannot be opened, or the file is something else.
    """
    try:
        path = real_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with here.opening:
            _refuse_names(path)
            _unlock_log(path)
            return _open_in_use(path) if here.is_open_here(path) else _open_and_mend(path)
    except sqlite3.Error as error:
        if care.is_damage(error):
            raise _damaged(path, error) from error
        raise cannot_use(path, error) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise cannot_use(path, error) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a journal that is there, which waits for others to finish and whose commits are durable."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        make_durable(connection, path)
        # Opens all the files that it will ever need, before sockets take what descriptors there are.
        connection.execute("SELECT key FROM replies LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def why_read_only(connection: sqlite3.Connection) -> sqlite3.Error | None:
    """What SQLite says against writing to a journal that can be read; None where it can be written."""
    (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
    try:
        connection.execute("PRAGMA busy_timeout = 0")  # who holds the lock now can write, and so can we
        connection.execute(
            "DELETE FROM replies WHERE key IS NULL"
        )  # none is; a bare BEGIN IMMEDIATE is let pass
        connection.rollback()
    except sqlite3.OperationalError as error:
        return error if _code(error) == sqlite3.SQLITE_READONLY else None
    finally:
        connection.execute(f"PRAGMA busy_timeout = {wait}")
    return None


def cannot_use(path: Path, error: Exception) -> OutputError:
    """The sentence for a journal that cannot be opened."""
    if out_of_descriptors(error):
        return DiskFailed(f"the journal {path} cannot be opened: {NO_DESCRIPTORS}")
    if is_full(error) or is_full_there(path, error):
        return DiskFailed(
            f"the journal {path} cannot be written: the disk is full: free some space and run again"
        )
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if _code(error) == sqlite3.SQLITE_READONLY:
        reason = f"Permission denied: {reason}"
    if "locked" in reason:
        return OutputError(f"the journal {path} is locked by another process that does not let go")
    # The folder or the file is not to be written by this person, or the disk is read-only or does not work.
    kind = DiskFailed if _code(error) == sqlite3.SQLITE_IOERR or _disk_is_read_only(path) else OutputError
    return kind(f"the journal {path} cannot be written ({reason}); name another place with --journal FILE")


def _code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code


def _disk_is_read_only(path: Path) -> bool:
    """Whether the whole disk is, which SQLite tells no more of than of a single file."""
    if not hasattr(os, "statvfs"):
        return False
    with contextlib.suppress(OSError, ValueError):
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    return False


def is_full_there(path: Path, error: Exception) -> bool:
    """Whether a full disk is behind what SQLite calls a file that cannot be opened or synced."""
    if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return False
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as now:
        return is_full(now)
    return False


def out_of_descriptors(error: Exception) -> bool:
    """Whether the process, or the system, had no file descriptor left. SQLite itself says "unable to open"."""
    if isinstance(error, OSError):
        return error.errno in (errno.EMFILE, errno.ENFILE)
    if _code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
        return False
    taken: list[int] = []
    try:  # what SQLite opened before it failed is closed again: there must be enough for all of it
        taken.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(_DESCRIPTORS))
    except OSError as now:
        return now.errno in (errno.EMFILE, errno.ENFILE)
    finally:
        for one in taken:
            os.close(one)
    return False


def _open_in_use(path: Path) -> tuple[sqlite3.Connection, str]:
    """A journal that this process has open already: by SQLite alone, since a raw look would end its locks."""
    if here.was_open_at_fork(path):
        raise OutputError(
            f"the journal {path} was open when this process was forked, and cannot be shared that way: start the "
            'process with multiprocessing.get_context("spawn"), or ' + _ELSEWHERE
        )
    try:
        if care.is_marked(path):
            raise sqlite3.DatabaseError("a run met damage in it")
        return _create(path), ""
    except sqlite3.DatabaseError as error:
        if not care.is_marked(path) and not care.is_damage(error):
            raise
        raise OutputError(
            f"the journal {path} is damaged ({error}), and this process has it open elsewhere: end the process, "
            "then run the same command again to recover what can be read"
        ) from error


def _open_and_mend(path: Path) -> tuple[sqlite3.Connection, str]:
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
            recovered = f"the log of the journal {path} was damaged: {added:,} replies were recovered from it"
    return connection, recovered


def _create(path: Path) -> sqlite3.Connection:
    """Open the journal, made anew where there is none, and read enough of it to meet plain damage."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("BEGIN")  # one moment for all that is looked at
        _check_form(connection, path)
        connection.commit()
        make_durable(connection, path)
        _bring_up(connection, path)
        for order in ("ASC", "DESC"):
            connection.execute(f"SELECT key, created FROM replies ORDER BY key {order} LIMIT 1").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _check_form(connection: sqlite3.Connection, path: Path) -> int | None:
    """The form of the table that is there, None where there is none yet.

    Raises:
        OutputError: the file is no journal, or one of a form that this version does not know.
    """
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if not tables and form == 0:
        return None
    if "replies" not in tables:
        raise OutputError(f"{path} is a database of something else; name another journal with --journal FILE")
    if form > FORM:
        raise OutputError(
            f"the journal {path} was written by a newer factory (form {form}; this one reads up to {FORM}): "
            f"install that one, or {_ELSEWHERE}"
        )
    columns = {row[1]: (row[2], row[5]) for row in connection.execute("PRAGMA table_info(replies)")}
    known = {name: (kind, int(name == "key")) for name, kind in _COLUMNS.items()}
    if form == 0:
        known = {name: told for name, told in known.items() if name not in _ADDED}
    if form not in (0, FORM) or columns != known:
        raise OutputError(
            f"{path} holds a table `replies` that no version of factory made (form {form}, columns "
            f"{', '.join(columns)}); {_ELSEWHERE}"
        )
    return int(form)


def _bring_up(connection: sqlite3.Connection, path: Path) -> None:
    """Make the table, or add the columns that it lacks; rows that are there are not touched."""
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form == FORM:
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        form = _check_form(connection, path)  # another process may have been first
        if form == FORM:
            return
        if form is None:
            connection.execute(_SCHEMA)
        else:
            for name in _ADDED:
                connection.execute(f"ALTER TABLE replies ADD COLUMN {name} {_COLUMNS[name]}")
        connection.execute(f"PRAGMA user_version = {FORM}")


def make_durable(connection: sqlite3.Connection, path: Path) -> None:
    """Have each commit on the disk before it returns, and let others read and write beside this connection."""
    form, synced = ("DELETE", "EXTRA") if network_disk(path) else ("WAL", "FULL")
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {form}")
            break
        except sqlite3.OperationalError as error:
            # For this one statement SQLite does not wait: another process is making the same new file.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
    # FULL makes each commit an fsync: a reply survives not only `kill -9` but a power cut. Without a log that takes
    # EXTRA, which syncs the folder too.
    connection.execute(f"PRAGMA synchronous = {synced}")


def _refuse_names(path: Path) -> None:
    """Refuse a file that has another name too.

    Raises:
        OutputError: it has; under each of its names SQLite would keep a log of its own.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.is_file() and path.stat().st_nlink > 1:
            raise OutputError(
                f"the journal {path} is one file under several names (hard links), and replies written under one are "
                f"lost to the others: give it a file of its own (cp {path} {path}.own && mv {path}.own {path})"
            )


def _unlock_log(path: Path) -> None:
    """Give the log the rights of its journal: SQLite made it with those that the journal had then, and left it."""
    for file in (care.beside(path, "-wal"), care.beside(path, "-shm")):
        with contextlib.suppress(OSError):
            if os.access(path, os.W_OK) and not os.access(file, os.W_OK):
                file.chmod(path.stat().st_mode & 0o777)


def _damaged(path: Path, problem: object) -> OutputError:
    return OutputError(
        f"the journal {path} is damaged ({problem}); move it aside to start a new one, or {_ELSEWHERE}"
    )
