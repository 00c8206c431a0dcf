"""How many calls may be in flight: up to the recipe's limit, fewer while a server asks for patience."""

from __future__ import annotations

import asyncio
import time
from collections import deque


class Limiter:
    """Additive increase, multiplicative decrease, in one event loop.

    Begins at `most`. `overloaded` halves what is allowed (once per second at the most, since all that is in
    flight at that moment is refused together); each success adds a share, so that about one more call is
    allowed after a full round of successes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = float(most)
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halved_at = float("-inf")

    async def __aenter__(self) -> None:
        if self.in_flight < int(self.allowed) and not self._waiting:
            self.in_flight += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self.in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.in_flight < int(self.allowed):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)

    def succeeded(self) -> None:
        """A call went well: allow a little more."""
        if self.allowed < self.most:
            self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)
            self._admit()

    def overloaded(self) -> None:
        """The server asked for patience: allow half as many."""
        now = time.monotonic()
        if now - self._halved_at >= 1.0:
            self._halved_at = now
            self.allowed = max(1.0, self.allowed / 2)
