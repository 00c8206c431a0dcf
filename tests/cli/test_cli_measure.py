"""`factory measure` and `factory tags compare` as a person types them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from factory.cli.app import app
from factory.errors import FactoryError, InputError, MissingDependency

ROWS = [
    {"instruction": "Write SQL", "output": "select 1", "tags": ["SQL", "coding"], "source": "a"},
    {"instruction": "写一首诗", "output": "床前明月光", "tags": ["诗歌"], "source": "b"},
    {"instruction": "Say hello", "output": "hello", "source": "b"},
]


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return str(path)


def factory(*arguments: str, code: int = 0) -> str:
    if arguments[0] == "measure" and "--vendi" not in arguments:
        arguments = (*arguments, "--vendi", "0")  # needs no model, which takes seconds to load
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, FactoryError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def test_measure_prints_and_writes_what_a_set_is_like(tmp_path: Path) -> None:
    out = tmp_path / "measures.json"
    printed = factory("measure", write(tmp_path / "set.jsonl", [*ROWS]), "--out", str(out))
    assert "3 records" in printed
    assert "en 2, zh 1" in printed
    found = json.loads(out.read_text())
    assert [row["name"] for row in found["tags"]] == ["set.jsonl", "b", "a"]
    assert (found["tags"][0]["tagged"], found["tags"][0]["complexity"]) == (2, 1.5)


def test_measure_takes_another_set_as_the_pool(tmp_path: Path) -> None:
    pool = write(tmp_path / "pool.jsonl", [*ROWS])
    part = write(tmp_path / "part.jsonl", ROWS[:1])
    printed = factory("measure", part, "--pool", pool)
    assert "0.667" in printed
    assert "diversity is the share of the pool's tags" in printed
    assert "the set's own tags: --pool" in factory("measure", pool)


@pytest.mark.slow
def test_measure_without_the_parser_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    given = write(tmp_path / "set.jsonl", [*ROWS])
    with pytest.raises(MissingDependency, match="spacy download"):
        factory("measure", given, "--verb-noun")
    printed = factory("measure", given)
    assert "verb-noun pairs: not counted: spaCy is not installed or does not load" in printed
    assert "most used" in printed
    assert "verb-noun" not in factory("measure", given, "--no-verb-noun")
    chinese = write(tmp_path / "zh.jsonl", ROWS[1:2])
    assert "0 different in the 0 of 0 English instructions" in factory("measure", chinese)


@pytest.mark.slow
def test_measure_counts_pairs_in_english_and_prints_the_commonest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pairs(texts: list[str]) -> Counter[tuple[str, str]]:
        asked.extend(texts)
        return Counter({("write", "poem"): 2, ("say", "hello\x1b[2J"): 1})

    monkeypatch.setattr("factory.statistics.verb_noun.verb_noun_pairs", pairs)
    rows = [*ROWS, {"instruction": "Tell me", "lang": "en_GB"}, {"instruction": "Dis", "lang": "fr"}]
    printed = factory("measure", write(tmp_path / "set.jsonl", rows))
    assert asked == ["Write SQL", "Say hello", "Tell me"]
    assert "2 different in the 3 of 3 English instructions that have one; most often write poem 2" in printed
    assert "\x1b" not in printed
    asked.clear()
    monkeypatch.setattr("factory.api.costly_measures.PARSED", 2)
    assert "of 2 English instructions" in factory("measure", str(tmp_path / "set.jsonl"))
    assert asked == ["Write SQL", "Tell me"]
    assert "of 3 English instructions" in factory("measure", str(tmp_path / "set.jsonl"), "--verb-noun")


@pytest.mark.model
def test_measure_has_a_vendi_score_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given, out = write(tmp_path / "set.jsonl", [*ROWS]), tmp_path / "out.json"
    printed = factory("measure", given, "--vendi", "100", "--out", str(out))
    assert "of at most 2, centred, by the embedded model (all of 3 instructions;" in printed
    found = json.loads(out.read_text())["vendi"]
    assert 1 < found["score"] <= 2
    assert found["plain"] < found["score"], "e5 puts all texts close together"
    done = CliRunner().invoke(app, ["measure", given])
    assert "where nothing is in common" in done.output


def test_a_vendi_score_that_cannot_be_had_does_not_hide_the_other_measures(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    given = write(tmp_path / "set.jsonl", [*ROWS])
    journal = ["--journal", str(tmp_path / "file" / "journal.db")]
    done = CliRunner().invoke(app, ["measure", given, *journal])
    assert done.exit_code == 0
    assert "Vendi score: not measured: " in done.output
    assert "most used" in done.output
    with pytest.raises(FactoryError, match="journal"):
        factory("measure", given, "--vendi", "5", *journal)


def test_compare_prints_both_sets_and_writes_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    first = write(tmp_path / "first.jsonl", [*ROWS])
    second = write(tmp_path / "second.jsonl", ROWS[1:2])
    printed = factory("tags", "compare", first, second, "--out", str(page))
    assert "3 tags in all, 1 in both sets" in printed
    assert "first.jsonl beside second.jsonl" in page.read_text(encoding="utf-8")


def test_sets_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        paths.append(write(tmp_path / name / "set.jsonl", [*ROWS]))
    page = tmp_path / "page.html"
    factory("tags", "compare", *paths, "--out", str(page))
    assert all(path in page.read_text(encoding="utf-8") for path in paths)


@pytest.mark.slow
def test_rows_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    bad = write(tmp_path / "set.jsonl", [*ROWS, *({"nothing": at} for at in range(22))])
    printed = factory("measure", bad, code=3)
    assert "set.jsonl:4" in printed
    assert "and 2 more rows" in printed
    assert "3 records" in printed
    good = write(tmp_path / "good.jsonl", [*ROWS])
    assert "set.jsonl:4" in factory("measure", good, "--pool", bad, code=3)
    assert "set.jsonl:4" in factory("tags", "compare", good, bad, code=3)


def test_tags_that_are_no_list_are_told_and_count_as_untagged(tmp_path: Path) -> None:
    given = tmp_path / "set.csv"
    given.write_text('instruction,tags\nWrite SQL,"sql, \x1b[2Jcoding"\nSing,"[""song""]"\nHum,\n')
    printed = factory("measure", str(given))
    assert "in 1 rows the column tags is no list of texts, such as sql, " in printed
    assert "\x1b" not in printed
    assert printed.split("complexity\n")[1].split()[:3] == ["set.csv", "3", "1"]


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        factory("measure", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_an_applied_normalisation_writes_its_map_and_takes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{**ROWS[0], "tags": ["SQL"]}, {**ROWS[0], "tags": ["sql"]}, {**ROWS[0], "tags": ["sql!"]}]
    given = write(tmp_path / "set.jsonl", [*rows])
    options = ("--semantic", "null", "--association", "none")
    printed = factory("apply", "normalize_tags", given, "--out", f"out.{ending}", *options)
    assert ["rules", "1", "3", "3"] in [line.split() for line in printed.splitlines()]
    tag_map = tmp_path / "out.tag_map.jsonl"
    lines = [json.loads(line) for line in tag_map.read_text().splitlines()]
    assert {line["raw"]: line["rule"] for line in lines} == {"SQL": "", "sql": "case", "sql!": "characters"}
    edited = [{**line, "final": "database"} if line["raw"] == "SQL" else line for line in lines]
    write(tag_map, edited)
    before = tag_map.read_bytes()
    printed = factory("apply", "normalize_tags", given, "--out", f"out.{ending}", "--map", str(tag_map))
    assert "most used   database 3" in factory("measure", f"out.{ending}")
    assert tag_map.read_bytes() == before
    assert "written beside it: out.tag_map-2.jsonl" in printed


@pytest.mark.slow
def test_a_csv_file_keeps_the_tags_that_its_rows_came_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = write(tmp_path / "set.jsonl", [*ROWS])
    assert "no place for" not in factory("apply", "dedup_exact", given, "--out", "out.csv")
    assert "coding" in factory("measure", "out.csv")


@pytest.mark.slow
def test_a_map_that_is_broken_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given, tag_map = write(tmp_path / "set.jsonl", [*ROWS]), tmp_path / "map.jsonl"
    tag_map.write_text('{"raw": "SQL", "final": "db", "mine": 1}\n{"raw": "coding",\n', encoding="utf-8")
    printed = factory("apply", "normalize_tags", given, "--out", "out.jsonl", "--map", str(tag_map))
    assert "map.jsonl:2: the line is not JSON" in printed
    assert "db 1" in factory("measure", "out.jsonl")
    tag_map.write_text('{"raw": "SQL", "Final": "db"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"map\.jsonl:1: a row of a tag map says"):
        factory("apply", "normalize_tags", given, "--out", "out.jsonl", "--map", str(tag_map))
