"""A row of a data file before its shape is known."""

from __future__ import annotations

from typing import Any, NamedTuple


class RawRow(NamedTuple):
    """A row before its shape is known.

    place: line number from 1 (JSONL, CSV) or row number from 1 (JSON, Parquet, Python objects)
    value: what was read, a mapping where the row is good
    raw: the text it was read from, None where `value` is all there is
    problem: why the row could not be read, "" where it could
    odd: what is odd about how it was written, though it could be read, in few words that fit behind "in 12 rows"
    """

    place: int
    value: Any
    raw: bytes | str | None = None
    problem: str = ""
    odd: str = ""
