"""The limiter never lets out more than it may, and adapts."""

from __future__ import annotations

import asyncio

import pytest

from factory.engine.calls.limiter import Limiter

pytestmark = pytest.mark.anyio


async def test_no_more_than_the_limit_are_in_flight_and_all_get_their_turn() -> None:
    limiter = Limiter(3)
    seen: list[int] = []

    async def work() -> None:
        async with limiter:
            seen.append(limiter.in_flight)
            await asyncio.sleep(0)

    await asyncio.gather(*(work() for _ in range(50)))
    assert len(seen) == 50
    assert max(seen) == 3
    assert limiter.in_flight == 0


async def test_an_overload_halves_what_is_allowed_once_and_success_restores_it() -> None:
    limiter = Limiter(16)
    limiter.overloaded()
    limiter.overloaded()  # refused together with the first: halves nothing more
    assert limiter.allowed == 8
    for _ in range(500):
        limiter.succeeded()
    assert limiter.allowed == 16


async def test_one_call_is_always_allowed() -> None:
    limiter = Limiter(1)
    limiter.overloaded()
    async with limiter:
        assert limiter.in_flight == 1


async def test_a_waiter_that_is_cancelled_gives_its_turn_to_the_next() -> None:
    limiter = Limiter(1)
    await limiter.__aenter__()
    first = asyncio.create_task(limiter.__aenter__())
    second = asyncio.create_task(limiter.__aenter__())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await limiter.__aexit__()
    await asyncio.wait_for(second, 1)
    assert limiter.in_flight == 1


async def test_a_waiter_cancelled_just_as_its_turn_comes_gives_it_back() -> None:
    limiter = Limiter(1)
    await limiter.__aenter__()
    waiting = asyncio.create_task(limiter.__aenter__())
    await asyncio.sleep(0)
    await limiter.__aexit__()  # hands the turn over
    waiting.cancel()  # before the task runs again
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(limiter.__aenter__(), 1)
    assert limiter.in_flight == 1
