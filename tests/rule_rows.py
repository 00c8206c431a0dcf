"""The tables of rows that have a fault and of near misses, written for these tests: `tests/steps/clean/tables`.

A line with + has the fault of the rule above it, one with - has not. "asked ⇒ answer" is an exchange whose answer is
looked at, "U: text" a user's turn, in which ⇥ stands before the input. ⏎ is a line break, and \\u200b a character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from factory.data.record import Record, new_record

TABLES = Path(__file__).parent / "steps" / "clean" / "tables"
_CHARACTER = re.compile(r"\\u(00[0-9a-f]{2}|[0-9a-f]{4})")
_WRITTEN = {"literal_escapes"}
"""Rules whose rows have the escapes themselves."""


class Row(NamedTuple):
    """A row of a table."""

    rule: str
    fault: bool
    text: str
    record: Record
    turn: int


def rows() -> Iterator[Row]:
    """All rows of all tables."""
    rule = ""
    for table in sorted(TABLES.glob("*.txt")):
        for line in table.read_text("utf-8").split("\n"):
            if line.startswith("# "):
                rule = line[2:].strip()
            elif line[:2] in ("+ ", "- "):
                yield Row(rule, line[0] == "+", line, *_read(rule, line[2:]))


def _read(rule: str, line: str) -> tuple[Record, int]:
    line = line.replace("⏎", "\n")
    if rule not in _WRITTEN:
        line = _CHARACTER.sub(lambda match: chr(int(match[1], 16)), line)
    if line.startswith("U: "):
        instruction, _, given = line[3:].partition(" ⇥ ")
        return new_record(instruction, input=given), 0
    asked, _, answer = line.partition(" ⇒ ")
    return new_record(asked, output=answer), 1
