"""A run while it goes: a table that follows it on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from factory.data.text import shorten
from factory.report.plain import clock, count, money, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

WINDOW_SECONDS = 10.0
"""Rates are those of this many last seconds."""
REFRESH_SECONDS = 0.2
LINE_SECONDS = 5.0
"""How often a line is written where there is no terminal, at most."""
SILENCE_SECONDS = 60.0
"""How long no line is written there, at most, while a step is at work."""
CHARACTERS = 1200
"""Of a warning or a note that are shown: a result with its intervals takes 700, and what to heed stands last."""
MOST_WARNINGS = 20
IN_MANIFEST = 100
"""How many warnings a run's manifest holds."""


class StepLike(Protocol):
    """What is read of a step's progress."""

    @property
    def label(self) -> str: ...
    @property
    def entered(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def passed(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def begins(self) -> bool: ...
    @property
    def total(self) -> int | None: ...
    @property
    def dropped(self) -> Mapping[str, int]: ...
    @property
    def failed(self) -> Mapping[str, int]: ...


class ProgressLike(Protocol):
    """What is read of a run's progress, from another thread than the one that counts."""

    @property
    def steps(self) -> Sequence[StepLike]: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def notices(self) -> Sequence[str]: ...
    @property
    def stopping(self) -> str: ...
    @property
    def embedding(self) -> tuple[int, int]: ...
    @property
    def calls(self) -> int: ...
    @property
    def replayed(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def cost(self) -> float | None: ...
    @property
    def seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class StepNow:
    """One step's counts at a moment."""

    label: str
    entered: int
    done: int
    passed: int
    in_flight: int
    total: int | None
    dropped: int
    failed: int
    begins: bool = False

    @property
    def begun(self) -> bool:
        """Whether it makes records of nothing and is at it."""
        return self.begins and self.done < (self.total or 0)


class Sample(NamedTuple):
    """A run's counts at a moment, in seconds of the run."""

    at: float
    calls: int
    replayed: int
    tokens: int
    cost: float | None
    steps: tuple[StepNow, ...]
    embedded: int = 0
    to_embed: int = 0


class Rates:
    """Rates over a sliding window of samples."""

    def __init__(self, window: float = WINDOW_SECONDS) -> None:
        self._window = window
        self._samples: deque[Sample] = deque()

    def add(self, sample: Sample) -> None:
        """Take the newest sample, let go of those older than the window."""
        self._samples.append(sample)
        while sample.at - self._samples[0].at > self._window and len(self._samples) > 2:
            self._samples.popleft()

    def __call__(self, now: float, before: float) -> float:
        """Change a second between two readings at the ends of the window."""
        span = self._samples[-1].at - self._samples[0].at
        return (now - before) / span if span > 0 else 0.0

    @property
    def requests(self) -> float:
        """Calls answered a second."""
        return self(self._samples[-1].calls, self._samples[0].calls)

    @property
    def tokens(self) -> float:
        """Tokens of prompts and replies a second."""
        return self(self._samples[-1].tokens, self._samples[0].tokens)

    @property
    def texts(self) -> float:
        """Texts embedded a second; below 0 where a request for embeddings has just ended."""
        return self(self._samples[-1].embedded, self._samples[0].embedded)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the slowest of the steps whose end is known is through; None where none is known.

        What the journal replays takes no time, so the rate of the calls that are sent counts alone: while all is
        replayed, nothing is known.
        """
        first, last = self._samples[0], self._samples[-1]
        sent, replayed = last.calls - first.calls, last.replayed - first.replayed
        share = sent / (sent + replayed) if replayed else 1.0
        left = []
        for before, now in zip(first.steps, last.steps, strict=False):
            rate = share * self(now.done, before.done)
            if now.total is not None and now.done < now.total and rate > 0:
                left.append((now.total - now.done) / rate)
        if last.embedded < last.to_embed and self.texts > 0:
            left.append((last.to_embed - last.embedded) / self.texts)
        return max(left, default=None)


def take_sample(progress: ProgressLike) -> Sample:
    """The run's counts now."""
    steps = tuple(
        StepNow(
            step.label,
            step.entered,
            step.done,
            step.passed,
            step.in_flight,
            step.total,
            sum(step.dropped.values()),
            sum(step.failed.values()),
            step.begins,
        )
        for step in progress.steps
    )
    return Sample(
        progress.seconds,
        progress.calls,
        progress.replayed,
        progress.tokens,
        progress.cost,
        steps,
        *progress.embedding,
    )


def speed_line(sample: Sample, rates: Rates) -> str:
    """Texts embedded, requests and tokens a second, replies replayed, money, time left: those that there are."""
    parts = []
    if sample.to_embed:
        rate = f" {rates.texts:,.1f} texts/s" if rates.texts > 0 else ""
        parts.append(f"{count(sample.embedded)}/{count(sample.to_embed)} texts embedded{rate}")
    if sample.calls:
        # Embeddings have no tokens that are counted.
        tokens = sample.tokens and (rates.tokens or not sample.to_embed)
        parts.append(f"{rates.requests:.1f} req/s" + (f" {rates.tokens:,.0f} tok/s" if tokens else ""))
    if sample.replayed:
        parts.append(f"{count(sample.replayed)} replayed")
    if sample.cost is not None:
        parts.append(f"cost {money(sample.cost)}")
    if (left := rates.seconds_left) is not None:
        parts.append(f"{clock(left)} left")
    return " | ".join(parts)


def plain_line(before: Sample | None, sample: Sample, rates: Rates) -> str:
    """One line on the steps at work: those with records inside, or with counts that changed since."""
    old = before.steps if before is not None else ()
    busy = [
        step
        for at, step in enumerate(sample.steps)
        if (step.entered and (step.in_flight or at >= len(old) or step != old[at])) or step.begun
    ]
    parts = []
    for step in busy:
        part = f"{visible(step.label)} {count(step.done)}" + (f"/{count(step.total)}" if step.total else "")
        for name, number in (
            ("in flight", step.in_flight),
            ("dropped", step.dropped),
            ("failed", step.failed),
        ):
            part += f" {name} {count(number)}" if number else ""
        parts.append(part)
    return " | ".join([*parts, *([speed] if (speed := speed_line(sample, rates)) else [])])


def stamp(line: str) -> str:
    """A line as it stands in a log: behind the local time, with its distance from UTC."""
    return f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}"


class LiveProgress:
    """Shows a run's progress while the `with` block lasts. A fault in showing never reaches the run.

    brief: leave to the caller what it says at the end, the warnings and the last counts
    stamped: begin each line with the time, for a log
    """

    def __init__(
        self, progress: ProgressLike, console: Console, *, brief: bool = False, stamped: bool = False
    ) -> None:
        self._progress = progress
        self._console = console
        self._brief = brief
        self._stamped = stamped
        self._rates = Rates()
        self._shown: Sample | None = None
        self._warned = 0
        self._noticed = 0
        self._told_stopping = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        with contextlib.suppress(Exception):
            self._rates.add(take_sample(self._progress))
            if self._console.is_terminal:
                from rich.live import Live

                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
        self._thread = threading.Thread(target=self._follow, name="factory-progress", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(Exception):
            # Whoever saw counts on the way sees the last ones too.
            self._look(last=not self._brief or self._shown is not None)
        with contextlib.suppress(Exception):
            if self._live is not None:
                # What a finished run did, the funnel tells; of one that stopped this is all there is.
                self._live.transient = kind is None
                self._live.stop()
        with contextlib.suppress(Exception):
            if not self._brief:
                self._say_more_warnings()

    def _follow(self) -> None:
        line_due = time.monotonic() + LINE_SECONDS
        while not self._ended.wait(REFRESH_SECONDS):
            due = time.monotonic() >= line_due
            if due:
                line_due += LINE_SECONDS
            # A count that changes while it is read, or a terminal that is gone: the next look may do better.
            with contextlib.suppress(Exception):
                self._look(write_line=due)

    def _look(self, *, write_line: bool = False, last: bool = False) -> None:
        sample = take_sample(self._progress)
        self._rates.add(sample)
        if not self._brief:
            self._warn()
        self._notice()
        if self._progress.stopping and not self._told_stopping:
            self._told_stopping = True
            self._print(self._progress.stopping, "yellow")
        if self._live is not None:
            self._live.update(self._table(sample), refresh=True)
        elif write_line or last:
            self._write_line(sample)

    def _write_line(self, sample: Sample) -> None:
        """A line where counts of a step changed, or else where a step is at work, or texts are, for a minute."""
        shown = self._shown
        changed = shown is None or sample.steps != shown.steps
        silent = shown is not None and sample.at - shown.at >= SILENCE_SECONDS
        if not changed and not silent:
            return
        if line := plain_line(shown, sample, self._rates):
            self._print(line if changed else f"{line} | {clock(sample.at)} passed")
        self._shown = sample

    def _warn(self) -> None:
        for sentence in self._progress.warnings[self._warned : MOST_WARNINGS]:
            self._warned += 1
            self._print(f"warning: {shorten(sentence, CHARACTERS)}", "yellow")

    def _notice(self) -> None:
        for sentence in self._progress.notices[self._noticed :]:
            self._noticed += 1
            self._print(f"note: {shorten(sentence, CHARACTERS)}")

    def _say_more_warnings(self) -> None:
        more = len(self._progress.warnings) - self._warned
        if more > 0:
            all_there = len(self._progress.warnings) <= IN_MANIFEST
            where = "they are in" if all_there else f"the first {IN_MANIFEST} of all are in"
            self._print(f"warning: {count(more)} more warnings; {where} manifest.json", "yellow")

    def _print(self, line: str, style: str = "") -> None:
        from rich.text import Text

        self._console.print(Text(stamp(line) if self._stamped else line, style), soft_wrap=True)

    def _table(self, sample: Sample) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("step", no_wrap=True)
        for name in ("done", "in flight", "dropped", "failed"):
            table.add_column(name, justify="right", no_wrap=True)
        for step in sample.steps:
            running = step.in_flight > 0 or step.begun
            style = "bold" if running else "" if step.entered else "dim"
            done = count(step.done) + (f"/{count(step.total)}" if step.total and running else "")
            table.add_row(
                Text(visible(step.label), style),
                Text(done, style),
                Text(count(step.in_flight), "" if running else "dim"),
                Text(count(step.dropped), "yellow" if step.dropped else "dim"),
                Text(count(step.failed), "red" if step.failed else "dim"),
            )
        speed = speed_line(sample, self._rates)
        elapsed = f"{clock(sample.at)} passed"
        return Group(table, Text(f"{elapsed} | {speed}" if speed else elapsed, "dim"))
