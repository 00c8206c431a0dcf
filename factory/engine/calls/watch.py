"""Stops a run whose work fails alike: the first records of a step, all with one reason, and many in a row later on.

What is watched is a step's work on one record; in a step over the whole set, each question of its own. Work that
sent nothing, because the journal had it all, costs nothing and can stop nothing; that it went well counts.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from factory.data.text import shorten
from factory.errors import RecordFailed

ALIKE = 8
"""So many records of a step that fail alike, before any that does not, stop the run."""
IN_A_ROW = 2
"""Times that, in a row, once records went well."""
DRAIN_SECONDS = 60.0
"""How long work that is under way may still prove a step that seems to fail for all."""
_LOOK_SECONDS = 0.02

# What differs between two refusals of one kind: numbers, identifiers, what is quoted of the prompt or the reply.
_ITS_OWN = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|[A-Za-z_/+=-]*\d[A-Za-z0-9_/+=-]*")


@dataclass(slots=True, eq=False)
class Work:
    """What a step does for one record; `whole`: all that it does, whose questions are work of their own.

    sent: calls that went out; failure: the first call that failed for good
    counted: its failure was counted before its end
    """

    step: str = ""
    whole: bool = False
    sent: int = 0
    failure: RecordFailed | None = None
    counted: bool = False


WORK: ContextVar[Work | None] = ContextVar("work", default=None)
"""The work that a call is made for."""


def alike(kind: str, reason: str) -> str:
    """The part of a reason that failures of one kind share."""
    return f"{kind}: {' '.join(_ITS_OWN.sub('#', reason).split())}"


@dataclass(slots=True)
class _StepState:
    succeeded: bool = False
    successes: int = 0
    begun: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Watch:
    """Counts failures that are alike, by step; `most` of them stop the run, 0 never does.

    Before it stops, work that is under way may end, and one record that goes well lets the step go on: refusals
    come faster than answers, so that the first replies of many calls at once say little. Meanwhile the step's other
    records send nothing.

    stop: is told why the run stops
    sending: how many calls are on their way
    """

    def __init__(self, most: int = 0) -> None:
        self.most = most
        self.stop: Callable[[str], None] = lambda reason: None
        self.sending: Callable[[], int] = lambda: 0
        self._steps: defaultdict[str, _StepState] = defaultdict(_StepState)
        self._doubted: dict[str, asyncio.Event] = {}
        self._drains: set[asyncio.Task[None]] = set()

    def begin(self, work: Work) -> None:
        """A call goes out for this work."""
        if not work.whole:
            work.sent += 1
            self._steps[work.step].begun += work.sent == 1

    def end(self, work: Work, failure: RecordFailed | None) -> None:
        """The work is done, well or not."""
        state = self._steps[work.step]
        if work.sent:
            state.begun -= 1
        if failure is None:
            state.succeeded = True
            state.successes += 1
            state.failures.clear()
        elif not work.counted and (work.sent or failure.kind == "step_error"):
            self.failed(work.step, failure)

    def left(self, work: Work) -> None:
        """The work was cancelled, or waits for a batch."""
        if work.sent:
            self._steps[work.step].begun -= 1

    def pause(self, work: Work) -> None:
        """The work waits for what becomes of others."""
        self._steps[work.step].begun -= work.sent > 0

    def go_on(self, work: Work) -> None:
        """The work waits no longer."""
        self._steps[work.step].begun += work.sent > 0

    def failed(self, step: str, failure: RecordFailed, why: str = "") -> None:
        """Count a failure; the step is held, and the run stopped, where too many are alike.

        why: the sentence that it stops with, where there is a better one than how many failed
        """
        if not self.most:
            return
        state = self._steps[step]
        kind = alike(failure.kind, str(failure))
        state.failures[kind] += 1
        enough = self.most * IN_A_ROW if state.succeeded else self.most
        if state.failures[kind] >= enough and step not in self._doubted:
            self._doubted[step] = asyncio.Event()
            drain = asyncio.create_task(self._drain(step, state, kind, failure, why))
            self._drains.add(drain)
            drain.add_done_callback(self._drains.discard)

    async def cleared(self, work: Work) -> None:
        """Wait while the step is held and this work has sent nothing yet."""
        while not work.sent and (doubted := self._doubted.get(work.step)) is not None:
            await doubted.wait()

    def holds(self, work: Work) -> bool:
        """Whether this work may send nothing now."""
        return not work.sent and work.step in self._doubted

    async def _drain(self, step: str, state: _StepState, kind: str, failure: RecordFailed, why: str) -> None:
        successes, at_most = state.successes, state.failures[kind] + self.sending()
        loop = asyncio.get_running_loop()
        until = loop.time() + DRAIN_SECONDS
        while state.successes == successes:
            if not state.begun or loop.time() >= until or state.failures[kind] > at_most:
                self.stop(why or self._sentence(step, state, kind, failure))
                return  # the step stays held
            await asyncio.sleep(_LOOK_SECONDS)
        self._doubted.pop(step).set()

    def _sentence(self, step: str, state: _StepState, kind: str, failure: RecordFailed) -> str:
        number = state.failures[kind]
        which = f"{number:,} records in a row" if state.succeeded else f"the first {number:,} records"
        return (
            f"{step or 'the step'}: {which} failed alike ({failure.kind}): {shorten(str(failure), 300)}; mend it and "
            "run again, or go on whatever fails with --stop-after-alike 0"
        )

    async def close(self) -> None:
        """End what is being decided."""
        for drain in self._drains:
            drain.cancel()
        await asyncio.gather(*self._drains, return_exceptions=True)
