"""Replies that must fit a schema: what is sent, how a reply is read, and how an unusable one is asked again."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from factory.data.prompt import load_prompt
from factory.data.text import detect_language
from factory.engine.calls.strict_json import plain_object, unwrapped
from factory.models.base import ChatRequest, Reply

_FULL_WIDTH = re.compile("[０-９]{1,20}")


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
    """The reply's JSON as an instance of `schema`, or None and what is wrong with it.

    Each object and list among the reply's words is tried (see `lenient_json`); keys that the schema does not have
    are left out. Where the schema has one field, a list, the bare list or its items do. Several that fit have to be
    equal: of two verdicts, none is taken.
    """
    whole = plain_object(reply.text.strip())
    if whole is not None:
        values, problem = [whole], ""
    else:
        from factory.engine.calls.lenient_json import json_values

        values, problem = json_values(reply.text)
    fits: list[BaseModel] = []
    misfit = ""
    for candidate in _candidates(values, schema):
        fit, why = _fitted(candidate, schema)
        misfit = misfit or why
        if fit is not None and fit not in fits:
            fits.append(fit)
        if len(fits) > 1:
            return None, "it holds JSON objects that fit and differ"
    if len(fits) == 1:
        return fits[0], ""
    if reply.finish_reason == "length":
        what = "its JSON" if values or problem else "it"
        return None, f"{what} was cut at {reply.usage.completion_tokens} tokens"
    if misfit:
        return None, misfit
    return None, f"it is not valid JSON ({problem})" if problem else "it holds no JSON object"


def _candidates(values: list[Any], schema: type[BaseModel]) -> Iterator[Any]:
    """What may be the object asked for: each value that the text holds, or all of them as the items of its list."""
    name = _only_list(schema)
    if name is None or any(isinstance(value, dict) and name in value for value in values):
        for value in values:
            # Where the outer object fits, or a key of it is the schema's, its inside is not asked for.
            whole = next((part for part in unwrapped(value) if _has_fields(part, schema)), value)
            if isinstance(whole, dict):
                yield whole
        return
    lists = [value for value in values if isinstance(value, list) and value]
    if lists:
        yield from ({name: value} for value in lists)
    elif values:
        yield {name: values}  # an item a line


def _has_fields(value: Any, schema: type[BaseModel]) -> bool:
    return isinstance(value, dict) and not _fields(schema).isdisjoint(value)


@functools.cache
def _fields(schema: type[BaseModel]) -> frozenset[str]:
    return frozenset(schema.model_fields)


@functools.cache
def _only_list(schema: type[BaseModel]) -> str | None:
    """The name of the schema's only field, where that is a list."""
    if len(schema.model_fields) != 1:
        return None
    ((name, field),) = schema.model_fields.items()
    return name if get_origin(field.annotation) is list else None


def _fitted(value: Any, schema: type[BaseModel]) -> tuple[BaseModel | None, str]:
    """An instance made of a value without the keys that `schema` does not have, or None and what is wrong."""
    for _ in range(2):
        try:
            return schema.model_validate(value), ""
        except ValidationError as error:
            errors = error.errors(include_url=False)
            first = next((fault for fault in errors if fault["type"] != "extra_forbidden"), errors[0])
            for fault in errors:
                if fault["type"] == "extra_forbidden":
                    value = _changed(value, fault["loc"])
                elif fault["type"] == "int_parsing" and _FULL_WIDTH.fullmatch(str(fault["input"])):
                    value = _changed(value, fault["loc"], int(fault["input"]))
    place = ".".join(str(part) for part in first["loc"])
    return None, f"field {place or 'top level'}: {first['msg'].lower()}"


def _changed(value: Any, place: Sequence[int | str], to: object = None) -> Any:
    """A copy of a value with something else at a place in it, or with nothing there."""
    at, *rest = place
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[at] = _changed(copy[at], rest, to)
    elif to is None:
        del copy[at]
    else:
        copy[at] = to
    return copy


def named_error(request: ChatRequest, problem: str) -> ChatRequest:
    """The same request with what was wrong with its reply at the end of its last turn.

    Not as a turn of its own behind the reply: a small model takes the complaint for the text to work on, and goes
    on with a reply that repeats itself.
    """
    *before, last = request.messages
    (complaint,) = load_prompt("repair/json", detect_language(last.content)).render(problem=problem)
    last = last._replace(content=f"{last.content}\n\n{complaint.content}")
    return replace(request, messages=(*before, last))
