"""`factory score`: scores side by side, and how they agree."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_server import Say, ScriptedServer, in_thread

from factory.formats.read import read_records
from factory.formats.write import write_file
from factory.record import Record, Tag, new_record

COMMAND = [sys.executable, "-c", "from factory.cli import main; main()"]


def factory(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "a fault in factory" not in done.stderr
    return done


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Twenty rows with two scores that rank them in opposite ways, one row lacking one, and tags."""
    records = []
    for at in range(20):
        scores = {"ifd": at / 20, "judge.quality": float(20 - at)}
        notes = {}
        if at == 7:
            del scores["ifd"]
            notes = {"ifd": "there is no answer to score"}
        record = new_record(f"question {at}", output="word " * (at + 1), meta={"kept": at})
        tags = tuple(Tag(f"t{n}", "why") for n in range(at % 5))
        records.append(replace(record, scores=scores, notes=notes, tags=tags))
    path = tmp_path / "rows.jsonl"
    write_file(records, path, "records")
    return path


def test_scores_that_are_there_are_compared_without_any_model(scored: Path, tmp_path: Path) -> None:
    done = factory("score", str(scored), cwd=tmp_path)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert ["ifd", "judge.quality", "-1.00", "0%", "11%", "19"] in lines
    assert ["ifd", "19", "0.5", "+1.00", "1:", "there", "is", "no", "answer", "to", "score"] in lines
    assert ["judge.quality", "20", "11", "-1.00"] in lines
    assert any(line[:2] == ["tags", "16"] for line in lines)


def test_a_file_that_was_written_holds_all_of_each_row(scored: Path, tmp_path: Path) -> None:
    done = factory("score", str(scored), "--out", "again.jsonl", cwd=tmp_path)
    assert "20 records written to again.jsonl" in done.stdout
    assert list(read_records(tmp_path / "again.jsonl")) == list(read_records(scored))


def test_steps_add_their_scores_with_the_options_that_are_set(tmp_path: Path) -> None:
    def echo(request: object) -> Say:
        text = request["prompt"]  # type: ignore[index]
        tokens = [part + " " for part in text.split(" ")]
        values = [None, *(-1.0 / len(token) - 3.0 / at for at, token in enumerate(tokens[1:], start=1))]
        return Say(body={"choices": [{"logprobs": {"tokens": tokens, "token_logprobs": values}}]})

    rows = [new_record(f"say {n}", output="some more words " * n + "end") for n in range(1, 8)]
    write_file(rows, tmp_path / "rows.jsonl", "alpaca")
    with in_thread(ScriptedServer(complete=echo)) as server:
        model = f"{{provider: openai, base_url: '{server.base_url}', model: scripted}}"
        done = factory(
            "score", "rows.jsonl", "--with", "ifd,perplexity", "--out", "out.jsonl", "--set", f"ifd.model={model}",
            "--set", f"perplexity.model={model}", "--set", "ifd.method=cherry", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [record for record in read_records(tmp_path / "out.jsonl") if isinstance(record, Record)]
    assert [sorted(record.scores) for record in records] == [["ifd.cherry", "perplexity"]] * 7
    assert [record.output for record in records] == [record.output for record in rows]
    assert any(line.split()[:2] == ["ifd.cherry", "perplexity"] for line in done.stdout.splitlines())


def test_a_score_of_one_step_alone_is_told_with_its_correlation_with_length(tmp_path: Path) -> None:
    def echo(request: object) -> Say:
        tokens = [part + " " for part in request["prompt"].split(" ")]  # type: ignore[index]
        values = [None, *(-1.0 / at for at in range(1, len(tokens)))]
        return Say(body={"choices": [{"logprobs": {"tokens": tokens, "token_logprobs": values}}]})

    rows = [new_record(f"say {n}", output="some more words " * n + "end") for n in range(1, 8)]
    write_file(rows, tmp_path / "rows.jsonl", "alpaca")
    with in_thread(ScriptedServer(complete=echo)) as server:
        model = f"{{provider: openai, base_url: '{server.base_url}', model: scripted}}"
        done = factory("apply", "ifd", "rows.jsonl", "--model", model, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "    spearman with answer length: ifd " in done.stdout


def test_a_server_that_tells_no_log_probabilities_is_named_with_what_does(tmp_path: Path) -> None:
    write_file([new_record("a", output="b c")], tmp_path / "rows.jsonl", "alpaca")
    with in_thread(
        ScriptedServer(complete=lambda _: Say(body={"choices": [{"text": "", "logprobs": None}]}))
    ) as server:
        model = f"{{provider: openai, base_url: '{server.base_url}', model: scripted}}"
        done = factory("score", "rows.jsonl", "--with", "ifd", "--set", f"ifd.model={model}", cwd=tmp_path)
    assert done.returncode != 0
    assert "does not tell the log-probabilities of a given text" in done.stderr
    assert "`provider: transformers`" in done.stderr
    embedded = factory("score", "rows.jsonl", "--with", "ifd", cwd=tmp_path)
    assert "cannot score a given text" in embedded.stderr
    assert "provider: transformers" in embedded.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--with", "idf"), "did you mean 'ifd'?"),
        (("--with", "ifd", "--set", "judge.model=x"), "--with names no step 'judge'"),
        (("--with", "ifd", "--set", "ifd"), "write step.option=value"),
        (("--with", "ifd", "--set", "ifd.methd=cherry"), "method"),
        (("--out", "x.csv"), "has no place for scores"),
        (("--with", "read"), "brings records in"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, scored: Path, tmp_path: Path
) -> None:
    done = factory("score", str(scored), *arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_a_file_without_scores_is_told_what_to_do(tmp_path: Path) -> None:
    write_file([new_record("a", output="b c")], tmp_path / "rows.jsonl", "alpaca")
    assert "name steps that score" in factory("score", "rows.jsonl", cwd=tmp_path).stdout
