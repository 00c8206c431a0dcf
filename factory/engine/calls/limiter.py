"""How many calls may be in flight: up to the recipe's limit, fewer while a server asks for patience."""

from __future__ import annotations

import asyncio
import time
from collections import deque

SMALLEST_ROUND = 4
"""So many refusals at least, without a success between them, before all calls rest."""


class Limiter:
    """Additive increase, multiplicative decrease, in one event loop.

    Begins at `most`. `overloaded` halves what is allowed (once per second at the most, since all that is in
    flight at that moment is refused together); each success adds a share, so that about one more call is
    allowed after a full round of successes.

    Calls that are refused at once hold no place, so that fewer places alone would not slow them down: where a whole
    round of calls was refused, without one success, all calls rest, twice as long after each such round.

    refused_since: when the first of the refusals came that no success followed, None where there is none
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = float(most)
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halved_at = float("-inf")
        self.rounds = 0
        self.refused_since: float | None = None
        self._refused = 0
        self._round = max(SMALLEST_ROUND, most)
        self._rest_until = float("-inf")

    def rest(self) -> float:
        """Seconds that no call may go out for."""
        return max(0.0, self._rest_until - time.monotonic())

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
        if self.refused_since is not None:
            self.refused_since, self._refused, self.rounds = None, 0, 0
            self._round = max(SMALLEST_ROUND, int(self.allowed))
            self._rest_until = float("-inf")
        if self.allowed < self.most:
            self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)
            self._admit()

    def overloaded(self, first: float = 0.5, most: float = 30.0) -> None:
        """The server asked for patience: allow half as many; all rest for a while where all were refused."""
        now = time.monotonic()
        self.refused_since = now if self.refused_since is None else self.refused_since
        self._refused += 1
        if self._refused >= self._round and now >= self._rest_until:
            self._rest_until = now + min(most, first * 2**self.rounds)
            self.rounds, self._refused = self.rounds + 1, 0
        if now - self._halved_at >= 1.0:
            self._halved_at = now
            self.allowed = max(1.0, self.allowed / 2)
        if not self._refused:
            self._round = max(SMALLEST_ROUND, int(self.allowed))
