"""Goes back to the steps that make records until a set has what it lacks: see `Filled`.

A round runs the steps that made records once more, under a seed of its own: so their draws and samples differ, and a
replay finds them in the journal. What comes out and was not there before goes on through the steps behind them, which
see it as they would have in the first place; a whole-set step that makes none sees all records again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from factory.data.lacking import Lacking
from factory.data.record import Record
from factory.data.table import Table, write_records
from factory.data.text import shorten
from factory.engine.calls.pool import ModelPool
from factory.engine.filling.parts import (
    AGAIN,
    SHOWN,
    Filled,
    Known,
    Part,
    append,
    lineage_of,
    listed,
    parents_of,
    round_seed,
    silent,
)
from factory.engine.folder import rows_as_json, write_beside
from factory.engine.progress import StepProgress
from factory.statistics.interval import wilson
from factory.step import Context, PerRecord, Source, WholeSet

if TYPE_CHECKING:
    from factory.engine.execute import Execution

DRY_SHARE = 0.1
"""A round that brings less than this share of what was missing is a dry one."""


@dataclass(slots=True)
class Filling:
    """Fills what the whole-set step number `at` lacks. `start`: what stands in for sources."""

    execution: Execution
    contexts: list[Context]
    pool: ModelPool
    at: int
    start: Table | None
    _known: dict[int, Known] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    _made: int = 0

    async def run(self) -> None:
        """Go back, round by round, until nothing is lacking or the rounds are dry."""
        step, context = self.execution.steps[self.at], self.contexts[self.at]
        assert isinstance(step, Filled)
        lack, table = await self._lacking(step)
        if not lack.missing:
            return
        if self.execution.limit is not None:
            context.tell(
                f"{context.step}: the set is not filled, since the run takes the first {self.execution.limit:,} "
                "records "
                "alone (`--limit`)"
            )
            return
        makers = self._makers()
        if not makers:
            context.warn(
                f"{context.step}: {listed(lack)} lacking, and no step before this one makes records: nothing can be "
                "filled; put a step such as `explore`, `invent` or `evolve` before it"
            )
            return
        names = ", ".join(self.execution.labels[maker] for maker in makers)
        context.tell(f"{context.step}: {listed(lack)} lacking: going back to {names}")
        rounds: list[dict[str, object]] = []
        dry = number = 0
        while lack.missing and dry < lack.dry_rounds:
            number += 1
            missing = sum(lack.missing.values())
            self._made = 0
            came = await self._round(number, makers, lack, table)
            before = lack
            lack, table = await self._lacking(step)
            gained = missing - sum(lack.missing.values())
            is_dry = gained < max(1, DRY_SHARE * missing)
            dry = dry + 1 if is_dry else 0
            rounds.append(
                {
                    "round": number,
                    "made": self._made,
                    "came_through": came,
                    "filled": gained,
                    "still_missing": dict(lack.missing),
                }
            )
            context.tell(self._told(context, number, came, gained, before, lack, is_dry))
        context.facts["filling"] = rounds
        for at in range(makers[0], self.at):
            done = self.execution.steps[at]
            if isinstance(done, PerRecord):
                done.finish(self.contexts[at])
        if lack.missing:
            context.warn(
                f"{context.step}: after {number:,} rounds {listed(lack)} still lacking: the last {dry:,} brought "
                "less than "
                f"{DRY_SHARE:.0%} of what was missing; raise `dry_rounds`, take another model, or lower what is "
                "asked for"
            )

    def _told(
        self, context: Context, number: int, came: int, gained: int, before: Lacking, now: Lacking, dry: bool
    ) -> str:
        made = self._made
        low, high = wilson(min(came, made), made)
        share = f" ({came / made:.0%}, 95 % interval {low:.0%} to {high:.0%})" if made else ""
        brought = ", ".join(
            f"{shorten(group, 30)} {lacked - now.missing.get(group, 0):,} of {lacked:,}"
            for group, lacked in itertools.islice(before.missing.items(), SHOWN)
        )
        return (
            f"{context.step}: filling, round {number}: {made:,} made, {came:,} came through{share}; {gained:,} for "
            "what is "
            f"short: {brought}" + ("; dry" if dry else "")
        )

    async def _lacking(self, step: Filled) -> tuple[Lacking, Table]:
        parts = self.execution.parts
        table = self._table(len(parts))
        quiet = replace(self.contexts[self.at], warn=silent, tell=silent, facts={})
        return await asyncio.to_thread(step.lacking, table, quiet), table

    def _makers(self) -> list[int]:
        """The steps before that made records, by what they did in the first pass."""
        execution = self.execution
        return [
            at
            for at, step in enumerate(execution.steps[: self.at])
            if isinstance(step, (PerRecord, WholeSet)) and execution.progress.steps[at].made
        ]

    async def _round(self, number: int, makers: Sequence[int], lack: Lacking, table: Table) -> int:
        """One round; how many new records come to the step."""
        need = sum(lack.missing.values())
        wanted = lineage_of(table.take(lack.rows)) if lack.rows else None
        fresh: list[Record] = []
        for at, part in enumerate(self.execution.parts):
            step = self.execution.steps[part.first]
            if not isinstance(step, WholeSet):
                fresh = await self._stream(at, makers, fresh, wanted, need, number)
            elif part.first in makers:
                fresh = await self._make(at, step, wanted, need, number)
            elif fresh or self._gone:
                fresh = await self._again(at, step)
        return len(fresh)

    # -- a stream ------------------------------------------------------------------------------------------

    async def _stream(
        self,
        at: int,
        makers: Sequence[int],
        fresh: list[Record],
        wanted: set[str] | None,
        need: int,
        number: int,
    ) -> list[Record]:
        part = self.execution.parts[at]
        self._let_descendants_go(part)
        own = [maker for maker in makers if part.first <= maker < part.end]
        known = set(Table.read(part.kept).ids()) | set(Table.read(part.dropped).ids())
        kept: list[Record] = []
        dropped: list[Record] = []

        def sink(record: Record) -> None:
            if record.id in known or (record.dropped is not None and record.dropped.kind == AGAIN):
                return
            known.add(record.id)
            (kept if record.dropped is None else dropped).append(record)

        if fresh:
            await self._run(part, fresh, sink, known, (), number)
        if own:
            inputs = self._chosen(at, wanted, need, number, {record.id for record in fresh})
            await self._run(part, inputs, sink, known, own, number)
        append(part.kept, kept)
        append(part.dropped, dropped)
        return kept

    async def _run(
        self,
        part: Part,
        records: Sequence[Record],
        sink: Callable[[Record], None],
        known: set[str],
        own: Sequence[int],
        number: int,
    ) -> None:
        """Run records through the steps of a part; `own` are asked under the round's seed, and make new ones."""
        execution = self.execution
        pairs: list[tuple[PerRecord, Context]] = []
        progress: list[StepProgress] = []
        ends: list[tuple[Known, StepProgress]] = []
        for at in range(part.first, part.end):
            step = execution.steps[at]
            if not isinstance(step, PerRecord):
                continue
            counted = execution.progress.steps[at]
            if not own or at >= own[0]:
                pairs.append((step, self._reseeded(at, number) if at in own else self.contexts[at]))
                progress.append(counted)
            else:  # the records went this way before, and are counted
                quiet = replace(self.contexts[at], warn=silent, tell=silent, facts={})
                pairs.append((step, quiet))
                progress.append(StepProgress(execution.labels[at]))
            if at in own:
                end = self._known.setdefault(at, Known())
                end.know(known)
                pairs.append((end, self.contexts[at]))
                progress.append(StepProgress(AGAIN))
                ends.append((end, counted))
        for end, _ in ends[:1]:
            end.know(record.id for record in records)
        made = sum(execution.progress.steps[at].made for at in own)
        await execution.run_stream(pairs, progress, iter(records), sink, self.pool)
        for end, counted in ends:
            counted.passed -= end.take_count()
        self._made += sum(execution.progress.steps[at].made for at in own) - made

    def _chosen(
        self, at: int, wanted: set[str] | None, need: int, number: int, but: set[str]
    ) -> list[Record]:
        """The records that a part's steps work on again: of those that led to what is short as many as are missing."""
        ids = [record.id for record in self._inputs(at)]
        left = [id for id in ids if id not in but and (wanted is None or id in wanted)]
        context = self.contexts[self.at]
        if len(left) > need:
            left = context.random("fill", number, at).sample(left, need)
        chosen = set(left)
        return [record for record in self._inputs(at) if record.id in chosen]

    def _let_descendants_go(self, part: Part) -> None:
        """Let go what comes of records that a step before let go when it saw all records again."""
        if not self._gone:
            return
        label = self.execution.labels[part.end - 1]
        stay: list[Record] = []
        go: list[Record] = []
        for record in Table.read(part.kept).records():
            (go if self._gone & {record.id, *parents_of(record)} else stay).append(record)
        if not go:
            return
        reason = "the record that it comes of was let go when the set was filled"
        gone = [record.drop(label, "parent_let_go", reason) for record in go]
        for record in gone:
            self.execution.progress.steps[part.end - 1].let_go(record)
        self.execution.progress.steps[part.end - 1].passed -= len(gone)
        with write_records(part.kept) as writer:
            for record in stay:
                writer.write(record)
        append(part.dropped, gone)

    # -- a whole-set step ----------------------------------------------------------------------------------

    async def _make(
        self, at: int, step: WholeSet, wanted: set[str] | None, need: int, number: int
    ) -> list[Record]:
        """Have a whole-set step make more records of what came in at first, and of what is new.

        Of what led to what is short alone, where anything did: Chinese tasks are invented from Chinese seeds.
        """
        part, execution = self.execution.parts[at], self.execution
        progress = execution.progress.steps[part.first]
        before = Table.read(part.kept), Table.read(part.dropped)
        known = {id for table in before for id in table.ids()}
        came_in = self._table(at)
        ids = came_in.ids()
        here = set(ids)
        if wanted is not None and not wanted.isdisjoint(ids) and not step.begins():
            # What is new goes on in any case.
            came_in = came_in.take([row for row, id in enumerate(ids) if id in wanted or id not in known])
        context = replace(
            self._reseeded(part.first, number),
            facts=progress.facts.setdefault(f"filling_round_{number}", {}),
            tables={},
            files={},
            limit=need if step.begins() else None,
            earlier=before[0].take([row for row, id in enumerate(before[0].ids()) if id not in here]),
        )
        result = await execution.run_whole(step, context, came_in, self.pool.batches)
        new = [record for record in result.records() if record.id not in known]
        kept = [record for record in new if record.dropped is None]
        dropped = [record for record in new if record.dropped is not None]
        made = sum(record.id not in here for record in new)
        self._made += made
        progress.made += made
        progress.passed += len(kept)
        for record in dropped:
            progress.let_go(record)
        append(part.kept, kept)
        append(part.dropped, dropped)
        data = {f"{name}.jsonl": rows_as_json(rows) for name, rows in context.tables.items()}
        data |= {name: text.encode() for name, text in context.files.items()}
        for name, content in data.items():
            write_beside(part.kept.with_name(f"round-{number}-{name}"), content)
        return kept

    async def _again(self, at: int, step: WholeSet) -> list[Record]:
        """Have a whole-set step that makes no records see all of them again; those that are new behind it."""
        part, execution = self.execution.parts[at], self.execution
        earlier = set(Table.read(part.kept).ids())
        old = execution.progress.steps[part.first]
        for name in [*(f"{name}.jsonl" for name in old.tables), *old.files]:
            part.kept.with_name(name).unlink(missing_ok=True)
        fresh = StepProgress(old.label, seconds=old.seconds)
        execution.progress.steps[part.first] = fresh
        self.contexts[part.first] = replace(
            self.contexts[part.first], facts=fresh.facts, tables=fresh.tables, files=fresh.files
        )
        await execution.border(
            part.first, step, self.contexts[part.first], self._table(at), self.pool.batches
        )
        fresh.seconds += old.seconds
        now = Table.read(part.kept)
        self._gone |= earlier - set(now.ids())
        return [record for record in now.records() if record.id not in earlier]

    # -- what comes in -------------------------------------------------------------------------------------

    def _table(self, at: int) -> Table:
        """The records that come to part number `at` by now."""
        if at:
            return Table.read(self.execution.parts[at - 1].kept)
        return self.start if self.start is not None else Table.from_records([])

    def _inputs(self, at: int) -> Iterator[Record]:
        """The records that came to part number `at` at first, or since; read again where they come from files."""
        if at or self.start is not None:
            yield from self._table(at).records()
            return
        for place, step in enumerate(self.execution.steps):
            if not isinstance(step, Source):
                return
            quiet = replace(self.contexts[place], warn=silent, tell=silent, facts={})
            yield from (record for record in step.records(quiet) if record.dropped is None)

    def _reseeded(self, at: int, number: int) -> Context:
        seed = round_seed(self.execution.seed, number)
        return replace(self.contexts[at], seed=seed, get_chat=lambda name: self.pool.chat_seeded(name, seed))
