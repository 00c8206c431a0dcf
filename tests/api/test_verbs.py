"""The verbs of the command line in Python: what they give is useful, and shows itself as it is printed there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import factory as sft
from factory.cli.app import app
from factory.errors import InputError, RecipeError

ROWS = [
    {"id": "a", "instruction": "Name a river.", "output": "Po.", "tags": ["river", "fact"]},
    {"id": "b", "instruction": "name a river", "output": "<b>Po</b>\x1b[2J", "tags": ["river"]},
    {"id": "c", "instruction": "说出一条河。", "output": "长江。", "tags": ["sea"]},
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and journals land in the test's folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def result() -> Any:
    """A small run that asks no model."""
    sft.load(ROWS).save("rows.jsonl")
    return sft.run({"name": "small", "steps": [{"read": {"path": "rows.jsonl"}}, "dedup_exact"]})


def said(*words: str) -> str:
    """What the command line prints."""
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "110"})
    assert done.exit_code == 0, done.output
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


@pytest.mark.slow
def test_why_gives_the_record_and_tells_what_the_command_tells(result: Any) -> None:
    why = sft.why("b")
    assert why.record.dropped is not None
    assert why.record.dropped.kind == "exact_duplicate"
    assert repr(why) == said("why", "b")
    assert (
        repr(sft.why("b", result))
        == repr(sft.why("b", result.folder))
        == repr(sft.why("b", str(result.folder)))
    )
    with pytest.raises(InputError, match="no-such"):
        sft.why("no-such")


@pytest.mark.slow
def test_text_from_data_stays_text_where_it_is_shown(result: Any) -> None:
    shown = sft.why("b")._repr_html_()
    assert "&lt;b&gt;Po&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert "\x1b" not in shown + repr(sft.why("b"))


@pytest.mark.slow
def test_report_writes_the_page_and_gives_the_counts(result: Any) -> None:
    result.folder.joinpath("report.html").unlink()
    report = sft.report()
    assert report.page.is_file()
    assert (report.manifest.kept, report.manifest.dropped) == (2, 1)
    assert repr(report) == said("report")
    assert repr(sft.report(result)) == repr(report)
    assert "exact_duplicate 1" in report._repr_html_()


@pytest.mark.slow
def test_runs_lists_the_runs_the_latest_first(result: Any) -> None:
    assert len(sft.runs("elsewhere")) == 0
    assert "holds no run yet" in repr(sft.runs("elsewhere"))
    found = sft.runs()
    assert [run.manifest.recipe for run in found] == ["small"]
    assert found[0].folder == result.folder
    assert repr(found) == said("runs")
    assert len(found[:0]) == 0


@pytest.mark.slow
def test_measure_takes_a_file_a_run_a_dataset_or_rows(result: Any) -> None:
    found = sft.measure("rows.jsonl", vendi=0, verb_noun=False)
    assert found["records"] == 3
    assert repr(found) == said("measure", "rows.jsonl", "--vendi", "0", "--no-verb-noun")
    for data, records in ((result, 2), (result.folder, 2), (sft.load(ROWS), 3), (ROWS, 3)):
        assert sft.measure(data, vendi=0, verb_noun=False)["records"] == records
    assert sft.measure(ROWS, vendi=0, verb_noun=False, limit=1)["records"] == 1
    share = sft.measure(ROWS[:2], pool=ROWS, vendi=0, verb_noun=False)["tags"][0]["diversity"]
    assert share == pytest.approx(2 / 3)
    assert "3 records" in found._repr_html_()
    assert found.save("measures.json").read_text().startswith("{")


def test_rows_that_cannot_be_read_are_told_by_a_warning() -> None:
    with pytest.warns(UserWarning, match="1 rows could not be read"):
        assert sft.measure([*ROWS, {"output": "x"}], vendi=0, verb_noun=False)["records"] == 3


@pytest.mark.slow
def test_compare_puts_two_sets_side_by_side(result: Any) -> None:
    sft.load(ROWS[:2]).save("few.jsonl")
    both = sft.compare("rows.jsonl", "few.jsonl")
    assert repr(both) == said("tags", "compare", "rows.jsonl", "few.jsonl")
    assert [one[0].diversity for one in both.measures] == [1.0, pytest.approx(2 / 3)]
    assert "<pre" in both._repr_html_()
    assert both.save("both.html").read_text().startswith("<!doctype html>")
    same = sft.compare(ROWS, ROWS[:1])
    assert (same.first.name, same.second.name) == ("set (first)", "set (second)")


def test_a_verb_that_is_misspelt_is_named_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'mesure'; did you mean 'measure'\?"):
        sft.mesure  # noqa: B018


def test_report_is_the_verb_and_the_room_alike() -> None:
    import factory.report.plain

    assert factory.report.plain.count(1000) == "1,000"
    assert callable(sft.report)


def test_a_dataset_in_the_place_of_a_run_is_told_what_to_give() -> None:
    with pytest.raises(InputError, match=r"give what sft\.run gave"):
        sft.why("a", sft.load(ROWS))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"model": "x"}, {"provider": 3}, {1: 2, "provider": "local"}, {}])
def test_a_model_given_by_options_needs_a_provider(options: dict[str, object]) -> None:
    dataset = sft.load([{"instruction": "Hi."}])
    with pytest.raises(RecipeError, match="a model given by its options needs a `provider`: openai"):
        dataset.respond(model=options)
