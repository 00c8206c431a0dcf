"""Waiting for a server, on a clock that moves only by waiting: how often it is asked, and what a person is told."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.engine.calls import caller, limiter
from factory.engine.calls.caller import Caller
from factory.engine.calls.limiter import Limiter
from factory.engine.calls.usage import Gate, ModelUsage
from factory.errors import RecordFailed, RunStopped
from factory.models.failures import Overloaded, Unreachable


class _Selector(selectors.DefaultSelector):
    """Waits no time at all, and says that it passed."""

    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


class Clock:
    """A loop whose time passes as fast as it is waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.selector = _Selector()
        self.loop = asyncio.SelectorEventLoop(self.selector)
        self.loop.time = lambda: self.selector.now  # type: ignore[method-assign]
        for module in (caller, limiter):
            monkeypatch.setattr(module.time, "monotonic", lambda: self.selector.now)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.loop.run_until_complete(work)
        finally:
            self.loop.close()


Answer = Callable[[float], None]
"""Raises what a call comes to at a moment, in seconds since the beginning; returns where it is answered."""


def ask(
    monkeypatch: pytest.MonkeyPatch, records: int, answer: Answer, takes: float = 0.001
) -> tuple[list[float], list[BaseException | None], list[str], float]:
    """When calls went out, what became of each record, what was told, and how long it took."""
    clock = Clock(monkeypatch)
    sent: list[float] = []
    told: list[str] = []
    gate = Gate(tell=told.append)
    model = Caller("m", records, ModelUsage(), gate)
    begun = clock.selector.now

    async def call() -> None:
        sent.append(clock.selector.now - begun)
        await asyncio.sleep(takes)
        answer(clock.selector.now - begun)

    async def main() -> list[BaseException | None]:
        return await asyncio.gather(*(model.send(call) for _ in range(records)), return_exceptions=True)

    became = clock.run(main())
    return sent, became, told, clock.selector.now - begun


@pytest.mark.parametrize("told", [0.0, None, 0.001])
def test_two_hundred_records_do_not_storm_a_server_that_says_to_wait_no_time(
    monkeypatch: pytest.MonkeyPatch, told: float | None
) -> None:
    def busy_for_nine_seconds(now: float) -> None:
        if now < 9:
            raise Overloaded("slow down", told)

    sent, became, _, _ = ask(monkeypatch, 200, busy_for_nine_seconds)
    assert became == [None] * 200
    assert sum(at < 9 for at in sent) < 800  # 200 at once, then ever fewer


@pytest.mark.parametrize("told", [5.0, 60.0])
def test_a_told_wait_that_is_longer_than_our_own_holds(monkeypatch: pytest.MonkeyPatch, told: float) -> None:
    def once(now: float) -> None:
        if now < 1:
            raise Overloaded("slow down", told)

    sent, became, _, _ = ask(monkeypatch, 1, once)
    assert became == [None]
    assert sent[1] - sent[0] >= told


@pytest.mark.parametrize("told", [86_400.0, 1e300])
def test_a_told_wait_without_end_is_cut(monkeypatch: pytest.MonkeyPatch, told: float) -> None:
    def once(now: float) -> None:
        if now < 1:
            raise Overloaded("slow down", told)

    sent, became, _, _ = ask(monkeypatch, 1, once)
    assert became == [None]
    assert sent[1] - sent[0] <= caller.PATIENCE_SECONDS + 1


def test_a_server_that_refuses_a_share_of_its_calls_is_not_slowed_down_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = [0]

    def every_fifth(now: float) -> None:
        count[0] += 1
        if count[0] % 5 == 0:
            raise Overloaded("slow down", 0.0)

    _, became, told, seconds = ask(monkeypatch, 400, every_fifth, takes=0.5)
    assert became == [None] * 400
    assert told == []  # nothing to worry about
    assert seconds < 60


def test_a_server_that_refuses_every_call_is_told_of_and_given_up_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def always(now: float) -> None:
        raise Overloaded("the server is overloaded: no room", None)

    sent, became, told, seconds = ask(monkeypatch, 50, always)
    assert all(isinstance(error, RecordFailed) and "still refused" in str(error) for error in became)
    assert seconds < 2 * caller.OVERLOADED_SECONDS
    assert len(sent) < 50 * caller.TRIES * 5
    assert "it refuses every call" in told[0]
    assert "no room" in told[0]
    assert len(told) >= 5


def test_a_server_that_dies_is_told_of_at_once_and_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(now: float) -> None:
        if now > 0.5:
            raise Unreachable("nobody answers at http://host/v1")

    clock = Clock(monkeypatch)
    told: list[tuple[float, str]] = []
    gate = Gate(tell=lambda sentence: told.append((clock.selector.now - 1000, sentence)))
    model = Caller("m", 8, ModelUsage(), gate)

    async def call() -> None:
        await asyncio.sleep(0.1)
        dies(clock.selector.now - 1000)

    async def main() -> list[Any]:
        await model.send(call)
        await asyncio.sleep(1)
        return await asyncio.gather(*(model.send(call) for _ in range(30)), return_exceptions=True)

    became = clock.run(main())
    assert any(isinstance(error, RunStopped) and "but not for 120 s" in str(error) for error in became)
    assert told[0][0] < 2
    assert "nobody answers at http://host/v1" in told[0][1]
    moments = [at for at, _ in told]
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert len(told) >= 3
    assert all(caller.TELL_SECONDS <= gap <= 2 * caller.TELL_SECONDS for gap in gaps)


def test_a_server_that_comes_back_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(now: float) -> None:
        if 1 < now < 40:
            raise Unreachable("nobody answers")

    clock = Clock(monkeypatch)
    told: list[str] = []
    model = Caller("m", 4, ModelUsage(), Gate(tell=told.append))

    async def call() -> None:
        away(clock.selector.now - 1000)

    async def main() -> None:
        await model.send(call)
        await asyncio.sleep(2)
        await asyncio.gather(*(model.send(call) for _ in range(4)))

    clock.run(main())
    assert told[-1] == "model `m` answers again"


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 50))
def test_a_limiter_allows_one_call_at_least_and_forgets_its_rest_at_a_success(
    outcomes: list[bool], most: int
) -> None:
    held = Limiter(most)
    for good in outcomes:
        (held.succeeded if good else held.overloaded)()
        assert 1 <= held.allowed <= most
        assert 0 <= held.rest() <= 30.0
    held.succeeded()
    assert held.refused_since is None
    assert held.rest() == 0
    assert held.rounds == 0
