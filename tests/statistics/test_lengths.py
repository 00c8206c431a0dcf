"""Every score is told with its rank correlation with the length of the answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import ScriptedServer

from factory.data.record import Record, new_record
from factory.engine.run import Run, RunOptions
from factory.recipe.recipe import build_recipe
from factory.report.page.page import render_report
from factory.statistics.lengths import FACT, INTERVALS, ScoreLengths


def scored(words: int, **scores: float) -> Record:
    return replace(new_record(f"q{words}", output="word " * words), scores=scores)


def test_scores_that_a_step_gave_are_correlated_with_the_words_of_the_answers() -> None:
    lengths = ScoreLengths()
    for words, up, down in ((1, 0.1, 9.0), (2, 0.2, 8.0), (5, 0.3, 7.0)):
        before = scored(words, old=1.0)
        lengths.note(before, replace(before, scores={**before.scores, "up": up, "down": down, "flat": 1.0}))
    assert lengths.facts() == {
        FACT: {"down": -1.0, "flat": None, "up": 1.0},
        INTERVALS: {"down": [-1.0, 1.0], "up": [-1.0, 1.0]},
    }, "three rows tell nothing, however well they are ordered"


def test_a_score_that_is_given_again_counts_and_one_that_was_there_does_not() -> None:
    lengths = ScoreLengths()
    for words in (1, 2, 3):
        before = scored(words, again=float(words), there=float(words))
        lengths.note(before, replace(before, scores={**before.scores, "again": float(str(words))}))
    assert lengths.facts()[FACT] == {"again": 1.0}


def test_without_an_answer_or_a_score_nothing_is_told() -> None:
    lengths = ScoreLengths()
    before = new_record("q")
    lengths.note(before, replace(before, scores={"judge.complexity": 2.0}))
    lengths.note(before, before)
    assert lengths.facts() == {}


@pytest.mark.parametrize("keep", [None, ">= 5"])
def test_a_runs_manifest_and_report_tell_it_for_the_dropped_rows_too(
    server: ScriptedServer, tmp_path: Path, keep: str | None
) -> None:
    def script(request: dict[str, Any]) -> str:
        answer = request["messages"][-1]["content"].split("<answer>\n")[1].split("\n</answer>")[0]
        return orjson.dumps({"reason": "long is good", "score": min(5, len(answer))}).decode()

    server.script = script
    rows = [{"instruction": f"说出{at}。", "output": "水" * at} for at in range(1, 6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judge = {"judge": {} if keep is None else {"keep": keep}}
    data = {
        "name": "lengths",
        "models": {"m": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
        "steps": [{"read": {"path": str(tmp_path / "rows.jsonl")}}, judge],
    }
    done = Run(
        build_recipe(data, "lengths"), RunOptions(tmp_path / "out", journal=tmp_path / "j.db")
    ).execute()
    assert done.manifest["steps"][1]["facts"] == {
        FACT: {"judge.quality": 1.0},
        INTERVALS: {"judge.quality": [-0.2214, 1.0]},
    }
    assert "spearman with answer length: </span>" in render_report(done.folder)
