"""Choices side by side: what is a table, what is a plot, and that nothing of a fact becomes markup."""

from __future__ import annotations

import re
from typing import Any

from factory.data.run_manifest import BESIDE, OVERLAPS, StepFacts
from factory.report.page.facts import facts_section
from factory.report.page.selection import selection_section


def facts(**changes: Any) -> dict[str, Any]:
    rows = [
        {"pick": "top", "rows": 10, "length": 40.0, "novelsum": 0.5, "languages": "en 100%"},
        {"pick": "longest", "rows": 10, "length": 90.0, "novelsum": 0.2, "languages": "zh 100%"},
        {"pick": "random, 20 draws", "rows": 10, "length": 30.0, "novelsum": 0.3, "languages": ""},
        {"pick": "random, low", "rows": "", "length": 20.0, "novelsum": 0.25, "languages": ""},
        {"pick": "random, high", "rows": "", "length": 40.0, "novelsum": 0.35, "languages": ""},
        {"pick": "all", "rows": 90, "length": 31.0, "novelsum": "", "languages": ""},
    ]
    overlaps = [{"pick": "top", "top": 1.0, "longest": 0.2}, {"pick": "longest", "top": 0.2, "longest": 1.0}]
    return {BESIDE: rows, OVERLAPS: overlaps, "set_aside": 3, **changes}


def section(found: dict[str, Any]) -> str:
    return str(selection_section([StepFacts(label="02-select", facts=found)]))


def test_each_choice_is_a_mark_before_the_bar_where_random_draws_lie() -> None:
    page = section(facts())
    plots = re.findall(r"<h3>([^<]*)</h3><ul", page)
    assert plots == ["tokens of an answer", "NovelSum"]
    length = page[page.index("tokens of an answer") : page.index("NovelSum</h3><ul")]
    band = re.findall(r'class="band" x="([\d.]+)" y="0" width="([\d.]+)"', length)
    marks = [float(x) for x in re.findall(r'class="(?:kept|plain)" x="([\d.]+)"', length)]
    assert len(band) == len(marks) == 3  # both choices and the mean of the draws; the whole set is no choice
    left, width = map(float, band[0])
    top, longest, mean = (mark + 0.75 for mark in marks)
    assert left < mean < left + width < longest
    assert abs(top - (left + width)) < 0.1  # on the upper end


def test_the_table_and_the_overlaps_are_here_and_not_among_what_was_found_on_the_way() -> None:
    page = section(facts())
    assert page.count("<table") == 2
    assert "20%" in page or ">0.2<" in page
    cards = str(facts_section([StepFacts(label="02-select", facts=facts())]))
    assert "<table" not in cards
    assert "set aside" in cards


def test_a_step_that_chose_nothing_has_no_section() -> None:
    assert selection_section([StepFacts(label="01-tag", facts={"tags": 3})]) == ""
    assert str(facts_section([StepFacts(label="02-select", facts={BESIDE: [{"pick": "a"}]})])) == ""


def test_what_an_older_or_a_damaged_manifest_holds_is_shown_as_far_as_it_goes() -> None:
    assert "<ul" not in section(
        facts(**{BESIDE: [{"pick": "top", "length": float("nan")}], OVERLAPS: "none"})
    )
    assert section(facts(**{BESIDE: "none"})) == ""
    assert section(facts(**{BESIDE: [7, {"rows": 3}]})) == ""


def test_a_name_cannot_become_markup() -> None:
    rows = [{"pick": "<script>", "length": 1.0}, {"pick": "<b>", "length": 2.0}]
    page = section(facts(**{BESIDE: rows}))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
