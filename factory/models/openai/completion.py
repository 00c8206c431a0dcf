"""Read an OpenAI-style completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from factory.data.record import ToolCall
from factory.data.text import shorten
from factory.errors import RecordFailed
from factory.models.base import ChatRequest, Reply, TokenLogprob, TokenLogprobs, Usage
from factory.models.failures import TransientFailure
from factory.models.refusal_reply import is_error, read_error
from factory.models.reply.ends import CALLS, FILTERED, UNKNOWN, WHOLE, kind_of_end, told_end
from factory.models.reply.read import read_reply
from factory.models.reply.usage import token_count

_REASONING = ("thinking", "reasoning", "reasoning_content")  # the last one that is there counts
_PARTS = {"thinking": "reasoning", "reasoning": "reasoning", "refusal": "refusal"}
_BESIDE = frozenset({"reference", "reference_chunk", "citation", "citations", "annotation"})
"""Parts that stand beside the text and are none of it."""
_MEDIA = ("images", "audio", "video")


def read_completion(data: Mapping[str, Any], request: ChatRequest | None = None) -> Reply:
    """The first choice of a chat completion, as `read_reply` reads it; `request` is what was asked.

    Raises:
        TransientFailure: there is no choice, or one without text and without a call, or one that broke off: a
            server's mishap.
        RecordFailed: the model or the server's filter refused to answer, or the answer is not text alone.
    """
    return _read_choice(_choices(data)[0], read_usage(data), request)


def read_samples(data: Mapping[str, Any], request: ChatRequest | None = None) -> tuple[list[Reply], int]:
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
            replies.append(_read_choice(choice, Usage(), request))
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


def _read_choice(choice: Any, usage: Usage, request: ChatRequest | None) -> Reply:
    if not isinstance(choice, dict):
        raise TransientFailure("the server sent a reply without a choice")
    if is_error(choice.get("error")):
        words = shorten(read_error(orjson.dumps(choice["error"])).message, 200)
        raise TransientFailure(f"the reply broke off: the server ended it with {words or 'an error'!r}")
    message = choice.get("message")
    if not isinstance(message, dict):
        if not isinstance(choice.get("text"), str):
            raise TransientFailure("the server sent a choice without a message")
        message = {"content": choice["text"]}
    content, reasoning, refusal = _read_content(message.get("content"))
    for field in _REASONING:
        reasoning = message[field] if isinstance(message.get(field), str) and message[field] else reasoning
    reasoning = reasoning or _details(message.get("reasoning_details"))
    refusal = str(message.get("refusal") or refusal)
    calls = read_calls(message)
    end = choice.get("finish_reason") or choice.get("stop_reason")
    if _was_filtered(choice.get("content_filter_results")):
        end = FILTERED
    shown = next((name for name in _MEDIA if message.get(name)), "")
    if shown:
        raise _no_text(shown)
    # Text that is null and was not paid for is a mishap, where nothing says why it is not there.
    silent = content is None and usage.completion_tokens <= 0 and not (reasoning or calls or refusal)
    if silent and kind_of_end(told_end(end)) in (WHOLE, CALLS, UNKNOWN):
        raise TransientFailure("the server sent a reply without text")
    return read_reply(
        content or "",
        end,
        request,
        usage=usage,
        reasoning=reasoning,
        logprobs=_read_logprobs(choice.get("logprobs")),
        calls=calls,
        refusal=refusal,
    )


def _read_content(content: Any) -> tuple[str | None, str, str]:
    """The text of a message, what its parts hold of reasoning, and the words of a refusal; None without any text.

    Raises:
        RecordFailed: a part is no text, such as a picture: without it the answer is half of one.
    """
    if content is None or isinstance(content, str):
        return content, "", ""
    said = {"text": "", "reasoning": "", "refusal": ""}
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            said["text"] += part
            continue
        if not isinstance(part, dict):
            raise _no_text(type(part).__name__)
        kind = str(part.get("type") or "text")
        told = part[kind] if part.get(kind) is not None else part.get("text")
        text = _part_text(told)
        if text is None and kind not in _BESIDE and kind not in _PARTS:
            raise _no_text(kind)
        said[_PARTS.get(kind, "text")] += text or ""
    return said["text"], said["reasoning"], said["refusal"]


def _no_text(kind: str) -> RecordFailed:
    return RecordFailed("bad_reply", f"the answer holds {shorten(kind, 40)!r}, which is no text")


def _part_text(part: Any) -> str | None:
    """The text of a part, None where it holds none; Mistral's thoughts are a list of parts."""
    if isinstance(part, list):
        return "".join(_part_text(inner) or "" for inner in part)
    if isinstance(part, dict):
        return next((part[name] for name in ("text", "value") if isinstance(part.get(name), str)), None)
    return part if isinstance(part, str) else None


def _details(told: Any) -> str:
    """The readable part of OpenRouter's `reasoning_details`."""
    parts = told if isinstance(told, list) else ()
    texts = (part.get("text") or part.get("summary") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _was_filtered(told: Any) -> bool:
    """Whether Azure's filter says that it cut this choice, whatever the reason that it names."""
    groups = told.values() if isinstance(told, dict) else ()
    return any(isinstance(group, dict) and group.get("filtered") is True for group in groups)


def read_calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The tools that an OpenAI-style message calls; the older `function_call` is read too.

    Raises:
        TransientFailure: a call has no name, or is no call at all.
    """
    told = message.get("tool_calls")
    if not told:
        legacy = message.get("function_call")
        if not legacy:
            return ()
        told = [{"function": legacy}]
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
    usage = read_usage(data)
    if not (0 <= usage.prompt_tokens <= 1000 + 10 * len(tokens) and 0 <= usage.completion_tokens <= 1000):
        usage = Usage(len(tokens))
    return TokenLogprobs(tuple(map(str, tokens)), tuple(logprobs), usage)


def read_ranks(data: Mapping[str, Any], scores: TokenLogprobs) -> tuple[int | None, ...]:
    """The rank of each token that was scored, by vLLM's `prompt_logprobs`; none where these are of other tokens."""
    places = data["choices"][0].get("prompt_logprobs")
    if not isinstance(places, list) or len(places) != len(scores.tokens):
        return ()
    ranks: list[int | None] = []
    for place, logprob in zip(places, scores.logprobs, strict=True):
        # The prompt's own token is the first at its place, before those that were likelier.
        own = next(iter(place.values()), None) if isinstance(place, dict) else None
        rank = own.get("rank") if isinstance(own, dict) else None
        if logprob is None:
            ranks.append(None)
        elif type(rank) is int and rank >= 1:
            ranks.append(rank)
        else:
            return ()
    return tuple(ranks)


def read_usage(data: Mapping[str, Any]) -> Usage:
    """The token counts of a reply; 0 where the server did not count."""
    usage = data.get("usage")
    if not isinstance(usage, dict):
        return Usage()
    return Usage(token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens")))
