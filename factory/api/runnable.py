"""A per-record step as a LangChain `Runnable`: records in, records out, inside any chain."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from factory.api.steps import make_step
from factory.data.formats.python_objects import records_from
from factory.data.formats.reference import reference_records, reference_rows
from factory.data.record import Record, new_record
from factory.data.text import is_blank
from factory.engine.calls.pool import ModelPool
from factory.engine.calls.usage import Gate
from factory.engine.folder import OUTPUTS
from factory.engine.journal.journal import Journal
from factory.engine.progress import RunProgress, StepProgress
from factory.engine.stream import Stream
from factory.errors import InputError, RecipeError, RunStopped
from factory.models.naming import ModelEntry
from factory.step import Context, PerRecord

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableLambda

RunnableInput: TypeAlias = "str | Mapping[str, Any] | Record | list[str | Mapping[str, Any] | Record]"

_WINDOW = 64
"""Records of one call that are inside the step at a time."""
_CLOSING_SECONDS = 30.0

_log = logging.getLogger("factory")


def as_runnable(
    name: str, /, *, seed: int = 0, journal: str | Path | None = None, **options: Any
) -> RunnableLambda[RunnableInput, list[Record]]:
    """A per-record step (evolve, respond, tag, judge, a plug-in's) as a LangChain `Runnable`.

    Its input is an instruction, a row as a dict (alpaca, sharegpt or messages), a `Record`, or a list of these,
    so that one step's runnable can follow another's. Its output is the list of all records that come of it, in
    order; one that was let go is among them and says why (`record.dropped`).

    All calls of one runnable share its models, their limits, and its journal, which are opened with the first
    call and closed when the runnable is no longer used: what was answered before is not asked again.

    Example:
        >>> chain = as_runnable("evolve", model=teacher, rounds=1) | as_runnable("respond", model=teacher)
        >>> chain.invoke("Name three rivers of Europe.")

    Args:
        name: the step.
        seed: the seed of every draw and every sampled reply.
        journal: where replies are kept; by default outputs/journal.db.
        options: the step's own; a field that names a model takes a `factory.model(...)` or a LangChain chat
            model.

    Raises:
        RecipeError: there is no such step or option, or the step does not work record by record. Calls raise
            InputError for an input that is no record, and RunStopped where no record could go on.
    """
    from langchain_core.runnables import RunnableLambda

    models: dict[str, ModelEntry] = {}
    step = make_step(name, options, models)
    if not isinstance(step, PerRecord):
        raise RecipeError(
            f"the step {name!r} does not work record by record, so it cannot be a Runnable: "
            "use it in a recipe, or as a method of factory.load(...)"
        )
    worker = _Worker(step, models, seed, Path(journal) if journal is not None else OUTPUTS / "journal.db")

    def invoke(data: RunnableInput) -> list[Record]:
        future = worker.submit(data)
        try:
            return future.result()
        except BaseException:  # Ctrl-C while waiting: nobody wants the result any more
            future.cancel()
            raise

    async def ainvoke(data: RunnableInput) -> list[Record]:
        return await asyncio.wrap_future(worker.submit(data))

    return RunnableLambda(invoke, ainvoke, name=name)


class _Worker:
    """Runs a step in a thread with an event loop of its own, whoever calls, and from whatever loop or thread.

    One loop, because a model's connections, limits and counters belong to one.
    """

    def __init__(self, step: PerRecord, models: Mapping[str, ModelEntry], seed: int, journal: Path) -> None:
        self._step = step
        self._models = models
        self._seed = seed
        self._journal_path = journal
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context: Context | None = None
        self._owner: int | None = None

    def submit(self, data: RunnableInput) -> Future[list[Record]]:
        """What becomes of the input, soon."""
        records = _records(data, self._step.name)
        if self._owner not in (None, os.getpid()):  # its thread is not in a process that was forked
            raise RunStopped(
                f"{self._step.name}: this runnable was used before the process was forked: make one in the new "
                'process, or start it with multiprocessing.get_context("spawn")'
            )
        with self._starting:
            if self._loop is None:
                self._start()
            assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(self._process(records), self._loop)

    def _start(self) -> None:
        self._owner = os.getpid()
        journal = Journal(self._journal_path)
        progress = _Told()
        pool = ModelPool(self._models, journal, progress, Gate(), self._seed)
        label = f"01-{self._step.name}"
        warn = progress.warn
        self._context = Context(
            label,
            self._seed,
            pool.chat,
            pool.embedder,
            warn=warn,
            tell=_log.info,
            read_records=functools.partial(reference_records, warn=warn),
            read_rows=functools.partial(reference_rows, warn=warn),
        )
        if journal.recovered:
            self._context.warn(journal.recovered)
        loop = self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_serve, args=(loop,), name=f"factory-{self._step.name}", daemon=True)
        thread.start()
        weakref.finalize(self, _close, loop, thread, pool, journal)

    async def _process(self, records: list[Record]) -> list[Record]:
        assert self._context is not None
        results: list[Record] = []
        stream = Stream([(self._step, self._context)], [StepProgress(self._context.step)], _WINDOW)
        await stream.run(iter(records), results.append)
        return results


def _records(data: Any, name: str) -> list[Record]:
    """The input as records.

    Raises:
        InputError: a part of it is none.
    """
    if isinstance(data, list):
        return [record for part in data for record in _records(part, name)]
    if isinstance(data, Record):
        return [data]
    if isinstance(data, str):
        if is_blank(data):
            raise InputError(f"{name}: the instruction is empty")
        return [new_record(data)]
    if not isinstance(data, Mapping):
        raise InputError(
            f"{name}: the input is an instruction, a row as a dict, a Record or a list of these, "
            f"not {type(data).__name__}"
        )
    (row,) = records_from([data], "input")
    if not isinstance(row, Record):
        raise InputError(f"{name}: the input row cannot be read: {row.reason}")
    return [row]


class _Told(RunProgress):
    """Counts of a run that nobody shows: what is to be told is logged, once."""

    def warn(self, sentence: str) -> None:
        """See `RunProgress.warn`."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            _log.warning("%s", sentence)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


def _close(
    loop: asyncio.AbstractEventLoop, thread: threading.Thread, pool: ModelPool, journal: Journal
) -> None:
    """Close what a worker held; called when it is collected, in whatever thread, or when the process ends."""

    async def close() -> None:
        try:
            # At the end of a process no thread can be started any more, which some models need to close.
            with contextlib.suppress(RuntimeError):
                await pool.close()
            journal.close()
        finally:
            loop.stop()

    asyncio.run_coroutine_threadsafe(close(), loop)
    if threading.current_thread() is not thread:
        thread.join(_CLOSING_SECONDS)
