"""Files that are there whole or not at all, and stay there: written beside their place, synced, renamed, synced."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from factory.errors import DiskFailed, OutputError

if TYPE_CHECKING:
    from typing_extensions import Buffer

MEND = "choose another place or change its permissions"
"""What a person can do where a file cannot be written and no better advice is known."""
NO_DESCRIPTORS = "no file descriptor is left: raise the limit with `ulimit -n 65536`, or lower `concurrency`"

_SQLITE_FULL = 13
_BUFFER = 1 << 16
_LONGEST_WAIT = 60.0
"""Seconds that the writer of a file waits for another writer of the same one."""


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole."""
    return path.with_name(f".{path.name}.part")


def is_part(path: Path) -> bool:
    """Whether a file is what a killed process left of `part_of`."""
    return path.name.startswith(".") and path.name.endswith(".part")


class _Part(io.FileIO):
    """A file that is being written, and what its disk said against it."""

    failed: OSError | None = None

    def write(self, data: Buffer, /) -> int:  # raw files may write a part: the buffer before them asks again
        """See `io.FileIO`."""
        try:
            return super().write(data)
        except OSError as error:
            self.failed = error
            raise


@contextlib.contextmanager
def whole_file(path: Path, mend: str = MEND) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path` once all of it is on the disk.

    Its folder is made. Where the writing fails, the file that was there before stays as it was and no part is left.
    An error of the `with` block that has nothing to do with this file, such as one of another file, passes as it is.

    Args:
        mend: what the person can do where it cannot be written; a full disk has advice of its own.

    Raises:
        OutputError: the disk is full (`DiskFailed`), or the place cannot be written.
    """
    part = part_of(path)
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.callback(os.close, _hold(part, path))
        except OSError as error:
            raise cannot_write(path, error, mend) from error
        try:
            try:
                raw = _Part(part, "wb")
            except OSError as error:
                raise cannot_write(path, error, mend) from error
            with raw:
                file = io.BufferedWriter(raw, _BUFFER)
                try:
                    yield cast(BinaryIO, file)
                except OSError as error:
                    if raw.failed is None:
                        raise
                    raise cannot_write(path, raw.failed, mend) from error
                try:
                    file.flush()
                    os.fsync(raw.fileno())
                except OSError as error:
                    raise cannot_write(path, error, mend) from error
            if os.name == "nt":  # what is open has no name to lose there
                held.close()
            try:
                put_in_place(part, path)
            except OSError as error:
                raise cannot_write(path, error, mend) from error
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise


def _hold(part: Path, path: Path) -> int:
    """A descriptor that holds a part against other writers of the same file, who wait: each writes all of it in turn.

    Raises:
        OutputError: another process holds it, and goes on doing so.
    """
    until = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < until:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _is_ours(descriptor) and os.path.samestat(os.fstat(descriptor), part.stat()):
                return descriptor
        except FileNotFoundError:  # it has got its name meanwhile
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(0.02)
    raise OutputError(
        f"{path} cannot be written: another process has been writing it for {_LONGEST_WAIT:.0f} s: wait for it, or "
        "choose another place"
    )


def _is_ours(descriptor: int) -> bool:
    """Whether a file could be locked; True where the system or the disk knows no locks."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL, errno.EBADF):
            raise
    return True


def write_whole(path: Path, data: bytes, mend: str = MEND) -> None:
    """Write a small file, whole or not at all; arguments and errors are those of `whole_file`."""
    with whole_file(path, mend) as file:
        file.write(data)


def put_in_place(part: Path, path: Path) -> None:
    """Give a file that is whole and synced its name, and make the name durable.

    Raises:
        OSError: it cannot be renamed.
    """
    os.replace(part, path)
    # Some systems do not let a folder be opened or synced; the name is durable there when the system says so.
    try:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if is_full(error) or error.errno == errno.EIO:
            raise


def cannot_write(path: Path, error: OSError, mend: str = MEND) -> OutputError:
    """The sentence for a file that cannot be written."""
    if is_full(error):
        return DiskFailed(f"{path} cannot be written: the disk is full: free some space and run again")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return OutputError(f"{path} cannot be written: {NO_DESCRIPTORS}")
    reason = (error.strerror or str(error) or "input/output error").lower()
    kind = DiskFailed if error.errno in (errno.EIO, errno.EFBIG) else OutputError
    return kind(f"{path} cannot be written: {reason}: {mend}")


def is_full(error: Exception) -> bool:
    """Whether the disk has no room left, or the person's share of it is used up; SQLite's errors may be asked too."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == _SQLITE_FULL
