"""How the make-up of a set moves where some of its rows are chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MOVED = 0.1
"""A change of the share of a language, a task or a source by so much is told."""


def moved(
    values: Sequence[str], before: Sequence[int], chosen: Sequence[int]
) -> tuple[str, float, float] | None:
    """The value whose share of the rows moves up most, and its shares; None where none does by `MOVED`."""
    if not chosen:
        return None
    had, has = (Counter(values[at] or "" for at in part) for part in (before, chosen))
    shares = {value: (had[value] / len(before), has[value] / len(chosen)) for value in had}
    value = max(shares, key=lambda name: (shares[name][1] - shares[name][0], name))
    was, becomes = shares[value]
    return (value, was, becomes) if becomes - was >= MOVED else None
