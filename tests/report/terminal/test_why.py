"""Why a record is there or gone, found in a run's folder."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from factory.data.record import Event, new_record
from factory.data.table import Table
from factory.errors import InputError
from factory.report.run_files.lookup import Lookup
from factory.report.run_files.manifest import latest_run
from factory.report.terminal.why import Explanation, explain, history, print_explanation


def shown(explanation: Explanation, *, terminal: bool = False, width: int = 100) -> str:
    from rich.console import Console

    file = io.StringIO()
    print_explanation(explanation, Console(file=file, width=width, force_terminal=terminal))
    return file.getvalue()


def kept(folder: Path) -> Table:
    return Table.read(folder / "steps" / "07-export" / "kept.parquet")


def dropped(folder: Path) -> Table:
    return Table.read(folder / "dropped.parquet")


@pytest.mark.slow
def test_every_record_of_a_run_can_be_explained_by_its_id(run_folder: Path) -> None:
    for record in [*kept(run_folder).records(), *dropped(run_folder).records()]:
        explanation = explain(run_folder, record.id)
        assert explanation.record == record
        assert explanation.kept == (record.dropped is None)


def test_a_kept_record_is_told_from_its_seed_on(run_folder: Path) -> None:
    record = next(r for r in kept(run_folder).records() if r.round == 1 and r.scores.get("judge.quality"))
    text = " ".join(shown(explain(run_folder, record.id)).split())
    seed = record.events[0].parents[0]
    for part in (
        "kept: it is in dataset/",
        f"seed {seed} from {record.source}, row {record.meta['id']}, {record.lang}, {record.task}",
        f"02-evolve deepen, round 1, prompt {record.lang}/evolve/deepen@1, model teacher, call ",
        f", call {record.events[0].calls[0][:8]} made",
        f"made {record.id}, this record",
        "05-judge judge",
        f"judge.quality {record.scores['judge.quality']:g}: Correct and clear; 语言自然。",
        record.tags[0].explanation,
    ):
        assert part in text
    assert text.index(seed) < text.index("02-evolve") < text.index("05-judge")


def test_a_dropped_record_names_the_step_the_kind_and_the_numbers(run_folder: Path) -> None:
    record = next(r for r in dropped(run_folder).records() if r.dropped and r.dropped.kind == "low_score")
    verdict = explain(run_folder, record.id).verdict
    assert verdict == (
        "dropped by 05-judge: low_score: The judge gave 2 of 5, and 4 is needed. "
        "(judge.quality 2, threshold 4)"
    )


def test_what_a_record_lost_against_is_shown_by_its_rows_id_ours_and_its_prompt(run_folder: Path) -> None:
    record = next(
        r for r in dropped(run_folder).records() if r.dropped and r.dropped.kind == "near_duplicate"
    )
    explanation = explain(run_folder, record.id)
    winner = explanation.against
    assert winner is not None
    assert (winner.id, winner.dropped) == (record.dropped.against, None)  # type: ignore[union-attr]
    text = " ".join(shown(explanation).split())
    assert f"record {record.meta['id']} ({record.id}) dropped by 06-dedup_rouge" in text
    assert f"lost against {winner.meta['id']} ({winner.id})" in text


def test_a_record_that_lost_against_what_the_run_does_not_hold_is_explained_all_the_same(
    tmp_path: Path,
) -> None:
    gone = new_record("a").drop("02-x", "leak", "it is gsm8k 17", against="gsm8k#17")
    Table.from_records([gone]).write(tmp_path / "dropped.parquet")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}')
    explanation = explain(tmp_path, gone.id)
    assert explanation.against is None
    assert "lost against" not in shown(explanation)


def test_a_record_of_an_older_file_tells_why_a_score_is_missing_by_its_note(tmp_path: Path) -> None:
    old = replace(new_record("a"), notes={"ifd": "there is no answer to score"})
    Table.from_records([old]).write(tmp_path / "steps" / "01-read" / "kept.parquet")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}')
    assert "ifd missing: there is no answer to score" in shown(explain(tmp_path, old.id))


def test_the_constraints_of_a_record_are_told_with_their_verdicts(run_folder: Path) -> None:
    asked = [
        {"kind": "punctuation:no_comma", "text": "Use no comma.", "satisfied": True, "found": ""},
        {
            "kind": "judged:style",
            "arguments": {"requirement": "Be dry."},
            "satisfied": None,
            "found": "no verdict: x",
        },
        {"kind": "detectable_format:title", "satisfied": False, "found": ""},
        {"kind": "detectable_format:json_format"},
    ]
    found = explain(run_folder, next(kept(run_folder).records()).id)
    text = " ".join(shown(replace(found, record=replace(found.record, meta={"constraints": asked}))).split())
    for part in (
        "constraints 1. Use no comma. punctuation:no_comma: met",
        "2. Be dry. judged:style: no verdict (found: no verdict: x)",
        "detectable_format:title: not met",
        "detectable_format:json_format: not verified",
    ):
        assert part in text
    broken = replace(found, record=replace(found.record, meta={"constraints": [{"kind": "no_comma"}]}))
    assert "did you mean 'punctuation:no_comma'" in " ".join(shown(broken).split())


def test_a_failed_record_is_not_called_judged(run_folder: Path) -> None:
    record = next(r for r in dropped(run_folder).records() if r.dropped and r.dropped.failed)
    assert explain(run_folder, record.id).verdict.startswith(
        "could not be processed in 03-respond: bad_reply: "
    )


def test_a_missing_score_is_missing_and_keeps_its_note(run_folder: Path) -> None:
    record = next(r for r in kept(run_folder).records() if "judge.quality" not in r.scores)
    assert "judge.quality missing (bad_reply): The judge's reply had no grade." in shown(
        explain(run_folder, record.id)
    )


def test_the_beginning_of_an_id_is_enough_where_it_is_unique(run_folder: Path) -> None:
    record = next(iter(kept(run_folder).records()))
    assert explain(run_folder, record.id[:8]).record.id == record.id


def test_an_ambiguous_beginning_lists_up_to_five(tmp_path: Path) -> None:
    records = [new_record(f"row {at}") for at in range(7)]
    object.__setattr__(records[0], "id", "abcd" + "0" * 12)
    for at in range(1, 7):
        object.__setattr__(records[at], "id", f"abcd{at}" + "0" * 11)
    Table.from_records(records).write(tmp_path / "steps" / "01-read" / "kept.parquet")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}')
    with pytest.raises(InputError, match=r"7 records .* abcd000") as error:
        explain(tmp_path, "abcd")
    assert str(error.value).count("00000000") == 5


def test_the_row_of_the_source_finds_the_seed_and_what_was_made_from_it(run_folder: Path) -> None:
    explanation = explain(run_folder, "row-12")
    assert explanation.record.meta["id"] == "row-12"
    assert explanation.record.round == 0
    (child,) = explanation.descendants
    assert child.events[0].parents == (explanation.record.id,)
    text = " ".join(shown(explanation).split())
    assert f"made from it: 1 {child.id} deepen, round 1:" in text


def test_a_row_number_finds_its_row_before_any_id_that_begins_so(tmp_path: Path) -> None:
    numbered, other = new_record("one", meta={"id": 1234}), new_record("two")
    object.__setattr__(other, "id", "1234" + "a" * 12)
    Table.from_records([other, numbered]).write(tmp_path / "steps" / "01-read" / "kept.parquet")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}')
    assert explain(tmp_path, "1234").record == numbered
    assert explain(tmp_path, "1234a").record == other


def test_two_sources_with_the_same_row_id_are_told_apart_by_record_id(tmp_path: Path) -> None:
    rows = [new_record("one", source="a", meta={"id": "7"}), new_record("one", source="b", meta={"id": "7"})]
    Table.from_records(rows).write(tmp_path / "steps" / "01-read" / "kept.parquet")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}')
    with pytest.raises(InputError, match=f"{rows[0].id}, {rows[1].id}; give one of these"):
        explain(tmp_path, "7")


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["", "abc", "ffffffffffffffff", "row-", "行-1", "\x1b[2J", '"', "%"])
def test_an_unknown_id_says_how_many_records_there_are_and_where_ids_are(
    run_folder: Path, wanted: str
) -> None:
    with pytest.raises(
        InputError, match=r"none of the 48 records .*id column of the files in dataset/"
    ) as error:
        explain(run_folder, wanted)
    assert "\x1b" not in str(error.value)


def test_a_record_that_only_lives_on_in_its_children_is_not_called_kept(tmp_path: Path) -> None:
    seed = new_record("one")
    child = seed.child("two", Event("02-split", "split"))
    Table.from_records([seed]).write(tmp_path / "steps" / "01-read" / "kept.parquet")
    Table.from_records([child]).write(tmp_path / "steps" / "02-split" / "kept.parquet")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}')
    assert explain(tmp_path, seed.id).verdict == "not in the result itself, only what was made from it"
    assert explain(tmp_path, child.id).verdict == "kept: it is in dataset/"


def test_a_stopped_run_is_searched_by_its_borders(run_folder: Path) -> None:
    (run_folder / "dropped.parquet").unlink()
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps({**manifest, "status": "stopped: budget"}))
    record = next(iter(kept(run_folder).records()))
    assert explain(run_folder, record.id).verdict.startswith("not decided")
    gone = next(iter(Table.read(run_folder / "steps" / "05-judge" / "dropped.parquet").records()))
    assert explain(run_folder, gone.id).record.dropped == gone.dropped


def test_text_of_data_reaches_a_terminal_as_text(run_folder: Path) -> None:
    text = shown(explain(run_folder, "row-0"), terminal=True, width=400)
    assert "[red]markup[/red]" in text
    assert "\\x1b[2J" in text
    assert "\x1b[2J" not in text
    assert "\x00" not in text
    assert "\u202e" not in text


def test_a_chain_of_rounds_names_the_record_after_each_event() -> None:
    seed = new_record("one")
    first = seed.child("two", Event("02-evolve", "deepen", round=1))
    answered = first.with_output("answer", Event("03-respond", "respond"))
    second = answered.child("three", Event("04-evolve", "concretize", round=2))
    assert [id for _, id in history(second)] == [first.id, first.id, second.id]
    assert history(seed) == []


def test_ancestors_no_longer_in_the_run_are_named_without_text(tmp_path: Path) -> None:
    child = new_record("one").child("two", Event("01-invent", "invent"))
    Table.from_records([child]).write(tmp_path / "steps" / "01-invent" / "kept.parquet")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}')
    assert "its text is not in this run's files" in shown(explain(tmp_path, child.id))


def test_a_damaged_file_is_named(run_folder: Path) -> None:
    path = run_folder / "dropped.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"dropped\.parquet: cannot be read"):
        Lookup(run_folder).find("abcd")


def test_the_latest_run_is_the_one_started_last(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run yet"):
        latest_run(tmp_path / "outputs")
    for name, started in (
        ("b", "2026-01-02T00:00:00+00:00"),
        ("a", "2026-01-03T00:00:00+00:00"),
        ("c", None),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(
            json.dumps({"started": started}) if started else "{broken"
        )
    assert latest_run(tmp_path) == tmp_path / "a"
