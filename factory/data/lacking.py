"""What a set of records lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Lacking(NamedTuple):
    """What a set lacks to be full.

    missing: about how many records each short group lacks
    rows: places of the records in the table that belong to a short group
    dry_rounds: rounds in a row that bring less than a tenth of what was missing, after which no more is made
    """

    missing: Mapping[str, int]
    rows: Sequence[int]
    dry_rounds: int
