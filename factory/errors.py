"""The mistakes and mishaps a user can mend, one class each.

The text of every error is written for the person at the terminal: what happened, where, and how to mend it,
in one sentence. The command line prints that sentence and ends with `exit_code`; it never shows a traceback
for one of these.
"""

from __future__ import annotations

from collections.abc import Mapping

EXIT_USAGE = 2
EXIT_SOME_RECORDS_FAILED = 3
EXIT_NOTHING_DONE = 4
EXIT_WAITING = 5
EXIT_INTERRUPTED = 130


class FactoryError(Exception):
    """Something a user can mend. `str(error)` is the whole message."""

    exit_code = EXIT_USAGE


class RecipeError(FactoryError):
    """The recipe is wrong: names the file, the step and the field."""


class InputError(FactoryError):
    """An input file or object cannot be read: names the file and, where there is one, the line."""


class OutputError(FactoryError):
    """The output cannot be written, or would overwrite something it must not."""


class DiskFailed(OutputError):
    """The disk is full or does not work: nothing can be written there, whatever is asked for."""

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


class BatchWaiting(RunStopped):
    """The run stops: every call that is left waits for the results of a batch."""

    exit_code = EXIT_WAITING


class RunInterrupted(FactoryError):
    """The person at the terminal stopped the run; what was answered is in the journal."""

    exit_code = EXIT_INTERRUPTED
