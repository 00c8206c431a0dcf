"""Runs that hold conversations and go on with them: replayed, in any order of replies, within their estimate."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import Say, Script, ScriptedServer, digest, in_thread

import factory as sft
from factory.engine.plan.rehearsal import dry_run
from factory.recipe.recipe import build_recipe

GOALS = [{"instruction": f"Keep {number} basil plants alive through the winter."} for number in range(6)]


def script(request: dict[str, Any]) -> str:
    """A user who asks something new each time, and an assistant who answers it."""
    text = request["messages"][-1]["content"]
    mark = digest([turn["content"] for turn in request["messages"]], request.get("seed"))
    wanted = orjson.dumps(request.get("response_format") or {}).decode()
    if '"plan"' in wanted:
        return orjson.dumps({"persona": f"cook {mark}", "plan": [f"light {mark}", f"water {mark}"]}).decode()
    if '"done"' in wanted:
        done = text.count("Assistant:") >= 2 + int(mark, 16) % 4
        return orjson.dumps(
            {"done": done, "message": "" if done else f"what of {mark}, and {mark[::-1]}?"}
        ).decode()
    if '"about_goal"' in wanted:
        return orjson.dumps({"reason": "so", "about_goal": int(mark, 16) % 4 != 0}).decode()
    if '"answerable_alone"' in wanted:
        return orjson.dumps({"reason": "so", "answerable_alone": int(mark, 16) % 2 == 0}).decode()
    return f"how about {mark} then?" if "<conversation>" in text else f"Take {mark} by {mark[::-1]}."


def late(chance: random.Random) -> Script:
    """The same replies, each after a while by chance."""
    return lambda request: Say(script(request), delay=chance.random() / 50)


def recipe(server: ScriptedServer, goals: Path) -> dict[str, Any]:
    model = {"provider": "openai", "base_url": server.base_url, "model": "scripted"}
    return {
        "name": "talk",
        "models": {"u": model, "a": model},
        "steps": [
            {"read": {"path": str(goals)}},
            {"converse": {"user": "u", "assistant": "a", "judge": "u", "turns": [2, 5]}},
            {"continue_conversation": {"model": "u", "judge": "u", "assistant": "a", "tries": 3}},
            {"export": {"formats": ["messages"]}},
        ],
    }


@pytest.fixture
def goals(tmp_path: Path) -> Path:
    path = tmp_path / "goals.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in GOALS))
    return path


def written(folder: Path) -> list[bytes]:
    (found,) = folder.rglob("messages/*.jsonl")
    return found.read_bytes().splitlines()


@pytest.mark.slow
def test_a_replay_asks_nothing_and_gives_the_same_bytes(
    tmp_path: Path, goals: Path, server: ScriptedServer
) -> None:
    server.script = script
    results = []
    for name in ("one", "two"):
        result = sft.run(recipe(server, goals), out=tmp_path / name, journal=tmp_path / "journal.db")
        assert result.manifest["status"] == "finished"
        results.append((written(tmp_path / name), len(server.requests)))
    assert results[0] == results[1]
    assert len(results[0][0]) >= 3
    for line in results[0][0]:
        roles = [turn["role"] for turn in orjson.loads(line)["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert len(roles) >= 6


@pytest.mark.slow
def test_the_order_of_replies_changes_nothing(tmp_path: Path, goals: Path) -> None:
    outputs = []
    for order in (1, 2):
        with in_thread(ScriptedServer(late(random.Random(order)))) as server:
            sft.run(recipe(server, goals), out=tmp_path / str(order), journal=tmp_path / f"{order}.db")
        outputs.append(sorted(written(tmp_path / str(order))))
    assert outputs[0] == outputs[1]


@pytest.mark.slow
def test_no_run_asks_more_than_its_estimate(tmp_path: Path, goals: Path, server: ScriptedServer) -> None:
    server.script = script
    made = recipe(server, goals)
    plan = asyncio.run(dry_run(build_recipe(made, "talk")))
    asked = [{name: one.calls for name, one in step.asked.items()} for step in plan.steps]
    # A plan, five turns, a verdict, five answers; three turns with three verdicts, three answers.
    assert asked[1:3] == [{"u": 6 * 7, "a": 6 * 5}, {"u": 6 * 6, "a": 6 * 3}]
    told = sft.run(made, out=tmp_path / "out", journal=tmp_path / "journal.db").manifest["estimate"]
    for what in ("calls", "prompt_tokens", "reply_tokens"):
        assert 0 < told[what]["came_to"] <= told[what]["at_most"], what


@pytest.mark.model
@pytest.mark.slow
def test_a_real_small_model_holds_conversations_and_what_it_makes_of_them_is_accounted_for(
    tmp_path: Path,
) -> None:
    goals = tmp_path / "goals.jsonl"
    goals.write_text('{"instruction": "Name a river."}\n{"instruction": "Why is the sky blue?"}\n')
    talk = {
        "turns": [1, 2],
        "begin_with_goal": True,
        "check_goal": False,
        "max_tokens": 96,
        "user_max_tokens": 64,
    }
    made = {
        "name": "real",
        "models": {"m": {"provider": "local"}},
        "steps": [
            {"read": {"path": str(goals)}},
            {"converse": {**talk, "plan_max_tokens": 256}},
            {"continue_conversation": {"depends": "any", "from_template": True, "user_max_tokens": 64}},
            {"export": {"formats": ["messages"]}},
        ],
    }
    outputs = []
    for name in ("one", "two"):
        manifest = sft.run(made, out=tmp_path / name, journal=tmp_path / "journal.db").manifest
        assert manifest["status"] == "finished"
        step = manifest["steps"][1]
        facts = step["facts"]
        kept, dropped = facts.get("conversations_kept", 0), facts.get("conversations_dropped", 0)
        assert kept + dropped == facts["conversations_asked"]
        assert kept == step["passed"] == 2 - sum(step["dropped"].values()) - sum(step["failed"].values())
        outputs.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("messages/*.jsonl"))])
    assert outputs[0] == outputs[1]


def test_a_wrong_recipe_says_in_a_sentence_what_is_wrong(
    tmp_path: Path, goals: Path, server: ScriptedServer
) -> None:
    made = recipe(server, goals)
    made["steps"][1]["converse"]["turns"] = [5, 2]
    with pytest.raises(
        sft.FactoryError, match=r"turns.*the least exchanges, 5, are more than the most, 2"
    ) as error:
        build_recipe(made, "talk")
    assert "Traceback" not in str(error.value)
