"""How often Python looks for unreachable cycles while data is made."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

RARELY = (20_000, 20, 20)
"""Thresholds for `gc.set_threshold`."""


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for unreachable cycles rarely.

    A run makes thousands of short-lived objects for each call and next to no cycles: at the default thresholds
    a quarter of its processor time goes into looking for them.
    """
    before = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
