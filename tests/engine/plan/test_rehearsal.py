"""What a dry run counts: the most calls, whatever the replies turn out to be."""

from __future__ import annotations

import asyncio
import gzip
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import ScriptedServer

from factory.engine.plan.estimate import bounds
from factory.engine.plan.probe import estimate, probe
from factory.engine.plan.rehearsal import DryRun, dry_run
from factory.engine.run import Run, RunOptions
from factory.recipe.recipe import Recipe, build_recipe

MODELS = {
    "m": {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m", "price": {"input": 1}},
    "k": {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "k", "price": {"input": 100}},
}
DIALOGUE = {
    "history": [["Name a river.", "Volga."]],
    "instruction": "再说一条。",
    "output": "长江。",
    "other": "黄河。",
}


def recipe(tmp_path: Path, *steps: dict[str, Any], models: dict[str, Any] = MODELS, rows: int = 3) -> Recipe:
    """A recipe over single turns with a second answer, and one conversation of two turns."""
    texts: list[dict[str, Any]] = [
        {"history": [], "instruction": f"Question {at}?", "output": f"Answer {at}.", "other": "Another."}
        for at in range(rows - 1)
    ]
    texts.append(DIALOGUE)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in texts))
    return build_recipe(
        {"name": "dry", "models": models, "steps": [{"read": {"path": str(path)}}, *steps]}, "dry"
    )


def planned(made: Recipe) -> DryRun:
    return asyncio.run(dry_run(made))


def calls(plan: DryRun) -> list[dict[str, int]]:
    """How often each step but the first asks each model."""
    return [{name: asked.calls for name, asked in step.asked.items()} for step in plan.steps[1:]]


@pytest.mark.parametrize(
    ("step", "most"),
    [
        ({"judge": {"model": "m"}}, {"m": 4}),
        ({"judge": {"model": ["m", "k"], "samples": 2, "temperature": 1}}, {"m": 8, "k": 8}),
        ({"judge_pair": {"model": "k", "second": "other"}}, {"k": 6}),
        ({"judge_pair": {"model": "k", "second": "absent"}}, {}),
        ({"judge_cascade": {"model": "k", "keep": ">= 4", "embeddings": False}}, {"k": 4}),
        ({"refine": {"model": "m", "judge": "k", "rounds": 3}}, {"k": 3 * 6, "m": 3 * 6}),
        ({"deita": {"model": "m"}}, {"m": 8}),
        ({"ifd": {"model": "m"}}, {"m": 6}),
        ({"fit": {"model": "m", "choose": "rsr"}}, {"m": 3}),
        ({"tag": {"model": "m"}}, {"m": 4}),
        ({"evolve": {"model": "m", "rounds": 2}}, {"m": 3 * 2 * 3}),
        (
            {
                "evolve": {
                    "model": "m",
                    "rounds": 2,
                    "tries": 2,
                    "max_words": 1,
                    "max_demands": 1,
                    "keep_language": True,
                }
            },
            {"m": 3 * 2 * 2 * 3},
        ),
        (
            {"evolve": {"model": "m", "rounds": 1, "show_conversation": True, "check_gain": False}},
            {"m": 3 * 2},
        ),
        ({"tree": {"model": "m", "nodes": [3, 6], "attempts": 2}}, {"m": 3 * (2 + 2 * (2 + 2 + 1))}),
        ({"tree": {"model": "m", "nodes": 4, "attempts": 2, "method": "paper"}}, {"m": 3 * (2 * 2 + 1)}),
    ],
    ids=lambda case: next(iter(case), "none"),
)
def test_a_step_is_counted_with_every_call_that_it_could_make(
    tmp_path: Path, step: dict[str, Any], most: dict[str, int]
) -> None:
    assert calls(planned(recipe(tmp_path, step))) == [most]


