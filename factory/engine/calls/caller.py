"""How calls to a model are sent: limited, retried by kind of failure, stopped at the gate."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from factory.engine.calls.limiter import Limiter
from factory.engine.calls.rate import Rate
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.calls.watch import WORK, Work
from factory.errors import CannotScore, RecordFailed, RunStopped
from factory.models.failures import Denied, LetGo, Overloaded, TransientFailure, Unreachable

TRIES = 6
"""How often one call is sent before its record is set aside."""
BACKOFF_SECONDS = (0.5, 30.0)
"""First and largest ceiling of the random wait before another try ("full jitter")."""
FIRST_CONTACT_TRIES = 3
"""How often a server that never answered is tried before the run stops."""
PATIENCE_SECONDS = 120.0
"""How long a server that did answer may be unreachable before the run stops."""
OVERLOADED_SECONDS = 900.0
"""How long a server may refuse every call before their records are set aside."""
TELL_SECONDS = 30.0
"""How often a person is told of a server that answers nobody."""
QUIET_SECONDS = 0.5
"""How long nothing may be on its way before a call that was denied is held to stand for all."""
_LOOK_SECONDS = 0.05

Result = TypeVar("Result")


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
        self._answered = False
        self._unreachable_since: float | None = None
        self._told_at = float("-inf")
        self._jitter = random.Random()  # waits do not touch results: not seeded
        self.in_flight: dict[bytes, asyncio.Future[Any]] = {}

    @property
    def answered(self) -> bool:
        """Whether the model ever answered a call, now or in the journal's time."""
        return self._answered or self.usage.replayed > 0

    async def noted(self, answering: Awaitable[Result], expected: str = "") -> Result:
        """Await what is asked for a record, or for a question of a whole-set step, and note whether it failed.

        expected: a kind of failure that is an answer too, and no failure of the record
        """
        work = WORK.get()
        if work is not None and not work.whole:
            try:
                return await answering
            except RecordFailed as failure:
                if failure.kind != expected:
                    work.failure = work.failure or failure
                raise
        own = Work(work.step if work is not None else "")
        token = WORK.set(own)
        try:
            result = await answering
        except RecordFailed as failure:
            self._gate.watch.end(own, None if failure.kind == expected else failure)
            raise
        except BaseException:
            self._gate.watch.left(own)
            raise
        finally:
            WORK.reset(token)
        self._gate.watch.end(own, None)
        return result

    async def send(self, call: Any, tokens: int = 0, *, hold: bool = True) -> Any:
        """Await `call()` until it succeeds or cannot; `call` makes one attempt, of about `tokens` tokens.

        A call that is denied before any was answered waits for what others are told, unless `hold` is False.

        Raises:
            RecordFailed: the call failed for good.
            RunStopped: no call can succeed.
            Denied: the same, or without `hold` this call alone.
        """
        work = WORK.get() or Work()
        if self._gate.probes is not None:
            await self._gate.probes.before(self.name)
        self._gate.working += 1
        try:
            return await self._send(call, tokens, work)
        except Denied as denied:
            failure = RecordFailed("bad_request", denied.alone)
            if not self.answered:
                if not hold:
                    raise
                await self._others(denied, failure, work)
            raise failure from denied
        finally:
            self._gate.working -= 1

    async def _send(self, call: Any, tokens: int, work: Work) -> Any:
        # Counted apart: what was tried while nobody answered must not use up the tries of a server that is back.
        failed = refused = unreached = 0
        while True:
            wait = 0.0
            left = False
            if self._gate.watch.holds(work):
                await self._gate.watch.cleared(work)
            async with self.limiter:
                if self._gate.watch.holds(work):
                    continue
                rest = self.limiter.rest()
                if not rest:
                    if self._request_rate is not None:
                        await self._request_rate.take()
                    if self._token_rate is not None:
                        await self._token_rate.take(tokens)
                    await self._gate.enter()
                    self._gate.watch.begin(work)
                    try:
                        result = await call()
                        self._reach()
                        self._answered = True
                        self.limiter.succeeded()
                        return result
                    except Unreachable as error:
                        unreached += 1
                        self._check_patience(unreached, error)
                        wait = self._backoff(unreached)
                    except Overloaded as error:
                        self._reach()
                        # Waiting in line is not a failure, so it has a limit of its own, generous.
                        refused += 1
                        self._check_overload(refused, error)
                        # Some servers say a day, others no time at all: asking again sooner costs one refusal.
                        wait = max(self._backoff(refused), min(error.retry_after or 0.0, PATIENCE_SECONDS))
                    except TransientFailure as error:
                        self._reach()
                        failed += 1
                        if failed >= TRIES:
                            raise RecordFailed(
                                "call_failed", f"{self.name}: no reply after {failed} tries: {error}"
                            ) from error
                        wait = self._backoff(failed)
                    except LetGo:
                        left = True
                    # The one may be meant for this call alone; without scores a step may go on.
                    except (Denied, CannotScore):
                        raise
                    except RunStopped as error:
                        self._gate.failed(str(error))
                        raise
                    finally:
                        self._gate.leave()
            if left:
                await asyncio.Event().wait()  # until the run cancels whoever waits here, as at the gate
            if rest:
                await asyncio.sleep(rest)
                continue
            self.usage.retries += 1
            await asyncio.sleep(wait)

    async def _others(self, denied: Denied, failure: RecordFailed, work: Work) -> None:
        """Wait until another call was answered; raises `denied` where none is on its way any more."""
        gate = self._gate
        gate.watch.failed(work.step, failure, str(denied))
        work.counted = True
        gate.watch.pause(work)
        gate.denied += 1
        try:
            quiet = 0.0
            while not self.answered:
                await asyncio.sleep(_LOOK_SECONDS)
                quiet = quiet + _LOOK_SECONDS if gate.working == gate.denied else 0.0
                if quiet >= QUIET_SECONDS:
                    raise denied
        finally:
            gate.denied -= 1
            gate.watch.go_on(work)

    def _reach(self) -> None:
        """The server answered, if only to refuse."""
        if self._unreachable_since is not None and self._reached:
            self._gate.tell(f"model `{self.name}` answers again")
        self._reached, self._unreachable_since = True, None

    def _check_patience(self, tries: int, error: Unreachable) -> None:
        now = time.monotonic()
        if self._unreachable_since is None:
            self._unreachable_since = now
        away = now - self._unreachable_since
        if not self._reached and tries >= FIRST_CONTACT_TRIES:
            raise RunStopped(f"model `{self.name}`: {error}") from error
        if self._reached and away > PATIENCE_SECONDS:
            raise RunStopped(
                f"model `{self.name}`: {error}; it did answer before, but not for {PATIENCE_SECONDS:.0f} s: "
                "start it again and run the same command, what was answered is in the journal"
            ) from error
        most = f"; the run stops after {PATIENCE_SECONDS:.0f} s" if self._reached else ""
        self._tell(now, f"{error}, for {away:.0f} s now: trying again{most}")

    def _check_overload(self, tries: int, error: Overloaded) -> None:
        self.limiter.overloaded(*BACKOFF_SECONDS)
        now = time.monotonic()
        since = now if self.limiter.refused_since is None else self.limiter.refused_since
        if tries >= TRIES * 5 or now - since > OVERLOADED_SECONDS:
            raise RecordFailed(
                "call_failed", f"{self.name}: still refused after {tries} tries: {error}"
            ) from error
        if self.limiter.rounds:
            self._tell(now, f"{error}; it refuses every call, for {now - since:.0f} s now: waiting")

    def _tell(self, now: float, trouble: str) -> None:
        if now - self._told_at >= TELL_SECONDS:
            self._told_at = now
            self._gate.tell(f"model `{self.name}`: {trouble}")

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
