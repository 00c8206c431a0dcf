"""`factory score`: scores side by side, and how they agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Say, ScriptedServer, in_thread

from factory.data.formats.read import read_records
from factory.data.formats.write import write_file
from factory.data.record import Event, Record, Tag, new_record

COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()"]


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


@pytest.mark.slow
def test_scores_that_are_there_are_compared_without_any_model(scored: Path, tmp_path: Path) -> None:
    done = factory("score", str(scored), cwd=tmp_path)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0
    sure = ["(-1.00", "to", "-0.99)", "0%", "(0%", "to", "66%)"]
    assert ["ifd", "judge.quality", "-1.00", *sure, "11%", "19"] in lines
    why = ["1:", "there", "is", "no", "answer", "to", "score"]
    assert ["ifd", "19", "0.5", "+1.00", "(+0.99", "to", "+1.00)", *why] in lines
    assert any(line[:4] == ["judge.quality", "20", "10.5", "-1.00"] for line in lines)
    assert any(line[:2] == ["tags", "16"] for line in lines)


@pytest.mark.slow
def test_only_what_can_choose_rows_is_compared(tmp_path: Path) -> None:
    """Not how sure a judge was, nor a score that no row has."""
    event = Event("02-deita", "deita")
    rows = [
        replace(
            new_record(f"question {at}", output="word " * at),
            scores={"ifd": at / 20, "judge.quality": at % 5, "judge_spread.quality": at % 3},
            notes={"deita": "the model gave the levels no probability"},
            events=(event,),
        )
        for at in range(1, 21)
    ]
    write_file(rows, tmp_path / "rows.jsonl", "records")
    told = factory("score", "rows.jsonl", cwd=tmp_path).stdout
    scores, pairs = told.split("How the scores agree")
    assert [line.split()[0] for line in scores.splitlines() if line][1:4] == ["deita", "ifd", "judge.quality"]
    assert "judge_spread.quality" in scores
    assert [line.split()[:2] for line in pairs.splitlines()[2:] if line] == [["ifd", "judge.quality"]]


@pytest.mark.slow
def test_a_file_that_was_written_holds_all_of_each_row(scored: Path, tmp_path: Path) -> None:
    done = factory("score", str(scored), "--out", "again.jsonl", cwd=tmp_path)
    assert "20 records written to again.jsonl" in done.stdout
    assert list(read_records(tmp_path / "again.jsonl")) == list(read_records(scored))


@pytest.mark.slow
def test_steps_add_their_scores_with_the_options_that_are_set(tmp_path: Path) -> None:
    def echo(request: object) -> Say:
        text = request["prompt"]  # type: ignore[index]
        tokens = [part + " " for part in text.split(" ")]
        values = [None, *(-1.0 / len(token) - 3.0 / at for at, token in enumerate(tokens[1:], start=1))]
        return Say(body={"choices": [{"logprobs": {"tokens": tokens, "token_logprobs": values}}]})

    rows = [new_record(f"say {n}", output="some more words " * n + "end") for n in range(1, 8)]
    write_file(rows, tmp_path / "rows.jsonl", "alpaca")
    with in_thread(ScriptedServer(complete=echo)) as server:
        done = factory(
            "score", "rows.jsonl", "--with", "ifd,perplexity", "--out", "out.jsonl",
            "--model", f"openai:scripted@{server.base_url}", "--set", "ifd.method=cherry", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [record for record in read_records(tmp_path / "out.jsonl") if isinstance(record, Record)]
    assert [sorted(record.scores) for record in records] == [["ifd.cherry", "perplexity"]] * 7
    assert [record.output for record in records] == [record.output for record in rows]
    assert any(line.split()[:2] == ["ifd.cherry", "perplexity"] for line in done.stdout.splitlines())


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert embedded.returncode == 2
    assert "cannot score a given text" in embedded.stderr
    assert "--model transformers:smollm2" in embedded.stderr
    assert "factory models get smollm2-torch" in embedded.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--with", "idf"), "did you mean 'ifd'?"),
        (("--with", "ifd", "--set", "judge.model=x"), "--with names no step 'judge'"),
        (("--with", "ifd", "--set", "ifd"), "write step.option=value"),
        (("--with", "ifd", "--set", "ifd.methd=cherry"), "method"),
        (("--out", "x.csv"), "has no place for scores"),
        (("--out", "x.CSV.GZ"), "has no place for scores"),
        (("--out", "x.txt"), "the name does not tell how to write it"),
        (("--with", "read"), "brings records in"),
        (("--with", "ifd", "--model", "transfomers:x"), "did you mean 'transformers'"),
        (("--model", "local"), "none of the steps that --with names asks a chat model"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, scored: Path, tmp_path: Path
) -> None:
    done = factory("score", str(scored), *arguments, cwd=tmp_path)
    assert done.returncode != 0
    assert sentence in done.stderr


@pytest.mark.slow
def test_a_file_without_scores_is_told_what_to_do(tmp_path: Path) -> None:
    write_file([new_record("a", output="b c")], tmp_path / "rows.jsonl", "alpaca")
    assert "name steps that score" in factory("score", "rows.jsonl", cwd=tmp_path).stdout


REFUSAL = "I'm sorry, but I can't rate this. <b>{{{rubric}}}</b>\x1b[31m"


@pytest.fixture
def judge() -> Iterator[ScriptedServer]:
    """A judge whose score, where it gives one, is the number of words of the answer, and who takes the longer one."""

    def script(request: dict[str, Any]) -> str:
        text = "\n".join(turn["content"] for turn in request["messages"])
        if "<answer_a>\n" in text:
            first, second = (
                text.split(f"<answer_{name}>\n")[1].split(f"\n</answer_{name}>")[0] for name in "ab"
            )
            better = "A" if len(first) > len(second) else "B" if len(first) < len(second) else "tie"
            return json.dumps({"reason": "<script>longer</script>", "better": better})
        answer = text.split("<answer>\n")[1].split("\n</answer>")[0]
        return (
            REFUSAL if "unrateable" in answer else json.dumps({"reason": "so", "score": len(answer.split())})
        )

    with in_thread(ScriptedServer(script)) as server:
        yield server


def model(server: ScriptedServer) -> str:
    return f"{{provider: openai, base_url: '{server.base_url}', model: scripted}}"


@pytest.mark.slow
def test_a_score_that_no_record_could_have_is_told_with_the_reason(
    judge: ScriptedServer, tmp_path: Path
) -> None:
    rows = [new_record(f"问题{at}", output="unrateable", lang="zh") for at in range(3)]
    write_file(rows, tmp_path / "rows.jsonl", "alpaca")
    done = factory(
        "score", "rows.jsonl", "--with", "judge", "--set", f"judge.model={model(judge)}", cwd=tmp_path
    )
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("judge.quality"))
    assert line.split()[1:5] == ["0", "-", "-", "3:"]
    assert "no usable reply after 3 tries" in line
    assert "\x1b" not in done.stdout
    assert "name steps that score" not in done.stdout
    alone = factory("apply", "judge", "rows.jsonl", "--model", model(judge), cwd=tmp_path)
    assert "    judge.quality: 3 of 3 records have none: " in alone.stdout
    assert "no usable reply after 3 tries" in alone.stdout


@pytest.mark.slow
def test_records_that_a_condition_let_go_are_told_and_so_is_an_empty_result(
    judge: ScriptedServer, tmp_path: Path
) -> None:
    write_file([new_record(f"q{at}", output="a " * at) for at in (1, 3)], tmp_path / "rows.jsonl", "alpaca")
    options = ("score", "rows.jsonl", "--with", "judge", "--set", f"judge.model={model(judge)}")
    some = factory(*options, "--set", "judge.keep=>= 2", cwd=tmp_path)
    assert "2 in, 1 out, let go: low_score 1" in some.stderr
    none = factory(*options, "--set", "judge.keep=>= 5", cwd=tmp_path)
    assert none.returncode == 4
    assert "2 in, 0 out, let go: low_score 2\nNo record is left" in none.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["judged.jsonl", "judged.JSONL", "judged.json.gz"])
def test_what_a_step_alone_wrote_can_be_calibrated_against_a_column_of_the_source(
    judge: ScriptedServer, tmp_path: Path, name: str
) -> None:
    rows = [
        {
            "instruction": f"问{at}",
            "input": "",
            "response1": "好" * (1 + at % 3),
            "response2": "好好",
            "majority": at % 3,
        }
        for at in range(6)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = ("--first", "response1", "--second", "response2")
    options = ("--model", model(judge), *columns, "--out", name)
    done = factory("apply", "judge_pair", "pairs.jsonl", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = factory(
        "calibrate", name, "--score", "judge_pair.quality", "--label", "majority", *columns, cwd=tmp_path
    )
    assert told.stdout.startswith(
        "6 rows have a score and a label\nread as: pairs (judge_pair.quality: 1 "
    ), told.stderr
    assert "majority: 1 the first answer, 2 the second, 0 a tie)\naccuracy" in told.stdout
    assert re.search(r"the longer answer wins: 100\.0% \([^)]*\) by the scores", told.stdout)


@pytest.mark.slow
def test_a_file_that_cannot_hold_scores_is_said_so_and_one_that_cannot_be_written_before_anybody_is_asked(
    judge: ScriptedServer, tmp_path: Path
) -> None:
    write_file([new_record("q", output="a b")], tmp_path / "rows.jsonl", "alpaca")
    options = ("apply", "judge", "rows.jsonl", "--model", model(judge), "--out")
    assert "the name does not tell how to write it" in factory(*options, "x.txt", cwd=tmp_path).stderr
    assert judge.requests == []
    assert "a .csv file has no place for scores" in factory(*options, "x.csv", cwd=tmp_path).stderr
