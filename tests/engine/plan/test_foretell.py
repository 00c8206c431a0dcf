"""What a whole-set step will do is told before the first call, as far as the records that come in show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import ScriptedServer, refuse
from typer.testing import CliRunner

import factory as sft
from factory.cli.app import app
from factory.engine.plan import foretell
from factory.engine.plan.foretell import foretold
from factory.errors import FactoryError
from factory.recipe.recipe import build_recipe

WOULD = "of the records that come in, balancing over the 3 values of source would choose: "


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"instruction": f"Name river {n}.", "source": "pool"} for n in range(8)]
    rows += [{"instruction": f"说出第{n}条河。", "source": f"topic {n}"} for n in range(2)]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return tmp_path


def recipe(base_url: str = "http://127.0.0.1:9/v1", **assemble: Any) -> dict[str, Any]:
    last = {"assemble": {"size": 3, "balance": "source", **assemble}}
    return {
        "name": "small",
        "models": {"teacher": {"provider": "openai", "base_url": base_url, "model": "scripted"}},
        "steps": [{"read": {"path": "rows.jsonl"}}, {"respond": {"model": "teacher"}}, last],
    }


def told(data: dict[str, Any], **options: Any) -> list[str]:
    built = build_recipe(data)
    return foretold(built.steps, built.labels(), built.seed, **options)


def test_a_run_tells_it_before_its_first_call(server: ScriptedServer, folder: Path) -> None:
    server.script = lambda request: refuse(401, "no such key")
    with pytest.raises(FactoryError):
        sft.run(recipe(server.base_url), out=folder / "run")
    notices = orjson.loads((folder / "run" / "manifest.json").read_bytes())["notices"]
    assert notices[0].startswith(f"03-assemble: {WOULD}pool 1 of 8, topic 0 1 of 1, topic 1 1 of 1;")
    assert notices[1] == (
        "03-assemble: of the records that come in, balancing source would take lang zh from 20% to 67% of the set"
    )


def test_a_dataset_tells_it_too(server: ScriptedServer, folder: Path) -> None:
    teacher = sft.model("openai", base_url=server.base_url, model="scripted")
    steps = sft.load("rows.jsonl").then("respond", model=teacher)
    done = steps.then("assemble", size=3, balance="source").run(journal=folder / "j.db")
    assert done.progress is not None
    assert any(f"assemble: {WOULD}pool 1 of 8" in said for said in done.progress.notices)


def test_a_plan_shows_it(folder: Path) -> None:
    (folder / "recipe.yaml").write_bytes(orjson.dumps(recipe()))
    shown = CliRunner().invoke(app, ["run", "recipe.yaml", "--dry-run"]).output
    assert f"03-assemble: {WOULD}pool 1 of 8" in shown
    limited = CliRunner().invoke(app, ["run", "recipe.yaml", "--dry-run", "--limit", "8"]).output
    assert (
        "of the records that come in, balancing over the 1 values of source would choose: pool 3 of 8"
        in limited
    )


def test_the_records_are_read_only_where_a_step_has_something_to_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(foretell, "_incoming", never)
    assert told(recipe(balance="")) == []
    without_a_model = recipe()
    del without_a_model["steps"][1]
    assert told(without_a_model) == [], "it is told when the step begins, at once"


def test_records_that_cannot_be_read_are_left_to_the_run_and_too_many_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foretell, "MOST", 5)
    (said,) = told(recipe())
    assert said == "03-assemble: more than 5 records come in: what it will do is told when it begins"
    (folder / "rows.jsonl").unlink()
    assert told(recipe()) == []
    (folder / "rows.jsonl").write_text("{}\n")
    assert told(recipe()) == [], "none can be read"
