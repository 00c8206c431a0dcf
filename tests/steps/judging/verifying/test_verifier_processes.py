"""Jobs in processes apart: each has its own reply, and one that fails takes no other with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from factory.steps.judging.verifying.worker.pool import JobFailed, do_job

POSITIVE = {"type": "integer", "minimum": 1}


async def fits(value: Any, schema: Any = POSITIVE) -> bool:
    return not (await do_job("schema", {"value": value, "schema": schema}))["errors"]


@pytest.mark.anyio
async def test_many_jobs_at_once_have_their_own_replies() -> None:
    values = [number % 3 for number in range(60)]
    assert await asyncio.gather(*map(fits, values)) == [value > 0 for value in values]


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_job_that_fails_is_said_and_the_next_one_is_done() -> None:
    with pytest.raises(JobFailed, match="nested too deeply") as failed:
        await fits(1, {"$ref": "#"})
    assert failed.value.kind == "verifier_failed"
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(JobFailed, match="nested too deeply"):
        await fits(deep)
    assert await fits(1)


@pytest.mark.anyio
@pytest.mark.slow
async def test_a_job_that_takes_too_long_or_too_much_is_ended_and_the_next_one_is_done() -> None:
    with pytest.raises(JobFailed, match=r"more than 0.3 s") as failed:
        await do_job("schema", {"value": "a" * 40 + "!", "schema": {"pattern": "^(a+)+$"}}, 0.3)
    assert failed.value.kind == "timeout"
    assert await fits(2)
