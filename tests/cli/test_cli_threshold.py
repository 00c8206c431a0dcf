"""`factory calibrate-threshold` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from scripted_server import Say, ScriptedServer, refuse
from typer.testing import CliRunner

from factory.cli.app import app
from factory.errors import FactoryError

ROWS = ["Name a river.", "Name a lake.", "", "Why do cats purr?", "说出一条河。", "Name a river."]


def factory(folder: Path, *arguments: str) -> Result:
    file = folder / "rows.jsonl"
    lines = [json.dumps({"instruction": text, "output": "x"}) for text in ROWS]
    file.write_text("\n".join(lines), encoding="utf-8")
    journal = str(folder / "journal.db")
    done = CliRunner().invoke(app, ["calibrate-threshold", str(file), "--journal", journal, *arguments])
    if isinstance(done.exception, FactoryError):
        raise done.exception
    return done


@pytest.mark.slow
def test_a_servers_model_is_shown_and_a_second_look_asks_it_nothing(
    tmp_path: Path, server: ScriptedServer
) -> None:
    options = (
        "--model",
        f"openai_embeddings:scripted@{server.base_url}",
        "--field",
        "instruction",
        "--at",
        "0.9",
    )
    first = factory(tmp_path, *options)
    assert first.exit_code == 3, first.output  # the row without a text was not looked at
    assert "nearest neighbours of 5 texts; 2 have one with the same text" in first.output
    assert "threshold 0.900:" in first.output
    asked = sorted(text for body in server.embedded for text in body["input"])
    assert asked == sorted({text for text in ROWS if text})
    assert factory(tmp_path, *options).output == first.output
    assert sorted(text for body in server.embedded for text in body["input"]) == asked


def test_a_sample_says_that_it_is_one(tmp_path: Path, server: ScriptedServer) -> None:
    options = ("--model", f"openai_embeddings:scripted@{server.base_url}")
    done = factory(tmp_path, *options, "--sample", "3")
    assert "nearest neighbours of 3 texts" in done.output
    assert "A sample of 5 texts" in done.output
    assert "--sample 5" in done.output


def test_texts_that_the_model_does_not_take_are_left_out(tmp_path: Path, server: ScriptedServer) -> None:
    def answer(request: dict[str, Any]) -> Say:
        if "Name a lake." in request["input"]:
            return refuse(413, "payload too large")
        rows = [{"index": at, "embedding": server.vector(text)} for at, text in enumerate(request["input"])]
        return Say(body={"data": rows})

    server.embed = answer
    done = factory(tmp_path, "--model", f"openai_embeddings:scripted@{server.base_url}")
    assert done.exit_code == 3
    assert "1 of 5 texts are left out: the prompt does not fit" in done.output
    assert "nearest neighbours of 4 texts" in done.output


@pytest.mark.model
def test_the_embedded_model_needs_no_option(tmp_path: Path) -> None:
    done = factory(tmp_path)
    assert done.exit_code == 3, done.output
    assert "threshold 0." in done.output


def test_what_is_asked_wrongly_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        FactoryError, match="should be 'instruction', 'prompt', 'output' or 'both', not 'answer'"
    ):
        factory(tmp_path, "--field", "answer")
    with pytest.raises(FactoryError, match="no provider of models 'x'"):
        factory(tmp_path, "--model", "x")


def test_a_file_without_a_pair_of_texts_is_told(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"instruction": "a", "output": ""}\n')
    done = CliRunner().invoke(app, ["calibrate-threshold", str(tmp_path / "one.jsonl")])
    assert done.exit_code == 4
    assert "fewer than two records" in done.output
