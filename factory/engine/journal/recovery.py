"""What becomes of a damaged journal: it is set aside, and every reply that can be read goes into a new one.

Beside `journal.db` there may be, for a while or for good:

journal.db.damaged      a mark, left by a run that met damage: the next one to open the journal mends it
journal.db.damaged-1    a damaged file that was set aside, with its -wal or -journal; never read again
journal.db.recovered    the new file, complete, before it takes its place
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from factory.data.whole_file import is_full, put_in_place
from factory.engine.journal.here import is_open_here
from factory.engine.journal.log import WAL_HEADER, log_is_whole
from factory.engine.journal.pages import HEADER, read_log_rows, read_rows
from factory.engine.journal.rows import COLUMNS, Row
from factory.errors import DiskFailed, OutputError

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PROBED_PAGES = 2000
_BATCH = 1000
# Where SQLite locks a database that is open: 510 bytes that every connection shares.
_LOCKED_FROM, _LOCKED_BYTES = 0x40000002, 510


def is_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is broken, not that it is locked or the disk full."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def mark(path: Path, problem: object) -> None:
    """Note that the journal is damaged, so that whoever opens it next mends it."""
    with contextlib.suppress(OSError):
        beside(path, ".damaged").write_text(f"{problem}\n", encoding="utf-8")


def is_marked(path: Path) -> bool:
    """Whether a run that met damage left its mark, or the file was emptied and its log was not."""
    if beside(path, ".damaged").exists():
        return True
    # SQLite would throw the log away unread.
    return _size(beside(path, "-wal")) > WAL_HEADER and path.is_file() and _size(path) == 0


def begins_as_database(path: Path) -> bool:
    """Whether there is no such file yet, an empty one, or one that begins as SQLite's do."""
    if not path.exists():
        return True
    with path.open("rb") as file:
        first = file.read(len(HEADER))
    return first in (b"", HEADER)


def is_journal(path: Path) -> bool:
    """Whether a file that SQLite cannot read was a journal: nothing else may be moved aside.

    A file whose beginning is lost is known by a reply whose key fits; one with a database's beginning by its
    table, where that can be read.
    """
    if is_marked(path):
        return True
    with path.open("rb") as file:
        first = file.read(65536)
    if first.startswith(HEADER):
        return b"CREATE TABLE" not in first or b"CREATE TABLE replies" in first
    return next(read_rows(path, _PROBED_PAGES), None) is not None


def in_use(path: Path) -> bool:
    """Whether this process or another has the journal open."""
    try:
        import fcntl
    except ImportError:  # Windows does not let go of a file that is open: renaming it fails there
        return False
    if not path.is_file():
        return False
    if is_open_here(path):  # a look of our own would end the locks
        return True
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKED_BYTES, _LOCKED_FROM)
        except OSError:
            return True
    return False


def rows_out_of_reach(path: Path) -> list[Row]:
    """The replies in a damaged write-ahead log, of which SQLite reads only what lies before the damage.

    Empty where the log is whole, as a rule. To be asked before the journal is opened: that clears the log.
    """
    if _size(beside(path, "-wal")) <= WAL_HEADER:
        return []
    try:
        if log_is_whole(path):
            return []
        time.sleep(0.1)
        # Another process may have been writing just then.
        return [] if log_is_whole(path) else list(read_log_rows(path))
    except FileNotFoundError:  # or it has closed the journal, and with it the log
        return []


def add_rows(connection: sqlite3.Connection, rows: Iterable[Row]) -> int:
    """Insert the rows whose keys are not there yet; returns how many those were."""
    before = connection.total_changes
    rows = iter(rows)
    while batch := list(itertools.islice(rows, _BATCH)):
        with connection:
            connection.executemany(
                f"INSERT OR IGNORE INTO replies ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", batch
            )
    return connection.total_changes - before


def recover(path: Path, inode: int, create: Callable[[Path], sqlite3.Connection]) -> str:
    """Set a damaged journal aside and fill a new one, which `create` makes, with every reply that can be read.

    Safe to be killed at any moment, and for several processes that find the damage at the same time: `inode`
    says which file it was found in. Returns a sentence for the person at the terminal, "" where another
    process has put a new file there since.

    Raises:
        OutputError: the journal is open in another process, or there is no room for the new one.
    """
    with _one_at_a_time(path, inode) as first:
        if not first:
            return ""
        if in_use(path):
            raise OutputError(
                f"the journal {path} is damaged, and another process has it open: stop that one, then run the "
                "same command again to recover what can be read"
            )
        part = beside(path, ".recovered.part")
        try:
            for leftover in (part, beside(part, "-wal"), beside(part, "-shm"), beside(part, "-journal")):
                leftover.unlink(missing_ok=True)
            connection = create(part)
            try:
                count = add_rows(connection, read_rows(path))
            finally:
                connection.close()
            put_in_place(part, beside(path, ".recovered"))
            damaged = _free_name(path)
            put_in_place(path, damaged)
            finish(path, damaged)
        except (OSError, sqlite3.Error) as error:
            kind = DiskFailed if is_full(error) else OutputError
            raise kind(
                f"the journal {path} is damaged, and its replies cannot be copied to a new one ({error}); free "
                "some space, or name another with --journal FILE"
            ) from error
    return (
        f"the journal {path} was damaged: {count:,} replies were recovered from it, and the damaged file was "
        f"set aside as {damaged}"
    )


def finish(path: Path, damaged: Path | None = None) -> None:
    """Put a recovered journal in its place, once the damaged one is out of the way.

    Does nothing where there is none; so it also ends a recovery that was killed half-way.
    """
    recovered = beside(path, ".recovered")
    if path.exists():
        return
    if not recovered.exists():
        beside(path, ".damaged").unlink(missing_ok=True)  # the file that it spoke of was taken away
        return
    if damaged is None:
        # The highest number is the one that was just set aside.
        damaged = beside(path, f".damaged-{_numbers(path)[-1] if _numbers(path) else 1}")
    for log in ("-wal", "-journal"):
        if beside(path, log).exists():  # it belongs to the damaged file and would spoil the new one
            put_in_place(beside(path, log), beside(damaged, log))
    beside(path, "-shm").unlink(missing_ok=True)
    put_in_place(recovered, path)
    beside(path, ".damaged").unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Bytes of a file that another process may remove at any moment; 0 where it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def beside(path: Path, ending: str) -> Path:
    """The file of this name with `ending` behind it."""
    return path.with_name(path.name + ending)


def _numbers(path: Path) -> list[int]:
    """The numbers of the damaged files that were set aside, in order."""
    start = f"{path.name}.damaged-"
    ends = (entry.name.removeprefix(start) for entry in path.parent.iterdir() if entry.name.startswith(start))
    return sorted(int(end) for end in ends if end.isdecimal())


def _free_name(path: Path) -> Path:
    numbers = _numbers(path)
    return beside(path, f".damaged-{numbers[-1] + 1 if numbers else 1}")


@contextmanager
def _one_at_a_time(path: Path, inode: int) -> Iterator[bool]:
    """Hold the folder while a journal in it is mended; False where the file is no longer that of `inode`."""
    try:
        import fcntl
    except ImportError:
        yield True
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield path.exists() and path.stat().st_ino == inode
    finally:
        os.close(folder)
