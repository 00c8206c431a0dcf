"""Groups that are nearly as many as the records, as by an id, are told: no share of such a group means anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import factory as sft
from factory.steps.assemble.mixing.groups import FEW, too_many

STEPS: list[tuple[str, dict[str, Any]]] = [
    ("mixture", {"by": "GROUP", "size": 10}),
    ("split", {"stratify": "GROUP", "test": 5, "near": "none"}),
    ("schedule", {"method": "replay", "by": "GROUP", "share": 0.1}),
]


def warnings(step: str, options: dict[str, Any], by: str, folder: Path) -> str:
    rows = [
        {
            "instruction": f"Task {at}?",
            "output": f"{at}.",
            "row": f"r{at}",
            "half": f"h{at // 2}",
            "source": "ab"[at % 2],
        }
        for at in range(50)
    ]
    given = {name: by if value == "GROUP" else value for name, value in options.items()}
    done = sft.load(rows).then(step, **given).run(journal=folder / "journal.db")
    assert done.progress is not None
    return "\n".join(done.progress.warnings)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "options"), STEPS)
def test_groups_of_one_record_each_are_told_and_groups_of_two_are_not(
    step: str, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = "row has 50 values for 50 records, fewer than two a group: name a column with few values"
    assert said in warnings(step, options, "row", tmp_path)
    for by in ("half", "source"):
        assert "fewer than two a group" not in warnings(step, options, by, tmp_path)


def test_a_set_balanced_over_sources_of_one_record_each_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"instruction": f"Task {at}?", "output": f"{at}.", "source": f"https://x.org/{at}"}
        for at in range(50)
    ]
    done = sft.load(rows).assemble(balance="source", size=10).run(journal=tmp_path / "journal.db")
    assert done.progress is not None
    assert any("source has 50 values for 50 records" in one for one in done.progress.warnings)


@given(groups=st.integers(0, 500), rows=st.integers(0, 500))
def test_few_groups_or_two_records_a_group_are_never_too_many(groups: int, rows: int) -> None:
    assert bool(too_many(groups, rows, "x")) == (groups > FEW and rows < 2 * groups)
