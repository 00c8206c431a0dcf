"""A run while it goes, in a notebook: one table that is replaced by the next, so that a saved one has the last."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any, Self

from factory.data.text import shorten
from factory.report.page.markup import Html, h
from factory.report.plain import clock, count, visible
from factory.report.terminal.live import ProgressLike, Rates, speed_line, take_sample

REFRESH_SECONDS = 1.0
MOST_TOLD = 20
"""Warnings, and notices, that are shown."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return hasattr(get_ipython(), "kernel") if get_ipython is not None else False


class NotebookProgress:
    """Shows a run's progress while the `with` block lasts, and its last state after it, warnings too.

    A fault in showing never reaches the run.
    """

    def __init__(self, progress: ProgressLike) -> None:
        self._progress = progress
        self._rates = Rates()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._handle: Any = None

    def __enter__(self) -> Self:
        with contextlib.suppress(Exception):
            from IPython.display import display

            self._handle = display(self._table("running"), display_id=True)
        self._thread = threading.Thread(target=self._follow, name="factory-progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self._show("done" if kind is None else "stopped")

    def _follow(self) -> None:
        while not self._ended.wait(REFRESH_SECONDS):
            self._show("running")

    def _show(self, state: str) -> None:
        # A count that changes while it is read, or a front end that is gone: the next look may do better.
        with contextlib.suppress(Exception):
            if self._handle is not None:
                self._handle.update(self._table(state))

    def _table(self, state: str) -> _Shown:
        sample = take_sample(self._progress)
        self._rates.add(sample)
        rows = [
            [
                visible(step.label),
                *map(count, (step.done, step.passed, step.dropped, step.failed, step.in_flight)),
            ]
            for step in sample.steps
        ]
        for step, row in zip(sample.steps, rows, strict=True):
            if step.total and step.in_flight:
                row[1] += f"/{count(step.total)}"
        speed = speed_line(sample, self._rates) if state == "running" else ""
        told = [f"note: {shorten(one, 400)}" for one in self._progress.notices[:MOST_TOLD]]
        told += [f"warning: {shorten(one, 400)}" for one in self._progress.warnings[:MOST_TOLD]]
        for name, sentences in (("notes", self._progress.notices), ("warnings", self._progress.warnings)):
            if len(sentences) > MOST_TOLD:
                told.append(f"and {count(len(sentences) - MOST_TOLD)} more {name}")
        if self._progress.stopping and state == "running":
            told.append(self._progress.stopping)
        foot = f"{state}, {clock(sample.at)} passed" + (f" | {speed}" if speed else "")
        return _Shown(rows, [foot, *told])


class _Shown:
    """The table at a moment, as IPython asks for it."""

    HEADS = ("step", "done", "out", "dropped", "failed", "in flight")

    def __init__(self, rows: list[list[str]], lines: list[str]) -> None:
        self._rows = rows
        self._lines = lines

    def __repr__(self) -> str:
        cells = [self.HEADS, *self._rows]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.HEADS))]
        table = [
            "  ".join(
                cell.rjust(width) if at else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in cells
        ]
        return "\n".join([*table, *map(visible, self._lines)])

    def _repr_html_(self) -> str:
        head = h("tr", *(h("th", name) for name in self.HEADS))
        body = [h("tr", *(h("td", cell) for cell in row)) for row in self._rows]
        lines = [h("div", line) for line in self._lines]
        return Html(h("table", head, *body) + "".join(lines))
