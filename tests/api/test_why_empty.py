"""Why a set is empty is told as it is: known already, unreadable, let go, or never there."""

from __future__ import annotations

from dataclasses import replace

import pytest

import factory as sft
from factory.api.why_empty import why_empty
from factory.data.record import IN_REFERENCE, Drop, new_record
from factory.data.table import Table
from factory.errors import OutputError

KNOWN = Drop("dedup_exact", "exact_duplicate", "identical", IN_REFERENCE, against="a")
TWICE = Drop("dedup_exact", "exact_duplicate", "identical", against="b")
UNREAD = Drop("read", "bad_row", "it has no text", failed=True)
REFUSED = Drop("respond", "refused", "the server refuses it", failed=True)


@pytest.mark.parametrize(
    ("drops", "told"),
    [
        ([], "there was none to begin with"),
        ([UNREAD] * 2, "none of the 2 rows could be read: mend them first"),
        ([KNOWN] * 3, "all 3 records are in the reference: nothing is new"),
        ([KNOWN, UNREAD], "all 1 records are in the reference: nothing is new (1 rows could not be read)"),
        (
            [KNOWN, TWICE],
            "all 2 were let go (exact_duplicate 2; 1 are in the reference): loosen the steps that dropped them",
        ),
        ([REFUSED], "all 1 were let go (refused 1): mend what made them fail"),
    ],
)
def test_the_sentence_names_the_cause_and_the_mend(drops: list[Drop], told: str) -> None:
    records = [replace(new_record(f"Task {at}."), dropped=drop) for at, drop in enumerate(drops)]
    assert why_empty(Table.from_records(records).arrow) == told


def test_saving_an_empty_set_tells_the_cause(tmp_path: object) -> None:
    rows = [{"instruction": "Name a river.", "output": "The Po."}]
    with pytest.raises(OutputError, match=r"no record to write: all 1 records are in the reference: nothing"):
        sft.load(rows).dedup_exact(reference=_file(tmp_path, rows)).save(f"{tmp_path}/new.jsonl")


def _file(folder: object, rows: list[dict[str, str]]) -> str:
    path = f"{folder}/earlier.jsonl"
    sft.load(rows).save(path)
    return path
