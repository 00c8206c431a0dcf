"""Read an OpenAI-style completion; keep a model's reasoning apart from its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from factory.data.record import ToolCall
from factory.errors import RecordFailed
from factory.models.base import Reply, TokenLogprob, TokenLogprobs, TransientFailure, Usage

_OPENED = re.compile(r"\s*<think>(.*?)(?:</think>\s*|\Z)", re.DOTALL)
# Some chat templates open the tag in the prompt, so that only its end, alone on a line, is in the reply.
_ONLY_CLOSED = re.compile(r"\A((?:(?!<think>).)*?)^</think>[ \t]*$\s*", re.DOTALL | re.MULTILINE)


def split_reasoning(text: str) -> tuple[str, str]:
    """The answer, and the reasoning that a `<think>` block at the start of `text` holds ("" where none).

    A block that the token limit cut before its end is all reasoning: the answer is then empty.
    """
    match = _OPENED.match(text) or ("</think>" in text and _ONLY_CLOSED.match(text))
    return (text[match.end() :], match[1].strip()) if match else (text, "")


def read_completion(data: Mapping[str, Any]) -> Reply:
    """The first choice of a chat completion.

    Raises:
        TransientFailure: there is no choice, or a choice without text and without a call: a server's mishap.
        RecordFailed: the model or the server's filter refused to answer.
    """
    return _read_choice(_choices(data)[0], read_usage(data))


def read_samples(data: Mapping[str, Any]) -> tuple[list[Reply], int]:
    """The choices of a chat completion that can be used, one at least, and how many there were.

    The prompt's tokens go to the first. Servers count the generated tokens of all choices together: they are
    shared out evenly.

    Raises:
        TransientFailure, RecordFailed: as `read_completion`, where no choice can be used.
    """
    choices = _choices(data)
    replies: list[Reply] = []
    problem: TransientFailure | RecordFailed | None = None
    for choice in choices:
        try:
            replies.append(_read_choice(choice, Usage()))
        except (TransientFailure, RecordFailed) as error:
            problem = problem or error
    if problem is not None and not replies:
        raise problem
    usage = read_usage(data)
    share, rest = divmod(usage.completion_tokens, len(replies))
    first, *others = replies
    counted = [replace(reply, usage=Usage(0, share)) for reply in others]
    return [replace(first, usage=Usage(usage.prompt_tokens, share + rest)), *counted], len(choices)


def _choices(data: Mapping[str, Any]) -> list[Any]:
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        raise TransientFailure("the server sent a reply without a choice")
    return choices


def _read_choice(choice: Any, usage: Usage) -> Reply:
    if not isinstance(choice, dict):
        raise TransientFailure("the server sent a reply without a choice")
    message = choice.get("message")
    if not isinstance(message, dict):
        raise TransientFailure("the server sent a choice without a message")
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    reasoning = reasoning if isinstance(reasoning, str) else ""
    finish_reason = str(choice.get("finish_reason") or "stop")
    calls = read_calls(message)
    if not isinstance(content, str):
        if message.get("refusal"):
            raise RecordFailed("refused", f"the model refused to answer: {str(message['refusal'])[:200]}")
        if finish_reason == "content_filter":
            raise RecordFailed("refused", "the server's content filter withheld the reply")
        if not (reasoning or calls):
            raise TransientFailure("the server sent a reply without text")
        content = ""
    text, thought = split_reasoning(content)
    logprobs = _read_logprobs(choice.get("logprobs"))
    return Reply(text, finish_reason, usage, reasoning or thought, logprobs, calls)


def read_calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The tools that an OpenAI-style message calls; the older `function_call` is read too.

    Raises:
        TransientFailure: a call has no name, or is no call at all.
    """
    told = message.get("tool_calls")
    if not told:
        legacy = message.get("function_call")
        told = [{"function": legacy}] if legacy else []
    try:
        return tuple(
            ToolCall(_name(call["function"]), _arguments(call["function"]), str(call.get("id") or ""))
            for call in told
        )
    except (TypeError, LookupError, AttributeError):
        raise TransientFailure("the server sent calls of tools that cannot be read") from None


def _name(function: Mapping[str, Any]) -> str:
    if not isinstance(function["name"], str) or not function["name"]:
        raise LookupError("name")
    return function["name"]


def _arguments(function: Mapping[str, Any]) -> str:
    """The arguments as JSON text; some servers send the object itself."""
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "{}" if arguments is None else orjson.dumps(arguments).decode()


def _read_logprobs(data: Any) -> tuple[TokenLogprob, ...]:
    if not isinstance(data, dict):
        return ()
    try:
        return tuple(
            TokenLogprob.read(
                str(place["token"]),
                float(place["logprob"]),
                ((str(top["token"]), float(top["logprob"])) for top in place.get("top_logprobs") or ()),
            )
            for place in data.get("content") or ()
        )
    except (TypeError, ValueError, LookupError):
        raise TransientFailure("the server sent log-probabilities that cannot be read") from None


def read_scores(data: Mapping[str, Any]) -> TokenLogprobs | None:
    """What a text completion with `echo` says of its prompt; None from a server that left the prompt out."""
    choices = data.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    scores = choice.get("logprobs") if isinstance(choice, dict) else None
    if not isinstance(scores, dict):
        return None
    tokens, logprobs = scores.get("tokens"), scores.get("token_logprobs")
    # Only where the prompt is scored does the first token, which nothing precedes, have no probability.
    if not (isinstance(tokens, list) and isinstance(logprobs, list) and logprobs and logprobs[0] is None):
        return None
    if len(tokens) != len(logprobs) or not all(isinstance(value, int | float) for value in logprobs[1:]):
        raise TransientFailure("the server sent log-probabilities that cannot be read")
    return TokenLogprobs(tuple(map(str, tokens)), tuple(logprobs), read_usage(data))


def read_usage(data: Mapping[str, Any]) -> Usage:
    """The token counts of a reply; 0 where the server did not count."""
    usage = data.get("usage")
    if not isinstance(usage, dict):
        return Usage()
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Usage(
        prompt if isinstance(prompt, int) else 0,
        completion if isinstance(completion, int) else 0,
    )
