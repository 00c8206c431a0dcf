"""Facts of a step as a table: on a page and on a terminal, and how many rows of it are not shown."""

from __future__ import annotations

import pytest

from factory.data.run_manifest import StepFacts
from factory.report.page.facts import MOST_ROWS, facts_lines, facts_section


@pytest.mark.parametrize(
    ("rows", "more"), [(MOST_ROWS, ""), (MOST_ROWS + 1, "and 1 more"), (1234, "and 1,184 more")]
)
def test_a_long_table_says_how_many_rows_it_does_not_show(rows: int, more: str) -> None:
    plan = [{"task": f"task {at}", "planned": at} for at in range(rows)]
    facts = {"plan": plan}
    shown = list(facts_lines(facts))
    assert shown[:3] == ["plan:", "    task     planned", "    task 0         0"]
    assert len(shown) == 2 + MOST_ROWS + bool(more)
    page = str(facts_section([StepFacts(label="01-explore", facts=facts)]))
    assert ("more" in shown[-1]) == (" more" in page) == bool(more)
    assert more in shown[-1]
    assert more in page
    assert len(list(facts_lines(facts, rows=None))) == 2 + rows


def test_what_a_model_named_cannot_move_the_columns_or_become_markup() -> None:
    facts = {"plan": [{"task": "a\x1b[1m<b>", "planned": 1}, {"task": "soups", "planned": 2}]}
    assert list(facts_lines(facts)) == [
        "plan:",
        "    task         planned",
        "    a\\x1b[1m<b>        1",
        "    soups              2",
    ]
    assert "<b>" not in str(facts_section([StepFacts(label="01-explore", facts=facts)]))
