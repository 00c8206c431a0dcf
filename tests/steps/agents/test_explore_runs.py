"""Exploring in whole runs: the same bytes whatever the order of replies, a replay that asks nothing, an estimate."""

from __future__ import annotations

import asyncio
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from scripted_server import Say, ScriptedServer, in_thread
from typer.testing import CliRunner

import factory as sft
from factory.cli.app import app
from factory.engine.plan.estimate import bounds
from factory.engine.plan.rehearsal import dry_run
from factory.errors import FactoryError
from factory.recipe.recipe import Recipe, build_recipe, load_recipe

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def coined(*parts: object, words: int = 5) -> str:
    chance = random.Random(repr(parts))
    return " ".join("".join(chance.choices(LETTERS, k=7)) for _ in range(words))


def teacher(chance: random.Random, *, hurry: bool = True) -> Any:
    """Names and writes by what it is asked alone; the replies come when they come."""

    def script(request: dict[str, Any]) -> str | Say:
        said = request["messages"][-1]["content"]
        number = re.search(r"<number>\n(\d+)", said)
        wait = 0.0 if hurry else chance.random() * 0.03
        if number is None:
            return Say(f"An answer to {said[:20]}: stir it slowly.", delay=wait)
        key = (said, request["seed"])
        if '{"instructions"' in request["messages"][0]["content"]:
            texts = [coined(*key, at) for at in range(int(number[1]))]
            texts[-1] = texts[0] if request["seed"] % 3 else texts[-1]
            return Say(json.dumps({"instructions": texts}), delay=wait)
        names = [{"name": coined(*key, at, words=4), "reason": "why"} for at in range(int(number[1]))]
        return Say(json.dumps({"tasks": names}), delay=wait)

    return script


def recipe(url: str, **explore: Any) -> Recipe:
    model = {
        "provider": "openai",
        "base_url": url,
        "model": "scripted",
        "concurrency": 8,
        "price": {"input": 1},
    }
    options = {"domain": "home cooking", "size": 9, "breadth": [3, 2], "instructions": 2, **explore}
    steps = [{"explore": options}, {"respond": {}}, {"export": {"formats": ["messages"]}}]
    return build_recipe(
        {"name": "explored", "seed": 5, "models": {"teacher": model}, "steps": steps}, "explored"
    )


def outcome(folder: Path) -> dict[str, bytes]:
    names = ["steps/01-explore/plan.yaml", "steps/02-respond/kept.parquet", "dropped.parquet"]
    found = {name: (folder / name).read_bytes() for name in names}
    return found | {path.name: path.read_bytes() for path in (folder / "dataset").rglob("*.jsonl")}


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes_in_whatever_order_the_replies_come(tmp_path: Path) -> None:
    outcomes = []
    for number in range(2):
        with in_thread(ScriptedServer(teacher(random.Random(number), hurry=False))) as server:
            journal = tmp_path / f"{number}.db"
            result = sft.run(recipe(server.base_url), out=tmp_path / str(number), journal=journal)
            asked = len(server.requests)
            again = sft.run(recipe(server.base_url), out=tmp_path / f"again-{number}", journal=journal)
            assert len(server.requests) == asked
        assert result.kept == again.kept == 9
        outcomes += [outcome(tmp_path / str(number)), outcome(tmp_path / f"again-{number}")]
    assert all(one == outcomes[0] for one in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"answer": True}, {"depth": 0}, {"depth": 3, "breadth": [2]}, {"size": 40}]
)
def test_no_run_takes_more_than_was_estimated(tmp_path: Path, options: dict[str, Any]) -> None:
    with in_thread(ScriptedServer(teacher(random.Random(1)))) as server:
        made = recipe(server.base_url, **options)
        told = bounds(made, asyncio.run(dry_run(made)))
        result = sft.run(made, out=tmp_path / "run", journal=tmp_path / "j.db")
    assert told.records == options.get("size", 9)
    assert result.facts.calls <= told.calls
    assert result.facts.completion_tokens <= told.reply_tokens
    assert result.facts.estimate is not None
    assert result.facts.records <= told.calls * 2


