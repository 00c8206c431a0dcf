"""How a call to a model fails, as providers tell it and the engine acts on it."""

from __future__ import annotations

from factory.errors import RunStopped


class TransientFailure(Exception):
    """The call failed in a way that another try may mend."""


class LetGo(Exception):
    """A model in this process leaves a call undone, since the run stops: nothing is wrong with it."""


class Overloaded(TransientFailure):
    """The server asks its clients to slow down; `retry_after` is in seconds, None where it did not say."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(TransientFailure):
    """Nobody answers at the address (connection refused, name not found): a few tries, then the run stops."""


class Denied(RunStopped):
    """The server denies every call, or this one alone, of which `alone` is said: whoever sees others answered knows."""

    def __init__(self, message: str, alone: str) -> None:
        super().__init__(message)
        self.alone = alone