def test_a_judge_of_rephrased_items_is_counted_with_as_many_neighbours_as_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "bench.jsonl").write_text('{"question": "What is one plus one?"}\n')
    step = {
        "decontaminate": {
            "against": {"bench": str(tmp_path / "bench.jsonl")},
            "rephrased": "judged",
            "neighbours": 2,
            "judge": "m",
        }
    }
    assert calls(planned(recipe(tmp_path, step))) == [{"m": 6}]


@pytest.mark.parametrize(
    "keep",
    [{"judge": {"model": "m", "keep": "< 2"}}, {"ifd": {"model": "m", "keep": "< 1"}}],
    ids=["judge", "ifd"],
)
def test_a_condition_that_no_stand_in_meets_does_not_hide_the_calls_behind_it(
    tmp_path: Path, keep: dict[str, Any]
) -> None:
    assert calls(planned(recipe(tmp_path, keep, {"judge": {"model": "k"}})))[1] == {"k": 4}


def test_each_model_is_reckoned_at_its_own_price(tmp_path: Path) -> None:
    made = recipe(tmp_path, {"judge": {"model": ["m", "k"]}})
    plan = planned(made)
    tokens = plan.steps[1].asked["m"].prompt_tokens
    assert plan.most_cost(made) == pytest.approx(tokens * (1 + 100) / 1e6)


def test_a_reply_that_a_later_prompt_quotes_counts_there_as_long_as_it_may_be(tmp_path: Path) -> None:
    def prompt_tokens(step: str, **options: Any) -> int:
        made = recipe(tmp_path, {"evolve": {"model": "m", "rounds": 1}}, {step: {"model": "m", **options}})
        return sum(asked.prompt_tokens for step in planned(made).steps for asked in step.asked.values())

    # Three children with their answers: 1,024 and 2,048 tokens at the most.
    assert prompt_tokens("judge") > 3 * (1024 + 2048)
    # The criticism of a refined answer stands in one prompt of each of 3 rounds of 6 records, the answer in 8 others
    # and in that of the grade given anew.
    grown = prompt_tokens("refine", judge="m", max_tokens=3000) - prompt_tokens(
        "refine", judge="m", max_tokens=2000
    )
    assert grown == 1000 * 6 * (3 + 2 * 2 + 3 + 1)


def test_more_records_than_are_rehearsed_are_counted_in_proportion_and_said_so(tmp_path: Path) -> None:
    made = recipe(tmp_path, {"judge": {"model": "m"}}, rows=1000)
    plan = planned(made)
    assert plan.totals()[0] == 1000
    assert any(f"the first {plan.sampled} records" in line for line in bounds(made, plan).lines())


@pytest.mark.parametrize(
    ("rows", "pairs", "most"), [(1000, 30, 60), (1000, 2000, 2000), (5, 3, 6), (5, 30, 10)]
)
def test_a_step_that_asks_about_some_records_alone_is_counted_with_these(
    rows: int, pairs: int, most: int, tmp_path: Path
) -> None:
    lines = [
        {"instruction": f"Who won race {at}?", "output": "He did, and his brother was glad."}
        for at in range(rows)
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
    step = {"judge_counterfactual": {"model": "m", "pairs": pairs}}
    steps = [{"read": {"path": str(tmp_path / "rows.jsonl")}}, step]
    made = build_recipe({"name": "dry", "models": MODELS, "steps": steps}, "dry")
    plan = planned(made)
    calls, prompt_tokens, _ = plan.totals()
    assert calls == most
    assert plan.most_cost(made) == pytest.approx(prompt_tokens / 1e6, rel=1e-3)


@pytest.mark.slow
def test_no_run_makes_more_calls_than_were_told_however_the_replies_fall(
    tmp_path: Path, server: ScriptedServer
) -> None:
    """A judge that always finds a gain is the costliest there is for refining."""
    level = {"now": 0}

    def script(request: dict[str, Any]) -> str:
        text = request["messages"][-1]["content"]
        wanted = orjson.dumps(request.get("response_format") or {}).decode()
        if "criticism" in wanted:
            return '{"criticism": "dull", "nothing_to_change": false}'
        if "better" in wanted:
            return '{"reason": "so", "better": "tie"}'
        if "score" not in wanted:
            return f"better than {re.sub(r'[^0-9]', '', text)[-6:]} by {level['now']}"
        level["now"] += 1
        return orjson.dumps({"reason": "so", "score": min(5, 1 + text.count("better"))}).decode()

    server.script = script
    models = {"m": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}}
    made = recipe(
        tmp_path,
        {"refine": {"rounds": 3, "keep_parents": True}},
        {"judge_pair": {"second": "other"}},
        {"judge_cascade": {"keep": ">= 4", "embeddings": False}},
        models=models,
    )
    told = (
        Run(made, RunOptions(tmp_path / "out", journal=tmp_path / "journal.db"))
        .execute()
        .manifest["estimate"]
    )
    assert 0.5 < told["calls"]["ratio"] <= 1


