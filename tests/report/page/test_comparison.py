"""Measures as lines, two sets side by side as a page, and what steps told in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from test_page import ALLOWED, Reader

from factory.data.record import Event, Tag, new_record
from factory.data.run_manifest import StepFacts
from factory.data.table import Table
from factory.errors import OutputError
from factory.report.measures import TaggedSet, measure_lines, measures
from factory.report.page.comparison import comparison_lines, render_comparison, write_comparison
from factory.report.page.facts import facts_lines, facts_section
from factory.report.page.page import render_report

FIRST = TaggedSet("alpha", [["sql", "join"], ["sql"], []], ["x", "y", "y"])
SECOND = TaggedSet("贝塔", [["诗歌"], ["诗歌", "sql"]], ["z", "z"])
ANY_TAGS = st.lists(st.lists(st.text(max_size=20), max_size=3), max_size=4)


def table(*tag_lists: list[str]) -> Table:
    records = [
        new_record(f"Query number {at}", output="An answer", source=f"s{at % 2}").with_tags(
            [Tag(name) for name in tags], Event("01-tag", "tag")
        )
        for at, tags in enumerate(tag_lists)
    ]
    return Table.from_records(records)


def test_both_sets_are_measured_against_the_tags_of_both() -> None:
    lines = comparison_lines(FIRST, SECOND)
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:5]}
    assert rows["alpha"] == ["3", "2", "2", "1", "0.667", "1.50"]
    assert rows["贝塔"] == ["2", "2", "2", "1", "0.667", "1.50"]
    assert rows["y"] == ["2", "1", "1", "1", "0.333", "1.00"]
    assert "3 tags in all, 1 in both sets" in lines
    assert "    0.0%   100.0%  -100.0 (-100.0 to -7.0)  诗歌" in lines
    assert "   50.0%     0.0%   +50.0 (-27.3 to +90.5)  join (cannot be told apart)" in lines
    page = Reader(render_comparison(FIRST, SECOND)).text
    assert "-100.0 (-100.0 to -7.0)" in page
    assert "cannot be told apart" in page


def test_records_of_one_lineage_make_an_interval_wider() -> None:
    seed = new_record("Query a table.", output="An answer")
    tagged = [
        new_record(f"Query number {at}", output="An answer")
        .with_event(Event("01-evolve", "deepen", parents=(seed.id,)))
        .with_tags([Tag("sql")], Event("02-tag", "tag"))
        for at in range(30)
    ]
    alone = [replace(record, events=record.events[-1:]) for record in tagged]
    other = table(*[["poem"]] * 30)
    told = {
        name: comparison_lines(
            TaggedSet.of("one", Table.from_records(records)), TaggedSet.of("other", other)
        )[-1]
        for name, records in {"lineage": tagged, "alone": alone}.items()
    }
    assert told["alone"] == "  100.0%     0.0% +100.0 (+83.9 to +100.0)  sql"
    assert told["lineage"] == "  100.0%     0.0% +100.0 (+19.8 to +100.0)  sql"


def test_a_set_without_tags_has_no_shares_to_compare() -> None:
    bare = TaggedSet("bare", [[], []], ["s", "s"])
    assert "bare has no tagged record, so that there are no shares to compare." in comparison_lines(
        FIRST, bare
    )
    assert "bare has no tagged record" in Reader(render_comparison(FIRST, bare)).text


def test_tags_that_differ_in_spelling_alone_are_told() -> None:
    other = TaggedSet("other", [["SQL", "Joins"], ["诗歌。"]], ["s", "s"])
    said = "2 more are in both under different spellings, such as 'join' and 'Joins'"
    assert any(said in line for line in comparison_lines(FIRST, other))
    assert said in Reader(render_comparison(FIRST, other)).text
    assert "1 more is in both" in "\n".join(
        comparison_lines(SECOND._replace(tag_lists=[["诗歌"], []]), other)
    )
    assert "spellings" not in "\n".join(comparison_lines(FIRST, SECOND))


def test_sets_that_are_alike_have_no_differences() -> None:
    assert not any("differences" in line for line in comparison_lines(FIRST, FIRST))
    assert "There is none." in Reader(render_comparison(FIRST, FIRST)).text


def test_a_source_stands_to_the_right_of_its_set() -> None:
    lines = comparison_lines(FIRST, SECOND)
    assert [line.split("  ")[0] for line in lines[1:5]] == ["alpha", "", "", "贝塔"]
    assert Reader(render_comparison(FIRST, SECOND)).elements.count(
        ("td", {"dir": "auto", "class": "part"})
    ) == len("xy")


def test_most_used_tags_sum_up_all_others() -> None:
    many = TaggedSet("many", [[f"t{at}"] for at in range(30)], ["s"] * 30)
    text = Reader(render_comparison(many, many)).text
    assert (text.count("20 others"), text.count("10 others")) == (2, 0)


def test_the_page_holds_both_sets_and_fetches_nothing() -> None:
    reader = Reader(render_comparison(FIRST, SECOND))
    assert {name for name, _ in reader.elements} <= ALLOWED
    assert "alpha beside 贝塔" in reader.text
    assert "Largest differences" in reader.text
    assert not [
        attributes for _, attributes in reader.elements if {"src", "href", "onload"} & set(attributes)
    ]
    assert sum(name == "path" for name, _ in reader.elements) == 2


def test_hostile_tags_and_names_stay_text() -> None:
    hostile = TaggedSet(HOSTILE, [[HOSTILE, "sql"]] * 2, [HOSTILE, "y"])
    page = render_comparison(hostile, SECOND)
    assert "<script" not in page
    assert {name for name, _ in Reader(page).elements} <= ALLOWED
    assert "\x1b" not in "\n".join(comparison_lines(hostile, SECOND))


def test_a_tag_of_two_hundred_words_fits_a_line() -> None:
    essay = TaggedSet("essay", [["word " * 200]], ["s"])
    assert max(map(len, comparison_lines(essay, SECOND))) < 130
    assert "899 more characters" in Reader(render_comparison(essay, SECOND)).text


@given(ANY_TAGS, ANY_TAGS)
def test_any_two_sets_can_be_compared(first: list[list[str]], second: list[list[str]]) -> None:
    one, other = (TaggedSet("a", tags, ["s"] * len(tags)) for tags in (first, second))
    Reader(render_comparison(one, other))
    assert comparison_lines(one, other)


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match=r"file/page\.html cannot be written"):
        write_comparison(tmp_path / "file" / "page.html", FIRST, SECOND)
    write_comparison(tmp_path / "new" / "page.html", FIRST, SECOND)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]


def test_measures_are_plain_json_and_missing_ones_are_none() -> None:
    found = json.loads(json.dumps(measures(table(["sql", "join"], []), "set")))
    assert found["tags"][0]["diversity"] == 1
    assert found["tags"][0]["tagged"] == 1
    assert found["words"]["prompt"]["mean"] == 3
    empty = measures(table(), "empty")
    assert empty["tags"][0]["complexity"] is None
    assert empty["distinct"]["output"] == {"1": None, "2": None, "3": None}


@pytest.mark.parametrize("lists", [[], [[]], [["sql"], ["sql", "诗歌"], []], [[HOSTILE]]])
def test_measures_print_whatever_the_set(lists: list[list[str]]) -> None:
    text = "\n".join(measure_lines(measures(table(*lists), "set")))
    assert text.startswith(f"{len(lists)} records")
    assert "\x1b" not in text


def test_the_first_tags_are_not_said_to_be_all_but_ten() -> None:
    lines = list(measure_lines(measures(table(*([f"t{at}", "all"] for at in range(50))), "set")))
    (line,) = [line for line in lines if line.startswith("most used")]
    assert line.startswith("most used   all 50, t0 1, ")
    assert "more" not in line


def test_diversity_is_a_share_of_the_pools_tags() -> None:
    found = measures(table(["sql"], ["join"]), "set", pool={"sql", "join", "poem", "math"})
    assert found["tags"][0]["diversity"] == 0.5


def test_what_a_step_told_is_in_the_report(run_folder: Path) -> None:
    manifest = json.loads((run_folder / "manifest.json").read_text())
    manifest["steps"][3]["facts"] = {
        "stages": [{"name": "given", "tags": 1234}, {"name": "rules", "tags": 56}],
        "tag_languages": {"en": 3, HOSTILE: 1},
        "accuracy": 0.123456,
        "nothing": None,
    }
    (run_folder / "manifest.json").write_text(json.dumps(manifest))
    reader = Reader(render_report(run_folder))
    assert {name for name, _ in reader.elements} <= ALLOWED
    for said in ("Found on the way", "1,234", "tag languages: ", "0.1235", "nothing: none"):
        assert said in reader.text


def test_steps_that_told_nothing_make_no_section() -> None:
    assert facts_section([StepFacts(label="01-read"), StepFacts(label="02-tag", facts={})]) == ""


def test_what_was_looked_for_and_not_found_shares_one_line_of_the_terminal() -> None:
    facts = {"records_without_text": 0, "named": 3, "texts_cut": 0, "kept": False, "share": 0.0}
    assert list(facts_lines(facts)) == [
        "named: 3", "kept: False", "share: 0", "none: records without text, texts cut",
    ]  # fmt: skip
    assert list(facts_lines({"records_without_text": 2})) == ["records without text: 2"]
