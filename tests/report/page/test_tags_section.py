"""The tags of a run in its report: measures against the pool, charts, and the merges of names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import HOSTILE
from test_page import ALLOWED, Reader

from factory.data.record import Event, Tag, new_record
from factory.data.table import Table, write_records
from factory.report.measures import TaggedSet
from factory.report.page.page import render_report
from factory.report.page.tags import tags_section

ROWS = {"raw": "SQL", "final": "sql", "rule": "case", "records": 7}


def write(path: Path, *tag_lists: list[str], source: str = "a") -> None:
    with write_records(path) as writer:
        for at, tags in enumerate(tag_lists):
            record = new_record(f"Query {at}", source=source)
            writer.write(record.with_tags([Tag(name) for name in tags], Event("02-tag", "tag")))


def section(folder: Path) -> Reader:
    reader = Reader(f"<section>{tags_section(folder)}</section>")
    assert {name for name, _ in reader.elements} <= ALLOWED
    return reader


def cells(reader: Reader) -> str:
    return " ".join(reader.text.split())


def test_the_result_is_measured_against_the_tags_that_were_normalised(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    write(steps / "02-tag" / "kept.parquet", ["SQL"], ["sql", "join"], ["诗歌"], [])
    write(steps / "03-normalize_tags" / "kept.parquet", ["sql"], ["sql", "join"], ["诗歌"], ["math"], [])
    write(steps / "04-assemble" / "kept.parquet", ["sql"], ["sql", "join"], [])
    write(tmp_path / "dropped.parquet", ["诗歌"], ["SQL"])
    text = cells(section(tmp_path))
    assert "the share of the 4 tags of the run's records" in text
    assert "1 of 3 records have no tag, and count for neither" in text
    assert Reader(tags_section(tmp_path)).elements
    result = TaggedSet.read("the result", steps / "04-assemble" / "kept.parquet")
    (row,) = result.summaries({"sql", "join", "诗歌", "math"})
    assert (row.tagged, row.diversity, row.complexity) == (2, 0.5, 1.5)
    assert "0.500" in tags_section(tmp_path)
    assert "in the run, but not in the result" in text


def test_without_normalisation_the_pool_is_all_records_of_the_run(tmp_path: Path) -> None:
    write(tmp_path / "steps" / "03-judge" / "kept.parquet", ["sql"])
    write(tmp_path / "dropped.parquet", ["诗歌"], ["join"], [])
    assert "the share of the 3 tags" in section(tmp_path).text


def test_merges_are_counted_by_rule_and_shown_every_rule_in_turn(tmp_path: Path) -> None:
    steps = tmp_path / "steps" / "03-normalize_tags"
    write(steps / "kept.parquet", ["sql"])
    rows = [
        {**ROWS, "raw": "sql", "rule": ""},
        *({**ROWS, "raw": f"SQL{at:02}", "records": 90 - at} for at in range(20)),
        {**ROWS, "raw": "数据库查询", "rule": "stem, semantic"},
        {**ROWS, "raw": HOSTILE, "rule": "association"},
        {**ROWS, "raw": "odd", "final": "", "rule": "rare"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (steps / "tag_map.jsonl").write_text(text + '{"raw": 1}\nno json\n[]\n', encoding="utf-8")
    found = section(tmp_path)
    assert "brought together by case 20, association 1, stem + semantic 1; dropped as rare 1" in found.text
    assert "steps/03-normalize_tags/tag_map.jsonl" in found.text
    assert sum(name == "tr" for name, _ in found.elements) == 2 + 11
    assert "数据库查询" in found.text
    assert "SQL00" in found.text
    assert "SQL08" not in found.text
    assert "<script" not in tags_section(tmp_path)


@pytest.mark.parametrize("lists", [[], [[]], [[], []]])
def test_a_run_without_tags_has_no_such_section(tmp_path: Path, lists: list[list[str]]) -> None:
    assert tags_section(tmp_path) == ""
    write(tmp_path / "steps" / "02-tag" / "kept.parquet", *lists)
    assert tags_section(tmp_path) == ""


def test_the_report_holds_the_section(run_folder: Path) -> None:
    text = render_report(run_folder)
    assert 'href="#tags"' in text
    assert "together in most records" in text


def test_only_the_tags_of_a_file_are_read_alike(tmp_path: Path) -> None:
    write(tmp_path / "rows.parquet", ["a", "b"], [], ["诗歌"], source="")
    whole = TaggedSet.of("x", Table.read(tmp_path / "rows.parquet"))
    assert TaggedSet.read("x", tmp_path / "rows.parquet") == whole._replace(lineages=None)
