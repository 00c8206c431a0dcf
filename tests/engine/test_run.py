"""A run: its folder, its manifest, what a second run asks, what survives `kill -9`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import Say, ScriptedServer, echo, in_thread

import factory as sft
from factory.engine.run import Run, RunOptions
from factory.errors import InputError, OutputError, RunStopped
from factory.recipe.recipe import Recipe, build_recipe


def seeds(path: Path, count: int = 12) -> Path:
    topics = [
        "bread",
        "rivers",
        "tides",
        "clouds",
        "chess",
        "tea",
        "glass",
        "bees",
        "rust",
        "salt",
        "maps",
        "ice",
    ]
    rows = [
        {
            "instruction": f"Explain number {n}: how {topics[n % 12]} works for a beginner.",
            "output": "",
            "task": "qa",
        }
        for n in range(count)
    ]
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return path


def recipe_data(server: ScriptedServer, path: Path, **model: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "seed": 7,
        "models": {
            "teacher": {
                "provider": "openai",
                "base_url": server.base_url,
                "model": "scripted",
                "concurrency": 8,
                **model,
            }
        },
        "steps": [
            {"read": {"path": str(path)}},
            {"evolve": {"rounds": 2}},
            {"respond": {}},
            {"tag": {}},
            {"judge": {"keep": ">= 1"}},
            {"dedup_rouge": {"threshold": 0.95}},
            {"assemble": {"size": 20, "balance": "task"}},
            {"export": {"formats": ["messages", "alpaca", "sharegpt", "parquet"]}},
        ],
    }


def run(data: dict[str, Any] | Recipe, tmp: Path, name: str = "run", **options: Any) -> Any:
    return sft.run(data, out=tmp / name, **{"journal": tmp / "journal.db", **options})


def helpful(request: dict[str, Any]) -> str:
    """A model that evolves by adding words, and finds that it gained."""
    if request.get("response_format"):
        text = echo(request)
        return text.replace('"equal":true', '"equal":false')
    last = request["messages"][-1]["content"]
    if "<instruction>" in last:
        body = last.split("<instruction>")[-1].split("</instruction>")[0].strip()
        return f"{body} Give {len(body) % 7 + 2} concrete examples from daily life and compare them in a short table."
    return f"An answer of some length to: {last[:80]}"


def result_bytes(folder: Path) -> dict[str, bytes]:
    """Every result file's bytes."""
    skip = {"manifest.json", "report.html", ".lock", "recipe.yaml"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in skip
    }


