"""A small question to each server of which a later step wants what not every server can, before the first call.

So a server that tells no log-probabilities, or makes no embeddings, is found before anything was paid for, not when its
step is reached. It is asked when the first call is about to be sent: a run that replays its journal asks nobody
anything. Nothing of a probe is kept in the journal.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from factory.errors import CannotScore, FactoryError, RunStopped

TEXT = "a"
"""What is scored or embedded: one token."""

_PROBING: contextvars.ContextVar[bool] = contextvars.ContextVar("probing", default=False)


class Probe(NamedTuple):
    """One question.

    label: the step that will ask, and its field
    model: the model's name
    alone: nothing else is asked of the model, so that a first call of its own tells as much
    ask: asks it once, and raises what a call raises
    needed: the step cannot go on without scores of given texts
    """

    label: str
    model: str
    alone: bool
    ask: Callable[[], Awaitable[object]]
    needed: bool = True


class Probes:
    """Asks all of them once, side by side, while every call of the run waits."""

    def __init__(
        self, probes: Sequence[Probe], tell: Callable[[str], None], warn: Callable[[str], None]
    ) -> None:
        self._probes = list(probes)
        self._tell = tell
        self._warn = warn
        self._task: asyncio.Task[None] | None = None

    async def before(self, model: str) -> None:
        """Return once all answered; `model` is about to be sent a call.

        Raises:
            RunStopped: a server cannot do what a step wants.
        """
        if _PROBING.get() or (self._task is not None and self._task.done() and not self._task.exception()):
            return
        if self._task is None:
            wanted = [probe for probe in self._probes if probe.model != model or not probe.alone]
            # In a context of its own: what is asked belongs to no record that happens to be first.
            self._task = asyncio.create_task(self._ask(wanted), context=contextvars.Context())
        await asyncio.shield(self._task)

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ask(self, probes: Sequence[Probe]) -> None:
        _PROBING.set(True)
        faults = await asyncio.gather(*map(_fault, probes))
        stopping: list[str] = []
        for probe, fault in zip(probes, faults, strict=True):
            if isinstance(fault, CannotScore) and not probe.needed:
                self._warn(
                    f"{probe.label}: {fault}; the run goes on, and what this step scores will be missing"
                )
            elif fault is not None:
                stopping.append(f"{probe.label}: {fault}")
        if stopping:
            raise RunStopped("\n".join(stopping))
        able = [probe for probe, fault in zip(probes, faults, strict=True) if fault is None]
        if able:
            names = ", ".join(dict.fromkeys(f"`{probe.model}`" for probe in able))
            self._tell(
                f"before the first call {names} had one word to score, embed or answer, which no count holds: it can"
            )


async def _fault(probe: Probe) -> FactoryError | None:
    """What keeps a server from what a step wants; None where it can."""
    try:
        await probe.ask()
    except FactoryError as error:
        return error
    return None
