"""What was asked of a model in a run, and the gate that lets no more calls out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from factory.engine.calls.probes import Probes
from factory.engine.calls.watch import Watch


@dataclass(slots=True)
class ModelUsage:
    """What was asked of one model in a run. `replayed` calls came from the journal and cost nothing.

    prices are for a million tokens; busy_seconds is the time that calls took, added up; embeds: an embedding model;
    to_embed, embedded: texts of the requests for embeddings at work now, and how many of them have one
    server: the address that replies come from, "" where the model runs in this process
    replayed_from: how many of the replayed replies another server gave, by its address
    noted: what was taken off the replies' texts, or taken for granted, by its kind (`Reply.noted`)
    """

    model: str = ""
    concurrency: int = 1
    calls: int = 0
    replayed: int = 0
    retries: int = 0
    asked_again: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    replayed_prompt_tokens: int = 0
    replayed_completion_tokens: int = 0
    busy_seconds: float = 0.0
    price_input: float | None = None
    price_output: float | None = None
    embeds: bool = False
    to_embed: int = 0
    embedded: int = 0
    server: str = ""
    replayed_from: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)

    def replay(self, server: str | None) -> None:
        """Count a reply that came from the journal, which this server gave; None: which one was not noted."""
        self.replayed += 1
        if server is not None and server != self.server:
            self.replayed_from[server] += 1

    @property
    def cost(self) -> float | None:
        """Money spent in this run, in the currency of the recipe's prices; None where none are given."""
        return self.cost_of(self.prompt_tokens, self.completion_tokens)

    def cost_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What so many tokens cost."""
        if self.price_input is None and self.price_output is None:
            return None
        return (prompt_tokens * (self.price_input or 0) + completion_tokens * (self.price_output or 0)) / 1e6


@dataclass(slots=True)
class Gate:
    """Lets no new call out once a stop was asked for; calls in flight are finished and journalled.

    `spent` is asked before each call and says why no more may be sent, or "" (see `Budget`).
    `failed` is told why a call stops the run; a run lets no more out then, whoever is next in line.

    working: calls that were asked for and are not done; denied: those of them that wait for what others are told
    tell: tells the person at the terminal, at once, what a run waits for
    probes: what is asked of servers before the first call goes out
    watch: what holds and ends a step whose records fail alike
    """

    spent: Callable[[], str] = lambda: ""
    failed: Callable[[str], None] = lambda reason: None
    tell: Callable[[str], None] = lambda sentence: None
    reason: str = ""
    closing: bool = False
    sending: int = 0
    working: int = 0
    denied: int = 0
    probes: Probes | None = None
    watch: Watch = field(default_factory=Watch)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.watch.stop = self.close
        self.watch.sending = lambda: self.sending

    async def enter(self) -> None:
        """Count a call in; waits for ever once the gate is closed."""
        if not self.closing and (reason := self.spent()):
            self.close(reason)
        if self.closing:
            await asyncio.Event().wait()  # until the run cancels whoever waits here
        self.sending += 1

    def leave(self) -> None:
        """Count a call out."""
        self.sending -= 1
        if self.closing and not self.sending:
            self.idle.set()

    def close(self, reason: str = "") -> None:
        """Let no more calls out."""
        self.closing = True
        self.reason = self.reason or reason
        self.closed.set()
        if not self.sending:
            self.idle.set()
