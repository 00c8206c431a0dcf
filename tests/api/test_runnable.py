"""A step as a LangChain Runnable: invoke, ainvoke, batch, abatch, in a running loop and in a chain."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from scripted_server import ScriptedServer, refuse

import factory as sft
from factory.data.record import Record, new_record
from factory.errors import FactoryError, InputError, RecipeError, RunStopped

QUESTIONS = ["Why is the sky blue?", "什么是光合作用？", "Name three rivers of Europe."]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals land in the test's folder."""
    monkeypatch.chdir(tmp_path)


def teacher(server: ScriptedServer, **options: Any) -> Any:
    return sft.model("openai", base_url=server.base_url, model="scripted", **options)


def test_an_instruction_a_row_and_a_record_all_go_in(server: ScriptedServer) -> None:
    runnable = sft.as_runnable("respond", model=teacher(server))
    text = QUESTIONS[0]
    rows = [{"instruction": text, "output": ""}, {"messages": [{"role": "user", "content": text}]}]
    for given in (text, *rows, new_record(text)):
        (record,) = runnable.invoke(given)
        assert (record.instruction, record.output[:6]) == (text, "Reply ")
    assert len(server.requests) == 1, "the journal serves the same question in whatever shape"
    assert {event.step for event in record.events} == {"01-respond"}


def test_a_batch_keeps_its_order_in_threads_and_in_a_loop(server: ScriptedServer) -> None:
    runnable = sft.as_runnable("respond", model=teacher(server))
    in_threads = runnable.batch(QUESTIONS)

    async def cell() -> Any:
        one = await runnable.ainvoke(QUESTIONS[0])
        blocking = runnable.invoke(QUESTIONS[1])
        return one, blocking, await runnable.abatch(QUESTIONS)

    one, blocking, in_loop = asyncio.run(cell())
    assert [[r.instruction for r in records] for records in in_threads] == [[text] for text in QUESTIONS]
    assert (one, blocking) == (in_threads[0], in_threads[1])
    assert in_loop == in_threads
    assert len(server.requests) == 3


def test_all_calls_of_a_batch_share_the_limit_of_the_model(server: ScriptedServer) -> None:
    server.delay = 0.02
    runnable = sft.as_runnable("respond", model=teacher(server, concurrency=2))
    asyncio.run(runnable.abatch([f"Question number {at}?" for at in range(8)]))
    assert len(server.requests) == 8
    assert server.max_in_flight <= 2


def test_steps_and_functions_make_a_chain(server: ScriptedServer) -> None:
    model = teacher(server)
    chain = (
        sft.as_runnable("respond", model=model)
        | sft.as_runnable("tag", model=model)
        | RunnableLambda(lambda records: [(r.output[:5], bool(r.tags)) for r in records])
    )
    assert chain.invoke(QUESTIONS[0]) == [("Reply", True)]
    assert asyncio.run(chain.ainvoke(QUESTIONS[2])) == [("Reply", True)]


def test_what_was_let_go_comes_out_marked_and_passes_through_the_next_step(server: ScriptedServer) -> None:
    server.script = lambda request: refuse(400, "this prompt is not wanted")
    model = teacher(server)
    chain = sft.as_runnable("respond", model=model) | sft.as_runnable("tag", model=model)
    (record,) = chain.invoke(QUESTIONS[0])
    assert isinstance(record, Record)
    assert record.dropped is not None
    assert (record.dropped.step, record.dropped.kind) == ("01-respond", "bad_request")


def test_evolve_gives_the_seed_and_what_it_became(server: ScriptedServer) -> None:
    records = sft.as_runnable("evolve", model=teacher(server), rounds=1, seed=3).invoke(QUESTIONS[0])
    assert len(records) > 1
    assert QUESTIONS[0] in {record.instruction for record in records}
    same = sft.load([new_record(QUESTIONS[0])]).evolve(model=teacher(server), rounds=1)
    asked = len(server.requests)
    done = same.run(seed=3)
    assert len(server.requests) == asked, "a Dataset with the same seed is served by the same journal"
    live = [record.id for record in records if record.dropped is None]
    assert [record.id for record in done] == live


def test_the_journal_serves_another_runnable_too(server: ScriptedServer, tmp_path: Path) -> None:
    for _ in range(2):
        sft.as_runnable("respond", model=teacher(server), journal=tmp_path / "own.db").invoke(QUESTIONS[0])
    assert len(server.requests) == 1
    assert (tmp_path / "own.db").is_file()


