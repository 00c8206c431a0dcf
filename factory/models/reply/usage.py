"""Token counts as servers tell them, and as they can be believed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from factory.data.text import estimate_tokens
from factory.models.base import ChatRequest, Reply, Usage
from factory.models.wire import estimate_prompt_tokens

MOST_PROMPT, MOST_COMPLETION = 100_000, 400_000
"""Tokens that a server may count beside what is seen: a prompt's media and its own turns; thoughts that it hides."""
_MOST_PER_ESTIMATED = 10
_ABSURD = 10**15


def token_count(told: object) -> int:
    """A count as a whole number, whatever the server made of it; 0 where it is none."""
    if (
        type(told) is int and -_ABSURD <= told <= _ABSURD
    ):  # as nearly every server has it; a bool is of another type
        return told
    if isinstance(told, str):
        try:
            told = float(told)
        except ValueError:
            return 0
    if isinstance(told, bool) or not isinstance(told, int | float) or not math.isfinite(told):
        return 0
    return int(max(-_ABSURD, min(told, _ABSURD)))


def believable(replies: Iterable[Reply], request: ChatRequest) -> tuple[list[Reply], str]:
    """Replies to one request whose counts can be so, and what is wrong with the counts told, "" where nothing is.

    A count below 0, or far above what the text can be, is replaced by an estimate of the text: a budget neither
    shrinks nor explodes by it.
    """
    checked: list[Reply] = []
    problem = ""
    for reply in replies:
        told = reply.usage
        usage = told
        if not 0 <= told.completion_tokens <= MOST_COMPLETION:
            seen = estimate_tokens(reply.text) + estimate_tokens(reply.reasoning)
            if not 0 <= told.completion_tokens <= MOST_COMPLETION + _MOST_PER_ESTIMATED * seen:
                usage = Usage(usage.prompt_tokens, seen)
        if not 0 <= told.prompt_tokens <= MOST_PROMPT:
            seen = estimate_prompt_tokens(request.messages, request.tools)
            if not 0 <= told.prompt_tokens <= MOST_PROMPT + _MOST_PER_ESTIMATED * seen:
                usage = Usage(seen, usage.completion_tokens)
        if usage != told:
            problem = f"counts {told.prompt_tokens:,} and {told.completion_tokens:,} tokens for a prompt and its reply"
            reply = replace(reply, usage=usage)
        checked.append(reply)
    return checked, problem
