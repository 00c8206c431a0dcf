"""When JSON Lines would not load as they were written.

The JSON loader of Hugging Face `datasets` (4.0 and 5.x alike) reads 10 MiB at a time and infers the types of
each chunk anew. A column of which every text in a chunk looks like a date becomes a timestamp, whatever
schema was declared; a list that is empty in all of the first chunk cannot hold anything later, nor can a key be
anything that is null or absent in all of it. No way of writing the same JSON prevents these, so such a file is
recognised here and loaded from a Parquet twin.
"""

from __future__ import annotations

import re
from typing import Any

CHUNK = 10 << 20
"""Bytes that the loader reads at a time, before it completes the last line."""

# Wider than what Arrow takes for a timestamp: a twin too many does no harm.
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]*(Z|[+-][\d:]*)?)?")


class JsonTraps:
    """Watches the rows of a JSON Lines file in order; `sprung` says whether the loader would change them."""

    def __init__(self) -> None:
        self._sprung = False
        self._size = 0
        self._first = True
        self._dates: set[str] = set()
        self._others: set[str] = set()
        self._empty: set[str] = set()
        self._filled: set[str] = set()
        self._untyped: set[str] = set()
        self._known: set[str] = set()

    @property
    def sprung(self) -> bool:
        """Whether any row so far would be changed or refused."""
        return self._sprung or bool(self._dates - self._others)

    def see(self, row: dict[str, Any], size: int) -> None:
        """Take note of a row that was written with `size` bytes."""
        for name, value in row.items():
            self._walk(name, value)
        self._size += size
        if self._size > CHUNK:
            self._sprung = self.sprung
            if self._first:
                self._untyped = self._empty - self._filled
            self._first = False
            self._size = 0
            self._dates, self._others = set(), set()

    def _walk(self, name: str, value: Any) -> None:
        if value is None:
            return
        if self._first:
            self._known.add(name)
        elif name not in self._known:
            self._sprung = True
        if isinstance(value, str):
            if name not in self._others:
                (self._dates if _DATE.fullmatch(value) else self._others).add(name)
        elif isinstance(value, list):
            (self._filled if value else self._empty).add(name)
            if value and name in self._untyped:
                self._sprung = True
            for item in value:
                self._walk(f"{name}[]", item)
        elif isinstance(value, dict):
            for key, item in value.items():
                self._walk(f"{name}.{key}", item)
