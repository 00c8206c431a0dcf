"""How often a record went round: through a model that writes, a check that chooses, and a training on the choice."""

from __future__ import annotations

from factory.data.record import Record

ROUND = "self_training_round"
"""The column in which a row keeps its round: 0 where no model wrote it."""


def kept_round(record: Record) -> int | None:
    """The round that a row tells; None where it tells none, or something that is no round."""
    told = record.meta.get(ROUND)
    if isinstance(told, str) and told.strip().isdecimal():
        told = int(told)
    if isinstance(told, float) and told.is_integer():
        told = int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None
