"""How calls to a model are sent: limited, retried by kind of failure, stopped at the gate."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

from factory.engine.calls.limiter import Limiter
from factory.engine.calls.rate import Rate
from factory.engine.calls.usage import Gate, ModelUsage
from factory.errors import RecordFailed, RunStopped
from factory.models.base import Overloaded, TransientFailure, Unreachable

TRIES = 6
"""How often one call is sent before its record is set aside."""
BACKOFF_SECONDS = (0.5, 30.0)
"""First and largest ceiling of the random wait before another try ("full jitter")."""
FIRST_CONTACT_TRIES = 3
"""How often a server that never answered is tried before the run stops."""
PATIENCE_SECONDS = 120.0
"""How long a server that did answer may be unreachable before the run stops."""


class Caller:
    """What chat and embedding calls share: the limiter, retries by kind of failure, the gate."""

    def __init__(
        self,
        name: str,
        concurrency: int,
        usage: ModelUsage,
        gate: Gate,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self.name = name
        self.usage = usage
        self.limiter = Limiter(concurrency)
        self._request_rate = Rate(requests_per_minute) if requests_per_minute else None
        self._token_rate = Rate(tokens_per_minute) if tokens_per_minute else None
        self._gate = gate
        self._reached = False
        self._unreachable_since: float | None = None
        self._jitter = random.Random()  # waits do not touch results: not seeded
        self.in_flight: dict[bytes, asyncio.Future[Any]] = {}

    async def send(self, call: Any, tokens: int = 0) -> Any:
        """Await `call()` until it succeeds or cannot; `call` makes one attempt, of about `tokens` tokens."""
        # Counted apart: what was tried while nobody answered must not use up the tries of a server that is back.
        failed = refused = unreached = 0
        while True:
            wait = 0.0
            async with self.limiter:
                if self._request_rate is not None:
                    await self._request_rate.take()
                if self._token_rate is not None:
                    await self._token_rate.take(tokens)
                await self._gate.enter()
                try:
                    result = await call()
                    self._reached, self._unreachable_since = True, None
                    self.limiter.succeeded()
                    return result
                except Unreachable as error:
                    unreached += 1
                    self._check_patience(unreached, error)
                    wait = self._backoff(unreached)
                except Overloaded as error:
                    self._reached, self._unreachable_since = True, None
                    self.limiter.overloaded()
                    # Waiting in line is not a failure, so it has a limit of its own, generous.
                    refused += 1
                    if refused >= TRIES * 5:
                        raise RecordFailed(
                            "call_failed", f"{self.name}: still refused after {refused} tries: {error}"
                        ) from error
                    told = error.retry_after
                    # Some servers say a day: asking again sooner costs one refusal.
                    wait = self._backoff(refused) if told is None else min(told, PATIENCE_SECONDS)
                except TransientFailure as error:
                    self._reached, self._unreachable_since = True, None
                    failed += 1
                    if failed >= TRIES:
                        raise RecordFailed(
                            "call_failed", f"{self.name}: no reply after {failed} tries: {error}"
                        ) from error
                    wait = self._backoff(failed)
                finally:
                    self._gate.leave()
            self.usage.retries += 1
            await asyncio.sleep(wait)

    def _check_patience(self, tries: int, error: Unreachable) -> None:
        now = time.monotonic()
        if self._unreachable_since is None:
            self._unreachable_since = now
        if not self._reached and tries >= FIRST_CONTACT_TRIES:
            raise RunStopped(f"model `{self.name}`: {error}") from error
        if self._reached and now - self._unreachable_since > PATIENCE_SECONDS:
            raise RunStopped(
                f"model `{self.name}`: {error}; it did answer before, but not for {PATIENCE_SECONDS:.0f} s: "
                "start it again and run the same command, what was answered is in the journal"
            ) from error

    def _backoff(self, tries: int) -> float:
        first, most = BACKOFF_SECONDS
        return self._jitter.uniform(0, min(most, first * 2**tries))

    async def once(self, key: bytes, make: Any) -> Any:
        """The result of `make()`, which runs once for all who ask for the same key at the same time."""
        while (waiting := self.in_flight.get(key)) is not None:
            try:
                return await asyncio.shield(waiting)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not waiting.cancelled() or (task is not None and task.cancelling()):
                    raise
                # Whoever made it was cancelled, or left it to us: we are not, and ask ourselves.
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.in_flight[key] = done
        try:
            result = await make()
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                done.cancel()
            else:
                done.set_exception(error)
                done.exception()  # marks it as seen: there may be nobody else waiting
            raise
        else:
            done.set_result(result)
            return result
        finally:
            del self.in_flight[key]
