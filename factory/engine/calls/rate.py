"""At most so many requests, or tokens, a minute: evenly spaced, so that a limit by the second holds too."""

from __future__ import annotations

import asyncio
import time


class Rate:
    """A pace of `per_minute` units, kept by spacing: each taker is given the moment at which it may go.

    A server that counts by the second is never hit by a minute's worth at once, which is where limits by the
    minute alone go wrong.
    """

    def __init__(self, per_minute: float) -> None:
        self._seconds = 60.0 / per_minute
        self._next = 0.0

    async def take(self, units: float = 1.0) -> None:
        """Wait for the turn of this many units."""
        now = time.monotonic()
        turn = max(now, self._next)
        self._next = turn + units * self._seconds
        if turn > now:
            await asyncio.sleep(turn - now)

    def settle(self, units: float) -> None:
        """Correct what was taken by what it came to: more units put later takers off, fewer bring them on."""
        self._next += units * self._seconds
