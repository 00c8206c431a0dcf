"""Shows a run that was asked for from Python: as it goes, and how to go on when it stops."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from factory.engine.progress import RunProgress
from factory.errors import RunInterrupted, RunStopped
from factory.report.notebook import NotebookProgress, in_notebook
from factory.report.terminal.live import LiveProgress


def live(
    progress: RunProgress, show: bool | None, *, brief: bool = False
) -> contextlib.AbstractContextManager[object]:
    """Shows the progress while the block lasts, in a notebook, on a terminal, or in lines on the standard error stream.

    Args:
        show: None: in a notebook alone.
        brief: leave warnings and last counts to the caller; in a notebook, which shows nothing else, they are shown.
    """
    if show or (show is None and in_notebook()):
        if in_notebook():
            return NotebookProgress(progress)
        from rich.console import Console

        console = Console(stderr=True)
        return LiveProgress(progress, console, brief=brief, stamped=not console.is_terminal)
    return contextlib.nullcontext()


@contextlib.contextmanager
def told_how_to_go_on(progress: RunProgress) -> Iterator[None]:
    """Says of a run that stopped what is saved, and how to go on."""
    try:
        yield
    except (RunStopped, RunInterrupted) as error:
        if answered := progress.calls + progress.replayed:
            saved = f"saved: {answered:,} replies in the journal; run the same again to go on, none is asked for again"
            error.args = (f"{error}\n{saved}", *error.args[1:])
        raise
