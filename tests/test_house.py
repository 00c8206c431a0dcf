"""The house stays one that a newcomer finds a way in: few names at the top, small files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import factory

HOUSE = Path(factory.__file__).parent
LONG = {"statistics/rouge/kernel.py"}
"""One compiled loop with what it is made of: it cannot be cut."""


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    lengths = {
        path.relative_to(HOUSE).as_posix(): len(path.read_text().splitlines()) for path in HOUSE.rglob("*.py")
    }
    assert {name for name, lines in lengths.items() if lines > 400} == LONG


def test_there_are_under_fifteen_names_at_the_top() -> None:
    assert len([path for path in HOUSE.iterdir() if path.name != "__pycache__"]) < 15


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by name, and would collect the first of two alone, or none."""
    names = Counter(path.name for path in (HOUSE.parent / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
