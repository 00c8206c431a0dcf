"""A run looked at from Python: its records, its counts and page, and all runs of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias, overload

from factory.data.run_manifest import Manifest
from factory.engine.folder import OUTPUTS
from factory.engine.run import RunResult
from factory.errors import InputError
from factory.report.as_text import AsText, printed
from factory.report.page.page import write_report
from factory.report.run_files.manifest import latest_run, read_manifest, runs_in
from factory.report.terminal.funnel import print_funnel
from factory.report.terminal.runs import print_runs
from factory.report.terminal.why import Explanation, explain

RunLike: TypeAlias = str | Path | RunResult | None
"""A run: its folder, what `run` gave, or None for the latest below outputs/."""


@dataclass(frozen=True, slots=True, repr=False)
class RunReport(AsText):
    """A run's folder and what its manifest tells; shows itself as `factory report` prints it."""

    folder: Path
    manifest: Manifest

    @property
    def page(self) -> Path:
        """Where report.html lies, once `report` has written it."""
        return self.folder / "report.html"

    def as_text(self) -> str:
        """What `factory report` prints."""
        return printed(lambda console: print_funnel(self.manifest, console, self.folder))


class Runs(AsText, Sequence[RunReport]):
    """The runs of a folder, the latest first; shows itself as `factory runs` prints it."""

    __slots__ = ("_folder", "_found")

    def __init__(self, folder: Path, found: Sequence[RunReport]) -> None:
        self._folder = folder
        self._found = tuple(found)

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, at: int) -> RunReport: ...

    @overload
    def __getitem__(self, at: slice) -> Runs: ...

    def __getitem__(self, at: int | slice) -> RunReport | Runs:
        return Runs(self._folder, self._found[at]) if isinstance(at, slice) else self._found[at]

    def as_text(self) -> str:
        """What `factory runs` prints."""
        if not self._found:
            return f"{self._folder} holds no run yet"
        return printed(lambda console: print_runs([(run.folder, run.manifest) for run in self], console))


def why(record: str, folder: RunLike = None) -> Explanation:
    """Where a record of a run came from, what it became, and why it was kept or dropped.

    Args:
        record: its id, the beginning of one (from 4 characters), or the id its row had in the source.
        folder: the run; by default the latest below outputs/.

    Raises:
        InputError: there is no such run or record, or several records fit.
    """
    return explain(_folder(folder), str(record))


def report(folder: RunLike = None) -> RunReport:
    """What each step of a run did to the records; writes the run's report.html anew (`RunReport.page`).

    Raises:
        InputError: there is no such run.
        OutputError: the page cannot be written.
    """
    path = _folder(folder)
    write_report(path)
    return RunReport(path, read_manifest(path))


def runs(outputs: str | Path | None = None) -> Runs:
    """The runs of a folder, by default outputs/, the latest first: those that go, were stopped, or are done."""
    folder = Path(outputs).expanduser() if outputs is not None else OUTPUTS
    return Runs(folder, [RunReport(path, manifest) for path, manifest in runs_in(folder)])


def _folder(run: RunLike) -> Path:
    if run is None:
        return latest_run(OUTPUTS)
    if isinstance(run, RunResult):
        return run.folder
    if not isinstance(run, str | PathLike):
        raise InputError(
            f"a {type(run).__name__} has no folder of a run: give what sft.run gave, or the folder itself; a Dataset "
            "tells of its own records, ds.dropped and record.events"
        )
    return Path(run).expanduser()
