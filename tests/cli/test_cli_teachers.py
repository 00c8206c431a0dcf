"""`factory teachers` as a person types it, with teachers and a student that follow a script."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from scripted_server import Say, ScriptedServer, in_thread, refuse
from typer.testing import CliRunner

from factory.cli.app import app
from factory.cli.teachers import split_models
from factory.engine.calls import watch
from factory.errors import FactoryError, RunStopped

ROWS = [{"instruction": f"Question {at}", "output": "an old answer"} for at in range(30)]


def scoring(request: dict[str, Any]) -> Say:
    """A student to which a word is the more surprising the longer it is."""
    tokens = re.findall(r"\S+ ?|\n", request["prompt"])
    logprobs = [None, *(-float(len(token.strip())) or -0.5 for token in tokens[1:])]
    places = [None, *({"1": {"logprob": value, "rank": 2}} for value in logprobs[1:])]
    choice = {"logprobs": {"tokens": tokens, "token_logprobs": logprobs}, "prompt_logprobs": places}
    return Say(body={"choices": [choice]})


def answering(request: dict[str, Any]) -> str | Say:
    said = request["messages"][-1]["content"]
    if request["model"] == "shy" and said.endswith("7"):
        return refuse(400, "this is not for me")
    return f"a bc {said}" if request["model"] != "wordy" else f"extraordinarily {said}"


def factory(folder: Path, *arguments: str, rows: Any = ROWS) -> Result:
    file = folder / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["teachers", str(file), "--journal", str(folder / "j.db"), *arguments])
    if isinstance(done.exception, FactoryError):
        raise done.exception
    return done


@pytest.fixture
def named() -> Any:
    """A server of several models, and how its models are written."""
    with in_thread(
        ScriptedServer(answering, complete=scoring, models=("pupil", "plain", "wordy", "shy", "other"))
    ) as server:
        names: Callable[[str], str] = lambda text: ",".join(  # noqa: E731
            f"openai:{name}@{server.base_url}" for name in text.split(",")
        )
        yield server, names


@pytest.mark.slow
def test_the_teacher_whose_answers_fit_is_told_and_a_second_look_asks_nothing(
    tmp_path: Path, named: Any
) -> None:
    server, names = named
    options = ("--student", names("pupil"), "--teachers", names("plain,wordy"), "--seed", "1")
    done = factory(tmp_path, *options)
    assert done.exit_code == 0, done.output
    assert "Fit to the student over 30 prompts" in done.stdout
    pair = next(
        line for line in done.stdout.splitlines() if line.startswith(names("plain")) and "wordy" in line
    )
    # All ranks are alike: the less likely answers have the lower ratio.
    assert re.search(r"\+\S+ \(.*\) +\S+plain\S+ +\+\S+ \(.*\) +\S+wordy", pair)
    asked = len(server.requests)
    assert {request["model"] for request in server.requests} == {"pupil", "plain", "wordy"}
    assert factory(tmp_path, *options).stdout == done.stdout
    assert len(server.requests) == asked


class Reticent(ScriptedServer):
    """Takes its time to say that it has no such page, so that all records wait for the same answer."""

    async def _stranger(self, http: Any) -> Any:
        await asyncio.sleep(0.3)
        return await super()._stranger(http)


@pytest.mark.slow
def test_that_a_student_tells_no_template_is_no_failure_of_the_records_that_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0)
    with in_thread(Reticent(answering, complete=scoring, models=("pupil", "plain", "wordy"))) as server:
        model = {name: f"openai:{name}@{server.base_url}" for name in server.models}
        teachers = f"{model['plain']},{model['wordy']}"
        done = factory(tmp_path, "--student", model["pupil"], "--teachers", teachers, "--seed", "1")
    assert "Fit to the student over 30 prompts" in done.stdout


@pytest.mark.slow
def test_the_same_model_twice_cannot_be_told_apart(tmp_path: Path, named: Any) -> None:
    _, names = named
    done = factory(tmp_path, "--student", names("pupil"), "--teachers", names("plain,plain,other"), "--json")
    found = json.loads(done.stdout)
    assert [one["name"] for one in found["teachers"]][1] == f"{names('plain')} (2)"
    assert {pair[score]["better"] for pair in found["pairs"] for score in ("grape", "rsr")} == {
        "cannot be told"
    }
    assert found["prompts"] == 30


@pytest.mark.slow
def test_prompts_are_drawn_by_the_seed_and_no_old_answer_is_shown(tmp_path: Path, named: Any) -> None:
    server, names = named
    drawn = []
    for seed in ("1", "1", "2"):
        done = factory(
            tmp_path,
            "--student",
            names("pupil"),
            "--teachers",
            names("plain,wordy"),
            "--prompts",
            "5",
            "--seed",
            seed,
        )
        drawn.append(
            {request["messages"][-1]["content"] for request in server.requests if "messages" in request}
        )
    assert len(drawn[0]) == 5
    assert drawn[0] == drawn[1] < drawn[2]
    assert "Below 20 prompts of both nothing is told apart" in done.stdout
    assert "an old answer" not in json.dumps(server.requests)


@pytest.mark.slow
def test_prompts_that_a_teacher_does_not_answer_are_counted_for_it_alone(tmp_path: Path, named: Any) -> None:
    _, names = named
    done = factory(tmp_path, "--student", names("pupil"), "--teachers", names("shy,plain"), "--json")
    assert done.exit_code == 3
    found = json.loads(done.stdout)
    assert [one["answers"] for one in found["teachers"]] == [27, 30]
    assert sum(found["teachers"][0]["failures"].values()) == 3
    assert found["pairs"][0]["prompts"] == 27


def test_a_student_that_cannot_score_is_found_before_a_teacher_is_asked(tmp_path: Path) -> None:
    with in_thread(ScriptedServer(answering, models=("a",))) as server:
        name = f"openai:a@{server.base_url}"
        with pytest.raises(RunStopped, match=r"log-probabilities of a given text"):
            factory(tmp_path, "--student", name, "--teachers", f"{name},{name}")
        assert server.requests == []
        with pytest.raises(FactoryError, match="cannot score a given text"):
            factory(tmp_path, "--student", "embedded", "--teachers", f"{name},{name}")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--student", "transformers:x", "--teachers", "embedded"), "--teachers: name two or more models"),
        (("--student", "nobody:x", "--teachers", "embedded,local"), "--student: there is no provider"),
        (
            ("--student", "{model: x}", "--teachers", "embedded,local"),
            "--student {model: x}: a model in braces names",
        ),
    ],
)
def test_what_is_typed_wrong_is_one_sentence(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(FactoryError, match=re.escape(sentence)):
        factory(tmp_path, *options)


def test_a_comma_within_braces_is_part_of_a_model() -> None:
    assert split_models("a, {provider: openai, model: b},,c") == ["a", "{provider: openai, model: b}", "c"]


def test_a_teacher_with_an_unknown_option_is_refused_before_any_is_asked(tmp_path: Path, named: Any) -> None:
    server, names = named
    wrong = f"{{provider: openai, model: wordy, base_url: {server.base_url}, concurency: 4}}"
    with pytest.raises(FactoryError, match="unknown key `concurency`"):
        factory(tmp_path, "--student", names("pupil"), "--teachers", f"{names('plain')},{wrong}")
    assert not any("messages" in request for request in server.requests)
