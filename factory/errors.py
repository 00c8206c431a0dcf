"""The mistakes and mishaps a user can mend, one class each.

The text of every error is written for the person at the terminal: what happened, where, and how to mend it,
in one sentence. The command line prints that sentence and ends with `exit_code`; it never shows a traceback
for one of these.
"""

from __future__ import annotations

import difflib
import errno
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

EXIT_USAGE = 2
EXIT_SOME_RECORDS_FAILED = 3
EXIT_NOTHING_DONE = 4
EXIT_WAITING = 5
EXIT_INTERRUPTED = 130


class FactoryError(Exception):
    """Something a user can mend. `str(error)` is the whole message."""

    exit_code = EXIT_USAGE

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback, which is of no use here: the sentence, and the line of
        the user's that led to it. IPython asks for it.
        """
        return [f"{type(self).__name__}: {self}", *_asked_from(self)]


def _asked_from(error: BaseException) -> list[str]:
    """The last line of the user's before the way leads into this package."""
    ours, at = Path(__file__).parent, None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(ours):
            break
        at = frame
    return [f"    line {at.lineno}: {at.line}"] if at is not None and at.line else []


class RecipeError(FactoryError):
    """The recipe is wrong: names the file, the step and the field."""


class UnknownName(FactoryError, AttributeError, KeyError):
    """An object has no attribute or column of this name: names the nearest that it has."""

    __str__ = Exception.__str__


class NoSuchRecord(FactoryError, IndexError):
    """A set has no record of this number."""


class InputError(FactoryError):
    """An input file or object cannot be read: names the file and, where there is one, the line."""


class OutputError(FactoryError):
    """The output cannot be written, or would overwrite something it must not."""


class DiskFailed(OutputError):
    """The machine stands in the way: the disk is full or does not work, or no file descriptor is left."""

    exit_code = EXIT_NOTHING_DONE


class MissingSecret(FactoryError):
    """A key that the recipe needs is not in the environment."""


class MissingDependency(FactoryError):
    """A package that comes with an extra, or weights that are fetched on their own, are not installed."""


class RecordFailed(FactoryError):
    """One record cannot go on; it is set aside with this reason and the run continues.

    `kind` groups such failures in the funnel: "bad_reply", "context_length", "call_failed", ...
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class TextsFailed(RecordFailed):
    """Some of the texts that a model was given cannot be embedded; the others are, and lie in the journal.

    failed: why, by the text's number
    """

    def __init__(self, failed: Mapping[int, RecordFailed], texts: int) -> None:
        first = failed[min(failed)]
        more = f" (so with {len(failed):,} of {texts:,} texts)" if texts > 1 else ""
        super().__init__(first.kind, f"{first}{more}")
        self.failed = failed


class RunStopped(FactoryError):
    """No record can go on: a refused key, an unreachable server, a full disk, a spent budget."""

    exit_code = EXIT_NOTHING_DONE


class CannotScore(RunStopped):
    """A model tells no log-probabilities of a given text. A step that can do without is not stopped by it."""


class BatchWaiting(RunStopped):
    """The run stops: every call that is left waits for the results of a batch."""

    exit_code = EXIT_WAITING


class RunInterrupted(FactoryError):
    """The person at the terminal stopped the run; what was answered is in the journal."""

    exit_code = EXIT_INTERRUPTED


_OF_THE_MACHINE = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM}
)
"""Faults of the machine, which no other command mends. A place that is not there, or that one may not write to, is not
among them: it was named."""


def exit_code_of(error: FactoryError) -> int:
    """The code that a command ends with: that of a mistake only where no fault of the machine led to the error."""
    if error.exit_code != EXIT_USAGE or of_the_machine(error) is None:
        return error.exit_code
    return EXIT_NOTHING_DONE


def of_the_machine(error: BaseException) -> OSError | None:
    """The fault of the machine that an error is, or that led to it; None where none did."""
    behind: BaseException | None = error
    seen: set[int] = set()
    while behind is not None and id(behind) not in seen:
        if isinstance(behind, OSError) and behind.errno in _OF_THE_MACHINE:
            return behind
        seen.add(id(behind))
        behind = behind.__cause__ or behind.__context__
    return None


NEAR = 0.6
"""The least share of letters that a name has in common with one that it may have been meant for (difflib's ratio)."""
MOST_NAMES = 20
"""So many known names stand in a sentence about an unknown one."""


def nearest(name: str, names: Sequence[str]) -> str:
    """The end of a sentence about an unknown name: a known one that is near, else the list, or its beginning."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=NEAR)
    if close:
        return f"; did you mean {close[0]!r}?"
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return f"; known are {', '.join(names[:MOST_NAMES])}{more}" if names else ""
