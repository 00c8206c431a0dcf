"""The recipes evol-instruct, tree-instruct and chinese, with a good model, hopeless ones, and the embedded one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import Say, ScriptedServer

import factory as sft
from factory.data.named_files import SHIPPED
from factory.data.record import Record
from factory.data.table import Table
from factory.data.text import detect_language
from factory.engine.run import RunResult
from factory.errors import InputError
from factory.recipe.recipe import builtin_recipes, load_recipe
from factory.report.terminal.why import explain
from factory.steps.agents.evolving.mix import CODE_OPERATIONS
from factory.steps.agents.semantic_tree.tree import COLUMN, draw_tree, tree_of

RECIPES = ("evol-instruct", "tree-instruct", "chinese")
GENERATOR = {"evol-instruct": "02-evolve", "tree-instruct": "02-tree", "chinese": "02-evolve"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs land in the test's folder."""
    monkeypatch.chdir(tmp_path)


def between(text: str, tag: str) -> str:
    return text.rsplit(f"<{tag}>\n", 1)[-1].split(f"\n</{tag}>", 1)[0]


def is_chinese(text: str) -> bool:
    return detect_language(text) == "zh"


def able(request: dict[str, Any]) -> str | Say:
    """A model that does as it is asked: adds a sentence, a node, or answers in the language of what it is asked."""
    said = str(request["messages"][-1]["content"])
    chinese = is_chinese(between(said, "instruction"))
    wanted = orjson.dumps(request.get("response_format") or {}).decode()
    if '"nodes"' in wanted:
        words = (
            between(said, "instruction").rstrip("。.").split()
            if not chinese
            else [between(said, "instruction")[:-1]]
        )
        nodes = [{"level": n, "words": w, "role": "noun"} for n, w in enumerate(words, start=1)]
        return json.dumps({"nodes": nodes}, ensure_ascii=False)
    if '"added"' in wanted:
        words = ["珍珠", "纽扣", "蜡烛"] if chinese else ["pearls", "buttons", "candles"]
        return json.dumps(
            {"added": [{"words": w, "role": "noun", "parent": 1} for w in words]}, ensure_ascii=False
        )
    if "<instruction>" not in said:
        return (
            "这是一个简短的回答，说了要点。"
            if is_chinese(said)
            else "This is a short answer with what matters."
        )
    new = between(said, "new_words").splitlines() if "<new_words>" in said else []
    old, mark = between(said, "instruction"), len(said) % 97
    if chinese:
        return f"{old}另外写清{'、'.join(new) or f'第{mark}种情况'}。"
    return f"{old} Then say what else holds for {' and '.join(new) or f'case {mark}'}."


def copies(request: dict[str, Any]) -> str:
    if "<instruction>" in str(request["messages"][-1]["content"]) and not request.get("response_format"):
        return between(str(request["messages"][-1]["content"]), "instruction")
    return able(request)  # type: ignore[return-value]


def refuses(request: dict[str, Any]) -> str:
    return "I'm sorry, but I can't help with that."


def speaks_another_language(request: dict[str, Any]) -> str | Say:
    said = str(request["messages"][-1]["content"])
    if request.get("response_format") or "<instruction>" not in said:
        return able(request)
    return (
        "Erzähle. Explain it in other words."
        if is_chinese(between(said, "instruction"))
        else "换一种说法来说明这件事。"
    )


def never_ends(request: dict[str, Any]) -> Say:
    return Say("and on " * request["max_tokens"], finish_reason="length")


def gives_the_prompt_back(request: dict[str, Any]) -> str:
    return "\n".join(str(turn["content"]) for turn in request["messages"])


def run(recipe: str, server: ScriptedServer, script: Any, *more: str, out: str = "run") -> RunResult:
    server.script = script
    teacher = f"models.teacher={{provider: openai, base_url: '{server.base_url}', model: scripted}}"
    return sft.run(recipe, set=[teacher, *more], out=out, journal="journal.db", stop_after_alike=0)


def generator(result: RunResult, recipe: str) -> dict[str, Any]:
    return next(dict(s) for s in result.manifest["steps"] if s["label"] == GENERATOR[recipe])


def records(folder: Path) -> list[Record]:
    (kept,) = folder.glob("steps/*-export/kept.parquet")
    return [*Table.read(kept).records(), *Table.read(folder / "dropped.parquet").records()]


def told(result: RunResult) -> list[str]:
    return [*result.manifest["warnings"], *result.manifest.get("notices", ())]


# -- what they are ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_each_is_found_by_its_name_and_has_seeds_of_its_own(name: str) -> None:
    assert name in builtin_recipes()
    recipe = load_recipe(name)
    assert recipe.name == name
    path = SHIPPED[f"factory:seeds/{name}"]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    general = {json.loads(line)["instruction"] for line in SHIPPED["factory:seeds"].read_text().splitlines()}
    assert 6 <= len(rows) <= 8
    assert not general & {row["instruction"] for row in rows}
    for row in rows:
        assert row["output"]
        assert detect_language(row["instruction"]) == row["lang"]
    assert {row["lang"] for row in rows} == ({"zh"} if name == "chinese" else {"en", "zh"})


def test_seeds_that_do_not_come_with_the_package_are_answered_with_those_that_do() -> None:
    with pytest.raises(InputError, match=r"no seeds 'factory:seeds/chinse'; .*, factory:seeds/chinese, "):
        sft.load("factory:seeds/chinse")