@pytest.mark.slow
def test_a_run_shows_planned_and_made_on_the_terminal_and_in_the_report_and_says_where_the_plan_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with in_thread(ScriptedServer(teacher(random.Random(1)))) as server:
        Path("r.yaml").write_text(recipe(server.base_url).to_yaml())
        done = CliRunner().invoke(app, ["run", "r.yaml", "--out", "run"])
    assert done.exit_code == 0, done.output
    plan = yaml.safe_load(Path("run/steps/01-explore/plan.yaml").read_text())
    name = plan["tasks"][0]["tasks"][0]["name"]
    assert "plan of 01-explore:\n    task " in done.output
    assert re.search(rf"· · {name} +2 +2", done.output)
    assert "9 of 9 planned records made, for 6 tasks" in done.output
    assert "written: run/steps/01-explore/plan.yaml" in done.output
    assert f"· · {name}" in Path("run/report.html").read_text()


@pytest.mark.slow
def test_the_step_works_alone_without_a_file_and_its_plan_lies_beside_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with in_thread(ScriptedServer(teacher(random.Random(1)))) as server:
        model = ["--model", f"openai:scripted@{server.base_url}"]
        words = [
            "--domain",
            "home cooking",
            "--size",
            "4",
            "--depth",
            "1",
            "--breadth",
            "[2]",
            "--out",
            "set.jsonl",
        ]
        done = CliRunner().invoke(app, ["apply", "explore", *words, *model])
        assert done.exit_code == 0, done.output
        assert "written beside it: set.plan.yaml" in done.output
        plan = Path("set.plan.yaml")
        plan.write_text(plan.read_text().replace("count: 2", "count: 3"))
        more = ["set.jsonl", "--plan", "set.plan.yaml", "--out", "more.jsonl"]
        done = CliRunner().invoke(app, ["apply", "explore", *more, *model])
        assert done.exit_code == 0, done.output
    assert "2 of 6 planned records made and 4 were there, for 2 tasks" in done.output
    assert len(Path("more.jsonl").read_text().splitlines()) == 6
    assert "count: 3" in plan.read_text()  # what a person edited stays


def test_a_plan_is_shown_as_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = "".join(f"- soup {at}\n" for at in range(60))
    head = 'domain: "home \\e[1m"\ntasks:\n- {name: b, count: 3, made: 1, why: dry, tasks: [{name: c, count: 1}]}\n'
    Path("plan.yaml").write_text(f"{head}{names}pruned: [{{name: bb}}]\n")
    done = CliRunner().invoke(app, ["plan", "plan.yaml"])
    assert done.output.splitlines()[1:5] == [
        "    task          planned  made  why",
        "    home \\x1b[1m        0     0",
        "    · b                 3     1  dry",
        "    · · c               1     0",
    ]
    assert "· soup 59" in done.output
    last = (
        "62 tasks, 4 records planned, and 60 tasks without a count share what `size` leaves; names pruned: 1"
    )
    assert done.output.splitlines()[-1] == last


