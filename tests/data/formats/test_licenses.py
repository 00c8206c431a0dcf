"""Licences: one name for each, and what is flagged where several meet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from factory.data.formats import write_dataset
from factory.data.formats.licenses import by_id, conflicts, license_id, one_known
from factory.data.record import new_record


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Apache 2.0", "apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("MIT License", "mit"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("cc-by-nc-4.0", "cc-by-nc-4.0"),
        ("", ""),
    ],
)
def test_a_licence_has_one_name_however_it_is_spelled(said: str, meant: str) -> None:
    assert license_id(said) == meant


def test_conflicting_and_missing_licences_are_flagged() -> None:
    counts = by_id({"MIT": 3, "mit": 1, "CC-BY-NC-4.0": 2, "cc-by-sa-4.0": 1, "": 1, "my own": 1})
    assert counts == {"mit": 4, "cc-by-nc-4.0": 2, "": 1, "cc-by-sa-4.0": 1, "my-own": 1}
    assert one_known(counts) == ""
    assert list(conflicts(counts)) == [
        "1 row names no licence: find out before you pass them on.",
        "1 row has a licence that is not known here: read it yourself.",
        "4 licences meet in this set: each row stays under its own.",
        "2 rows (cc-by-nc-4.0) forbid commercial use, the others do not say so.",
        "1 row (cc-by-sa-4.0) bind what is made of them to the same licence.",
    ]
    assert list(conflicts({"mit": 5})) == list(conflicts({"": 5})) == []


def test_the_card_counts_licences_and_sources_and_names_one_that_all_rows_share(tmp_path: Path) -> None:
    first = replace(new_record("a", output="b", source="x|y"), license="Apache 2.0")
    second = replace(new_record("c", output="d", source="z"), license="apache-2.0")
    write_dataset([first, second], tmp_path / "one", ["messages"])
    card = (tmp_path / "one" / "README.md").read_text()
    assert "\nlicense: apache-2.0\n" in card
    assert "| `apache-2.0` | 2 |" in card
    assert "| `x/y` | 1 |\n| `z` | 1 |" in card
    write_dataset([first, replace(second, license="mit")], tmp_path / "two", ["messages"])
    card = (tmp_path / "two" / "README.md").read_text()
    assert "\nlicense:" not in card
    assert "**2 licences meet in this set: each row stays under its own.**" in card