def test_a_langchain_model_serves_a_step() -> None:
    model = FakeListChatModel(responses=["A clear and careful answer."])
    (record,) = sft.as_runnable("respond", model=model).invoke(QUESTIONS[0])
    assert record.output == "A clear and careful answer."


@pytest.mark.slow
def test_errors_are_factory_errors_with_one_sentence(server: ScriptedServer) -> None:
    with pytest.raises(RecipeError, match="does not work record by record"):
        sft.as_runnable("dedup_rouge")
    with pytest.raises(RecipeError, match="did you mean 'evolve'"):
        sft.as_runnable("evolv")
    with pytest.raises(RecipeError, match="no chat model 'teacher'"):
        sft.as_runnable("respond", model="teacher")
    runnable = sft.as_runnable("respond", model=teacher(server))
    for wrong in ("  ", 42, {"output": "no instruction"}, {"messages": 7}, ["fine", None]):
        with pytest.raises(InputError):
            runnable.invoke(wrong)
    dead = sft.as_runnable("respond", model=sft.model("openai", base_url="http://127.0.0.1:9/v1", model="m"))
    for call in (lambda: dead.invoke("Hello?"), lambda: asyncio.run(dead.ainvoke("Hello?"))):
        with pytest.raises(FactoryError, match=r"127\.0\.0\.1:9"):
            call()
    with pytest.raises(FactoryError, match="cannot be written"):
        sft.as_runnable("respond", model=teacher(server), journal="/dev/null/j.db").invoke("Hello?")


@pytest.mark.slow
def test_a_call_that_is_cancelled_ends_and_the_next_is_answered(server: ScriptedServer) -> None:
    runnable = sft.as_runnable("respond", model=teacher(server))

    async def cell() -> list[Record]:
        server.delay = 30
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(runnable.ainvoke(QUESTIONS[0]), 0.3)
        server.delay = 0
        return await runnable.ainvoke(QUESTIONS[0])

    (record,) = asyncio.run(cell())
    assert record.output.startswith("Reply ")


@pytest.mark.slow
def test_a_runnable_that_is_no_longer_used_leaves_no_thread(server: ScriptedServer) -> None:
    before = set(threading.enumerate())
    runnable = sft.as_runnable("respond", model=teacher(server))
    runnable.invoke(QUESTIONS[0])
    mine = set(threading.enumerate()) - before
    assert {thread.name for thread in mine} >= {"factory-respond", "journal"}
    del runnable
    gc.collect()
    for thread in mine:
        thread.join(10)
    assert not any(thread.is_alive() for thread in mine)


@pytest.mark.slow
def test_a_process_that_used_a_runnable_ends_in_silence(server: ScriptedServer) -> None:
    program = (
        "import sys, factory as sft\n"
        "model = sft.model('openai', base_url=sys.argv[1], model='scripted')\n"
        "runnable = sft.as_runnable('respond', model=model)\n"
        "print(runnable.invoke('Hello?')[0].output)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default::ResourceWarning", "-c", program, server.base_url],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.startswith("Reply ")
    assert (done.returncode, done.stderr) == (0, "")


def _invoke(runnable: Any, answers: Any) -> None:
    try:
        answers.put(str(runnable.invoke(QUESTIONS[1])))
    except RunStopped as error:
        answers.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_runnable_that_was_in_use_before_a_fork_says_so_and_does_not_hang(server: ScriptedServer) -> None:
    runnable = sft.as_runnable("respond", model=teacher(server))
    runnable.invoke(QUESTIONS[0])
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_invoke, args=(runnable, answers))
    child.start()
    assert "forked: make one in the new process" in answers.get(timeout=30)
    child.join(30)
    assert runnable.invoke(QUESTIONS[1])[0].output


@pytest.mark.slow
def test_a_damaged_reply_is_told_in_the_log(
    server: ScriptedServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runnable = sft.as_runnable("respond", model=teacher(server), journal="journal.db")
    runnable.invoke(QUESTIONS[0])
    del runnable
    gc.collect()
    data = (tmp_path / "journal.db").read_bytes()
    assert data.count(b"Reply ") == 1
    (tmp_path / "journal.db").write_bytes(data.replace(b"Reply ", b"Rebly "))
    runnable = sft.as_runnable("respond", model=teacher(server), journal="journal.db")
    assert runnable.invoke(QUESTIONS[0])[0].output.startswith("Reply ")
    del runnable
    gc.collect()
    assert "1 stored replies are damaged" in caplog.text
