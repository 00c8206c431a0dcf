"""Before the first call goes out, servers are asked for what a later step wants of them and not every server can."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from scripted_server import ScriptedServer, in_thread, refuse

import factory as sft
from factory.engine.calls.probes import TEXT, Probe, Probes
from factory.engine.preflight import _silence
from factory.errors import FactoryError, RecordFailed, RunStopped
from factory.models.base import Contact
from factory.models.failures import Denied
from factory.statistics.ray_session import ray_contact


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"instruction": f"Name the {n}th river.", "output": f"It is river {n}."} for n in range(3)]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return tmp_path


def scored(request: dict[str, Any]) -> str:
    tokens = request["prompt"].split() or [""]
    logprobs = {"tokens": tokens, "token_logprobs": [None, *[-1.0] * (len(tokens) - 1)]}
    return orjson.dumps({"choices": [{"text": "", "logprobs": logprobs}]}).decode()


@pytest.fixture
def scorer() -> Iterator[ScriptedServer]:
    """A server that scores texts too."""
    from scripted_server import Say

    server = ScriptedServer(complete=lambda request: Say(body=orjson.loads(scored(request))))
    with in_thread(server):
        yield server


def recipe(teacher: ScriptedServer, later: dict[str, Any], *steps: dict[str, Any]) -> dict[str, Any]:
    models = {"teacher": {"provider": "openai", "base_url": teacher.base_url, "model": "scripted"}}
    first = [{"read": {"path": "rows.jsonl"}}, {"judge": {"model": "teacher", "reply": "json"}}]
    return {"name": "small", "models": {**models, "later": later}, "steps": [*first, *steps]}


def openai(server: ScriptedServer) -> dict[str, Any]:
    return {"provider": "openai", "base_url": server.base_url, "model": "scripted"}


def embeddings(server: ScriptedServer) -> dict[str, Any]:
    return {"provider": "openai_embeddings", "base_url": server.base_url, "model": "e"}


@pytest.mark.slow
def test_a_server_without_log_probabilities_is_found_before_anything_is_paid(
    server: ScriptedServer, folder: Path
) -> None:
    with pytest.raises(RunStopped, match=r"^03-ifd, `model`: .* does not tell the log-probabilities"):
        sft.run(recipe(server, openai(server), {"ifd": {"model": "later"}}))
    assert server.requests == []


def test_a_step_that_can_do_without_them_is_told_before_anything_is_paid_and_the_run_goes_on(
    server: ScriptedServer, folder: Path
) -> None:
    made = recipe(server, openai(server), {"fit": {"model": "later", "choose": "grape"}})
    done = sft.run(made)
    first, *others = done.manifest["warnings"]
    assert first.startswith("03-fit, `model`: ")
    assert "the run goes on" in first
    assert any(warning.startswith("03-fit: there is no fit, since ") for warning in others)
    assert [record.missing["grape"].kind for record in done.table().records()] == ["no_log_probabilities"] * 3


def test_a_step_that_needs_them_stops_the_run_under_its_own_name_beside_one_that_goes_on(
    server: ScriptedServer, folder: Path
) -> None:
    both = [{"fit": {"model": "later"}}, {"ifd": {"model": "later"}}]
    with pytest.raises(RunStopped, match=r"^04-ifd, `model`: .* does not tell the log-probabilities"):
        sft.run(recipe(server, openai(server), *both))
    assert server.requests == []


def test_where_answers_are_chosen_by_fit_the_first_stands_and_the_server_is_asked_once_for_scores(
    server: ScriptedServer, folder: Path
) -> None:
    later = {**openai(server), "concurrency": 1}
    several = {"model": "teacher", "samples": 2, "choose": "fit", "student": "later", "overwrite": True}
    done = sft.run(recipe(server, later, {"respond": several}))
    for record in done.table().records():
        assert (len(record.answers), record.chosen) == (2, 0)
        assert record.missing["grape"].kind == "no_log_probabilities"
    assert server.paths.count("/v1/completions") == 1


def test_scores_that_are_in_the_journal_stay_where_the_server_tells_none_any_more(
    server: ScriptedServer, scorer: ScriptedServer, folder: Path
) -> None:
    rows = (folder / "rows.jsonl").read_bytes()
    made = recipe(server, openai(scorer), {"fit": {"model": "later"}})
    sft.run(made)
    (folder / "rows.jsonl").write_bytes(b'{"instruction": "New?", "output": "Yes."}\n' + rows)
    made["models"]["later"] = openai(server)
    done = sft.run(made, overwrite=True)
    missing, *there = list(done.table().records())
    assert missing.missing["grape"].kind == "no_log_probabilities"
    assert all("grape" in record.scores for record in there)


def test_a_model_that_tells_no_log_probabilities_of_its_reply_is_found_before_deita_is_reached(
    server: ScriptedServer, folder: Path
) -> None:
    for later in ("later", "teacher"):
        server.requests.clear()
        made = recipe(server, openai(server), {"dedup_exact": {}}, {"deita": {"model": later}})
        with pytest.raises(RunStopped, match=r"^04-deita, `model`: .* does not tell the log-probabilities"):
            sft.run(made)
        assert [request["max_tokens"] for request in server.requests] == [1]


def test_a_model_that_the_server_does_not_have_is_found_too(server: ScriptedServer, folder: Path) -> None:
    later = {**openai(server), "model": "weak"}
    with pytest.raises(RunStopped, match=r"^03-ifd, `model`: .*weak.*scripted"):
        sft.run(recipe(server, later, {"ifd": {"model": "later"}}))
    assert server.requests == []


def test_so_it_is_where_the_model_that_answers_is_to_score_later(
    server: ScriptedServer, folder: Path
) -> None:
    made = recipe(server, openai(server), {"perplexity": {"model": "teacher"}})
    with pytest.raises(RunStopped, match=r"03-perplexity, `model`: .* does not tell the log-probabilities"):
        sft.run(made)
    assert server.requests == []


def test_a_server_that_embeds_nothing_is_found_before_anything_is_paid(
    server: ScriptedServer, folder: Path
) -> None:
    server.embed = lambda request: refuse(400, "this model does not support embeddings")
    with pytest.raises(FactoryError, match=r"03-dedup_semantic, `model`: .*does not support embeddings"):
        sft.run(recipe(server, embeddings(server), {"dedup_semantic": {"model": "later"}}))
    assert server.requests == []


def test_all_that_later_steps_cannot_have_is_told_together(server: ScriptedServer, folder: Path) -> None:
    server.embed = lambda request: refuse(400, "this model does not support embeddings")
    made = recipe(
        server, openai(server), {"ifd": {"model": "later"}}, {"dedup_semantic": {"model": "vectors"}}
    )
    made["models"]["vectors"] = embeddings(server)
    with pytest.raises(RunStopped) as told:
        sft.run(made)
    first, second = str(told.value).splitlines()
    assert first.startswith("03-ifd, `model`: ")
    assert second.startswith("04-dedup_semantic, `model`: ")


@pytest.mark.slow
def test_a_probe_is_asked_once_told_and_leaves_nothing_and_a_replay_asks_nobody(
    server: ScriptedServer, scorer: ScriptedServer, folder: Path
) -> None:
    made = recipe(
        server,
        openai(scorer),
        {"perplexity": {"model": "later"}},
        {"ifd": {"model": "later"}},
        {"dedup_semantic": {"model": "vectors"}},
    )
    made["models"]["vectors"] = embeddings(server)
    first = sft.run(made)
    assert [request["prompt"] for request in scorer.requests].count(TEXT) == 1
    assert [request["input"] for request in server.embedded].count([TEXT]) == 1
    (told,) = (said for said in first.facts.notices if "one word" in said)
    assert "`later`, `vectors` had one word to score, embed or answer, which no count holds" in told
    assert first.facts.models["later"].calls == len(scorer.requests) - 1
    asked = len(server.requests), len(scorer.requests), len(server.embedded)
    again = sft.run(made, out=folder / "again")
    assert (len(server.requests), len(scorer.requests), len(server.embedded)) == asked
    assert again.facts.calls == 0
    assert not any("one word" in said for said in again.facts.notices)


@pytest.mark.slow
def test_a_model_that_has_scored_before_is_not_asked_whether_it_can(
    server: ScriptedServer, scorer: ScriptedServer, folder: Path
) -> None:
    made = recipe(server, openai(scorer), {"perplexity": {"model": "later"}})
    sft.run(made)
    scored_before = len(scorer.requests)
    made["steps"][1]["judge"]["max_tokens"] = 99  # asked anew, while every text has its score
    again = sft.run(made, out=folder / "again")
    assert again.facts.calls > 0
    assert len(scorer.requests) == scored_before


def test_a_model_whose_own_call_is_the_first_needs_no_question(scorer: ScriptedServer, folder: Path) -> None:
    made = recipe(scorer, openai(scorer), {"perplexity": {"model": "later"}})
    del made["steps"][1], made["models"]["teacher"]
    sft.run(made)
    assert TEXT not in [request["prompt"] for request in scorer.requests]


def test_a_plan_asks_no_server(server: ScriptedServer, folder: Path) -> None:
    from factory.engine.plan.probe import estimate
    from factory.recipe.recipe import build_recipe

    estimate(build_recipe(recipe(server, openai(server), {"ifd": {"model": "later"}})), None)
    assert not server.requests + server.paths


def run(*probes: Probe, models: tuple[str, ...] = ("x", "y")) -> list[str]:
    """What is told where these models are about to be called at the same time."""
    told: list[str] = []

    async def calls() -> None:
        asked = Probes(probes, told.append, told.append)
        await asyncio.gather(*(asked.before(model) for model in models))
        for model in models:
            await asked.before(model)
        await asked.close()

    asyncio.run(calls())
    return told


def test_all_who_call_at_once_wait_for_one_question() -> None:
    asked: list[str] = []

    async def ask() -> None:
        asked.append("asked")
        await asyncio.sleep(0)

    assert len(run(Probe("03-ifd", "weak", True, ask))) == 1
    assert asked == ["asked"]
    assert run() == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RunStopped("it cannot"), "03-ifd: it cannot"),
        (RecordFailed("bad_request", "not this"), "03-ifd: not this"),
        (Denied("no such model", "alone"), "03-ifd: no such model"),
    ],
)
def test_whatever_a_server_says_against_it_stops_every_call(error: Exception, said: str) -> None:
    async def ask() -> None:
        raise error

    with pytest.raises(RunStopped, match=said):
        run(Probe("03-ifd", "weak", True, ask))


# -- Ray -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["dedup_rouge", "dedup_semantic"])
@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_a_ray_cluster_that_nobody_answers_for_is_found_before_the_first_call(
    step: str, form: str, server: ScriptedServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", form.format(port))
    # A module that is there, and not a patched check: what imports that here first would keep it for good.
    there = SimpleNamespace(__spec__=ModuleSpec("ray", None, origin="ray"), is_initialized=lambda: False)
    monkeypatch.setitem(sys.modules, "ray", there)
    made = recipe(server, openai(server), {step: {"engine": "ray"}})
    with pytest.raises(
        RunStopped, match=r"03-dedup_\w+: could not join the Ray cluster at RAY_ADDRESS .*refused.*leave out"
    ):
        sft.run(made)
    assert server.requests == []


@pytest.mark.parametrize("address", ["", "auto", "local", "127.0.0.1", "ray://head"])
def test_an_address_without_a_port_is_left_to_ray(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert list(ray_contact()) == []


def test_a_ray_address_is_read_in_all_its_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("head:6379", "ray://head:6379", "ray://head:6379/"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert [contact[:2] for contact in ray_contact()] == [("head", 6379)]
    monkeypatch.setenv("RAY_ADDRESS", "[::1]:6379")
    assert [contact[:2] for contact in ray_contact()] == [("::1", 6379)]
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    assert list(ray_contact()) == [], "it runs in this process"


def test_a_server_that_answers_is_let_pass_and_a_port_that_is_none_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert _silence(Contact("127.0.0.1", listening.getsockname()[1], "", "")) == ""
    assert _silence(Contact("127.0.0.1", 99999, "", ""))
