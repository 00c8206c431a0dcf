"""Why a text is not worth keeping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Flaw(NamedTuple):
    """Why a text failed: a kind and its numbers for a program, a sentence for a person."""

    kind: str
    reason: str
    numbers: Mapping[str, float] = {}
