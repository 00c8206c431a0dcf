"""A run whose records all fail alike says why and stops; one poisoned record stops nothing, wherever it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import Say, ScriptedServer, refuse
from typer.testing import CliRunner

import factory as sft
from factory.cli.app import app
from factory.engine.calls import caller
from factory.engine.calls.watch import ALIKE, alike
from factory.errors import EXIT_NOTHING_DONE, RunStopped

WORDS = "parameter.enable_thinking must be set to false for non-streaming calls"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "BACKOFF_SECONDS", (0.0, 0.001))


def number_of(request: dict[str, Any]) -> int:
    found = re.findall(r"Question (\d+)", str(request["messages"]))
    return int(found[-1])


def recipe(
    server: ScriptedServer, folder: Path, count: int, *, steps: Any = None, **model: Any
) -> dict[str, Any]:
    rows = [{"instruction": f"Question {n}: why is the sea salty?"} for n in range(count)]
    (folder / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    options = {
        "provider": "openai",
        "base_url": server.base_url,
        "model": "scripted",
        "concurrency": 4,
        **model,
    }
    return {
        "name": "alike",
        "models": {"m": options},
        "steps": [{"read": {"path": str(folder / "seeds.jsonl")}}, *(steps or [{"respond": {}}])],
    }


def run(data: dict[str, Any], folder: Path, **options: Any) -> Any:
    return sft.run(data, out=folder / "run", journal=folder / "j.db", **options)


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 4, 400])
def test_the_first_records_that_all_fail_alike_stop_the_run_with_the_servers_words(
    server: ScriptedServer, tmp_path: Path, concurrency: int
) -> None:
    server.script = lambda request: refuse(400, f"{WORDS} (request id: req_{number_of(request)}a)")
    with pytest.raises(RunStopped, match=f"failed alike.*{re.escape(WORDS)}.*--stop-after-alike 0"):
        run(recipe(server, tmp_path, 1000, concurrency=concurrency), tmp_path)
    assert ALIKE <= len(server.requests) <= ALIKE + 2 * concurrency


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        refuse(400, WORDS),
        refuse(403, "Forbidden"),
        refuse(404, "nothing here"),
        refuse(410, "gone"),
        refuse(451, "not here"),
        Say(status=204, body=""),
        refuse(499, "closed"),
        Say(status=307, headers={"Location": "https://elsewhere.invalid"}, body=""),
        refuse(400, "Input data may contain inappropriate content.", code="data_inspection_failed"),
        refuse(413, "too large"),
        refuse(500, "boom"),
    ],
    ids=lambda said: str(said.status),
)
@pytest.mark.parametrize("first", [True, False])
def test_one_poisoned_prompt_is_set_aside_with_the_words_wherever_it_stands(
    server: ScriptedServer, tmp_path: Path, said: Say, first: bool
) -> None:
    poison = 0 if first else 17
    server.script = lambda request: said if number_of(request) == poison else "It is."
    data = recipe(server, tmp_path, 40)
    result = run(data, tmp_path)
    assert (result.kept, result.failed) == (39, 1)
    (gone,) = result.dropped_table().records()
    assert gone.instruction.startswith(f"Question {poison}:")
    # The same run again meets it first, and alone.
    server.requests.clear()
    again = run(data, tmp_path)
    assert (again.kept, again.failed) == (39, 1)
    assert {number_of(request) for request in server.requests} == {poison}
    assert len(server.requests) == (caller.TRIES if said.status == 500 else 1)


@pytest.mark.slow
@pytest.mark.parametrize("slow", [0.0, 0.3])
def test_refusals_that_come_faster_than_answers_stop_nothing(
    server: ScriptedServer, tmp_path: Path, slow: float
) -> None:
    server.script = lambda request: (
        refuse(403, "no") if number_of(request) < 20 else Say("It is.", delay=slow)
    )
    result = run(recipe(server, tmp_path, 60, concurrency=40), tmp_path)
    assert (result.kept, result.failed) == (40, 20)


@pytest.mark.slow
def test_few_records_that_are_all_denied_stop_the_run_with_the_servers_sentence(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.models = ("other",)
    with pytest.raises(RunStopped, match="no model 'scripted'; it has other"):
        run(recipe(server, tmp_path, 3), tmp_path)


@pytest.mark.slow
def test_many_that_are_denied_in_a_row_stop_a_run_that_went_well_before(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = lambda request: "It is." if number_of(request) < 50 else refuse(403, "plan ended")
    with pytest.raises(RunStopped, match=r"records in a row failed alike.*plan ended"):
        run(recipe(server, tmp_path, 500), tmp_path)
    assert len(server.requests) < 150
    server.script = lambda request: "It is."
    paid = len(server.requests)
    assert run(recipe(server, tmp_path, 500), tmp_path).kept == 500
    assert len(server.requests) - paid <= 450 + 4  # what was answered is not asked again


@pytest.mark.slow
def test_what_fails_for_some_records_alike_is_set_aside(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = lambda request: refuse(400, WORDS) if number_of(request) % 2 else "It is."
    result = run(recipe(server, tmp_path, 200, concurrency=16), tmp_path)
    assert (result.kept, result.failed) == (100, 100)


@pytest.mark.slow
def test_told_otherwise_a_run_goes_on_whatever_fails(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = lambda request: refuse(400, WORDS)
    result = run(recipe(server, tmp_path, 60), tmp_path, stop_after_alike=0)
    assert (result.kept, result.failed, len(server.requests)) == (0, 60, 60)


@pytest.mark.slow
def test_no_credit_stops_at_once_and_what_was_paid_is_kept(server: ScriptedServer, tmp_path: Path) -> None:
    gone = refuse(429, "您的账户已欠费，请充值后重试。", code="1113")
    server.script = lambda request: "It is." if len(server.requests) <= 20 else gone
    with pytest.raises(RunStopped, match=r"no credit left.*欠费"):
        run(recipe(server, tmp_path, 100), tmp_path)
    assert len(server.requests) <= 20 + 4 + 4
    server.script, paid = lambda request: "It is.", len(server.requests)
    assert run(recipe(server, tmp_path, 100), tmp_path).kept == 100
    assert len(server.requests) - paid == 80


def judged(reply: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda request: (
        reply(request) if "score" in str(request["messages"]) else "It is, as rivers bring salt."
    )


def test_a_step_that_fails_for_all_stops_though_another_step_goes_well(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = judged(lambda request: refuse(400, WORDS))
    data = recipe(server, tmp_path, 100, steps=[{"respond": {}}, {"judge": {}}])
    with pytest.raises(RunStopped, match=f"03-judge: the first .*{re.escape(WORDS)}"):
        run(data, tmp_path)


@pytest.mark.slow
def test_a_judge_that_never_gives_json_stops_the_run_after_the_first_records(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = judged(lambda request: f"I like number {number_of(request)}.")
    data = recipe(server, tmp_path, 300, steps=[{"respond": {}}, {"judge": {}}])
    with pytest.raises(
        RunStopped, match=r"03-judge: .*failed alike \(bad_reply\).*no usable reply after 3 tries"
    ):
        run(data, tmp_path)
    assert len(server.requests) < 300


@pytest.mark.slow
def test_a_whole_set_step_that_fails_for_all_stops(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = judged(lambda request: refuse(400, WORDS))
    steps = [{"respond": {}}, {"judge_cascade": {"keep": ">= 4", "labels": 60, "embeddings": False}}]
    with pytest.raises(RunStopped, match=r"03-judge_cascade: the first .*enable_thinking"):
        run(recipe(server, tmp_path, 120, steps=steps), tmp_path)
    assert len(server.requests) <= 120 + 2 * (
        ALIKE + 8
    )  # twice: a schema that is refused is asked for in words


@pytest.mark.slow
def test_inspection_of_contents_costs_one_call_a_record_in_a_step_with_a_schema(
    server: ScriptedServer, tmp_path: Path
) -> None:
    inspected = refuse(400, "Input data may contain inappropriate content.", code="data_inspection_failed")
    unknown = refuse(400, "prompt not acceptable here")
    server.script = judged(
        lambda request: (
            {5: inspected, 37: unknown}.get(number_of(request)) or '{"reason": "good", "score": 4}'
        )
    )
    data = recipe(server, tmp_path, 40, steps=[{"respond": {}}, {"judge": {}}])
    result = run(data, tmp_path)
    asked = [number_of(request) for request in server.requests if "score" in str(request["messages"])]
    assert asked.count(5) == 1
    assert asked.count(37) == 1  # the schema was taken before, so that it is not to blame
    judge = result.facts.steps[2]
    assert judge.missing == {"judge.quality": {"bad_request": 1, "refused": 1}}


def test_a_notebook_stops_too_and_says_why(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = lambda request: refuse(400, WORDS)
    model = sft.model("openai", base_url=server.base_url, model="scripted", concurrency=4)
    rows = [{"instruction": f"Question {n}?", "output": ""} for n in range(100)]
    with pytest.raises(RunStopped, match="enable_thinking"):
        sft.load(rows).respond(model=model).run(journal=tmp_path / "j.db")
    assert len(server.requests) <= ALIKE + 8


def write(data: dict[str, Any], folder: Path) -> list[str]:
    (folder / "recipe.yaml").write_bytes(orjson.dumps(data))
    return [
        "run",
        str(folder / "recipe.yaml"),
        "--out",
        str(folder / "run"),
        "--journal",
        str(folder / "j.db"),
    ]


@pytest.mark.slow
def test_the_terminal_tells_the_first_reason_under_the_table(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = lambda request: refuse(400, WORDS) if number_of(request) < 3 else "It is."
    words = write(recipe(server, tmp_path, 30), tmp_path)
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 3
    assert f"first bad_request of 02-respond: the server refused the request: {WORDS}" in told.output
    assert CliRunner().invoke(app, [*words, "--tolerate", "3"]).exit_code == 0
    assert CliRunner().invoke(app, [*words, "--tolerate", "10%"]).exit_code == 0
    assert CliRunner().invoke(app, [*words, "--tolerate", "9%"]).exit_code == 3
    assert CliRunner().invoke(app, [*words, "--tolerate", "2"]).exit_code == 3
    odd = CliRunner().invoke(app, [*words, "--tolerate", "some"])
    assert odd.exit_code == 2 or "give a number of records" in str(odd.exception)


@pytest.mark.slow
def test_a_run_of_few_records_that_all_fail_says_why(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = lambda request: refuse(400, WORDS)
    told = CliRunner().invoke(app, write(recipe(server, tmp_path, 5), tmp_path))
    assert told.exit_code == EXIT_NOTHING_DONE
    assert WORDS in told.output


@pytest.mark.slow
def test_the_command_line_stops_with_4_and_goes_on_when_told(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = lambda request: refuse(400, WORDS)
    words = write(recipe(server, tmp_path, 40), tmp_path)
    told = CliRunner().invoke(app, words)
    assert told.exit_code == EXIT_NOTHING_DONE
    assert WORDS in told.output
    assert "--stop-after-alike 0" in told.output
    server.requests.clear()
    CliRunner().invoke(app, [*words, "--stop-after-alike", "0"])
    assert len(server.requests) == 40


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("refused: request id req_1a2b at 12:30", "refused: request id req_9z8y at 09:01", True),
        ("prompt has 900 tokens, 512 allowed", "prompt has 1200 tokens, 512 allowed", True),
        ("not JSON: 'I like it'", "not JSON: 'No.'", True),
        ("错误码1301：敏感内容", "错误码1302：敏感内容", True),
        ("错误码1301：敏感内容", "错误码1302：并发过高", False),
        ("bad temperature", "bad seed", False),
    ],
)
def test_reasons_are_alike_whatever_numbers_names_and_quotations_they_hold(
    one: str, other: str, same: bool
) -> None:
    assert (alike("kind", one) == alike("kind", other)) is same
    assert alike("one", one) != alike("two", one)
