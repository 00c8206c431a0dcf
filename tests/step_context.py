"""A context in memory for tests of steps: a chat model whose replies a function makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from factory.data.record import Message, Record
from factory.errors import RecordFailed
from factory.models.base import Answer, ChatRequest, Reply, SamplesFailed, Sampling
from factory.models.opening import Opening
from factory.models.reply.read import unusable
from factory.step import Context, PerRecord


class Ask(NamedTuple):
    """One call as a step made it."""

    messages: tuple[Message, ...]
    sampling: Sampling
    schema: type[BaseModel] | None
    sample: int
    tools: tuple[Mapping[str, Any], ...] = ()
    template_arguments: Mapping[str, Any] = {}

    @property
    def temperature(self) -> float:
        return self.sampling.temperature

    @property
    def max_tokens(self) -> int:
        return self.sampling.max_tokens

    @property
    def logprobs(self) -> int | None:
        return self.sampling.logprobs

    @property
    def text(self) -> str:
        """The last turn."""
        return self.messages[-1].content


Script = Callable[[Ask], str | Reply | Exception]


@dataclass
class ScriptedChat:
    """A `ChatModel`: `script` gives each call's text, reply, or the error to raise; `asks` keeps the calls.

    As in a run, a reply that is no answer, or does not fit its schema, is a failed record.
    """

    script: Script
    name: str = "scripted"
    asks: list[Ask] = field(default_factory=list)

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
        ask = Ask(tuple(messages), sampling, schema, sample, tuple(tools), template_arguments)
        self.asks.append(ask)
        call = f"call-{len(self.asks)}"
        await asyncio.sleep(0)
        reply = self.script(ask)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, str):
            reply = Reply(reply)
        reason = unusable(reply, ChatRequest(ask.messages, sampling, schema and {}, tools=ask.tools))
        if reason is not None:
            raise reason
        data = None
        if schema is not None:
            try:
                data = schema.model_validate_json(reply.text)
            except ValidationError as error:
                raise RecordFailed("bad_reply", "the reply does not fit its schema") from error
        return Answer(
            reply.text,
            self.name,
            (call,),
            reply.finish_reason,
            reply.reasoning,
            data,
            logprobs=reply.logprobs,
            calls=reply.calls,
        )

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        said = "".join(f"<|{turn.role}|>{turn.content}<|end|>" for turn in messages)
        return Opening(f"{said}<|user|>", "<|end|>")

    async def continue_text(self, opening: str, sampling: Sampling, *, sample: int = 0) -> Answer[Any]:
        return await self.ask((Message("", opening),), sampling, sample=sample)

    async def ask_many(
        self, messages: Sequence[Message], sampling: Sampling, *, n: int, **options: Any
    ) -> list[Answer[Any]]:
        results: list[Answer[Any] | RecordFailed] = []
        for sample in range(n):
            try:
                results.append(await self.ask(messages, sampling, sample=sample, **options))
            except RecordFailed as failure:
                results.append(failure)
        answers = [result for result in results if not isinstance(result, RecordFailed)]
        if len(answers) < n:
            raise SamplesFailed(results)
        return answers


def scripted_context(script: Script, *, step: str = "01-test", seed: int = 0) -> tuple[Context, ScriptedChat]:
    """A context whose every chat model is one scripted model, and that model."""
    chat = ScriptedChat(script)

    def no_embedder(name: str) -> object:
        raise AssertionError("this step asks no embedding model")

    return Context(step=step, seed=seed, get_chat=lambda name: chat, get_embedder=no_embedder), chat


def process(step: PerRecord, record: Record, context: Context) -> list[Record]:
    """All that `step` makes of `record`, in order."""

    async def collect() -> list[Record]:
        return [made async for made in step.process(record, context)]

    return asyncio.run(collect())
