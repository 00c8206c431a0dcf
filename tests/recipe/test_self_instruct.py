"""The built-in recipe `self-instruct` makes new tasks of the shipped seeds."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer, in_thread

import factory as sft
from factory.data.record import Record
from factory.data.table import Table

WORDS = ("copper", "lantern", "harbour", "saffron", "violin", "glacier", "orchard", "compass", "anvil")
CHARACTERS = "铜灯港湾藏红花提琴冰川果园罗盘雷声羊皮纸草甸铁砧松林麦田"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's folder."""
    monkeypatch.chdir(tmp_path)


def teacher(request: dict[str, Any]) -> str:
    said = request["messages"][-1]["content"]
    wanted = request.get("response_format")
    if wanted:
        properties = wanted["json_schema"]["schema"]["properties"]
        if "classification" in properties:
            return json.dumps({"classification": False})
        task = said.split("<instruction>\n")[1].split("\n</instruction>")[0]
        return json.dumps({"input": "", "output": f"A sound answer to: {task}"})
    chance = random.Random(said)
    if "新任务" in request["messages"][0]["content"]:
        lists = [
            "请" + "".join(chance.sample("铜灯港湾藏红花提琴冰川果园罗盘雷声羊皮纸草甸铁砧松林麦田", 14))
            for _ in range(4)
        ]
    else:
        lists = [
            " ".join(f"{word}{chance.randrange(99)}" for word in chance.sample(WORDS, 6)) for _ in range(4)
        ]
    return "\n".join(f"{at}. {text}" for at, text in enumerate(lists, start=1))


def made(records: list[Record]) -> list[Record]:
    return [record for record in records if any(event.parents for event in record.events)]


@pytest.mark.slow
def test_it_makes_tasks_that_lead_back_to_the_seeds() -> None:
    with in_thread(ScriptedServer(teacher)) as server:
        served = [
            "models.teacher.provider=openai",
            f"models.teacher.base_url={server.base_url}",
            "models.teacher.model=scripted",
            "invent.size=20",
            "assemble.size=20",
        ]
        result = sft.run("self-instruct", set=served)
    kept = list(Table.read(result.folder / "steps/02-invent/kept.parquet").records())
    assert len(kept) == 20
    assert made(kept) == kept
    assert {record.lang for record in kept} == {"en", "zh"}
    assert all(record.output for record in kept)
    assert 0 < result.kept <= 20  # what means the same goes behind `invent`
    dropped = Counter(r.dropped.kind for r in result.dropped_table().records() if r.dropped)
    assert dropped["seed"] == 79
    rounds = result.facts.steps[1].facts["rounds"]
    assert sum(row["kept"] for row in rounds) == 20


@pytest.mark.model
def test_on_the_embedded_model_it_runs_to_its_end_and_tells_its_yield() -> None:
    result = sft.run("self-instruct", set=["invent.size=2", "invent.overask=2", "assemble.size=2"])
    rows = [*result.table().records(), *result.dropped_table().records()]
    assert sum(row["tasks"] for row in result.facts.steps[1].facts["rounds"]) == len(made(rows))
    assert any("02-invent: kept" in told for told in (*result.facts.notices, *result.facts.warnings))