# -- a good model -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_evol_instruct_evolves_code_by_code_operations_and_conversations_in_sight(
    server: ScriptedServer,
) -> None:
    result = run("evol-instruct", server, able)
    facts = generator(result, "evol-instruct")["facts"]
    assert (facts["children_asked"], facts["children_kept"]) == (16, 16)
    assert any("16 of 16 children were kept" in sentence for sentence in told(result))
    children = [record for record in records(result.folder) if record.round]
    assert len(children) == 16
    for child in children:
        operation = next(e.operation for e in child.events[::-1] if e.parents)
        assert (operation in CODE_OPERATIONS) == (child.task == "code")
        assert is_chinese(child.prompt) == (child.lang == "zh")
    asked = [str(r["messages"][-1]["content"]) for r in server.requests]
    assert sum("<conversation>" in text for text in asked) == 4, "two conversations, two rounds"
    kept = [child for child in children if child.meta["id"] == "stall"]
    assert [len(child.messages) for child in kept] == [4, 4], "two rounds keep the earlier turns"


@pytest.mark.slow
def test_tree_instruct_keeps_its_trees_in_every_file_and_why_draws_them(server: ScriptedServer) -> None:
    result = run("tree-instruct", server, able)
    facts = generator(result, "tree-instruct")["facts"]
    assert (facts["children_asked"], facts["children_kept"]) == (7, 7)
    children = {r.id: r for r in records(result.folder) if r.round}
    for child in children.values():
        tree = tree_of(child)
        assert tree is not None
        assert len(tree.added) == 3
    rows = [
        json.loads(line) for line in (result.folder / "dataset/messages/train.jsonl").read_text().splitlines()
    ]
    carried = {row["id"]: json.loads(row[COLUMN]) for row in rows if row.get(COLUMN)}
    assert carried == {id: child.meta[COLUMN] for id, child in children.items() if child.dropped is None}
    one = next(child for child in children.values() if child.dropped is None)
    sft.Dataset(Table.from_records([one])).save("again.jsonl", format="records")
    sft.Dataset(Table.from_records([one])).save("again.parquet")
    for file in ("again.jsonl", "again.parquet"):
        assert next(iter(sft.load(file))).meta[COLUMN] == one.meta[COLUMN]
    shown = explain(result.folder, one.id).as_text()
    assert f"semantic tree: {len(tree_of(one) or ())} nodes, 3 added" in shown
    for line in draw_tree(one).splitlines():
        assert line in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_and_journal_give_the_same_bytes_and_a_replay_asks_nothing(
    name: str, server: ScriptedServer
) -> None:
    first = run(name, server, able)
    asked = len(server.requests)
    second = run(name, server, refuses, out="again")
    assert len(server.requests) == asked
    for path in sorted((first.folder / "dataset").rglob("*.jsonl")):
        assert path.read_bytes() == (second.folder / path.relative_to(first.folder)).read_bytes()
    assert records(first.folder) == records(second.folder)
    assert generator(first, name)["facts"] == generator(second, name)["facts"]


@pytest.mark.slow
def test_a_chinese_set_is_chinese(server: ScriptedServer) -> None:
    result = run("chinese", server, able)
    rows = [
        json.loads(line) for line in (result.folder / "dataset/alpaca/train.jsonl").read_text().splitlines()
    ]
    assert len(rows) > 8
    assert all(is_chinese(row["instruction"]) for row in rows)


# -- hopeless models ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "evolving", "growing", "why"),
    [
        (copies, "unchanged", "unchanged", "gives the instruction back as it was"),
        (refuses, "refusal", "bad_reply", ""),
        (speaks_another_language, "other_language", "other_language", "does not keep to the language"),
        (never_ends, "truncated", "bad_reply", ""),
        (gives_the_prompt_back, "template_leak", "", ""),
    ],
)
@pytest.mark.parametrize("name", ["evol-instruct", "tree-instruct"])
def test_with_a_hopeless_model_the_run_ends_keeps_the_seeds_and_says_why(
    name: str, script: Any, evolving: str, growing: str, why: str, server: ScriptedServer
) -> None:
    result = run(name, server, script)
    step = generator(result, name)
    asked = step["facts"]["children_asked"]
    assert step["facts"]["children_kept"] == 0
    (kind,) = step["facts"]["children_let_go"]
    assert kind == (evolving if name == "evol-instruct" else growing) or (
        name == "tree-instruct" and not growing
    )
    label = GENERATOR[name]
    reached, reason = (
        s for s in [*result.manifest.get("notices", ()), *result.manifest["warnings"]] if label in s
    )
    assert reached.startswith(f"{label}: 0 of {asked} children were kept, 0.0% (95 % interval 0.0% to ")
    assert reason.startswith(f"{label}: {asked} of the {asked} let go are {kind}: ")
    assert why in reason
    assert result.kept == len(sft.load(f"factory:seeds/{name}"))


@pytest.mark.slow
def test_a_model_that_copies_in_the_papers_way_is_told_alike(server: ScriptedServer) -> None:
    result = run("tree-instruct", server, copies, "tree.method=paper")
    assert list(generator(result, "tree-instruct")["facts"]["children_let_go"]) == ["unchanged"]


# -- the embedded model -------------------------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", RECIPES)
def test_it_runs_on_the_embedded_model_without_a_network_and_counts_what_it_let_go(name: str) -> None:
    result = sft.run(name, limit=2, out="run", journal="journal.db")
    facts = generator(result, name)["facts"]
    let_go = facts.get("children_let_go", {})
    assert facts["children_asked"] == facts["children_kept"] + sum(let_go.values()) > 0
    assert result.manifest["status"] == "finished"
    made = [record for record in records(result.folder) if record.round]
    assert len(made) == facts["children_asked"]
    for child in made:
        if child.dropped is None and name == "tree-instruct":
            assert draw_tree(child)
