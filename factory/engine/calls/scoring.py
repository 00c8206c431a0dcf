"""Log-probabilities of given texts: journalled, limited and retried as every other call to a model."""

from __future__ import annotations

import time

import orjson

from factory.data.text import estimate_tokens
from factory.engine.calls.caller import Caller
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import RunStopped
from factory.models.base import ScoredText, TokenLogprobs, Usage
from factory.models.provider import ChatProvider, TextScorer


async def score_text(caller: Caller, provider: ChatProvider, journal: Journal, text: str) -> ScoredText:
    """How likely the model behind `provider` holds each token of `text`; an empty text has none.

    Raises:
        RunStopped: the model cannot score a given text.
        RecordFailed: this text could not be scored.
    """
    if not text:
        return ScoredText((), (), provider.identity, ())
    if not isinstance(provider, TextScorer):
        raise RunStopped(
            f"model `{caller.name}` cannot score a given text: name one behind a vLLM server (provider: openai), "
            "in vLLM itself (provider: vllm), or in transformers (provider: transformers)"
        )
    sent = {"text": text}
    key = call_key("score", provider.identity, sent)

    def load(stored: bytes) -> TokenLogprobs | None:
        try:
            return _load(stored)
        except (ValueError, LookupError, TypeError):
            journal.refuse(key, stored)
            return None

    row = journal.find(key)
    if row is not None and (known := load(row.reply)) is not None:
        caller.usage.replay(row.server)
        return _scored(known, provider.identity, key, replayed=True)

    async def attempt() -> TokenLogprobs:
        began = time.monotonic()
        scores = await provider.score_text(text)
        caller.usage.busy_seconds += time.monotonic() - began
        made = _dump(scores)
        kept = await journal.put(
            key, "score", provider.identity, orjson.dumps(sent), made, caller.usage.server
        )
        caller.usage.calls += 1
        caller.usage.prompt_tokens += scores.usage.prompt_tokens
        caller.usage.completion_tokens += scores.usage.completion_tokens
        return scores if kept == made else load(kept) or scores

    async def make() -> TokenLogprobs:
        scores: TokenLogprobs = await caller.send(attempt, estimate_tokens(text))
        return scores

    return _scored(await caller.once(key, make), provider.identity, key, replayed=False)


def _scored(scores: TokenLogprobs, identity: str, key: bytes, *, replayed: bool) -> ScoredText:
    return ScoredText(scores.tokens, scores.logprobs, identity, (key.hex(),), replayed)


def _dump(scores: TokenLogprobs) -> bytes:
    usage = [scores.usage.prompt_tokens, scores.usage.completion_tokens]
    return orjson.dumps({"tokens": scores.tokens, "logprobs": scores.logprobs, "usage": usage})


def _load(stored: bytes) -> TokenLogprobs:
    data = orjson.loads(stored)
    return TokenLogprobs(tuple(data["tokens"]), tuple(data["logprobs"]), Usage(*data["usage"]))
