"""What `factory run` tells, and whom: a person at the terminal, a log, a program that started it."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

import typer

from factory.errors import (
    EXIT_NOTHING_DONE,
    EXIT_USAGE,
    EXIT_WAITING,
    FactoryError,
    OutputError,
    RunInterrupted,
    exit_code_of,
)

if TYPE_CHECKING:
    from rich.console import Console

    from factory.engine.progress import RunProgress
    from factory.engine.run import Run, RunResult
    from factory.report.terminal.live import LiveProgress

_WIDE = 100_000
"""Columns of a log: no line of it is broken."""


class Outcome:
    """Tells how a run goes while its `with` block lasts, and at the end how it ended.

    Raises:
        OutputError: the log cannot be written.
    """

    def __init__(self, *, quiet: bool = False, log: Path | None = None, as_json: bool = False) -> None:
        self._quiet, self._as_json = quiet, as_json
        self._facts: dict[str, Any] = dict.fromkeys(("recipe", "folder", "records", "kept", "dropped"))
        self._finished = False
        self._run: Run | None = None
        self._message = ""
        self._live: list[LiveProgress] = []
        self._log: IO[str] | None = None
        if log is not None:
            try:
                log.expanduser().parent.mkdir(parents=True, exist_ok=True)
                self._log = log.expanduser().open("a", encoding="utf-8", buffering=1)
            except OSError as error:
                raise OutputError(f"--log {log}: cannot be written ({error.strerror or error})") from error
        self._handlers: list[logging.Handler] = []

    def __enter__(self) -> Self:
        if self._log is not None:
            handler: logging.Handler = logging.StreamHandler(self._log)
            handler.setFormatter(_Stamped())
            self._handlers.append(handler)
        if self._quiet:
            self._handlers.append(logging.NullHandler())
        elif self._handlers:  # with a handler of ours Python's own, which writes to standard error, is silent
            self._handlers.append(logging.StreamHandler())
        for handler in self._handlers:
            handler.setLevel(logging.WARNING)
            logging.getLogger("factory").addHandler(handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_showing()
        code = 0
        if isinstance(error, FactoryError):
            code = exit_code_of(error)
            self._message = self._message or str(error)
        elif isinstance(error, (typer.Exit, SystemExit)):
            code = getattr(error, "exit_code", None) or getattr(error, "code", 0) or 0
        elif error is not None:
            code = EXIT_USAGE if isinstance(error, typer.Abort) else EXIT_NOTHING_DONE
            self._message = f"{type(error).__name__}: {error}"
        if error is not None and not isinstance(error, (typer.Exit, SystemExit)):
            self._to_log(f"error: {self._message}")
        self._to_log(f"ended with exit code {code}")
        for handler in self._handlers:
            logging.getLogger("factory").removeHandler(handler)
        if self._log is not None:
            self._log.close()
        if self._as_json:
            import orjson

            typer.echo(orjson.dumps(self._as_told(code, error)).decode())

    def show(self, run: Run) -> None:
        """Note the run whose outcome it will be."""
        self._run = run
        self._facts |= {"recipe": run.recipe.name, "folder": str(run.folder)}

    def started(self, progress: RunProgress) -> None:
        """Show a run's progress from now on, on standard error and in the log."""
        from rich.console import Console

        from factory.report.terminal.live import LiveProgress

        if not self._quiet:
            console = Console(stderr=True)
            self._live.append(LiveProgress(progress, console, stamped=not console.is_terminal))
        if self._log is not None:
            self._live.append(LiveProgress(progress, self._wide(), stamped=True))
        for live in self._live:
            live.__enter__()

    def stop_showing(self, error: FactoryError | None = None) -> None:
        """Show the last counts, and no more."""
        while self._live:
            self._live.pop().__exit__(type(error) if error is not None else None, error, None)

    def say(self, text: str, *, error: bool = False) -> None:
        """Tell the person at the terminal, and the log; an error also where all else is quiet."""
        if error:
            self._message = text
        if error or not self._quiet:
            typer.echo(text, err=True)
        self._to_log(text)

    def finished(self, result: RunResult) -> None:
        """Print the funnel of a run that came to its end."""
        from rich.console import Console

        from factory.report.terminal.funnel import headline, print_funnel

        facts = result.facts
        self._facts |= {"records": facts.records, "kept": facts.kept, "dropped": facts.dropped}
        self._finished = True
        self._message = headline(result.facts)
        if not (self._quiet or self._as_json):
            print_funnel(result.facts, Console(), result.folder)
        self._to_log(self._message)
        self._to_log(f"the run's folder: {result.folder}")

    def _as_told(self, code: int, error: BaseException | None) -> dict[str, Any]:
        if self._finished:
            status = "finished"
        elif code == EXIT_WAITING:
            status = "waiting"
        elif code == RunInterrupted.exit_code or isinstance(error, KeyboardInterrupt):
            status = "interrupted"
        else:
            status = "error" if code == EXIT_USAGE else "stopped"
        told: dict[str, Any] = {"status": status, "exit_code": code, "message": self._message, **self._facts}
        if self._run is not None:
            if status in ("stopped", "interrupted", "waiting"):
                told |= _counts_so_far(self._run.folder)
            progress = self._run.progress
            told |= {
                "failed": progress.failed,
                "calls": progress.calls,
                "replayed": progress.replayed,
                "tokens": progress.tokens,
                "cost": progress.cost,
                "seconds": round(progress.seconds, 3),
                "warnings": len(progress.warnings),
            }
        return told

    def _wide(self) -> Console:
        from rich.console import Console

        return Console(file=self._log, width=_WIDE, no_color=True, force_terminal=False)

    def _to_log(self, text: str) -> None:
        if self._log is not None:
            from factory.report.terminal.live import stamp

            for line in text.splitlines():
                self._log.write(stamp(line) + "\n")


def _counts_so_far(folder: Path) -> dict[str, int]:
    """Records of a run that did not finish: `kept` are those that live so far."""
    from factory.report.run_files.manifest import read_manifest

    with contextlib.suppress(FactoryError):  # it ended before it wrote any
        facts = read_manifest(folder)
        if not facts.finished:
            return {"records": facts.records, "kept": facts.kept, "dropped": facts.dropped}
    return {}


class _Stamped(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """A record's message behind the time, as every other line of the log."""
        from factory.report.terminal.live import stamp

        return stamp(f"{record.levelname.lower()}: {record.getMessage()}")
