"""Chat requests from plain options, for tests."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from factory.data.record import Message
from factory.models.base import ChatRequest, Sampling

SAMPLING_FIELDS = frozenset(field.name for field in fields(Sampling))


def split_options(options: dict[str, Any]) -> tuple[Sampling, dict[str, Any]]:
    """The sampling among `options`, greedy and nine tokens where they do not say, and the other options."""
    sampling = {name: value for name, value in options.items() if name in SAMPLING_FIELDS}
    others = {name: value for name, value in options.items() if name not in SAMPLING_FIELDS}
    return Sampling(**{"temperature": 0, "max_tokens": 9, **sampling}), others


def chat_request(said: str | tuple[Message, ...], **options: Any) -> ChatRequest:
    """A request of these turns, or of one user turn."""
    sampling, others = split_options(options)
    return ChatRequest((Message("user", said),) if isinstance(said, str) else said, sampling, **others)
