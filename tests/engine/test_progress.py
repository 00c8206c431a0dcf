"""What a step counts: through its context, and of the records that it left without what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_server import ScriptedServer
from step_context import scripted_context

from factory.data.record import Event, Missing, new_record
from factory.data.table import Table
from factory.engine.progress import StepProgress, count_missing
from factory.engine.run import Run, RunOptions
from factory.recipe.recipe import build_recipe
from factory.report.page.page import render_report

EVENT = Event("02-judge", "judge")


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5))))
def test_counts_of_a_context_are_sums_and_a_count_of_nothing_is_told_as_0(
    counted: list[tuple[str, int]],
) -> None:
    context, _ = scripted_context(lambda ask: "")
    for name, number in counted:
        context.count(name, number)
    names = dict(counted)
    assert context.facts == {name: sum(n for other, n in counted if other == name) for name in names}


def test_a_count_without_a_number_is_one() -> None:
    context, _ = scripted_context(lambda ask: "")
    context.count("cut")
    context.count("cut")
    assert context.facts == {"cut": 2}


def test_what_a_step_could_not_give_is_counted_by_score_and_kind_and_what_was_missing_before_is_not() -> None:
    progress = StepProgress("02-judge")
    before = new_record("a").with_score("ifd", Missing("unscored", "one token"), EVENT)
    again = before.with_score("judge.quality", Missing("bad_reply", "no number"), EVENT)
    progress.note(before, again)
    progress.note(before, before.with_score("judge.quality", 4.0, EVENT))
    progress.note(before, before.with_tags(Missing("no_tags", "none"), EVENT))
    progress.note(before, before.with_score("ifd", Missing("unscored", "one token"), EVENT))
    assert progress.missing_by_name() == {
        "ifd": {"unscored": 1},
        "judge.quality": {"bad_reply": 1},
        "tag": {"no_tags": 1},
    }
    table = Table.from_records([before, again, new_record("b")])
    assert count_missing(table) == {("ifd", "unscored"): 2, ("judge.quality", "bad_reply"): 1}


@pytest.mark.slow
def test_a_run_tells_how_many_records_have_no_score_and_why(server: ScriptedServer, tmp_path: Path) -> None:
    """Of a step that sees one record at a time, and of one that sees them all."""

    def script(request: dict[str, Any]) -> str:
        text = request["messages"][-1]["content"]
        return "no json" if "three" in text else orjson.dumps({"reason": "so", "score": 4}).decode()

    server.script = script
    rows = [{"instruction": f"Say {word}.", "output": word} for word in ("one", "two", "three")]
    rows.append({"instruction": "Say nothing."})
    (tmp_path / "rows.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    data = {
        "name": "missing",
        "models": {"m": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
        "steps": [
            {"read": {"path": str(tmp_path / "rows.jsonl")}},
            {"judge": {}},
            {"judge_pair": {"second": "other"}},
        ],
    }
    done = Run(
        build_recipe(data, "missing"), RunOptions(tmp_path / "out", journal=tmp_path / "j.db")
    ).execute()
    judge, pair = done.facts.steps[1:3]
    assert judge.missing == {"judge.quality": {"bad_reply": 1, "no_answer": 1}}
    assert pair.missing == {"judge_pair.quality": {"no_answer": 4}}
    assert "missing" not in done.manifest["steps"][0]
    page = render_report(done.folder)
    assert "no judge.quality: bad_reply <b>1</b>" in page
    assert "no judge_pair.quality: no_answer <b>4</b>" in page
