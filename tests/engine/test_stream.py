"""A stream keeps order, loses nothing, overlaps its steps, and holds a bounded number of records."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import threading
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.record import Record, new_record
from factory.engine.progress import StepProgress
from factory.engine.stream import WAITING, Stream
from factory.errors import RecordFailed, RunStopped
from factory.step import Context, PerRecord


def no_model(name: str) -> None:
    raise AssertionError("no model is asked here")


def context(step: str) -> Context:
    return Context(step, 0, no_model, no_model)  # type: ignore[arg-type]


class Split(PerRecord):
    """Gives `children` records for each, in a random time, and drops those that end in `drop`."""

    name = "split"
    children: int = 2
    fail: str = ""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        for number in range(self.children):
            await asyncio.sleep(random.random() / 1000)
            if self.fail and record.instruction.endswith(self.fail):
                raise RecordFailed("unlucky", f"{record.instruction} ends in {self.fail}")
            child = record.child(f"{record.instruction}.{number}", context.event("split", round=number))
            yield child.drop(context.step, "odd", "a one") if number % 3 == 2 else child


def run_stream(
    steps: list[PerRecord], count: int, window: int = 8
) -> tuple[list[Record], list[StepProgress]]:
    progress = [StepProgress(step.name) for step in steps]
    out: list[Record] = []
    stream = Stream(
        [(step, context(f"{at:02d}-{step.name}")) for at, step in enumerate(steps)], progress, window
    )
    records = (new_record(f"seed {number}") for number in range(count))
    asyncio.run(stream.run(records, out.append))
    return out, progress


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    children=st.lists(st.integers(1, 4), min_size=0, max_size=3),
    count=st.integers(0, 12),
    window=st.integers(1, 9),
)
def test_the_order_is_that_of_the_seeds_whatever_finishes_first(
    children: list[int], count: int, window: int
) -> None:
    steps: list[PerRecord] = [Split(children=number) for number in children]
    first, _ = run_stream(steps, count, window)
    again, _ = run_stream(steps, count, 64)
    assert [record.id for record in first] == [record.id for record in again]

    def expected(text: str, depth: int) -> list[str]:
        if depth == len(children):
            return [text]
        result: list[str] = []
        for number in range(children[depth]):
            child = f"{text}.{number}"
            result += [child] if number % 3 == 2 else expected(child, depth + 1)
        return result

    wanted = [text for number in range(count) for text in expected(f"seed {number}", 0)]
    assert [record.instruction for record in first] == wanted


def test_a_record_that_fails_is_set_aside_and_the_others_go_on() -> None:
    out, progress = run_stream([Split(children=1, fail="3")], 10)
    failed = [record for record in out if record.dropped]
    assert [record.instruction for record in failed] == ["seed 3"]
    assert failed[0].dropped is not None
    assert failed[0].dropped.failed
    assert failed[0].dropped.kind == "unlucky"
    assert len(out) == 10
    assert progress[0].failed.total() == 1


def test_a_fault_in_a_step_sets_one_record_aside_with_its_name() -> None:
    class Broken(PerRecord):
        """Fails on one record."""

        name = "broken"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            if record.instruction == "seed 1":
                raise KeyError("oops")
            yield record

    out, _ = run_stream([Broken()], 3)
    assert [record.dropped.kind if record.dropped else "" for record in out] == ["", "step_error", ""]
    assert "KeyError" in (out[1].dropped.reason if out[1].dropped else "")


def test_a_record_that_a_step_swallows_is_set_aside_not_lost() -> None:
    class Swallow(PerRecord):
        """Yields nothing."""

        name = "swallow"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            return
            yield record

    out, _ = run_stream([Swallow()], 2)
    assert [record.dropped.kind for record in out if record.dropped] == ["no_result", "no_result"]


@pytest.mark.parametrize("error", [RecordFailed("late", "too late"), KeyError("late")])
def test_what_a_step_lost_after_it_gave_the_record_on_is_a_dropped_record_of_its_own(
    error: Exception,
) -> None:
    class Late(PerRecord):
        """Gives the record on, then fails."""

        name = "late"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            yield record
            raise error

    out, progress = run_stream([Late()], 2)
    assert len({record.id for record in out}) == len(out) == 4
    kept = [record for record in out if record.dropped is None]
    lost = [record for record in out if record.dropped is not None]
    assert [record.id for record in kept] == [new_record(f"seed {n}").id for n in range(2)]
    for parent, child in zip(kept, lost, strict=True):
        assert child.events[-1].parents == (parent.id,)
        assert child.instruction == parent.instruction
        assert child.dropped is not None
        assert child.dropped.failed
        assert "late" in child.dropped.reason
    assert progress[0].failed.total() == progress[0].made == 2
    assert (progress[0].entered, progress[0].passed) == (2, 2)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EIO])
def test_a_fault_of_the_machine_is_none_of_a_records_and_stops_the_run(number: int) -> None:
    class Opens(PerRecord):
        """Opens a file."""

        name = "opens"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            try:
                raise OSError(number, os.strerror(number), "prompts/a.md")
            except OSError as error:
                raise ValueError("something came of it") from error
            yield record

    said = r"00-opens: prompts/a\.md cannot be opened or written: .*run the same command again"
    with pytest.raises(RunStopped, match=said):
        run_stream([Opens()], 3)


def test_what_no_record_can_survive_ends_all_at_once() -> None:
    class Refused(PerRecord):
        """Stops the run at one record while the others wait for ever."""

        name = "refused"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            if record.instruction == "seed 2":
                raise RunStopped("the key was refused")
            await asyncio.sleep(3600)
            yield record

    with pytest.raises(RunStopped, match="the key was refused"):
        run_stream([Refused()], 5)


def test_steps_overlap_a_child_is_worked_on_while_its_sibling_is_made() -> None:
    class Maker(PerRecord):
        """Makes a second child only when the first has reached the next step."""

        name = "maker"
        reached: ClassVar[asyncio.Event]

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            Maker.reached = asyncio.Event()
            yield record.child("first", context.event("make"))
            await asyncio.wait_for(Maker.reached.wait(), 5)
            yield record.child("second", context.event("make"))

    class Next(PerRecord):
        """Says that a record has come."""

        name = "next"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            Maker.reached.set()
            yield record

    out, _ = run_stream([Maker(), Next()], 1)
    assert [record.instruction for record in out] == ["first", "second"]


def test_no_more_seeds_are_read_than_the_window_holds() -> None:
    inside = 0
    most = 0

    class Slow(PerRecord):
        """Takes a moment."""

        name = "slow"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            nonlocal inside
            await asyncio.sleep(0.001)
            inside -= 1
            yield record

    def seeds() -> Iterator[Record]:
        nonlocal inside, most
        for number in range(100):
            inside += 1
            most = max(most, inside)
            yield new_record(str(number))

    out: list[Record] = []
    stream = Stream([(Slow(), context("01-slow"))], [StepProgress("01-slow")], window=7)
    asyncio.run(stream.run(seeds(), out.append))
    assert len(out) == 100
    assert most <= 7


def test_a_slow_record_does_not_hold_up_those_after_it() -> None:
    through = 0
    enough = asyncio.Event()

    class FirstIsSlow(PerRecord):
        """The first record waits until a hundred others are done."""

        name = "slow"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            nonlocal through
            if record.instruction == "0":
                await enough.wait()
            await asyncio.sleep(0)
            through += 1
            if through == 100:
                enough.set()
            yield record

    out: list[Record] = []
    stream = Stream([(FirstIsSlow(), context("01-slow"))], [StepProgress("01-slow")], window=8)
    asyncio.run(asyncio.wait_for(stream.run((new_record(str(n)) for n in range(150)), out.append), 20))
    assert [record.instruction for record in out] == [str(n) for n in range(150)]


@pytest.mark.slow
def test_what_waits_for_its_turn_is_bounded() -> None:
    read = 0

    class FirstIsStuck(PerRecord):
        """The first record never comes through."""

        name = "stuck"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            if record.instruction == "0":
                await asyncio.Event().wait()
            yield record

    def seeds() -> Iterator[Record]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield new_record(str(number))

    stream = Stream([(FirstIsStuck(), context("01-stuck"))], [StepProgress("01-stuck")], window=4)
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(stream.run(seeds(), [].append), 1))
    assert read == WAITING * 4


def test_a_slow_source_holds_up_no_record_that_is_inside() -> None:
    worked = threading.Event()

    class Works(PerRecord):
        name = "works"

        async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
            await asyncio.sleep(0)
            worked.set()
            yield record

    def source() -> Iterator[Record]:
        yield new_record("first")
        assert worked.wait(60), "the first record waits for the second to be read"
        yield new_record("second")

    out: list[Record] = []
    stream = Stream([(Works(), context("01-works"))], [StepProgress("works")], 8)
    asyncio.run(stream.run(source(), out.append, slow=True))
    assert [record.instruction for record in out] == ["first", "second"]
