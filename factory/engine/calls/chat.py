"""Chat models as steps are handed them: journalled and counted. Neither step nor provider knows."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import orjson
from pydantic import BaseModel

from factory.data.record import Message, ToolCall
from factory.data.text import estimate_tokens, shorten
from factory.engine.batch.chat import BatchChat
from factory.engine.calls.caller import Caller
from factory.engine.calls.opening import answer_opening, turn_opener, user_opening
from factory.engine.calls.reply_schema import json_schema, named_error, read_json
from factory.engine.calls.scoring import answer_gradient, as_learner, score_answer, score_text
from factory.engine.calls.seeds import sample_seed, with_own_seed
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import RecordFailed
from factory.models.base import (
    Answer,
    ChatRequest,
    Reply,
    Sampling,
    ScoredAnswer,
    ScoredText,
    TokenLogprob,
    Usage,
    Vectors,
)
from factory.models.opening import Opening
from factory.models.provider import ChatProvider
from factory.models.reply.read import Refused, is_mishap, read_again, unusable
from factory.models.reply.usage import believable
from factory.models.wire import estimate_prompt_tokens, sent_messages

_log = logging.getLogger(__name__)

SCHEMA_TRIES = 3
"""How often a model is asked for a reply that fits its schema: once, and twice more with the error named."""

Result = TypeVar("Result")


class Call(NamedTuple):
    """A request as the journal knows it: what its key is a hash of, and the key."""

    request: ChatRequest
    sent: dict[str, Any]
    key: bytes

    @property
    def drawn(self) -> ChatRequest:
        """The request as it is sent."""
        return with_own_seed(self.request, self.sent)


class JournalledChat(Caller):
    """A chat provider behind the journal and the limits: the `ChatModel` that steps ask."""

    def __init__(
        self,
        name: str,
        provider: ChatProvider,
        journal: Journal,
        usage: ModelUsage,
        gate: Gate,
        *,
        concurrency: int | None = None,
        seed: int = 0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        super().__init__(
            name,
            concurrency or provider.concurrency,
            usage,
            gate,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
        )
        self.provider = provider
        self._journal = journal
        self._seed = seed
        self._told_counts = False

    async def ask(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: type[BaseModel] | None = None,
        sample: int = 0,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> Answer[Any]:
        """See `ChatModel.ask`."""
        request = self._request(messages, sampling, schema, sample, tools, template_arguments)
        return await self.noted(self.answer(request, schema))

    async def ask_many(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        n: int,
        schema: type[BaseModel] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> list[Answer[Any]]:
        """See `ChatModel.ask_many`."""
        from factory.engine.calls.samples import ask_samples

        requests = [
            self._request(messages, sampling, schema, sample, tools, template_arguments)
            for sample in range(n)
        ]
        return await self.noted(ask_samples(self, requests, schema))

    def seeded(self, seed: int) -> JournalledChat:
        """This model with another seed of its samples; limits, counts and calls in flight are shared."""
        other = copy.copy(self)
        other._seed = seed
        return other

    def _request(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        schema: type[BaseModel] | None,
        sample: int,
        tools: Sequence[Mapping[str, Any]],
        template_arguments: Mapping[str, Any],
    ) -> ChatRequest:
        wanted = None if schema is None else json_schema(schema)
        # Greedy decoding does not depend on a seed, so its replies serve runs with any seed.
        seed = sample_seed(self._seed, sample) if sampling.temperature > 0 else None
        return ChatRequest(tuple(messages), sampling, wanted, seed, sample, tuple(tools), template_arguments)

    async def answer(
        self, request: ChatRequest, schema: type[BaseModel] | None, fresh: Reply | None = None
    ) -> Answer[Any]:
        """The answer to a request, asked again where it does not fit `schema`.

        fresh: the reply to the request, where it was just paid for and journalled
        """
        keys: list[str] = []
        for attempt in range(1 if schema is None else SCHEMA_TRIES):
            call = self.call_of(request)
            reply, replayed = (fresh, False) if fresh is not None else await self.reply(call)
            fresh = None
            keys.append(call.key.hex())
            if reply.noted:
                self.usage.noted.update(reply.noted)
            reason = unusable(reply, request)
            if reason is not None:
                raise RecordFailed(reason.kind, f"{self.name}: {reason}")
            data, problem = None, ""
            if schema is not None:
                data, problem = read_json(reply, schema)
            if not problem:
                return Answer(
                    reply.text,
                    self.provider.identity,
                    tuple(keys),
                    reply.finish_reason,
                    reply.reasoning,
                    data,
                    replayed,
                    reply.logprobs,
                    reply.calls,
                )
            self.usage.asked_again += attempt + 1 < SCHEMA_TRIES
            request = named_error(request, problem)
        raise RecordFailed(
            "bad_reply",
            f"{self.name}: no usable reply after {len(keys)} tries: {problem}: {shorten(reply.text, 60)!r}",
        )

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """See `ChatModel.user_opening`."""
        return await self.noted(user_opening(self, self.provider, self._journal, messages))

    async def continue_text(self, opening: str, sampling: Sampling, *, sample: int = 0) -> Answer[None]:
        """See `ChatModel.continue_text`."""
        turn_opener(self.name, self.provider)
        request = replace(self._request((), sampling, None, sample, (), {}), opening=opening)
        return await self.noted(self.answer(request, None))

    async def score_text(self, text: str) -> ScoredText:
        """See `ChatModel.score_text`."""
        return await self.noted(score_text(self, self.provider, self._journal, text))

    async def answer_opening(self, messages: Sequence[Message]) -> str:
        """See `ChatModel.answer_opening`."""
        opening = answer_opening(self, self.provider, self._journal, messages)
        return await self.noted(opening, expected="no_template")

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
        """See `ChatModel.score_answer`."""
        scored = score_answer(self, self.provider, self._journal, context, answer, opened=opened)
        return await self.noted(scored)

    def after_training(self, examples: Sequence[tuple[str, str]]) -> JournalledChat:
        """See `LearningModel.after_training`."""
        trained = as_learner(self, self.provider).after_training(examples)
        return JournalledChat(self.name, trained, self._journal, self.usage, self._gate, seed=self._seed)

    async def answer_gradient(self, context: str, answer: str) -> Vectors:
        """See `LearningModel.answer_gradient`."""
        return await self.noted(answer_gradient(self, self.provider, self._journal, context, answer))

    def call_of(self, request: ChatRequest) -> Call:
        """What the journal knows a request by.

        Raises:
            RecordFailed: the request is no JSON.
        """
        sampling = request.sampling
        sent: dict[str, Any] = {
            "messages": sent_messages(request.messages),
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "top_p": sampling.top_p,
            "stop": sampling.stop,
            "schema": request.schema,
            "seed": request.seed,
            "sample": request.sample,
        }
        # Only where they are there, so that every other call keeps the key that it always had.
        if sampling.logprobs is not None:
            sent["logprobs"] = sampling.logprobs
        if request.tools:
            sent["tools"] = request.tools
        if request.template_arguments:
            sent["template_arguments"] = request.template_arguments
        if request.opening:
            sent["opening"] = request.opening
        try:
            return Call(request, sent, call_key("chat", self.provider.identity, sent))
        except TypeError as error:  # half a surrogate pair, for one
            raise RecordFailed("bad_request", f"the prompt cannot be sent as JSON: {error}") from None

    def stored(self, call: Call) -> Reply | None:
        """The reply that the journal has, or None."""
        return self._find(call)[0]

    def _find(self, call: Call) -> tuple[Reply | None, str | None]:
        """The reply that the journal has, and the server that it came from."""
        row = self._journal.find(call.key)
        return (None, None) if row is None else (self._load(call, row.reply), row.server)

    async def keep(self, call: Call, reply: Reply) -> Reply:
        """Journal a reply and count its tokens; the reply that is stored now is the one to use.

        The journal comes before everything else: a reply is used only once it is durable. The call keeps its
        place in the limiter until then, so that no more than `concurrency` calls' replies can ever be lost.

        Raises:
            RunStopped: the journal cannot be written.
        """
        made = _dump_reply(reply)
        stored = await self._journal.put(
            call.key, "chat", self.provider.identity, orjson.dumps(call.sent), made, self.usage.server
        )
        self.usage.prompt_tokens += reply.usage.prompt_tokens
        self.usage.completion_tokens += reply.usage.completion_tokens
        # Another process may have asked the same, and stored its reply first.
        return reply if stored == made else self._load(call, stored) or reply

    def _load(self, call: Call, stored: bytes) -> Reply | None:
        """A stored reply, read as a new one is; None where it makes no sense, or broke off (an old version kept it)."""
        try:
            reply = read_again(_load_reply(stored), call.request)
        except (ValueError, LookupError, TypeError, AttributeError):
            self._journal.refuse(call.key, stored)
            return None
        if is_mishap(reply):
            self._journal.refuse(call.key, stored, damaged=False)
            return None
        ((reply,), _) = believable([reply], call.request)
        return reply

    def counted(self, replies: Sequence[Reply], request: ChatRequest) -> list[Reply]:
        """Replies as they are counted; tells once that a server's counts cannot be so, or that it has none."""
        checked, problem = believable(replies, request)
        if not problem and not self._told_counts and checked:
            usage = checked[0].usage
            if not (usage.prompt_tokens or usage.completion_tokens) and checked[0].text:
                problem = "counts no tokens"
        if problem and not self._told_counts:
            self._told_counts = True
            missing = (
                "no limit or budget sees them"
                if problem == "counts no tokens"
                else "an estimate counts instead"
            )
            _log.warning("%s: the server %s; %s", self.name, problem, missing)
        return checked

    async def paid(self, sending: Awaitable[Result], request: ChatRequest) -> Result:
        """Await a provider's answer; a refusal is paid for too, and its tokens are counted."""
        try:
            return await sending
        except Refused as refusal:
            (reply,) = self.counted([Reply("", usage=refusal.usage)], request)
            self.usage.prompt_tokens += reply.usage.prompt_tokens
            self.usage.completion_tokens += reply.usage.completion_tokens
            raise

    async def reply(self, call: Call) -> tuple[Reply, bool]:
        """The reply to a call, and whether it came from the journal."""
        reply, server = self._find(call)
        if reply is not None:
            self.usage.replay(server)
            self.usage.replayed_prompt_tokens += reply.usage.prompt_tokens
            self.usage.replayed_completion_tokens += reply.usage.completion_tokens
            return reply, True

        async def attempt() -> list[Reply]:
            began = time.monotonic()
            if isinstance(self.provider, BatchChat):
                reply = self.provider.take(call.key, call.drawn)
            else:
                reply = await self.paid(self.provider.send(call.drawn), call.request)
            self.usage.busy_seconds += time.monotonic() - began
            (reply,) = self.counted([reply], call.request)
            reply = await self.keep(call, reply)
            self.usage.calls += 1
            return [reply]

        async def make() -> Reply:
            return (await self.send_counted(attempt, call.request))[0]

        return await self.once(call.key, make), False

    async def send_counted(
        self, attempt: Callable[[], Awaitable[list[Reply]]], request: ChatRequest, n: int = 1
    ) -> list[Reply]:
        """`send` an attempt at `n` replies to a request, its tokens taken from the model's rate."""
        # Only a rate of tokens asks what a call will take; half the limit stands for the reply.
        guess = 0
        if self._token_rate is not None:
            prompt = estimate_prompt_tokens(request.messages, request.tools) + estimate_tokens(
                request.opening
            )
            guess = prompt + n * request.sampling.max_tokens // 2
        replies: list[Reply] = await self.send(attempt, guess)
        if self._token_rate is not None:
            took = sum(reply.usage.prompt_tokens + reply.usage.completion_tokens for reply in replies)
            self._token_rate.settle(took - guess)
        return replies


def _dump_reply(reply: Reply) -> bytes:
    usage = [reply.usage.prompt_tokens, reply.usage.completion_tokens]
    stored: dict[str, Any] = {
        "text": reply.text,
        "finish": reply.finish_reason,
        "usage": usage,
        "reasoning": reply.reasoning,
    }
    if reply.logprobs:
        stored["logprobs"] = [list(place) for place in reply.logprobs]
    if reply.calls:
        stored["calls"] = [list(call) for call in reply.calls]
    if reply.noted:
        stored["noted"] = reply.noted
    return orjson.dumps(stored)


def _load_reply(stored: bytes) -> Reply:
    data = orjson.loads(stored)
    logprobs = tuple(
        TokenLogprob(token, logprob, tuple((other, value) for other, value in top))
        for token, logprob, top in data.get("logprobs", ())
    )
    calls = tuple(ToolCall(*call) for call in data.get("calls", ()))
    usage, noted = Usage(*data["usage"]), tuple(data.get("noted", ()))
    return Reply(data["text"], data["finish"], usage, data["reasoning"], logprobs, calls, noted)
