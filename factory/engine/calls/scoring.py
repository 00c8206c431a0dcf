"""Log-probabilities of given texts and answers: journalled, limited and retried as every other call to a model."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import numpy as np
import orjson

from factory.data.text import estimate_tokens
from factory.engine.calls.caller import Caller
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import RunStopped
from factory.models.base import AnswerLogprobs, ScoredAnswer, ScoredText, TokenLogprobs, Usage, Vectors
from factory.models.border import answer_logprobs
from factory.models.learning import GRADIENT_SIZE, AnswerGradient
from factory.models.provider import AnswerScorer, ChatProvider, Learner, TextScorer

Read = TypeVar("Read", TokenLogprobs, AnswerLogprobs, AnswerGradient)


async def score_text(caller: Caller, provider: ChatProvider, journal: Journal, text: str) -> ScoredText:
    """How likely the model behind `provider` holds each token of `text`; an empty text has none.

    Raises:
        RunStopped: the model cannot score a given text.
        RecordFailed: this text could not be scored.
    """
    if not text:
        return ScoredText((), (), provider.identity, ())
    if not isinstance(provider, TextScorer):
        raise _cannot_score(caller)
    read, key, replayed = await _journalled(
        caller,
        provider,
        journal,
        {"text": text},
        text,
        lambda: provider.score_text(text),
        _dump_text,
        _load_text,
    )
    return ScoredText(read.tokens, read.logprobs, provider.identity, (key,), replayed)


async def score_answer(
    caller: Caller,
    provider: ChatProvider,
    journal: Journal,
    context: str,
    answer: str,
    *,
    opened: bool = False,
) -> ScoredAnswer:
    """How likely the model behind `provider` holds each token of `answer` behind `context`, and their ranks if it can.

    Raises:
        RunStopped: the model cannot score a given text.
        RecordFailed: this answer could not be scored.
    """
    if not answer:
        return ScoredAnswer((), (), 0, False, provider.identity, ())
    if not isinstance(provider, TextScorer):
        raise _cannot_score(caller)

    async def ask() -> AnswerLogprobs:
        if isinstance(provider, AnswerScorer):
            if opened:
                return await provider.score_answer(context, answer, opened=True)
            return await provider.score_answer(context, answer)
        return answer_logprobs(await provider.score_text(context + answer), (), context, answer)

    sent: dict[str, str | bool] = {"context": context, "answer": answer}
    if opened:
        sent["opened"] = True
    read, key, replayed = await _journalled(
        caller, provider, journal, sent, context + answer, ask, _dump_answer, _load_answer
    )
    return ScoredAnswer(
        read.logprobs, read.ranks, read.before, read.merged, provider.identity, (key,), replayed
    )


async def answer_gradient(
    caller: Caller, provider: ChatProvider, journal: Journal, context: str, answer: str
) -> Vectors:
    """Which way training on `answer` behind `context` would pull the model behind `provider`.

    Raises:
        RunStopped: the model cannot tell gradients.
        RecordFailed: this answer has none.
    """
    learner = as_learner(caller, provider)
    sent = {"context": context, "answer": answer, "gradient": str(GRADIENT_SIZE)}
    read, _, _ = await _journalled(
        caller,
        provider,
        journal,
        sent,
        context + answer,
        lambda: learner.answer_gradient(context, answer),
        lambda gradient: gradient.vector.astype(np.float16).tobytes(),
        _load_gradient,
    )
    return read.vector


def as_learner(caller: Caller, provider: ChatProvider) -> Learner:
    """The provider, if its model can be trained for a moment.

    Raises:
        RunStopped: it cannot.
    """
    if not isinstance(provider, Learner):
        raise RunStopped(
            f"model `{caller.name}` cannot be trained for a moment, nor tell gradients: name one in transformers "
            "(provider: transformers)"
        )
    return provider


async def _journalled(
    caller: Caller,
    provider: ChatProvider,
    journal: Journal,
    sent: Mapping[str, str | bool],
    text: str,
    ask: Callable[[], Awaitable[Read]],
    dump: Callable[[Read], bytes],
    read: Callable[[bytes], Read],
) -> tuple[Read, str, bool]:
    """What was read of a text: of the journal where it is there, else asked for; its key, and whether it was there."""
    key = call_key("score", provider.identity, sent)

    def load(stored: bytes) -> Read | None:
        try:
            return read(stored)
        except (ValueError, LookupError, TypeError):
            journal.refuse(key, stored)
            return None

    row = journal.find(key)
    if row is not None and (known := load(row.reply)) is not None:
        caller.usage.replay(row.server)
        return known, key.hex(), True

    async def attempt() -> Read:
        began = time.monotonic()
        scores = await ask()
        caller.usage.busy_seconds += time.monotonic() - began
        made = dump(scores)
        kept = await journal.put(
            key, "score", provider.identity, orjson.dumps(sent), made, caller.usage.server
        )
        caller.usage.calls += 1
        caller.usage.prompt_tokens += scores.usage.prompt_tokens
        caller.usage.completion_tokens += scores.usage.completion_tokens
        return scores if kept == made else load(kept) or scores

    async def make() -> Read:
        scores: Read = await caller.send(attempt, estimate_tokens(text))
        return scores

    return await caller.once(key, make), key.hex(), False


def _cannot_score(caller: Caller) -> RunStopped:
    return RunStopped(
        f"model `{caller.name}` cannot score a given text: name one behind a vLLM server (provider: openai), "
        "in vLLM itself (provider: vllm), or in transformers (provider: transformers)"
    )


def _dump_text(scores: TokenLogprobs) -> bytes:
    return orjson.dumps(
        {"tokens": scores.tokens, "logprobs": scores.logprobs, "usage": _counts(scores.usage)}
    )


def _load_text(stored: bytes) -> TokenLogprobs:
    data = orjson.loads(stored)
    return TokenLogprobs(tuple(data["tokens"]), tuple(data["logprobs"]), Usage(*data["usage"]))


def _dump_answer(scores: AnswerLogprobs) -> bytes:
    told = {
        "logprobs": scores.logprobs,
        "ranks": scores.ranks,
        "before": scores.before,
        "merged": scores.merged,
        "usage": _counts(scores.usage),
    }
    return orjson.dumps(told)


def _load_answer(stored: bytes) -> AnswerLogprobs:
    data = orjson.loads(stored)
    ranks, logprobs = tuple(data["ranks"]), tuple(data["logprobs"])
    if len(ranks) not in (0, len(logprobs)):
        raise ValueError("a rank for each token, or none")
    return AnswerLogprobs(logprobs, ranks, data["before"], data["merged"], Usage(*data["usage"]))


def _load_gradient(stored: bytes) -> AnswerGradient:
    vector = np.frombuffer(stored, np.float16)
    if len(vector) != GRADIENT_SIZE:
        raise ValueError(f"a gradient has {GRADIENT_SIZE} numbers")
    return AnswerGradient(vector.astype(np.float32))


def _counts(usage: Usage) -> list[int]:
    return [usage.prompt_tokens, usage.completion_tokens]