@pytest.mark.slow
def test_a_run_makes_a_set_and_accounts_for_every_record(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = helpful
    result = run(recipe_data(server, seeds(tmp_path / "seeds.jsonl")), tmp_path)
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert result.kept > 0
    first = manifest["steps"][0]
    made = sum(step["made"] for step in manifest["steps"])
    gone = sum(sum(step["dropped"].values()) + sum(step["failed"].values()) for step in manifest["steps"])
    assert first["made"] == 12
    assert made == result.kept + gone == len(result.table()) + len(result.dropped_table())
    assert manifest["models"]["teacher"]["calls"] == len(server.requests)
    for listed in manifest["outputs"]:
        assert (result.folder / listed["path"]).stat().st_size == listed["bytes"]
    assert {path.name for path in (result.folder / "dataset").iterdir()} >= {
        "messages",
        "alpaca",
        "sharegpt",
        "parquet",
    }
    kept = list(result.table().records())
    assert all(record.output and record.tags and record.scores for record in kept)
    assert any(record.round for record in kept)


@pytest.mark.slow
def test_the_same_recipe_again_asks_nothing_and_gives_the_same_bytes(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    data = recipe_data(server, seeds(tmp_path / "seeds.jsonl"))
    first = result_bytes(run(data, tmp_path).folder)
    asked = len(server.requests)
    assert result_bytes(run(data, tmp_path).folder) == first
    data["models"]["teacher"]["concurrency"] = 1  # cannot change a result
    assert result_bytes(run(data, tmp_path, "other").folder) == first
    assert len(server.requests) == asked


@pytest.mark.slow
def test_another_seed_asks_anew_only_what_is_sampled(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = helpful
    path = seeds(tmp_path / "seeds.jsonl", 4)
    run(recipe_data(server, path), tmp_path)
    asked = len(server.requests)
    run({**recipe_data(server, path), "seed": 8}, tmp_path, "other")
    again = server.requests[asked:]
    assert again
    # Greedy calls about a text that was seen before are replayed: no seed's tags or grades are asked twice.
    bodies = [orjson.dumps(request) for request in server.requests]
    assert len(set(bodies)) == len(bodies)


RUNNER = """
import sys, factory as sft, yaml
sft.run(yaml.safe_load(open(sys.argv[1])), out=sys.argv[2], journal=sys.argv[3])
"""


@pytest.mark.slow
def test_kill_9_at_random_moments_loses_at_most_what_was_in_flight(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    server.delay = 0.02
    path = seeds(tmp_path / "seeds.jsonl", 40)
    data = recipe_data(server, path)
    undisturbed = result_bytes(run(data, tmp_path, "undisturbed").folder)
    needed = len(server.requests)
    server.requests.clear()

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps(data))
    command = [
        sys.executable,
        "-c",
        RUNNER,
        str(recipe),
        str(tmp_path / "killed"),
        str(tmp_path / "killed.db"),
    ]
    kills = 0
    for _ in range(60):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        target = len(server.requests) + random.randrange(20, 80)
        deadline = time.monotonic() + 60
        while len(server.requests) < target and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        if process.poll() is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.wait(60) == 0
    assert kills >= 3
    assert result_bytes(tmp_path / "killed") == undisturbed
    # Each kill may repeat what was in flight: at most the model's concurrency.
    assert len(server.requests) <= needed + kills * 8


@pytest.mark.slow
def test_rows_that_cannot_be_read_are_set_aside_and_named(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = helpful
    path = seeds(tmp_path / "seeds.jsonl", 3)
    with path.open("ab") as file:
        file.write(b'\n{"instruction": "broken\n{"input": "no instruction", "output": "x"}\n')
    data = recipe_data(server, path)
    result = run(data, tmp_path)
    assert result.failed == 2
    reasons = [
        record.dropped.reason
        for record in result.dropped_table().records()
        if record.dropped and record.dropped.failed
    ]
    assert any("seeds.jsonl:4" in reason for reason in reasons)
    assert any("seeds.jsonl:5" in reason for reason in reasons)
    with pytest.raises(InputError, match=r"seeds\.jsonl:4"):
        run(data, tmp_path, "strict", strict=True)


def test_a_server_that_refuses_the_key_stops_the_run_and_nothing_shows_the_key(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-7c1f")
    server.script = lambda request: Say(status=401, body={"error": {"message": "bad key sk-planted-7c1f"}})
    data = recipe_data(server, seeds(tmp_path / "seeds.jsonl"), api_key_env="PLANTED_KEY")
    with pytest.raises(RunStopped, match="PLANTED_KEY") as caught:
        run(data, tmp_path)
    assert "sk-planted" not in str(caught.value)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"sk-planted" not in file.read_bytes(), file


def test_a_model_the_server_lacks_is_answered_with_those_it_has(
    server: ScriptedServer, tmp_path: Path
) -> None:
    with pytest.raises(RunStopped, match="scripted"):
        run(recipe_data(server, seeds(tmp_path / "seeds.jsonl"), model="no-such-model"), tmp_path)


@pytest.mark.slow
def test_a_server_that_is_not_there_stops_the_run_with_its_address(tmp_path: Path) -> None:
    class Absent:
        base_url = "http://127.0.0.1:9/v1"

    with pytest.raises(RunStopped, match=r"127\.0\.0\.1:9"):
        run(recipe_data(Absent(), seeds(tmp_path / "seeds.jsonl")), tmp_path)  # type: ignore[arg-type]
    assert "stopped" in json.loads((tmp_path / "run" / "manifest.json").read_text())["status"]


@pytest.mark.slow
def test_replies_that_are_no_json_fail_their_records_and_the_run_goes_on(
    server: ScriptedServer, tmp_path: Path
) -> None:
    def script(request: dict[str, Any]) -> str:
        judging = "response_format" in request and "score" in str(request["response_format"])
        return (
            "I would rather not say." if judging and "bread" in str(request["messages"]) else helpful(request)
        )

    server.script = script
    result = run(recipe_data(server, seeds(tmp_path / "seeds.jsonl")), tmp_path)
    failed = [
        record for record in result.dropped_table().records() if record.dropped and record.dropped.failed
    ]
    assert failed
    assert {record.dropped.kind for record in failed if record.dropped} == {"no_score"}
    assert all("judge.quality" not in record.scores for record in failed)
    assert result.kept > 0


@pytest.mark.slow
def test_a_run_that_was_refused_at_its_first_step_gives_its_folder_to_the_one_that_is_mended(
    tmp_path: Path,
) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text('{"unknown": 1}\n')
    data = {"name": "mended", "steps": [{"read": {"path": str(path)}}]}
    with pytest.raises(InputError, match="no known shape"):
        run(data, tmp_path)
    path.write_text('{"instruction": "Name a bee.", "output": "Maya"}\n')
    assert run(data, tmp_path).kept == 1


@pytest.mark.slow
def test_a_run_never_overwrites_another_unasked(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = helpful
    path = seeds(tmp_path / "seeds.jsonl", 3)
    data = recipe_data(server, path)
    run(data, tmp_path)
    other = {**data, "steps": data["steps"][:2]}
    with pytest.raises(OutputError, match=r"another recipe.*--overwrite"):
        run(other, tmp_path)
    seeds(path, 4)
    with pytest.raises(OutputError, match="input files that have changed"):
        run(data, tmp_path)
    assert run(other, tmp_path, overwrite=True).kept > 0

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all my work")
    with pytest.raises(OutputError, match="holds no run"):
        run(data, tmp_path, "mine", overwrite=True)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        run(data, tmp_path, overwrite=True)
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_two_processes_do_not_run_in_one_folder(server: ScriptedServer, tmp_path: Path) -> None:
    from factory.engine.folder import locked

    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(OutputError, match="another process"):
        run(recipe_data(server, seeds(tmp_path / "seeds.jsonl", 2)), tmp_path)


def test_the_default_folder_is_one_for_each_version_of_a_recipe(tmp_path: Path) -> None:
    data = {"name": "r", "steps": [{"read": {"path": str(seeds(tmp_path / "s.jsonl"))}}]}
    one = Run(build_recipe(data), RunOptions()).folder
    assert Run(build_recipe(data), RunOptions()).folder == one
    assert Run(build_recipe({**data, "seed": 1}), RunOptions()).folder != one
    assert Run(build_recipe(data), RunOptions(limit=5)).folder != one
    assert one.parent == Path("outputs")


@pytest.mark.slow
def test_the_recipe_in_the_folder_runs_to_the_same_result(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = helpful
    first = run(recipe_data(server, seeds(tmp_path / "seeds.jsonl", 4)), tmp_path)
    again = sft.run(first.folder / "recipe.yaml", out=tmp_path / "again", journal=tmp_path / "journal.db")
    assert result_bytes(again.folder) == result_bytes(first.folder)


@pytest.mark.slow
def test_a_run_in_which_nothing_survives_says_where_everything_went(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    data = recipe_data(server, seeds(tmp_path / "seeds.jsonl", 3))
    data["steps"][4] = {"judge": {"keep": ">= 5"}}
    result = run(data, tmp_path)
    assert result.kept == 0
    step = next(step for step in result.manifest["steps"] if step["label"] == "05-judge")
    assert step["dropped"]["low_score"] == step["entered"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "most"), [("calls", 20), ("tokens", 900), ("money", 0.002)])
def test_a_spent_budget_stops_cleanly_and_a_higher_one_goes_on_in_the_same_folder(
    server: ScriptedServer, tmp_path: Path, kind: str, most: float
) -> None:
    server.script = helpful
    data = recipe_data(server, seeds(tmp_path / "seeds.jsonl"), price={"input": 1, "output": 4})
    with pytest.raises(RunStopped, match=rf"the budget of .* is spent; raise it .*budget\.{kind}"):
        run({**data, "budget": {kind: most}}, tmp_path)
    asked = len(server.requests)
    assert 0 < asked <= 60
    if kind == "calls":
        assert asked == most
    stopped = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert stopped["models"]["teacher"]["calls"] == asked  # what was in flight was finished and kept
    whole = run({**data, "budget": {kind: most * 1000}}, tmp_path)
    assert whole.kept > 0
    bodies = [orjson.dumps(request) for request in server.requests]
    assert len(set(bodies)) == len(bodies)
    assert run({**data, "budget": {"calls": 1}}, tmp_path).kept == whole.kept  # replayed calls cost nothing


@pytest.mark.slow
def test_several_servers_share_the_calls_and_one_that_is_down_is_passed_over(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    path = seeds(tmp_path / "seeds.jsonl", 6)
    alone = run(recipe_data(server, path), tmp_path)
    with in_thread(ScriptedServer(helpful)) as second:
        urls = [server.base_url, second.base_url, "http://127.0.0.1:9/v1"]
        server.requests.clear()
        shared = run(
            recipe_data(server, path, base_url=urls), tmp_path, "shared", journal=tmp_path / "other.db"
        )
        assert len(server.requests) > 10
        assert len(second.requests) > 10
    assert result_bytes(shared.folder) == result_bytes(alone.folder)


@pytest.mark.slow
def test_a_rate_of_requests_spaces_the_calls(server: ScriptedServer, tmp_path: Path) -> None:
    arrivals: list[float] = []

    def script(request: dict[str, Any]) -> str:
        arrivals.append(time.monotonic())
        return helpful(request)

    server.script = script
    data = recipe_data(server, seeds(tmp_path / "seeds.jsonl", 12), requests_per_minute=1200)
    run({**data, "steps": [data["steps"][0], {"respond": {}}]}, tmp_path)
    assert len(arrivals) == 12
    assert arrivals[-1] - arrivals[0] >= 11 * 0.05 * 0.9


@pytest.mark.slow
def test_the_manifest_tells_how_far_the_estimate_was_off_and_a_replay_tells_the_same(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    data = recipe_data(server, seeds(tmp_path / "seeds.jsonl"), price={"input": 1, "output": 4})
    told = run(data, tmp_path).manifest["estimate"]
    assert told["calls"]["came_to"] == len(server.requests)
    assert 0 < told["calls"]["ratio"] <= 1
    assert told["reply_tokens"]["came_to"] <= told["reply_tokens"]["at_most"]
    assert told["cost"]["came_to"] > 0
    assert run(data, tmp_path).manifest["estimate"] == told


@pytest.mark.slow
def test_a_probe_measures_on_a_few_records_whose_replies_the_run_then_has(
    server: ScriptedServer, tmp_path: Path
) -> None:
    from factory.engine.plan.probe import estimate, probe

    server.script = helpful
    recipe = build_recipe(recipe_data(server, seeds(tmp_path / "seeds.jsonl")))
    most = estimate(recipe)
    assert server.requests == []
    measured = probe(recipe, 4, journal=tmp_path / "journal.db")
    assert measured.seconds is not None
    assert measured.records == most.records == 12
    assert measured.calls == len(server.requests) * 3
    assert measured.calls <= most.calls
    asked = len(server.requests)
    came = run(recipe, tmp_path).manifest["estimate"]["calls"]["came_to"]
    assert came == len(server.requests)
    assert asked < came
    assert abs(measured.calls - came) <= came * 0.25
    assert probe(recipe, 4, journal=tmp_path / "journal.db").seconds is None


@pytest.mark.slow
def test_what_steps_tell_and_hand_out_is_in_the_runs_folder(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"Name {n}", "output": "x", "tags": [tag]}
        for n, tag in enumerate(["SQL", "sql", "诗"])
    ]
    path = tmp_path / "tagged.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    normalize: dict[str, Any] = {"semantic": None}
    data = {"name": "tags", "steps": [{"read": {"path": str(path)}}, {"normalize_tags": normalize}]}
    result = run(data, tmp_path)
    steps = {step["label"]: step for step in result.manifest["steps"]}
    stages = {stage["name"]: stage["tags"] for stage in steps["02-normalize_tags"]["facts"]["stages"]}
    assert stages == {"given": 3, "usable": 3, "frequency": 3, "rules": 2, "association": 2}
    assert "facts" not in steps["01-read"]
    tag_map = result.folder / "steps" / "02-normalize_tags" / "tag_map.jsonl"
    assert [json.loads(line)["final"] for line in tag_map.read_text().splitlines()] == ["SQL", "SQL", "诗"]
    assert any(fact["path"].endswith("tag_map.jsonl") for fact in result.manifest["outputs"])
    normalize["map"] = str(tag_map)
    again = run(data, tmp_path, "again")
    assert [fact["path"] for fact in again.manifest["inputs"]] == [str(path), str(tag_map)]
    assert again.manifest["steps"][1]["facts"]["unknown"] == 0


@pytest.mark.slow
def test_a_table_that_was_edited_in_the_runs_folder_goes_aside_when_the_run_is_repeated(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tagged.jsonl"
    path.write_bytes(orjson.dumps({"instruction": "Join two tables", "output": "x", "tags": ["SQL"]}))
    steps = [{"read": {"path": str(path)}}, {"normalize_tags": {"semantic": None}}]
    data = {"name": "tags", "steps": steps}
    tag_map = run(data, tmp_path).folder / "steps" / "02-normalize_tags" / "tag_map.jsonl"
    made = tag_map.read_bytes()
    assert not any("had been changed" in said for said in run(data, tmp_path).manifest["warnings"])
    edits = [b'{"raw": "SQL", "final": "databases"}\n', b'{"raw": "SQL", "final": ""}\n']
    for edit in edits:
        tag_map.write_bytes(edit)
        told = run(data, tmp_path).manifest["warnings"]
        assert tag_map.read_bytes() == made
        assert any(f"{tag_map} had been changed" in said for said in told)
    aside = sorted(tag_map.parent.glob("tag_map-before*"))
    assert [file.name for file in aside] == ["tag_map-before-2.jsonl", "tag_map-before.jsonl"]
    assert [file.read_bytes() for file in aside] == edits[::-1]
