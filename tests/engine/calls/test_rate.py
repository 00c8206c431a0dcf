"""A rate spaces its takers evenly and corrects itself by what was really used."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from factory.engine.calls import rate
from factory.engine.calls.rate import Rate

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that moves only by sleeping; its last entry is now."""
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now.append(now[-1] + seconds)

    monkeypatch.setattr(rate.time, "monotonic", lambda: now[-1])
    monkeypatch.setattr(rate.asyncio, "sleep", sleep)
    return now


async def test_no_minute_and_no_second_holds_more_than_its_share(clock: list[float]) -> None:
    pace = Rate(120)
    times = []
    for _ in range(5):
        await pace.take()
        times.append(clock[-1])
    assert [after - before for before, after in itertools.pairwise(times)] == pytest.approx([0.5] * 4)


async def test_a_pause_is_not_made_up_for_by_a_burst(clock: list[float]) -> None:
    pace = Rate(60)
    await pace.take()
    clock.append(clock[-1] + 3600)
    start = clock[-1]
    for _ in range(3):
        await pace.take()
    assert clock[-1] - start == pytest.approx(2.0)


async def test_tokens_that_were_used_beyond_the_estimate_put_the_next_one_off(clock: list[float]) -> None:
    pace = Rate(6000)  # 100 a second
    await pace.take(100)
    pace.settle(200)
    start = clock[-1]
    await pace.take(100)
    assert clock[-1] - start == pytest.approx(3.0)


async def test_takers_that_come_together_go_one_after_another() -> None:
    pace = Rate(60_000)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(pace.take() for _ in range(50)))
    assert loop.time() - began >= 0.049