@pytest.mark.slow
def test_a_notebook_begins_with_it(tmp_path: Path) -> None:
    with in_thread(ScriptedServer(teacher(random.Random(1)))) as server:
        model = sft.model("openai", base_url=server.base_url, model="scripted")
        begun = sft.begin("explore", domain="家常菜", size=2, depth=0, model=model)
        done = begun.run(journal=tmp_path / "j.db")
        assert done.progress is not None
    assert "other_language" in done.progress.steps[0].facts["instructions"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("domain: a\ntasks:\n- &x {name: b, tasks: [*x]}\n", "plan.yaml:3: the task 'b' holds itself"),
        ("domain: a\ncount: -1\n", "plan.yaml:2: the count of 'a' must be a whole number, 0 or more, not -1"),
        ("domain: a\ntaks: []\n", "plan.yaml:2: the plan has no key 'taks'; did you mean 'tasks'?"),
        ("", "plan.yaml is empty"),
        (None, "plan.yaml does not exist"),
    ],
)
def test_a_plan_that_is_none_is_told_before_anything_is_asked(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    path = tmp_path / "plan.yaml"
    if text is not None:
        path.write_text(text)
    with in_thread(ScriptedServer(teacher(random.Random(1)))) as server:
        made = recipe(server.base_url, domain="", plan=str(path), size=None)
        for act in (
            lambda: sft.run(made, out=tmp_path / "run", journal=tmp_path / "j.db"),
            lambda: asyncio.run(dry_run(made)),
        ):
            with pytest.raises(FactoryError) as caught:
                act()
            assert sentence in str(caught.value)
            assert len(str(caught.value).splitlines()) == 1
        assert not server.requests


def test_a_blank_domain_names_the_line_of_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("steps:\n- explore: {domain: ' '}\n")
    with pytest.raises(FactoryError, match=r"r\.yaml: line 2: step `explore`: .*`domain` is empty"):
        load_recipe(str(path))


def test_gaps_of_tags_need_records_or_a_map_where_it_stands_first() -> None:
    with pytest.raises(FactoryError, match=r"the first step must bring records in \(`read`\), not `explore`"):
        build_recipe({"steps": [{"explore": {"plan_from": "tags"}}]})
    assert build_recipe({"steps": [{"explore": {"plan_from": "tags", "tags": "map.jsonl"}}]}).steps


@pytest.mark.slow
def test_a_pool_is_tagged_its_tags_made_alike_and_its_gaps_filled(tmp_path: Path) -> None:
    pool = tmp_path / "pool.jsonl"
    tags = [
        ["soups"],
        ["Soup", "bread"],
        ["soups"],
        ["bread"],
        ["soups"],
        ["grilling"],
        ["grilling", "soups"],
        ["soups"],
    ]
    rows = [{"instruction": coined(at), "output": "Stir it.", "tags": some} for at, some in enumerate(tags)]
    pool.write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps = [
        {"read": {"path": str(pool)}},
        {"normalize_tags": {"min_count": 1, "semantic": None, "association": "none"}},
        {"explore": {"plan_from": "tags", "size": 4}},
        {"respond": {}},
    ]
    with in_thread(ScriptedServer(teacher(random.Random(1)))) as server:
        made = recipe(server.base_url)
        data = {**made.data, "steps": steps}
        told = bounds(build_recipe(data), asyncio.run(dry_run(build_recipe(data))))
        result = sft.run(data, out=tmp_path / "run", journal=tmp_path / "j.db")
        explored = result.facts.steps[2]
        assert (explored.entered, explored.made - sum(explored.dropped.values())) == (8, 4)
        assert told.records == 12
        assert result.facts.calls <= told.calls
        planned = {row["task"]: row["planned"] for row in explored.facts["plan"]}
        assert sorted(planned.values()) == [0, 2, 2]
        assert result.kept == 12
        # The map that the run left tells the same gaps, without the pool.
        tag_map = tmp_path / "run/steps/02-normalize_tags/tag_map.jsonl"
        alone = recipe(server.base_url, plan_from="tags", tags=str(tag_map), size=4, domain="")
        again = sft.run(alone, out=tmp_path / "again", journal=tmp_path / "j.db")
    assert {row["task"]: row["planned"] for row in again.facts.steps[0].facts["plan"]} == planned
    assert again.kept == 4


@pytest.mark.slow
@pytest.mark.model
def test_the_ready_recipe_makes_a_small_set_from_nothing_on_the_embedded_model(tmp_path: Path) -> None:
    result = sft.run("explore-domain", out=tmp_path / "run", journal=tmp_path / "j.db")
    plan = yaml.safe_load((tmp_path / "run/steps/01-explore/plan.yaml").read_text())
    facts = result.facts.steps[0].facts
    assert plan["domain"] == "home cooking"
    assert plan.get("tasks")
    assert sum(row["planned"] for row in facts["plan"]) == 8
    assert sum(row["made"] for row in facts["plan"]) == facts["instructions"]["kept"] >= result.kept > 0
    assert all(record.output for record in result.table().records())
