"""Judges in whole runs, against a server that follows a script: models, journal and warnings are the real ones."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import Say, ScriptedServer

import factory as sft

ROWS = [
    {"instruction": "Name three rivers of Europe.", "output": "Danube, Rhine, Loire.", "lang": "en"},
    {"instruction": "Name a river.", "output": "Volga.", "lang": "en"},
    {"instruction": "什么是光合作用？", "output": "植物把光变成糖。", "lang": "zh"},
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals land in the test's folder."""
    monkeypatch.chdir(tmp_path)


def teacher(server: ScriptedServer) -> Any:
    return sft.model("openai", base_url=server.base_url, model="scripted")


def test_a_panel_of_judges_is_a_list_of_models(server: ScriptedServer) -> None:
    def script(request: dict[str, Any]) -> str:
        return orjson.dumps({"reason": "so", "score": 5 if request["model"] == "kind" else 2}).decode()

    server.script, server.models = script, ("kind", "stern")
    panel = [sft.model("openai", base_url=server.base_url, model=name) for name in ("kind", "stern")]
    done = sft.load(ROWS).judge(model=panel).run()
    assert [record.scores for record in done] == [{"judge.quality": 3.5, "judge_spread.quality": 1.5}] * 3
    assert len(server.requests) == 6


def test_expected_scores_come_from_a_servers_log_probabilities(server: ScriptedServer) -> None:
    def place(token: str, **likely: float) -> dict[str, Any]:
        top = [{"token": name.removeprefix("t"), "logprob": math.log(p)} for name, p in likely.items()]
        return {"token": token, "logprob": top[0]["logprob"] if top else 0.0, "top_logprobs": top}

    def complete(request: dict[str, Any]) -> Say:
        assert (request["logprobs"], request["top_logprobs"]) == (True, 10)
        places = [place('{"reason": "so", "score": '), place("4", t4=0.5, t2=0.25, tno=0.25), place("}")]
        choice = {
            "message": {"content": '{"reason": "so", "score": 4}'},
            "finish_reason": "stop",
            "logprobs": {"content": places},
        }
        return Say(body={"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 3}})

    server.script = complete
    for _ in range(2):  # the second time from the journal
        (done, *_) = sft.load(ROWS[:1]).judge(model=teacher(server)).run()
        assert done.scores["judge.quality"] == pytest.approx(10 / 3)
        assert done.scores["judge_spread.quality"] == pytest.approx(math.sqrt(8) / 3)
    assert len(server.requests) == 1


def test_a_server_that_tells_no_log_probabilities_gives_stated_scores_and_says_so(
    server: ScriptedServer,
) -> None:
    server.script = lambda request: '{"reason": "so", "score": 4}'
    done = sft.load(ROWS).judge(model=teacher(server)).run()
    assert [record.scores for record in done] == [{"judge.quality": 4.0}] * 3
    assert done.progress is not None
    (told,) = done.progress.warnings
    assert "does not tell log-probabilities; the level that it states counts" in told
    assert len(server.requests) == 3


@pytest.mark.slow
def test_a_cascade_asks_the_strong_judge_for_some_rows_and_decides_all(server: ScriptedServer) -> None:
    def script(request: dict[str, Any]) -> str:
        found = re.search(r"worth (\d)", request["messages"][-1]["content"])
        assert found is not None
        return orjson.dumps({"reason": "so", "score": int(found[1])}).decode()

    server.script = script
    rows = [
        {"instruction": f"Question {at}?", "output": "." * (at % 5) + f" worth {1 + at % 5}"}
        for at in range(300)
    ]
    options = {"keep": ">= 4", "embeddings": False, "agreement": 0.8, "confidence": 0.8, "labels": 60}
    done = sft.load(rows).judge_cascade(model=teacher(server), **options).run()
    assert len(server.requests) < 300
    right = [record.output.endswith(("4", "5")) for record in done]
    assert sum(right) >= 0.8 * len(right)
    assert done.progress is not None
    assert any("calls" in told and "saved" in told for told in done.progress.notices)
    again = sft.load(rows).judge_cascade(model=teacher(server), **options).run()
    assert [record.id for record in again] == [record.id for record in done]
    assert again.progress is not None
    assert again.progress.calls == 0, "the same rows are asked, and all are in the journal"
