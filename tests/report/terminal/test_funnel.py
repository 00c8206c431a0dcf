"""The funnel as a person reads it in a terminal or a pipe."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from factory.data.run_manifest import Manifest
from factory.errors import InputError
from factory.report.page.page import render_report
from factory.report.run_files.manifest import read_manifest
from factory.report.terminal.funnel import print_funnel


def as_written(folder: Path) -> dict[str, Any]:
    """The manifest as plain JSON, to be changed."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def printed(manifest: Manifest | dict[str, Any], folder: Path, **options: Any) -> str:
    if isinstance(manifest, dict):
        manifest = Manifest.model_validate_json(json.dumps(manifest))
    file = io.StringIO()
    print_funnel(manifest, Console(file=file, width=80, **options), folder)
    return file.getvalue()


def test_every_record_is_kept_dropped_or_failed(run_folder: Path) -> None:
    manifest = read_manifest(run_folder)
    assert manifest.records == sum(step.made for step in manifest.steps)
    assert (manifest.kept, manifest.dropped, manifest.failed) == (29, 17, 2)


def test_a_pipe_gets_plain_words_within_80_columns(run_folder: Path) -> None:
    text = printed(read_manifest(run_folder), run_folder)
    assert text.isascii()
    assert "\x1b" not in text
    before_paths = text[: text.index(str(run_folder))]
    assert max(map(len, before_paths.splitlines())) <= 80
    assert "quickstart: 29 of 48 records kept" in text
    row = next(line for line in text.splitlines() if line.startswith("03-respond"))
    assert row.split() == ["03-respond", "44", "0", "0", "2", "42", "failed:", "bad_reply", "2"]
    assert "180 sent, 12 replayed from the journal" in text
    assert "61,234 in prompts, 25,678 in replies" in text
    assert "0.0421" in text
    assert "1 min 23 s" in text


def test_the_files_to_look_at_are_whole_paths_and_are_there(run_folder: Path) -> None:
    text = printed(read_manifest(run_folder), run_folder)
    lines = [line for line in text.splitlines() if line.startswith(str(run_folder))]
    assert lines == [f"{run_folder}/dataset/", f"{run_folder}/dropped.parquet", f"{run_folder}/manifest.json"]
    (run_folder / "report.html").write_text("")
    assert f"\n{run_folder}/report.html\n" in printed(read_manifest(run_folder), run_folder)


def test_many_reasons_do_not_break_the_columns(run_folder: Path) -> None:
    manifest = as_written(run_folder)
    manifest["steps"][4]["dropped"] = {f"reason_number_{at}": 1_000_000 + at for at in range(12)}
    text = printed(manifest, run_folder)
    assert all(f"reason_number_{at} {1_000_000 + at:,}" in " ".join(text.split()) for at in range(12))
    assert max(map(len, text[: text.index(str(run_folder))].splitlines())) <= 80


def test_records_that_went_on_untagged_are_told_beside_those_let_go(run_folder: Path) -> None:
    manifest = as_written(run_folder)
    assert manifest["steps"][3]["label"] == "04-tag"
    manifest["steps"][3]["missing"] = {
        "tag": {"no_tags": 1200, "bad_reply": 2},
        "judge.quality": {"refused": 7},
    }
    row = next(line for line in printed(manifest, run_folder).splitlines() if line.startswith("04-tag"))
    assert "untagged: no_tags 1,200," in row
    (run_folder / "manifest.json").write_text(json.dumps(manifest))
    page = render_report(run_folder)
    assert '<span class="chip missed">untagged: no_tags <b>1,200</b></span>' in page
    assert '<span class="chip missed">no judge.quality: refused <b>7</b></span>' in page


def test_what_an_older_run_told_of_untagged_records_among_its_facts_is_told_too(run_folder: Path) -> None:
    manifest = as_written(run_folder)
    manifest["steps"][3]["facts"] = {
        "tagged": 39,
        "untagged": {"no_tags": 1200, "bad_reply": 2},
        "no_task": {},
    }
    text = printed(manifest, run_folder)
    row = next(line for line in text.splitlines() if line.startswith("04-tag"))
    assert "untagged: no_tags 1,200," in row
    (run_folder / "manifest.json").write_text(json.dumps(manifest))
    page = render_report(run_folder)
    assert '<span class="chip missed">untagged: no_tags <b>1,200</b></span>' in page
    manifest["steps"][3]["facts"] = {"untagged": {"odd": "words"}, "no_task": 3}
    assert "words" not in printed(manifest, run_folder)


def test_where_nothing_survived_it_says_where_everything_went(empty_run: Path) -> None:
    first = printed(read_manifest(empty_run), empty_run).splitlines()[0]
    assert first == (
        "quickstart: 0 of 48 records survived: 4 in 02-evolve (unchanged), 2 in 03-respond (bad_reply), "
        "42 in 05-judge (low_score)"
    )


def test_several_reasons_of_one_step_are_counted_each(empty_run: Path) -> None:
    manifest = as_written(empty_run)
    manifest["steps"][1]["dropped"] = {"empty": 1, "unchanged": 3}
    manifest["steps"][1]["failed"] = {"empty": 2}
    assert "in 02-evolve (empty 3, unchanged 3)" in printed(manifest, empty_run)


def test_no_record_at_all_is_said_plainly(tmp_path: Path) -> None:
    step = {"label": "01-read", "entered": 0, "made": 0, "passed": 0, "dropped": {}, "failed": {}}
    assert "no record came in: 01-read gave none" in printed({"recipe": "r", "steps": [step]}, tmp_path)


def test_a_run_that_goes_on_or_was_stopped_says_so(tmp_path: Path) -> None:
    assert "0 of 0 records live so far" in printed({"recipe": "r", "status": "running"}, tmp_path)
    text = printed({"recipe": "r", "status": "stopped: the key was refused"}, tmp_path)
    assert "stopped: the key was refused" in text


def test_no_markup_or_escape_reaches_a_terminal_from_a_manifest(run_folder: Path) -> None:
    manifest = as_written(run_folder)
    manifest["steps"][4]["dropped"] = {"[red]low\x1b[2J": 8}
    text = printed(manifest, run_folder, force_terminal=True)
    assert "[red]low\\x1b[2J 8" in text
    assert "\x1b[2J" not in text


def test_a_folder_without_a_run_or_with_a_broken_manifest_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        read_manifest(tmp_path)
    for content in ("{", json.dumps([])):
        (tmp_path / "manifest.json").write_text(content)
        with pytest.raises(InputError, match=r"manifest\.json"):
            read_manifest(tmp_path)
