"""Working on many rows at once, with results in the order of the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

WIDTH = 512
"""Rows at work at a time: more than a model takes calls, which is what truly limits them."""

Row = TypeVar("Row")
Result = TypeVar("Result")


async def side_by_side(work: Callable[[Row], Awaitable[Result]], rows: Sequence[Row]) -> list[Result]:
    """`work(row)` for each row, in order, whatever the order in which they finish.

    An error ends the work. A row that has to wait for a batch raises what is no `Exception`: the other rows
    are worked on first, so that one batch holds the calls of all.
    """
    results: dict[int, Result] = {}
    left = iter(enumerate(rows))
    waiting: list[BaseException] = []

    async def worker() -> None:
        for at, row in left:
            try:
                results[at] = await work(row)
            except (Exception, asyncio.CancelledError, KeyboardInterrupt, SystemExit):
                raise
            except BaseException as wait:
                waiting.append(wait)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(WIDTH, len(rows))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    if waiting:
        raise waiting[0]
    return [results[at] for at in range(len(rows))]
