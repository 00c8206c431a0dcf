"""Where a turn's words begin in a model's chat template: journalled, so that a replay asks no server for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import orjson

from factory.data.record import Message
from factory.engine.calls.caller import Caller
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import RunStopped
from factory.models.opening import Opening, no_template
from factory.models.provider import AnswerOpener, ChatProvider, TurnOpener
from factory.models.wire import sent_messages


def turn_opener(name: str, provider: ChatProvider) -> TurnOpener:
    """The provider, where its model can be had to write a user's turn.

    Raises:
        RunStopped: it cannot.
    """
    if isinstance(provider, TurnOpener):
        return provider
    raise RunStopped(
        f"model `{name}` cannot be had to write a user's turn: name one behind a server of vLLM or llama.cpp "
        "(provider: openai), in vLLM itself (provider: vllm), or in a GGUF file (provider: local)"
    )


async def user_opening(
    caller: Caller, provider: ChatProvider, journal: Journal, messages: Sequence[Message]
) -> Opening:
    """See `ChatModel.user_opening`."""
    opener = turn_opener(caller.name, provider)
    return await _opening(caller, provider, journal, messages, {}, opener.user_opening)


async def answer_opening(
    caller: Caller, provider: ChatProvider, journal: Journal, messages: Sequence[Message]
) -> str:
    """See `ChatModel.answer_opening`."""
    if not isinstance(provider, AnswerOpener):
        raise no_template(f"model `{caller.name}` does not tell its chat template")
    opening = await _opening(
        caller, provider, journal, messages, {"speaker": "assistant"}, provider.answer_opening
    )
    return opening.text


async def _opening(
    caller: Caller,
    provider: ChatProvider,
    journal: Journal,
    messages: Sequence[Message],
    more: dict[str, str],
    open_turn: Callable[[Sequence[Message]], Awaitable[Opening]],
) -> Opening:
    """What `open_turn` gives, of the journal where it is there."""
    sent = {"messages": sent_messages(tuple(messages)), **more}
    key = call_key("opening", provider.identity, sent)

    def load(stored: bytes) -> Opening | None:
        try:
            text, end = orjson.loads(stored)
        except (ValueError, TypeError):
            journal.refuse(key, stored)
            return None
        return Opening(text, end)

    row = journal.find(key)
    if row is not None and (known := load(row.reply)) is not None:
        return known

    async def attempt() -> Opening:
        found = await open_turn(messages)
        made = orjson.dumps(list(found))
        kept = await journal.put(
            key, "opening", provider.identity, orjson.dumps(sent), made, caller.usage.server
        )
        return load(kept) or found

    async def make() -> Opening:
        opening: Opening = await caller.send(attempt, 0)
        return opening

    opening: Opening = await caller.once(key, make)
    return opening
