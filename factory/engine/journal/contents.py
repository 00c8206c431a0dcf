"""What a journal holds, and how to take from it: counts, removal of what is no longer wanted, export.

All of it works while another process writes: nothing here holds the journal for longer than a moment.
"""

from __future__ import annotations

import contextlib
import gzip
import sqlite3
import sys
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from factory.data.whole_file import is_full, whole_file
from factory.engine.journal.opening import make_durable, open_journal, real_path
from factory.engine.journal.recovery import beside
from factory.engine.journal.rows import COLUMNS, Row, is_whole, row_of
from factory.errors import DiskFailed, InputError, OutputError

_BATCH = 500
_DAY = 86400.0


class Group(NamedTuple):
    """The replies of one kind from one model and server; `size` in bytes, times in seconds since 1970.

    server: the addresses that they came from, with spaces between; "": the model ran in the process itself; None: they
    were stored before addresses were
    unchecked: replies without a checksum, which were stored before checksums were: a bit that has flipped inside the
        text of one is not noticed
    """

    kind: str
    model: str
    server: str | None
    replies: int
    size: int
    oldest: float
    newest: float
    unchecked: int = 0


class Pruned(NamedTuple):
    """What `prune` removed, and the bytes that the files took before and after."""

    replies: int
    before: int
    after: int
    shrunk: bool


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A journal that is there; what SQLite says against it becomes one sentence."""
    if not path.is_file():
        raise InputError(f"{path}: no such journal; a run makes it, and --journal FILE names another")
    connection, recovered = open_journal(path)
    try:
        if recovered:
            sys.stderr.write(f"warning: {recovered}\n")
        # A text that is no text any more is damage in one row, not of the journal.
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        yield connection
    except sqlite3.Error as error:
        kind = DiskFailed if is_full(error) else OutputError
        raise kind(f"the journal {path} cannot be read or written: {error}") from error
    finally:
        connection.close()


def file_size(path: Path) -> int:
    """Bytes that the journal takes, with what has not yet been moved from its log."""
    path = real_path(path)
    files = (path, beside(path, "-wal"))
    return sum(file.stat().st_size for file in files if file.is_file())


def groups(path: Path) -> list[Group]:
    """The replies by kind, model and server.

    Raises:
        InputError: there is no such journal.
        OutputError: it cannot be read.
    """
    with _opened(path) as connection:
        rows = connection.execute(
            "SELECT kind, model, server, count(*), sum(length(request) + length(reply)), min(created), max(created), "
            "sum(checksum IS NULL AND server IS NULL) "
            "FROM replies GROUP BY kind, model, server ORDER BY kind, model, server"
        )
        return [Group(*row) for row in rows]


def servers_of(path: Path, keys: Iterable[str]) -> dict[str, str]:
    """The servers that gave the replies with these keys (as hexadecimal digits), where they are noted.

    Only looks: a journal that is gone, in use by another program, damaged or old tells nothing.
    """
    found: dict[str, str] = {}
    path = real_path(path)
    if not path.is_file():
        return found
    with contextlib.suppress(sqlite3.Error, ValueError):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        connection.text_factory = bytes
        with contextlib.closing(connection):
            for key in keys:
                values = connection.execute(
                    f"SELECT {COLUMNS} FROM replies WHERE key = ?", (bytes.fromhex(key),)
                ).fetchone()
                row = None if values is None else row_of(values)
                if row is not None and row.server and is_whole(row):
                    found[key] = row.server
    return found


def matching(
    path: Path, model: str | None, older_than: float | None, servers: Sequence[str] | None = None
) -> list[bytes]:
    """The keys of the replies of this model, from one of these servers, older than so many days.

    What is None is not asked about.
    """
    before = None if older_than is None else time.time() - older_than * _DAY
    with _opened(path) as connection:
        rows = connection.execute(
            "SELECT key, server FROM replies WHERE (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR created < ?2)",
            (model, before),
        )
        return [key for key, server in rows if servers is None or server in servers]


def prune(path: Path, keys: list[bytes]) -> Pruned:
    """Remove replies and give their space back to the disk.

    The file keeps its size while another process has it open: making it smaller would hold that one up.

    Raises:
        InputError: there is no such journal.
        OutputError: it cannot be written, or there is no room to make it smaller.
    """
    size = file_size(path)
    with _opened(path) as connection:
        for at in range(0, len(keys), _BATCH):
            with connection:
                connection.executemany(
                    "DELETE FROM replies WHERE key = ?", [(key,) for key in keys[at : at + _BATCH]]
                )
        shrunk = _is_alone(connection)
        if shrunk:
            connection.execute("VACUUM")
            make_durable(connection, real_path(path))
    return Pruned(len(keys), size, file_size(path), shrunk)


def _is_alone(connection: sqlite3.Connection) -> bool:
    """Whether nobody else has the journal open; where so, its log is merged into it and put away."""
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return False
    return True


def exported(path: Path, *, vectors: bool = False) -> Iterator[dict[str, Any]]:
    """Every reply with its request, in the order of the keys; an embedding with its text and dimension.

    Raises:
        InputError: there is no such journal.
        OutputError: it cannot be read.
    """
    last = b""
    damaged = 0
    with _opened(path) as connection:
        connection.text_factory = bytes
        while rows := connection.execute(
            f"SELECT {COLUMNS} FROM replies WHERE key > ? ORDER BY key LIMIT ?", (last, _BATCH)
        ).fetchall():
            for values in rows:
                row = row_of(values)
                line = _line(row, vectors) if row is not None and is_whole(row) else None
                damaged += line is None
                if line is not None:
                    yield line
            last = rows[-1][0]
    if damaged:
        sys.stderr.write(
            f"warning: the journal {path}: {damaged:,} replies are damaged and left out; a run asks for them again\n"
        )


def _line(row: Row, vectors: bool) -> dict[str, Any] | None:
    """A reply as it is exported; None where it is none."""
    told: dict[str, Any] = {
        "key": row.key.hex(),
        "kind": row.kind,
        "model": row.model,
        "server": row.server,
    }
    try:
        told["created"] = datetime.fromtimestamp(row.created, UTC).isoformat(timespec="seconds")
        return told | _readable(row.kind, row.request, row.reply, vectors)
    except (ValueError, OverflowError, OSError):
        return None


def _readable(kind: str, request: bytes, reply: bytes, vectors: bool) -> dict[str, Any]:
    if kind != "embedding":
        return {"request": orjson.loads(request), "reply": orjson.loads(reply)}
    numbers = array("f", reply)
    row: dict[str, Any] = {"text": request.decode(), "dimension": len(numbers)}
    return row | {"vector": numbers.tolist()} if vectors else row


def export(path: Path, out: Path | None, *, vectors: bool = False) -> int:
    """Write every reply as a line of JSON to `out` (gzip where it ends in .gz) or to standard output.

    The file is there whole or not at all. Returns the number of lines.

    Raises:
        InputError: there is no such journal.
        OutputError: `out` is there already or cannot be written, or the journal cannot be read.
    """
    if out is None:
        return _write_lines(path, sys.stdout.buffer, vectors)
    if out.exists():
        raise OutputError(f"{out} is there already: name another file, or remove it first")
    if not out.parent.is_dir():
        raise OutputError(f"{out} cannot be written: there is no folder {out.parent}: check the name")
    with whole_file(out) as file:
        if out.suffix != ".gz":
            return _write_lines(path, file, vectors)
        with gzip.open(file, "wb") as packed:
            return _write_lines(path, packed, vectors)


def _write_lines(path: Path, file: IO[bytes] | gzip.GzipFile, vectors: bool) -> int:
    count = 0
    for row in exported(path, vectors=vectors):
        file.write(orjson.dumps(row) + b"\n")
        count += 1
    return count
