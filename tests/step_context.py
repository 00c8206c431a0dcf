"""A context in memory for tests of steps: a chat model whose replies a function makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from factory.data.record import Message, Record
from factory.errors import RecordFailed
from factory.models.base import Answer, Reply
from factory.step import Context, PerRecord


class Ask(NamedTuple):
    """One call as a step made it."""

    messages: tuple[Message, ...]
    temperature: float
    max_tokens: int
    schema: type[BaseModel] | None
    sample: int
    logprobs: int | None = None

    @property
    def text(self) -> str:
        """The last turn."""
        return self.messages[-1].content


Script = Callable[[Ask], str | Reply | Exception]


@dataclass
class ScriptedChat:
    """A `ChatModel`: `script` gives each call's text, reply, or the error to raise; `asks` keeps the calls.

    As in a run, a reply that does not fit its schema is a failed record.
    """

    script: Script
    name: str = "scripted"
    asks: list[Ask] = field(default_factory=list)

    async def ask(
        self,
        messages: Sequence[Message],
        *,
        temperature: float,
        max_tokens: int,
        schema: type[BaseModel] | None = None,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
        sample: int = 0,
        logprobs: int | None = None,
    ) -> Answer:
        ask = Ask(tuple(messages), temperature, max_tokens, schema, sample, logprobs)
        self.asks.append(ask)
        call = f"call-{len(self.asks)}"
        await asyncio.sleep(0)
        reply = self.script(ask)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, str):
            reply = Reply(reply)
        data = None
        if schema is not None:
            try:
                data = schema.model_validate_json(reply.text)
            except ValidationError as error:
                raise RecordFailed("bad_reply", "the reply does not fit its schema") from error
        return Answer(reply.text, self.name, (call,), reply.finish_reason, data=data, logprobs=reply.logprobs)

    async def ask_many(
        self,
        messages: Sequence[Message],
        *,
        n: int,
        temperature: float,
        max_tokens: int,
        schema: type[BaseModel] | None = None,
        top_p: float = 1.0,
        stop: Sequence[str] = (),
        logprobs: int | None = None,
    ) -> list[Answer]:
        return [
            await self.ask(
                messages,
                temperature=temperature,
                max_tokens=max_tokens,
                schema=schema,
                top_p=top_p,
                stop=stop,
                sample=sample,
                logprobs=logprobs,
            )
            for sample in range(n)
        ]


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
