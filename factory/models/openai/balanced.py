"""Several servers of one model: each request goes to the one with least to do, past those that are down."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from factory.data.record import Message
from factory.errors import RunStopped
from factory.models.base import AnswerLogprobs, ChatRequest, Reply, TokenLogprobs
from factory.models.failures import Denied, Unreachable
from factory.models.opening import Opening, no_template
from factory.models.provider import (
    AnswerOpener,
    AnswerScorer,
    ChatProvider,
    SampleSender,
    TextScorer,
    TurnOpener,
)

Result = TypeVar("Result")

_log = logging.getLogger(__name__)
REST_SECONDS = 15.0
"""How long a server that could not be reached is left alone before it is tried again."""


class BalancedChat:
    """The `ChatProvider` over several providers of one identity, such as replicas of a vLLM server."""

    def __init__(self, providers: Sequence[ChatProvider]) -> None:
        self.identity = providers[0].identity
        self.concurrency = providers[0].concurrency
        self._providers = list(providers)
        self._busy = [0] * len(providers)
        self._down_until = [0.0] * len(providers)
        self._told: set[int] = set()

    async def send(self, request: ChatRequest) -> Reply:
        """See `ChatProvider.send`; a server that cannot be reached is passed over for a while, and so is one that
        denies what another answers.

        Raises:
            Unreachable: none of the servers can be reached.
        """
        return await self._balanced(lambda provider: provider.send(request))

    @property
    def sends_samples(self) -> bool:
        """Whether each of the servers takes several samples in one request."""
        return all(isinstance(one, SampleSender) and one.sends_samples for one in self._providers)

    async def send_samples(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        """See `SampleSender`; balanced as `send` is."""

        async def send(provider: ChatProvider) -> list[Reply]:
            if not isinstance(provider, SampleSender):
                return [await provider.send(requests[0])]
            return await provider.send_samples(requests)

        return await self._balanced(send)

    async def score_text(self, text: str) -> TokenLogprobs:
        """See `TextScorer`; balanced as `send` is."""

        def score(provider: ChatProvider) -> Awaitable[TokenLogprobs]:
            if not isinstance(provider, TextScorer):
                raise RunStopped(f"{self.identity} cannot score a given text")
            return provider.score_text(text)

        return await self._balanced(score)

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> AnswerLogprobs:
        """See `AnswerScorer`; balanced as `send` is."""

        def score(provider: ChatProvider) -> Awaitable[AnswerLogprobs]:
            if not isinstance(provider, AnswerScorer):
                raise RunStopped(f"{self.identity} cannot score a given text")
            return provider.score_answer(context, answer, opened=opened)

        return await self._balanced(score)

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """See `TurnOpener`; balanced as `send` is."""

        def ask(provider: ChatProvider) -> Awaitable[Opening]:
            if not isinstance(provider, TurnOpener):
                raise RunStopped(f"{self.identity} cannot be had to write a user's turn")
            return provider.user_opening(messages)

        return await self._balanced(ask)

    async def answer_opening(self, messages: Sequence[Message]) -> Opening:
        """See `AnswerOpener`; balanced as `send` is."""

        def ask(provider: ChatProvider) -> Awaitable[Opening]:
            if not isinstance(provider, AnswerOpener):
                raise no_template(f"{self.identity} does not tell its chat template")
            return provider.answer_opening(messages)

        return await self._balanced(ask)

    async def _balanced(self, ask: Callable[[ChatProvider], Awaitable[Result]]) -> Result:
        tried: set[int] = set()
        denials: dict[int, Denied] = {}
        while True:
            now = time.monotonic()
            left = [at for at in range(len(self._providers)) if at not in tried]
            up = [at for at in left if self._down_until[at] <= now]
            # With all of them resting, one is tried all the same: the caller's patience decides, not ours.
            at = min(up or left, key=lambda one: (self._busy[one], self._down_until[one]))
            self._busy[at] += 1
            try:
                result = await ask(self._providers[at])
                for denying, denied in denials.items():  # it, and not the request, is to blame
                    self._down_until[denying] = time.monotonic() + REST_SECONDS
                    if denying not in self._told:
                        self._told.add(denying)
                        _log.warning("%s; the other servers are asked", denied)
                return result
            except Denied as denied:
                denials[at] = denied
                tried.add(at)
                if len(tried) == len(self._providers):
                    raise
            except Unreachable:
                self._down_until[at] = time.monotonic() + REST_SECONDS
                tried.add(at)
                if len(tried) == len(self._providers):
                    raise
            finally:
                self._busy[at] -= 1

    async def close(self) -> None:
        """Close all of them."""
        for provider in self._providers:
            await provider.close()
