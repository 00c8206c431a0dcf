"""A chat model behind a vLLM server that this run starts for itself and stops at its end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from factory.data.record import Message
from factory.errors import RunStopped
from factory.models.base import AnswerLogprobs, ChatRequest, Reply, TokenLogprobs
from factory.models.failures import TransientFailure
from factory.models.openai.chat import OpenAIChat, identity_of
from factory.models.opening import Opening
from factory.models.options import OpenAIOptions
from factory.models.vllm.engine_arguments import changing_arguments, read_flags
from factory.models.vllm.server import KEY, LocalServer, require_vllm

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class ServedChat:
    """An `OpenAIChat` that starts its server with the first request.

    A run whose replies are all in the journal starts none. Without further arguments its identity is that of
    the same model behind a server started by hand, so the one replays what the other was asked.

    Raises:
        MissingDependency: vLLM is not installed.
        RecipeError: the model is written as a folder, and there is none.
        MissingSecret: a key that it needs is not in the environment.
    """

    def __init__(self, options: OpenAIOptions, server: LocalServer) -> None:
        require_vllm("`serve: true`", options.model)
        self._server = server
        self._options = options
        self._chat = self._at(server.base_url)  # sends nothing yet; checks that the key is there
        provider, _, model = self._chat.identity.partition(":")
        self.identity = identity_of(provider, model, changing_arguments(read_flags(options.serve_arguments)))
        self.concurrency = self._chat.concurrency
        self._starting: asyncio.Task[None] | None = None

    async def send(self, request: ChatRequest) -> Reply:
        """See `ChatProvider.send`; waits until the server is up."""
        return await self._asked(lambda chat: chat.send(request))

    @property
    def sends_samples(self) -> bool:
        """See `SampleSender`."""
        return self._chat.sends_samples

    async def send_samples(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        """See `SampleSender`."""
        return await self._asked(lambda chat: chat.send_samples(requests))

    async def score_text(self, text: str) -> TokenLogprobs:
        """See `TextScorer`."""
        return await self._asked(lambda chat: chat.score_text(text))

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> AnswerLogprobs:
        """See `AnswerScorer`."""
        return await self._asked(lambda chat: chat.score_answer(context, answer, opened=opened))

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """See `TurnOpener`."""
        return await self._asked(lambda chat: chat.user_opening(messages))

    async def answer_opening(self, messages: Sequence[Message]) -> Opening:
        """See `AnswerOpener`."""
        return await self._asked(lambda chat: chat.answer_opening(messages))

    async def close(self) -> None:
        """Stop the server, up or just starting."""
        await asyncio.to_thread(self._server.stop)
        if self._starting is not None:
            await asyncio.wait([self._starting])
            if not self._starting.cancelled():
                self._starting.exception()  # marks it as seen: there may be nobody who waits for it
        await self._chat.close()

    async def _asked(self, ask: Callable[[OpenAIChat], Awaitable[Result]]) -> Result:
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)
        try:
            return await ask(self._chat)
        except (TransientFailure, RunStopped):
            self._server.check()  # says why, where it is no more
            raise

    async def _start(self) -> None:
        _log.info("starting a vLLM server for %s", self._options.model)
        await asyncio.to_thread(self._server.start)
        self._chat = self._at(self._server.base_url)

    def _at(self, base_url: str) -> OpenAIChat:
        key_env = self._options.api_key_env or (KEY if os.environ.get(KEY) else None)
        return OpenAIChat(self._options.model_copy(update={"api_key_env": key_env}), base_url)
