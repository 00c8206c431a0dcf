"""Replies that must fit a schema: what is sent, how a reply is read, and how an unusable one is asked again."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from factory.data.prompt import load_prompt
from factory.data.text import detect_language
from factory.models.base import ChatRequest, Reply


@functools.cache
def json_schema(schema: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON schema of a reply, without titles and descriptions.

    Those hold class names and docstrings, which must be free to change without asking anything anew.
    """
    bare: Mapping[str, Any] = _without_prose(schema.model_json_schema())
    return bare


def _without_prose(node: Any, *, names: bool = False) -> Any:
    """`names`: the keys of this mapping are names of fields, not words of JSON schema."""
    if isinstance(node, list):
        return [_without_prose(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_prose(value, names=key in ("properties", "$defs") and not names)
        for key, value in node.items()
        if names or key not in ("title", "description")
    }


def read_json(reply: Reply, schema: type[BaseModel]) -> tuple[BaseModel | None, str]:
    """The reply's JSON object as an instance of `schema`, or None and what is wrong with it.

    Tolerates what models put around an object (a code fence, words before or after); repairs nothing inside.
    """
    text = reply.text.strip()
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        cut = (
            f"it was cut at {reply.usage.completion_tokens} tokens" if reply.finish_reason == "length" else ""
        )
        return None, cut or "it holds no JSON object"
    try:
        data = orjson.loads(text[start : end + 1])
    except orjson.JSONDecodeError as error:
        if reply.finish_reason == "length":
            return None, f"its JSON was cut at {reply.usage.completion_tokens} tokens"
        return None, f"it is not valid JSON ({error})"
    try:
        return schema.model_validate(data), ""
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return None, f"field {place or 'top level'}: {first['msg'].lower()}"


def named_error(request: ChatRequest, problem: str) -> ChatRequest:
    """The same request with what was wrong with its reply at the end of its last turn.

    Not as a turn of its own behind the reply: a small model takes the complaint for the text to work on, and goes
    on with a reply that repeats itself.
    """
    *before, last = request.messages
    (complaint,) = load_prompt("repair/json", detect_language(last.content)).render(problem=problem)
    last = last._replace(content=f"{last.content}\n\n{complaint.content}")
    return replace(request, messages=(*before, last))
