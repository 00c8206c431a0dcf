"""What the journal knows a call by."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def call_key(kind: str, identity: str, request: Any) -> bytes:
    """The key of a call: 16 bytes of a hash of its kind, who answers and what would be sent."""
    canonical = orjson.dumps([kind, identity, request], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(canonical, digest_size=16).digest()