@pytest.mark.slow
def test_embeddings_count_neither_as_told_nor_as_asked(tmp_path: Path, server: ScriptedServer) -> None:
    server.script = lambda request: '{"reason": "so", "score": 4}'
    at = {"base_url": server.base_url, "model": "scripted"}
    models = {"m": {"provider": "openai", **at}, "e": {"provider": "openai_embeddings", **at}}
    made = recipe(tmp_path, {"judge": {}}, {"dedup_semantic": {"threshold": 1.0}}, models=models)
    for folder in ("one", "two"):  # the second time from the journal, text by text
        told = (
            Run(made, RunOptions(tmp_path / folder, journal=tmp_path / "journal.db"))
            .execute()
            .manifest["estimate"]
        )
        assert (told["calls"]["at_most"], told["calls"]["came_to"]) == (4, 4)


def csv_recipe(path: Path) -> Recipe:
    steps = [{"read": {"path": str(path)}}, {"judge": {"model": "m"}}]
    return build_recipe({"name": "dry", "models": MODELS, "steps": steps}, "dry")


@pytest.mark.parametrize("rows", [3, 64, 65, 3000])
def test_an_estimate_counts_all_rows_of_any_format(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("instruction,output\n" + "".join(f'"Why {at}?\n",x\n' for at in range(rows)))
    made = csv_recipe(path)
    told = bounds(made, planned(made))
    assert (told.records, told.calls) == (rows, rows)
    assert told.lines()[0].startswith(f"{rows:,} records: at most {rows:,} calls")


@pytest.mark.slow
def test_an_estimate_says_that_it_does_not_know_how_many_records_there_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    text = "instruction,output\n" + "".join(f"Why {at}?,x\n" for at in range(99_999))
    path.write_bytes(gzip.compress(text.encode())[:-999])
    made = csv_recipe(path)
    first = bounds(made, planned(made)).lines()[0]
    assert first.startswith("how many records there are is unknown; for the first 64: at most 64 calls")


@pytest.mark.slow
def test_a_probe_never_says_more_than_the_bound_which_says_what_it_counts(
    tmp_path: Path, server: ScriptedServer
) -> None:
    """The first records are the costliest: each reply of theirs fits only at the third try."""

    def script(request: dict[str, Any]) -> str:
        tries = request["messages"][-1]["content"].count("could not be used")
        return '{"reason": "so", "score": 3}' if tries == 2 else "no JSON"

    server.script = script
    models = {"m": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}}
    made = recipe(tmp_path, {"judge": {"model": "m"}}, models=models, rows=200)
    most = estimate(made)
    assert most.again is not None
    assert (most.calls, most.again.calls) == (200, 400)
    assert any("at most 400 calls" in line for line in most.lines())
    told = probe(made, 3, journal=tmp_path / "journal.db")
    assert most.calls < told.calls <= most.calls + most.again.calls
    assert told.again is not None
    assert 0 < told.again.calls <= most.again.calls
    assert "asked again" in told.lines()[0]
