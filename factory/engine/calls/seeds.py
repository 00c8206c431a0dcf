"""The seeds that requests are sent with."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from factory.models.base import ChatRequest


@functools.lru_cache(maxsize=1024)
def sample_seed(seed: int, sample: int) -> int:
    """The seed of a sample in a run with this seed; the key of a call holds it."""
    return _seed_by(f"{seed}/{sample}".encode())


def with_own_seed(request: ChatRequest, sent: Mapping[str, Any]) -> ChatRequest:
    """The request as it is sent: its seed is drawn from the sample's and from what is asked.

    For one seed a server draws the same noise whatever it is asked, so that prompts that are alike would be answered
    alike: of people to be invented for 20 prompts, vLLM named 3 first names by one seed, and 20 by seeds of their own.
    """
    if request.seed is None:
        return request
    seed = _seed_by(orjson.dumps([request.seed, sent["messages"], request.opening]))
    # What `replace` would make, in less than half its time, for each call of a run.
    own = (request.messages, request.sampling, request.schema, seed, request.sample, request.tools)
    return ChatRequest(*own, request.template_arguments, request.opening)


def _seed_by(drawn_from: bytes) -> int:
    digest = hashlib.blake2b(drawn_from, digest_size=4).digest()
    return int.from_bytes(digest, "little") & 0x7FFFFFFF
