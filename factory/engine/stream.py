"""One stream of neighbouring per-record steps: no barrier between them, a bounded number of records inside."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from factory.data.document import document_of
from factory.data.process_apart import ENDING, Ending
from factory.data.record import Record
from factory.data.whole_file import cannot_write
from factory.engine.batch.chat import is_waiting
from factory.engine.calls.watch import WORK, Watch, Work
from factory.engine.progress import StepProgress
from factory.errors import FactoryError, RecordFailed, RunStopped, of_the_machine
from factory.step import Context, PerRecord

log = logging.getLogger("factory")

WAITING = 16
"""Seeds inside, those that are done and wait for their turn too, for each that may be worked on: a record
that takes fifteen times as long as the others holds up none."""


class Stream:
    """Runs records through per-record steps and gives them out in the order of their seeds.

    Each record that a step yields goes on at once as a task of its own, so a record is being judged while its
    sibling is still being evolved. What comes out follows the order of the seeds, and for each the order in which
    the steps yielded, whatever finished first.

    At most `window` seeds are being worked on at a time: a slow step holds back the reading of more. One slow
    record does not: those after it that are done wait for their turn, at most `WAITING` times the window of them, so
    that memory does not grow with the number of seeds.
    """

    def __init__(
        self,
        steps: Sequence[tuple[PerRecord, Context]],
        progress: Sequence[StepProgress],
        window: int,
        watch: Watch | None = None,
    ) -> None:
        self._watch = watch or Watch()
        self._steps = steps
        self._progress = progress
        self._window = window
        self._most = WAITING * window
        self._working = 0
        self._done = asyncio.Event()
        self._fatal: BaseException | None = None
        self._ending = Ending()
        self._tasks: set[asyncio.Task[list[Record]]] = set()
        self._asking = {at for at, (step, _) in enumerate(steps) if any(step.models_of("chat"))}

    async def run(
        self, source: Iterator[Record], sink: Callable[[Record], None], *, slow: bool = False
    ) -> None:
        """Send each record of `source` through the steps and hand what becomes of it to `sink`.

        slow: `source` may take long for a record: it is waited for in a thread, and those inside go on; a process that
            it waits for is ended where the run is

        Raises:
            RunStopped: no record can go on.
        """
        self._loop = asyncio.get_running_loop()  # asked once: each time costs a call of the system
        inside: deque[asyncio.Task[list[Record]] | Record] = deque()
        exhausted = False
        reading = contextvars.copy_context()
        reading.run(ENDING.set, self._ending)
        try:
            while True:
                while not exhausted and self._working < self._window and len(inside) < self._most:
                    record = await self._waited_for(source, reading) if slow else next(source, None)
                    if record is None:
                        exhausted = True
                        if self._progress:
                            self._progress[0].total = self._progress[0].entered
                        break
                    inside.append(sent := self._send_on(record, 0))
                    if not isinstance(sent, Record):
                        self._working += 1
                        sent.add_done_callback(self._seed_done)
                if not inside:
                    return
                self._done.clear()
                while inside and (isinstance(inside[0], Record) or inside[0].done()):
                    first = inside.popleft()
                    for record in [first] if isinstance(first, Record) else await first:
                        sink(record)
                    self._done.set()
                await self._done.wait()
        except asyncio.CancelledError:
            self._ending.end()
            if self._fatal is not None:
                raise self._fatal from None
            raise
        finally:
            await self._cancel()

    @staticmethod
    async def _waited_for(source: Iterator[Record], reading: contextvars.Context) -> Record | None:
        """The next record of a slow source, from a thread in which `reading` holds."""

        def give() -> Record | None:
            return next(source, None)

        return await asyncio.get_running_loop().run_in_executor(None, lambda: reading.run(give))

    def _seed_done(self, task: asyncio.Task[list[Record]]) -> None:
        self._working -= 1
        self._done.set()

    def _send_on(self, record: Record, depth: int) -> asyncio.Task[list[Record]] | Record:
        """The task that carries a record from step number `depth` on; the record itself where it is through."""
        if depth == len(self._steps) or record.dropped is not None:
            return record
        self._progress[depth].entered += 1
        task = self._loop.create_task(self._flow(record, depth))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _flow(self, record: Record, depth: int) -> list[Record]:
        """All that becomes of a record from step number `depth` on, in order."""
        step, context = self._steps[depth]
        progress = self._progress[depth]
        self._look_for_documents(record, depth)
        children: list[asyncio.Task[list[Record]] | Record] = []
        yielded = fell = False
        work, failure = Work(context.step), None
        WORK.set(work)  # of this task alone
        try:
            try:
                async for child in step.process(record, context):
                    progress.made += child.id != record.id
                    yielded |= child.id == record.id
                    progress.note(record, child)
                    fell |= _fell(record, child)
                    if child.dropped is not None:
                        progress.let_go(child)
                        children.append(child)
                    else:
                        progress.passed += 1
                        children.append(self._send_on(child, depth + 1))
                if not children:
                    raise RecordFailed("no_result", "the step gave nothing for this record")
                failure = work.failure if fell else None
            except RecordFailed as error:
                failure = error
                children.append(self._set_aside(record, context, progress, error.kind, str(error), yielded))
            except FactoryError:
                raise
            except (
                Exception
            ) as error:  # a fault in a step, perhaps a plug-in's, must not lose the others' work
                if (machine := of_the_machine(error)) is not None:
                    raise RunStopped(_stands_in_the_way(context.step, machine)) from error
                log.exception("step %s failed on record %s", context.step, record.id)
                reason = f"the step failed: {type(error).__name__}: {error}"
                failure = RecordFailed("step_error", reason)
                children.append(self._set_aside(record, context, progress, "step_error", reason, yielded))
        except FactoryError as error:
            self._watch.left(work)
            self._stop(error)
            raise asyncio.CancelledError from None
        except BaseException as error:
            self._watch.left(work)
            # Its calls are noted for a batch: the record is still in the step, and what it has given goes on.
            if not is_waiting(error):
                raise
        else:
            self._watch.end(work, failure)
            progress.done += 1
        results: list[Record] = []
        for part in children:
            if isinstance(part, Record):
                results.append(part)
            else:
                results.extend(await part)
        return results

    def _look_for_documents(self, record: Record, depth: int) -> None:
        """Say once of a step that asks a model that it is given documents, which nobody has cut."""
        if depth not in self._asking or (document := document_of(record)) is None:
            return
        self._asking.discard(depth)
        context = self._steps[depth][1]
        context.warn(
            f"{context.step}: {document.file} is a document, and the model is sent all of it as if it were a task: put "
            "`chunk` before this step, and make rows of the chunks by `from_documents`"
        )

    @staticmethod
    def _set_aside(
        record: Record, context: Context, progress: StepProgress, kind: str, reason: str, yielded: bool
    ) -> Record:
        """The record marked failed; where the step had already given it on, a child that stands for what is lost."""
        if yielded:
            record = record.child(record.instruction, context.event("failed"), input=record.input)
            progress.made += 1
        dropped = record.drop(context.step, kind, reason, failed=True)
        progress.let_go(dropped)
        return dropped

    def _stop(self, error: BaseException) -> None:
        """Remember what no record can survive, and end all the others."""
        if self._fatal is None:
            self._fatal = error
            self._ending.end()
            for task in self._tasks:
                task.cancel()

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stands_in_the_way(step: str, error: OSError) -> str:
    """The sentence for a fault of the machine, which no record survives and which is none of a record's."""
    told = str(cannot_write(Path(error.filename or "a file"), error, "mend that")).replace(
        "cannot be written", "cannot be opened or written", 1
    )
    return f"{step}: {told}; then run the same command again: what was answered is in the journal"


def _fell(before: Record, after: Record) -> bool:
    """Whether a step could not do its work on a record: it failed, or lacks a score that it did not lack before."""
    if after.dropped is not None:
        return after.dropped.failed
    return any(why is not before.missing.get(name) for name, why in after.missing.items())
