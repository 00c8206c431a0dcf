"""Batches: what is asked goes to files, what comes back in files is as good as what a server says."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from scripted_server import Say, ScriptedServer, echo
from test_run import helpful, recipe_data, result_bytes, run, seeds
from typer.testing import CliRunner

from factory.cli.app import app
from factory.data.record import Message, Record
from factory.data.table import Table
from factory.engine.batch.chat import BatchWaiting
from factory.engine.batch.folder import TRIES, BatchFolder
from factory.engine.execute import Execution
from factory.engine.journal.journal import Journal
from factory.errors import OutputError, RecipeError, RecordFailed, RunStopped
from factory.models.base import Sampling
from factory.models.failures import TransientFailure
from factory.models.openai import batch_files
from factory.models.openai.batch_files import read_reply
from factory.models.options import OpenAIOptions
from factory.recipe.recipe import build_recipe
from factory.step import ChatModelName, Context, WholeSet

Spoil = Callable[[int, dict[str, Any]], list[bytes]]


def completed(line: dict[str, Any], script: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """The result of one request."""
    body = ScriptedServer()._completion(line["body"], [Say(script(line["body"]))])
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "b", "custom_id": line["custom_id"], "response": response, "error": None}


def plain(number: int, result: dict[str, Any]) -> list[bytes]:
    return [orjson.dumps(result)]


def requests_in(folder: Path) -> list[dict[str, Any]]:
    """Every request that waits, in the order of the files."""
    paths = sorted(folder.glob("*.requests.jsonl"))
    return [orjson.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def play(folder: Path, script: Callable[[dict[str, Any]], str] = helpful, spoil: Spoil = plain) -> int:
    """Be the batch server: answer each request file that has no results, in another order."""
    answered = 0
    for path in sorted(folder.glob("*.requests.jsonl")):
        results = path.with_name(path.name.replace(".requests.", ".results."))
        if results.exists():
            continue
        lines: list[bytes] = []
        for number, line in enumerate(path.read_bytes().splitlines()):
            lines += spoil(number, completed(orjson.loads(line), script))
            answered += 1
        random.Random(7).shuffle(lines)
        results.write_bytes(b"\n".join(lines))
    return answered


def until_done(data: dict[str, Any], tmp: Path, spoil: Spoil = plain, most: int = 30) -> tuple[Any, int]:
    """Run and answer by turns; the result and the number of rounds."""
    for rounds in range(most):
        try:
            return run(data, tmp, "batch", journal=tmp / "batch.db"), rounds
        except BatchWaiting:
            assert play(tmp / "files", spoil=spoil) > 0
    raise AssertionError("it never came to an end")


def batch_data(server: ScriptedServer, tmp: Path, count: int = 12, **model: Any) -> dict[str, Any]:
    path = tmp / "seeds.jsonl"
    if not path.exists():
        seeds(path, count)
    return recipe_data(server, path, batch=str(tmp / "files"), **model)


def small(server: ScriptedServer, tmp: Path, count: int = 4, **model: Any) -> dict[str, Any]:
    data = batch_data(server, tmp, count, **model)
    data["steps"] = [data["steps"][0], {"respond": {}}, {"judge": {}}]
    return data


@pytest.mark.slow
def test_a_recipe_by_batch_ends_in_the_bytes_of_the_same_recipe_asked_online(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    data = batch_data(server, tmp_path)
    online = recipe_data(server, tmp_path / "seeds.jsonl")
    expected = result_bytes(run(online, tmp_path, "online").folder)
    asked = len(server.requests)
    result, rounds = until_done(data, tmp_path)
    assert result_bytes(result.folder) == expected
    assert rounds > 3
    assert len(server.requests) == asked
    assert build_recipe(data).hash() == build_recipe(online).hash()
    assert not list((tmp_path / "files").glob("*.jsonl"))
    bodies = [
        orjson.loads(line)
        for path in (tmp_path / "files").glob("*.requests.jsonl.done")
        for line in path.read_bytes().splitlines()
    ]
    assert len({line["custom_id"] for line in bodies}) == len(bodies) == asked

    def canonical(requests: list[dict[str, Any]]) -> list[bytes]:
        return sorted(orjson.dumps(body, option=orjson.OPT_SORT_KEYS) for body in requests)

    assert canonical([line["body"] for line in bodies]) == canonical(server.requests)
    again = run(data, tmp_path, "again", journal=tmp_path / "batch.db")
    assert result_bytes(again.folder) == expected


@pytest.mark.slow
def test_spoilt_results_are_asked_again_and_end_in_the_same_bytes(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    data = batch_data(server, tmp_path)
    expected = result_bytes(run(recipe_data(server, tmp_path / "seeds.jsonl"), tmp_path, "online").folder)
    spoilt: set[str] = set()

    def spoil(number: int, result: dict[str, Any]) -> list[bytes]:
        good = orjson.dumps(result)
        if result["custom_id"] in spoilt:
            return [good]
        spoilt.add(result["custom_id"])
        name = {"custom_id": result["custom_id"]}
        return [
            [],
            [good, good],
            [good[: len(good) // 2]],
            [
                orjson.dumps(
                    {**result, "response": None, "error": {"code": "batch_expired", "message": "late"}}
                )
            ],
            [orjson.dumps({**name, "response": {"status_code": 500, "body": None}, "error": "engine died"})],
            [orjson.dumps({**name, "response": {"status_code": 200, "body": None}, "error": None})],
            [orjson.dumps({**name, "response": {"status_code": 200, "body": {"choices": []}}})],
            [orjson.dumps({**name, "response": {"status_code": "200", "body": []}, "error": []})],
            [
                orjson.dumps(
                    {**name, "response": {"status_code": 429, "body": {"error": {"message": "slow"}}}}
                )
            ],
            [orjson.dumps({**name, "response": 7}), good],
            [good, b"null", b"[1]", b'{"custom_id": 5}', b"\xff\xfe", b"[" * 5000],
            [good],
        ][number % 12]

    result, rounds = until_done(data, tmp_path, spoil)
    assert result_bytes(result.folder) == expected
    assert rounds > 6


def test_a_run_while_the_batch_is_under_way_writes_no_request_twice(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path)
    told = []
    for _ in range(3):
        with pytest.raises(BatchWaiting) as stopped:
            run(data, tmp_path)
        told.append(str(stopped.value))
    assert told[0] == told[1] == told[2]
    assert told[0].startswith(f"4 requests wait for a batch in {tmp_path}/files/teacher-1.requests.jsonl: ")
    assert [path.name for path in (tmp_path / "files").glob("*.jsonl")] == ["teacher-1.requests.jsonl"]
    assert len(requests_in(tmp_path / "files")) == 4
    assert not list((tmp_path / "run").rglob("*.parquet"))


def test_part_of_the_results_is_used_and_the_rest_goes_to_a_new_file(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)
    first = {line["custom_id"] for line in requests_in(tmp_path / "files")}
    play(tmp_path / "files", spoil=lambda number, result: [] if number else plain(number, result))
    with pytest.raises(BatchWaiting, match="4 requests wait"):
        run(data, tmp_path)
    second = {line["custom_id"] for line in requests_in(tmp_path / "files")}
    assert len(first & second) == 3
    assert len(second - first) == 1  # the judge of the answer that came
    assert sorted(path.name for path in (tmp_path / "files").glob("*.done")) == [
        "teacher-1.requests.jsonl.done",
        "teacher-1.results.jsonl.done",
    ]


@pytest.mark.slow
def test_a_waiting_run_can_be_finished_online(server: ScriptedServer, tmp_path: Path) -> None:
    server.script = helpful
    data = small(server, tmp_path)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)
    play(tmp_path / "files")
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)
    data["models"]["teacher"].pop("batch")
    assert run(data, tmp_path).kept == 4
    assert len(server.requests) == 4  # the judge's


@pytest.mark.slow
def test_results_under_a_name_of_their_own_answer_the_requests_they_name(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path)
    for name in ("output", "another"):
        with pytest.raises(BatchWaiting, match="4 requests wait"):
            run(data, tmp_path)
        play(tmp_path / "files")
        (results,) = (tmp_path / "files").glob("*.results.jsonl")
        results.rename(results.with_name(f"{name}.results.jsonl"))
    assert run(data, tmp_path).kept == 4
    assert not list((tmp_path / "files").glob("*.jsonl"))


@pytest.mark.slow
def test_what_a_batch_answered_is_counted_and_paid_for_once(server: ScriptedServer, tmp_path: Path) -> None:
    data = small(server, tmp_path, price={"input": 1, "output": 1})
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)
    play(tmp_path / "files")
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)
    play(tmp_path / "files")
    counted = run(data, tmp_path).manifest["models"]["teacher"]
    assert (counted["calls"], counted["replayed"]) == (4, 4)
    assert counted["cost"] > 0


@pytest.mark.slow
def test_a_killed_writer_leaves_no_request_file_and_the_next_run_writes_it_whole(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path)
    recipe = tmp_path / "recipe.json"
    recipe.write_bytes(orjson.dumps(data))
    code = (
        "import os, signal, orjson, pathlib, sys, factory as sft\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "tmp = pathlib.Path(sys.argv[1])\n"
        "sft.run(orjson.loads((tmp / 'recipe.json').read_bytes()), out=tmp / 'run', journal=tmp / 'journal.db')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert not list((tmp_path / "files").glob("*.jsonl"))
    with pytest.raises(BatchWaiting, match="4 requests wait"):
        run(data, tmp_path)
    assert len(requests_in(tmp_path / "files")) == 4


@pytest.mark.slow
def test_a_run_killed_between_its_files_asks_nothing_twice(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small(server, tmp_path)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)

    def one_fails(number: int, result: dict[str, Any]) -> list[bytes]:
        return (
            [orjson.dumps({**result, "response": None, "error": "lost"})] if number == 0 else plain(0, result)
        )

    play(tmp_path / "files", spoil=one_fails)
    with monkeypatch.context() as patch:
        patch.setattr(BatchFolder, "settle", lambda *_: (_ for _ in ()).throw(RunStopped("killed here")))
        with pytest.raises(RunStopped, match="killed here"):
            run(data, tmp_path)
    with pytest.raises(BatchWaiting, match=r"4 requests wait for a batch in \S+teacher-2.requests.jsonl: "):
        run(data, tmp_path)
    assert [path.name for path in (tmp_path / "files").glob("*.requests.jsonl")] == [
        "teacher-2.requests.jsonl"
    ]
    play(tmp_path / "files")
    with pytest.raises(BatchWaiting, match="1 request waits"):
        run(data, tmp_path)
    play(tmp_path / "files")
    assert run(data, tmp_path).kept == 4


@pytest.mark.slow
def test_a_request_that_can_never_succeed_sets_its_record_aside(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)

    def too_long(number: int, result: dict[str, Any]) -> list[bytes]:
        told = {"error": {"message": "This model's maximum context length is 10 tokens", "code": 400}}
        spoilt = {**result, "response": {"status_code": 400, "body": None}, "error": told}
        return [orjson.dumps(spoilt)] if number == 0 else plain(number, result)

    play(tmp_path / "files", spoil=too_long)
    with pytest.raises(BatchWaiting, match="3 requests wait"):
        run(data, tmp_path)
    play(tmp_path / "files")
    result = run(data, tmp_path)
    assert (result.kept, result.failed) == (3, 1)
    assert [record.dropped.kind for record in result.dropped_table().records() if record.dropped] == [
        "context_length"
    ]


@pytest.mark.slow
def test_a_request_that_fails_in_every_batch_is_given_up_after_a_few(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path, 1)

    def lost(number: int, result: dict[str, Any]) -> list[bytes]:
        return [orjson.dumps({**result, "response": None, "error": "engine died\x1b[31m"})]

    for _ in range(TRIES):
        with pytest.raises(BatchWaiting, match="1 request waits"):
            run(data, tmp_path)
        play(tmp_path / "files", spoil=lost)
    result = run(data, tmp_path)
    assert result.failed == 1
    assert "\x1b" not in "".join(result.manifest["warnings"])
    (tmp_path / "files" / "failures.jsonl").unlink()
    with pytest.raises(BatchWaiting, match="1 request waits"):
        run(data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "custom_id",
    ["00" * 16, "../../etc/passwd", "", "x" * 100_000, "\x00", "；DROP TABLE replies", "ff" * 15 + " f f"],
)
def test_results_under_names_that_are_no_call_of_the_run_have_no_effect(
    server: ScriptedServer, tmp_path: Path, custom_id: str
) -> None:
    data = small(server, tmp_path)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)
    line = requests_in(tmp_path / "files")[0]
    stray = completed({**line, "custom_id": custom_id}, echo)
    (tmp_path / "files" / "other.results.jsonl").write_bytes(orjson.dumps(stray))
    with pytest.raises(BatchWaiting, match=r"4 requests wait for a batch in \S+teacher-1.requests.jsonl: "):
        run(data, tmp_path)
    assert (tmp_path / "files" / "other.results.jsonl").exists()
    result, _ = _finish(data, tmp_path)
    assert any("1 results answer no call of this run" in warning for warning in result.manifest["warnings"])
    journal = Journal(tmp_path / "journal.db")
    assert journal.get(bytes(16)) is None
    journal.close()


def _finish(data: dict[str, Any], tmp: Path) -> tuple[Any, int]:
    for rounds in range(9):
        try:
            return run(data, tmp), rounds
        except BatchWaiting:
            play(tmp / "files")
    raise AssertionError("it never came to an end")


def test_files_hold_no_more_requests_and_bytes_than_a_batch_may(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_files, "MOST_REQUESTS", 5)
    with pytest.raises(BatchWaiting, match="12 requests wait"):
        run(small(server, tmp_path, 12), tmp_path)
    sizes = [
        len(path.read_bytes().splitlines()) for path in sorted((tmp_path / "files").glob("*.requests.jsonl"))
    ]
    assert sizes == [5, 5, 2]
    monkeypatch.setattr(batch_files, "MOST_BYTES", 900)
    written = batch_files.write_requests(
        (b"x" * 299 + b"\n" for _ in range(10)), (tmp_path / str(n) for n in range(99))
    )
    assert [path.stat().st_size for path in written] == [900, 900, 900, 300]


def test_openai_needs_no_key_and_no_key_gets_into_a_file(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small(server, tmp_path)
    del data["models"]["teacher"]["base_url"]
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path, "without")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    play(tmp_path / "files")
    with pytest.raises(BatchWaiting):
        run(data, tmp_path, "with")
    assert "max_completion_tokens" in requests_in(tmp_path / "files")[0]["body"]
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"sk-secret" not in everything


def test_request_files_are_the_same_bytes_each_time(server: ScriptedServer, tmp_path: Path) -> None:
    data = small(server, tmp_path)
    written = []
    for name in ("one", "two"):
        data["models"]["teacher"]["batch"] = str(tmp_path / name)
        with pytest.raises(BatchWaiting):
            run(data, tmp_path)
        written.append((tmp_path / name / "teacher-1.requests.jsonl").read_bytes())
    assert written[0] == written[1]
    line = orjson.loads(written[0].splitlines()[0])
    assert list(line) == ["custom_id", "method", "url", "body"]
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")


@pytest.mark.slow
def test_a_budget_of_calls_holds_for_what_a_run_writes_and_not_for_what_it_takes_in(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path)
    data["budget"] = {"calls": 3}
    with pytest.raises(RunStopped, match="the budget of 3 calls is spent"):
        run(data, tmp_path)
    assert not list((tmp_path / "files").glob("*.jsonl"))
    data["budget"] = {"calls": 5}
    for number in (1, 2):
        with pytest.raises(BatchWaiting, match=rf"4 requests wait for a batch in \S+teacher-{number}\."):
            run(data, tmp_path)
        play(tmp_path / "files")
    assert run(data, tmp_path).kept == 4


@pytest.mark.slow
def test_a_probe_of_a_batch_model_is_refused_in_one_sentence_and_writes_nothing(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    recipe = tmp_path / "recipe.json"
    recipe.write_bytes(orjson.dumps(small(server, tmp_path)))
    words = ["estimate", str(recipe), "--journal", str(tmp_path / "journal.db")]
    refused = CliRunner().invoke(app, [*words, "--probe", "2"], catch_exceptions=True)
    assert isinstance(refused.exception, RecipeError)
    assert str(refused.exception).startswith(
        "model `teacher` of step 02-respond is asked by batch, so no record can be run to measure on: "
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.json", "seeds.jsonl"]
    without = CliRunner().invoke(app, words)
    assert without.exit_code == 0
    assert "4 records: at most 8 calls" in without.output
    assert server.requests == []
    by_calls = CliRunner().invoke(app, [*words, "--probe", "2", "--set", "models.teacher.batch=null"])
    assert by_calls.exit_code == 0, by_calls.output
    assert len(server.requests) == 4


def test_a_name_with_hostile_letters_stays_in_the_folder(server: ScriptedServer, tmp_path: Path) -> None:
    folder = BatchFolder(tmp_path / "files", lambda sentence: None)
    assert next(folder.free_names("../a b/教师")).name == "___a_b_教师-1.requests.jsonl"
    with pytest.raises(OutputError, match="another process"):
        BatchFolder(tmp_path / "files", lambda sentence: None)
    folder.close()
    BatchFolder(tmp_path / "files", lambda sentence: None).close()


class Rank(WholeSet):
    """Ask about every record, three at a time."""

    name: ClassVar[str] = "rank"
    model: ChatModelName = ""

    async def run(self, table: Table, context: Context) -> Table:
        few = asyncio.Semaphore(3)

        async def ask(record: Record) -> str:
            async with few:
                said = [Message("user", record.prompt)]
                return (await context.chat(self.model).ask(said, Sampling(0, 9))).text

        await asyncio.gather(*(ask(record) for record in table.records()))
        return table


class GroupedRank(Rank):
    """The same in a group of tasks."""

    async def run(self, table: Table, context: Context) -> Table:
        async with asyncio.TaskGroup() as group:
            for record in table.records():
                said = [Message("user", record.prompt)]
                group.create_task(context.chat(self.model).ask(said, Sampling(0, 9)))
        return table


@pytest.mark.slow
@pytest.mark.parametrize("step", [Rank(), GroupedRank()])
def test_a_step_over_the_whole_set_writes_all_its_calls_in_one_round(step: WholeSet, tmp_path: Path) -> None:
    table = Table.from_records(
        [Record(str(n), (Message("user", f"Tell about number {n}."),)) for n in range(10)]
    )
    model = OpenAIOptions(model="scripted", batch=str(tmp_path / "files"))
    journal = Journal(tmp_path / "j.db")

    def execute() -> Path:
        execution = Execution([step], {"m": model}, 0, journal, tmp_path / "steps")
        return asyncio.run(execution.run(table))

    with pytest.raises(BatchWaiting, match="10 requests wait"):
        execute()
    play(tmp_path / "files", echo)
    assert len(Table.read(execute())) == 10
    journal.close()


class TwoNames(WholeSet):
    """Ask two models the same, side by side."""

    name: ClassVar[str] = "two_names"

    async def run(self, table: Table, context: Context) -> Table:
        said = [Message("user", "Who are you?")]
        models = [context.chat(name) for name in ("one", "two")]
        await asyncio.gather(*(model.ask(said, Sampling(0, 9)) for model in models))
        return table


def test_two_names_of_one_model_ask_a_question_once(tmp_path: Path) -> None:
    model = OpenAIOptions(model="scripted", batch=str(tmp_path / "files"))
    journal = Journal(tmp_path / "j.db")
    table = Table.from_records([Record("0", (Message("user", "hello"),))])
    execution = Execution([TwoNames()], {"one": model, "two": model}, 0, journal, tmp_path / "steps")
    with pytest.raises(BatchWaiting, match="1 request waits"):
        asyncio.run(execution.run(table))
    assert len(requests_in(tmp_path / "files")) == 1
    journal.close()


def test_the_command_line_says_how_to_go_on_and_ends_with_5(server: ScriptedServer, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_bytes(orjson.dumps(small(server, tmp_path)))
    words = ["run", str(recipe), "--out", str(tmp_path / "run"), "--journal", str(tmp_path / "j.db")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 5
    assert "4 requests wait for a batch" in told.output
    assert "python -m vllm.entrypoints.openai.run_batch -i " in told.output
    assert "--model scripted" in told.output


def test_a_batch_and_a_server_of_its_own_exclude_each_other() -> None:
    model = {"provider": "openai", "model": "m", "batch": "x", "serve": True}
    with pytest.raises(RecipeError, match="leave `serve` or `batch` out"):
        build_recipe({"models": {"m": model}, "steps": [{"read": {"path": "x"}}]})


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ({}, TransientFailure, "there is no reply"),
        ({"error": "text"}, TransientFailure, "text"),
        (
            {"response": {"status_code": 400, "body": None}, "error": "bad temperature"},
            RecordFailed,
            "bad temp",
        ),
        ({"error": {"message": "no", "code": 422}}, RecordFailed, "no"),
        (
            {"response": {"status_code": 404, "body": {"error": {"message": "no model"}}}},
            TransientFailure,
            "no m",
        ),
        ({"response": {"status_code": 401, "body": {}}}, TransientFailure, "refused access"),
        ({"response": {"status_code": True, "body": {"choices": 1}}}, TransientFailure, "500"),
        ({"response": {"status_code": 200, "body": {"choices": [None]}}}, TransientFailure, "choice"),
        ({"response": {"status_code": 200, "body": {"error": {"message": "e"}}}}, TransientFailure, "e"),
        ({"response": [], "error": [1]}, TransientFailure, "1"),
    ],
)
def test_every_shape_of_failure_is_read(line: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        read_reply({"custom_id": "x", **line})


def test_a_batch_whose_results_all_failed_alike_stops_with_their_words_until_it_is_mended(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path, 12)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)

    def no_model(number: int, result: dict[str, Any]) -> list[bytes]:
        told = {
            "error": {"message": f"request {number}: the model does not exist", "code": "model_not_found"}
        }
        return [orjson.dumps({**result, "response": {"status_code": 404, "body": told}})]

    play(tmp_path / "files", spoil=no_model)
    for _ in range(2):  # nothing is taken in, so that it stops again
        with pytest.raises(
            RunStopped, match=r"results\.jsonl: all 12 results failed alike: .*does not exist"
        ):
            run(data, tmp_path)
    next((tmp_path / "files").glob("*.results.jsonl")).unlink()
    play(tmp_path / "files")
    with pytest.raises(BatchWaiting, match="12 requests wait"):  # the judge's
        run(data, tmp_path)


def test_failed_results_beside_good_ones_and_few_of_them_stop_nothing(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = small(server, tmp_path, 12)
    with pytest.raises(BatchWaiting):
        run(data, tmp_path)

    def refused(number: int, result: dict[str, Any]) -> list[bytes]:
        told = {"error": {"message": "bad role", "code": 400}}
        failed = {**result, "response": {"status_code": 400, "body": told}}
        return plain(number, result) if number == 5 else [orjson.dumps(failed)]

    play(tmp_path / "files", spoil=refused)
    with pytest.raises(BatchWaiting, match="1 request waits"):
        run(data, tmp_path)
