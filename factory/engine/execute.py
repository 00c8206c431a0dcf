"""Carries records through a list of steps: streams of per-record steps, whole-set steps as borders."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from factory.data.formats.reference import reference_records, reference_rows
from factory.data.gc_pause import rare_collections
from factory.data.record import Record
from factory.data.table import Table, write_records
from factory.engine.batch.chat import Batches, is_waiting
from factory.engine.budget import spent_reason
from factory.engine.calls.pool import ModelPool
from factory.engine.calls.probes import Probes
from factory.engine.calls.usage import Gate
from factory.engine.calls.watch import ALIKE, WORK, Work
from factory.engine.filling.fill import Filling
from factory.engine.filling.parts import Filled, Part
from factory.engine.folder import rows_as_json, write_beside
from factory.engine.journal.journal import Journal
from factory.engine.plan.foretell import foretold
from factory.engine.preflight import preflight, probes
from factory.engine.progress import RunProgress, StepProgress, count_missing
from factory.engine.stream import Stream
from factory.errors import FactoryError, InputError, RunInterrupted, RunStopped
from factory.models.naming import ModelEntry, resolve_model
from factory.models.options import LocalOptions
from factory.models.reply.noted import told
from factory.recipe.recipe import NO_BUDGET, Budget
from factory.step import Context, PerRecord, Source, Step, WholeSet

WINDOW_PER_CALL = 4
"""Seeds worked on in a stream for each call its models may have in flight: enough to keep a server full."""
SMALLEST_WINDOW = 64
FINISH_SECONDS = 60.0
"""How long calls in flight may take to finish after a stop was asked for."""


@dataclass(slots=True)
class Execution:
    """One pass of records through steps.

    folder: where each border's records are written, as NN-name/kept.parquet and NN-name/dropped.parquet
    export_folder: where steps that write files may write them
    stop_after_alike: so many records of a step that fail alike, without one that does not, stop the run; 0: never
    parts: the stretches between borders that have run, in order
    """

    steps: Sequence[Step]
    models: Mapping[str, ModelEntry]
    seed: int
    journal: Journal
    folder: Path
    export_folder: Path | None = None
    limit: int | None = None
    strict: bool = False
    budget: Budget = NO_BUDGET
    first_number: int = 1
    stop_after_alike: int = ALIKE
    progress: RunProgress = field(default_factory=RunProgress)
    labels: list[str] = field(init=False, default_factory=list)
    parts: list[Part] = field(init=False, default_factory=list)
    _gate: Gate = field(default_factory=Gate)
    _main: asyncio.Task[object] | None = None
    _interrupted: bool = False
    _let_go: Callable[[], int] = lambda: 0

    def __post_init__(self) -> None:
        self.labels = [f"{at:02d}-{step.name}" for at, step in enumerate(self.steps, start=self.first_number)]
        self.progress.steps = [StepProgress(label) for label in self.labels]

    async def run(self, start: Table | None = None) -> Path:
        """Run all steps; returns the Parquet file with the records that live at the end.

        The records of `start` stand in for a source where the first step is none.

        Raises:
            FactoryError: something that a step needs is missing; nothing was asked yet.
            RunStopped: no record can go on.
            RunInterrupted: `stop` was called.
        """
        with rare_collections():
            return await self._run(start)

    async def _run(self, start: Table | None) -> Path:
        self._main = asyncio.current_task()
        watch = asyncio.create_task(self._stop_once_closed())
        pool = ModelPool(self.models, self.journal, self.progress, self._gate, self.seed)
        self._let_go = pool.let_go
        self._gate.watch.most = self.stop_after_alike
        self._gate.tell = self.progress.tell
        self._gate.failed = self._gate.close
        if self.budget != NO_BUDGET:
            self._gate.spent = lambda: spent_reason(
                self.budget, self.progress, self._gate.sending + pool.batches.ahead
            )
        contexts = [
            Context(
                label,
                self.seed,
                pool.chat,
                pool.embedder,
                self.export_folder,
                self.progress.warn,
                tell=self.progress.tell,
                read_records=functools.partial(reference_records, warn=self.progress.warn),
                read_rows=functools.partial(reference_rows, warn=self.progress.warn),
                facts=progress.facts,
                tables=progress.tables,
                files=progress.files,
            )
            for label, progress in zip(self.labels, self.progress.steps, strict=True)
        ]
        try:
            preflight(self.steps, self.labels, pool)
            for sentence in await asyncio.to_thread(self._foretold, start):
                self.progress.tell(sentence)
            self._gate.probes = Probes(
                probes(self.steps, self.labels, pool), self.progress.tell, self.progress.warn
            )
            at = 0
            kept: Path | None = None
            while at < len(self.steps):
                step = self.steps[at]
                end = at + 1
                if isinstance(step, WholeSet):
                    if isinstance(step, Filled) and step.fills():
                        await Filling(self, contexts, pool, at, start).run()
                    table = read_border(kept) if kept is not None else start
                    if begins := table is None:
                        assert step.begins(), "the first step brings records in, or there is a start"
                        table = Table.from_records([])
                    context = replace(contexts[at], limit=self.limit if begins else None)
                    kept = await self.border(at, step, context, table, pool.batches)
                else:
                    while end < len(self.steps) and isinstance(self.steps[end], (Source, PerRecord)):
                        end += 1
                    table = read_border(kept) if kept is not None else start
                    kept = await self._stream(at, end, contexts, table, pool)
                self.parts.append(Part(at, end, kept))
                at = end
            assert kept is not None
            for part in self.parts:
                if not part.kept.is_file():
                    raise _gone(part.kept)
            pool.batches.settle()
            for name, usage in sorted(self.progress.models.items()):
                if usage.noted:
                    self.progress.tell(
                        f"{name}: of its replies were taken off or for granted: {told(usage.noted)}"
                    )
            return kept
        except asyncio.CancelledError:
            if self._gate.reason:
                raise RunStopped(self._gate.reason) from None
            if self._interrupted:
                raise RunInterrupted("stopped on request") from None
            raise
        finally:
            watch.cancel()
            if self._gate.probes is not None:
                await self._gate.probes.close()
            await self._gate.watch.close()
            await pool.close()

    def _foretold(self, start: Table | None) -> list[str]:
        return foretold(self.steps, self.labels, self.seed, start=start, limit=self.limit)

    def stop(self) -> None:
        """Ask for a clean stop: no new calls, those in flight are finished and journalled. Twice: at once.

        What a model in this process computes is left where it next may be: computing it again costs time alone.
        Must be called in the run's event loop.
        """
        assert self._main is not None
        if self._interrupted:
            self._main.cancel()
        elif (sending := self._gate.sending - self._let_go()) > 0:
            self.progress.stopping = (
                f"stopping; replies in flight are waited for first: {sending:,}, for "
                f"{FINISH_SECONDS:.0f} seconds at the most; Ctrl-C again leaves them"
            )
        self._interrupted = True
        self._gate.close()

    async def _stop_once_closed(self) -> None:
        """End the run when the gate was closed (on request, or by the budget) and nothing is in flight."""
        await self._gate.closed.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_SECONDS):
                await self._gate.idle.wait()
        assert self._main is not None
        self._main.cancel()

    async def _stream(
        self, start: int, end: int, contexts: Sequence[Context], table: Table | None, pool: ModelPool
    ) -> Path:
        """Run the sources and per-record steps from `start` to `end` as one stream."""
        first = start
        sources: list[Iterator[Record]] = [] if table is None else [table.records()]
        slow = False
        while first < end and isinstance(step := self.steps[first], Source):
            slow = slow or step.is_slow()
            sources.append(self._read(step, contexts[first], self.progress.steps[first]))
            first += 1
        chained: Iterator[Record] = itertools.chain.from_iterable(sources)
        if self.limit is not None and start == 0:
            chained = _first(chained, self.limit)
        label = self.labels[end - 1]
        steps = [
            (step, context)
            for step, context in zip(self.steps[first:end], contexts[first:end], strict=True)
            if isinstance(step, PerRecord)
        ]
        if steps:
            self.progress.steps[first].total = self._expected(start, first) if table is None else len(table)
        kept_path = self.folder / label / "kept.parquet"
        began = time.monotonic()
        with (
            write_records(kept_path) as kept,
            write_records(kept_path.with_name("dropped.parquet")) as dropped,
        ):
            await self.run_stream(
                steps,
                self.progress.steps[first:end],
                chained,
                lambda record: (kept if record.dropped is None else dropped).write(record),
                pool,
                slow=slow,
            )
        for step, context in steps:
            step.finish(context)
        for progress in self.progress.steps[start:end]:
            progress.seconds = time.monotonic() - began
            progress.facts.update(progress.lengths.facts())
        return kept_path

    async def run_stream(
        self,
        steps: Sequence[tuple[PerRecord, Context]],
        progress: Sequence[StepProgress],
        records: Iterator[Record],
        sink: Callable[[Record], None],
        pool: ModelPool,
        *,
        slow: bool = False,
    ) -> None:
        """Run records through per-record steps, and hand what becomes of them to `sink`, in their order."""
        stream = Stream(steps, progress, self._window(steps), self._gate.watch)
        await stream.run(records, sink, slow=slow)
        if pool.batches.waiting:
            await self._last_calls(pool.batches)
            pool.batches.settle()  # stops here, so that no file of half the records is left

    def _read(self, source: Source, context: Context, progress: StepProgress) -> Iterator[Record]:
        for record in source.records(context):
            progress.entered += 1
            progress.done += 1
            if record.dropped is None:
                progress.made += 1
                progress.passed += 1
            else:
                if self.strict:
                    raise InputError(f"{record.dropped.reason} (--strict stops at the first bad row)")
                progress.let_go(record)
                self.progress.warn(f"skipped: {record.dropped.reason}")
            yield record

    def _expected(self, start: int, first: int) -> int | None:
        counts = [step.expected() for step in self.steps[start:first] if isinstance(step, Source)]
        if any(count is None for count in counts):
            return None
        total = sum(count for count in counts if count is not None)
        return total if self.limit is None else min(total, self.limit)

    def _window(self, steps: Sequence[tuple[PerRecord, Context]]) -> int:
        names = {
            resolve_model(self.models, name, "chat")
            for step, _ in steps
            for _, name in step.models_of("chat")
        }
        calls = sum((self.models.get(name) or LocalOptions()).concurrency for name in names)
        return max(SMALLEST_WINDOW, WINDOW_PER_CALL * calls)

    async def _last_calls(self, batches: Batches) -> None:
        """Let calls that a step made side by side come to their end: noted for a batch, or in the journal."""
        noted = -1
        while noted != batches.waiting or self._gate.sending:
            noted = batches.waiting
            await asyncio.sleep(0.01)

    async def run_whole(self, step: WholeSet, context: Context, table: Table, batches: Batches) -> Table:
        """What a whole-set step makes of a table."""
        token = WORK.set(Work(context.step, whole=True))
        try:
            return await step.run(table, context)
        except BaseException as error:
            if not is_waiting(error):
                raise
            await self._last_calls(batches)
            batches.settle()
            raise
        finally:
            WORK.reset(token)

    async def border(self, at: int, step: WholeSet, context: Context, table: Table, batches: Batches) -> Path:
        """Run a whole-set step on the records that live."""
        progress = self.progress.steps[at]
        began = time.monotonic()
        progress.entered = progress.total = len(table)
        progress.begins = step.begins() and not len(table)
        if progress.begins:
            progress.total = step.expected() if context.limit is None else context.limit
            context = replace(context, made=progress.note_made)
        result = await self.run_whole(step, context, table, batches)
        progress.missing += count_missing(result) - count_missing(table)
        live, dropped = result.split()
        if context.limit is not None and (more := len(live) - context.limit) > 0:
            live = live.take(range(context.limit))
            self.progress.tell(
                f"{context.step}: {more:,} more records were made than the run takes; left out"
            )
        if len(result) < len(table):
            raise FactoryError(
                f"step {context.step} lost {len(table) - len(result)} records without a reason: a fault in the step"
            )
        progress.made = max(0, len(result) - len(table))
        progress.passed = len(live)
        for record in dropped.records():
            progress.let_go(record)
        progress.done = progress.total = progress.made if progress.begins else progress.entered
        path = self.folder / self.labels[at] / "kept.parquet"
        live.write(path)
        dropped.write(path.with_name("dropped.parquet"))
        tables = {f"{name}.jsonl": rows_as_json(rows) for name, rows in context.tables.items()}
        files = {name: text.encode() for name, text in context.files.items()}
        for name, data in {**tables, **files}.items():
            place = path.with_name(name)
            if name in files and self.export_folder is not None:
                self.progress.tell(f"{context.step}: written: {place}")
            if aside := write_beside(place, data):
                self.progress.warn(
                    f"{context.step}: {place} had been changed: what it held is in {aside.name} now"
                )
        progress.seconds = time.monotonic() - began
        return path


def read_border(path: Path) -> Table:
    """The records that a border of this run left.

    Raises:
        RunStopped: the file is gone, so that something else writes where the run does.
    """
    try:
        return Table.read(path)
    except FileNotFoundError as error:
        raise _gone(path) from error


def _gone(path: Path) -> RunStopped:
    return RunStopped(
        f"{path} is gone: something removed this run's files while it was in progress: run the same command again"
    )


def _first(records: Iterator[Record], limit: int) -> Iterator[Record]:
    """The first `limit` records that live, and the bad rows before the last of them."""
    taken = 0
    for record in records:
        if taken == limit:
            return
        taken += record.dropped is None
        yield record
        if taken == limit:
            return
