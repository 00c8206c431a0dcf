"""Several samples of one prompt: those that the journal lacks in one request, where the server takes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from factory.errors import RecordFailed
from factory.models.base import Answer, ChatRequest, Reply, SamplesFailed, Usage
from factory.models.provider import SampleSender

if TYPE_CHECKING:
    from factory.engine.calls.chat import Call, JournalledChat


async def ask_samples(
    chat: JournalledChat, requests: Sequence[ChatRequest], schema: type[BaseModel] | None
) -> list[Answer[Any]]:
    """Answers to `requests`, which differ in seed and sample alone. See `ChatModel.ask_many`."""
    calls = [chat.call_of(request) for request in requests]
    # What another caller is asking at this moment is waited for.
    missing = [call for call in calls if call.key not in chat.in_flight and chat.stored(call) is None]
    fresh: dict[bytes, Reply] = {}
    if missing and len(calls) > 1 and requests[0].sampling.temperature == 0:
        fresh = await _greedy(chat, calls, missing)
    elif len(missing) > 1 and isinstance(chat.provider, SampleSender) and chat.provider.sends_samples:
        fresh = await _together(chat, chat.provider, missing)

    async def answer(call: Call) -> Answer[Any] | RecordFailed:
        try:
            return await chat.answer(call.request, schema, fresh.get(call.key))
        except RecordFailed as failure:  # the others are paid for: they are finished and journalled
            return failure

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer(call)) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    results = [task.result() for task in tasks]
    answers = [result for result in results if not isinstance(result, RecordFailed)]
    if len(answers) < len(results):
        raise SamplesFailed(results)
    return answers


async def _greedy(chat: JournalledChat, calls: Sequence[Call], missing: Sequence[Call]) -> dict[bytes, Reply]:
    """Greedy samples are one reply: it is asked for once, or known, and journalled for each that lacks it."""
    known = next((reply for call in calls if (reply := chat.stored(call)) is not None), None)
    fresh: dict[bytes, Reply] = {}
    if known is None:
        first, *missing = missing
        known, replayed = await chat.reply(first)
        if not replayed:
            fresh[first.key] = known
    copy = replace(known, usage=Usage())  # its tokens are paid once
    kept = await asyncio.gather(*(chat.keep(call, copy) for call in missing))
    return {**fresh, **{call.key: reply for call, reply in zip(missing, kept, strict=True)}}


async def _together(
    chat: JournalledChat, provider: SampleSender, missing: Sequence[Call]
) -> dict[bytes, Reply]:
    """The replies that one request brings, journalled; fewer than `missing` where the server gives fewer."""
    loop = asyncio.get_running_loop()
    waiting: dict[bytes, asyncio.Future[Reply]] = {call.key: loop.create_future() for call in missing}
    chat.in_flight.update(waiting)

    async def attempt() -> list[Reply]:
        began = time.monotonic()
        sending = provider.send_samples([call.drawn for call in missing])
        replies = await chat.paid(sending, missing[0].request)
        chat.usage.busy_seconds += time.monotonic() - began
        replies = chat.counted(replies, missing[0].request)
        kept = zip(missing, replies, strict=False)
        replies = list(await asyncio.gather(*(chat.keep(call, reply) for call, reply in kept)))
        chat.usage.calls += 1
        return replies

    try:
        replies = await chat.send_counted(attempt, missing[0].request, len(missing))
        fresh = {call.key: reply for call, reply in zip(missing, replies, strict=False)}
        for key, reply in fresh.items():
            waiting[key].set_result(reply)
        return fresh
    finally:
        for key, future in waiting.items():
            del chat.in_flight[key]
            future.cancel()  # who waits for one that did not come asks for it
