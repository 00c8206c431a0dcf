"""Python looks for cycles rarely while a run goes on, and as before after it."""

from __future__ import annotations

import contextlib
import gc

from factory.data.gc_pause import RARELY, rare_collections


def test_the_thresholds_are_put_back_even_after_a_failure() -> None:
    before = gc.get_threshold()
    assert before != RARELY
    with contextlib.suppress(ZeroDivisionError), rare_collections():
        assert gc.get_threshold() == RARELY
        raise ZeroDivisionError
    assert gc.get_threshold() == before
