"""The built-in recipe `constraint-ladder` climbs, answers, asks again and verifies."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_server import ScriptedServer

import factory as sft
from factory.steps.judging.constraints.stated import stated_constraints

ANSWER = "Rain falls when drops in a cloud grow too heavy for the air that carries them."


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_each_level_is_asked_again_and_verified_and_the_run_replays(server: ScriptedServer) -> None:
    server.script = lambda request: ANSWER
    sft.load([{"instruction": "Why does it rain?"}, {"instruction": "为什么会下雨？"}]).save(
        "seeds.jsonl", format="source"
    )
    options = [
        "read.path=seeds.jsonl",
        "models.teacher.provider=openai",
        f"models.teacher.base_url={server.base_url}",
        "models.teacher.model=scripted",
    ]
    result = sft.run("constraint-ladder", set=options)
    records = [*result.table().records(), *result.dropped_table().records()]
    assert len(records) == 6
    assert sorted(len(stated_constraints(record)) for record in records) == [1, 1, 2, 2, 3, 3]
    for record in records:
        met = [one.satisfied for one in stated_constraints(record)]
        assert None not in met
        assert record.scores["verify.hsr"] == float(all(met))
        assert (record.dropped is None) == (record.scores["verify.hsr_loose"] == 1)
    facts = next(step.facts for step in result.facts.steps if step.label.endswith("verify"))
    assert [row["level"] for row in facts["by_level"]] == [1, 2, 3]
    assert "95 % interval" in facts["CSL"]
    asked = len(server.requests)
    assert asked >= 6
    again = sft.run("constraint-ladder", set=options)
    assert len(server.requests) == asked
    assert again.table().ids() == result.table().ids()


@pytest.mark.model
@pytest.mark.slow
def test_it_runs_offline_with_the_embedded_model() -> None:
    result = sft.run("constraint-ladder", limit=1, set=["constrain.levels=1", "respond.tries=1"])
    assert result.table().ids() or result.dropped_table().ids()
