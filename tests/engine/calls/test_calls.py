"""Calls are journalled before use, retried by kind, asked again where a reply breaks its schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from factory.data.record import Message
from factory.engine.calls import caller
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.reply_schema import json_schema, read_json
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply, Sampling, Usage
from factory.models.failures import Overloaded, TransientFailure, Unreachable

pytestmark = pytest.mark.anyio


class Score(BaseModel):
    """A schema of one number."""

    model_config = ConfigDict(extra="forbid")
    score: int


class Provider:
    """Answers by a function; counts what reaches it."""

    identity = "test:model"
    concurrency = 8

    def __init__(self, answer: Callable[[ChatRequest, int], Reply]) -> None:
        self.answer = answer
        self.requests: list[ChatRequest] = []

    async def send(self, request: ChatRequest) -> Reply:
        self.requests.append(request)
        await asyncio.sleep(0)
        return self.answer(request, len(self.requests))

    async def close(self) -> None:
        return None


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "BACKOFF_SECONDS", (0.0, 0.0))


def chat(journal: Journal, provider: Provider, seed: int = 0) -> JournalledChat:
    return JournalledChat("m", provider, journal, ModelUsage(), Gate(), seed=seed)


HELLO = [Message("user", "hello")]


async def test_the_same_call_is_made_once_in_a_run_and_never_again_in_the_next(tmp_path: Path) -> None:
    provider = Provider(lambda request, n: Reply(f"reply {n}", usage=Usage(3, 2)))
    journal = Journal(tmp_path / "j.db")
    model = chat(journal, provider)
    answers = await asyncio.gather(*(model.ask(HELLO, Sampling(0, 9)) for _ in range(5)))
    assert {answer.text for answer in answers} == {"reply 1"}
    assert len(provider.requests) == 1
    again = await chat(Journal(tmp_path / "j.db"), provider).ask(HELLO, Sampling(0, 9))
    assert again.replayed
    assert again.text == "reply 1"
    assert len(provider.requests) == 1
    journal.close()


async def test_samples_seeds_and_temperatures_are_different_calls_but_greedy_ones_ignore_the_seed(
    tmp_path: Path,
) -> None:
    provider = Provider(lambda request, n: Reply(str(n)))
    journal = Journal(tmp_path / "j.db")
    for seed in (1, 2):
        model = chat(journal, provider, seed)
        for sample in (0, 1):
            await model.ask(HELLO, Sampling(1, 9), sample=sample)
        await model.ask(HELLO, Sampling(0, 9))
    assert len(provider.requests) == 5
    assert len({request.seed for request in provider.requests if request.sampling.temperature}) == 4
    assert {request.seed for request in provider.requests if not request.sampling.temperature} == {None}


async def test_each_prompt_is_sent_with_a_seed_of_its_own_that_comes_again(tmp_path: Path) -> None:
    provider = Provider(lambda request, n: Reply(str(n)))
    prompts = [[Message("user", f"Invent a person who likes {thing}.")] for thing in ("tea", "rain", "tea")]
    for number, prompt in enumerate(prompts):
        journal = Journal(tmp_path / f"{number}.db")
        await chat(journal, provider).ask(prompt, Sampling(1, 9))
        journal.close()
    tea, rain, again = (request.seed for request in provider.requests)
    assert tea == again != rain


async def test_transient_failures_are_tried_again_and_then_the_record_is_set_aside(tmp_path: Path) -> None:
    def flaky(request: ChatRequest, n: int) -> Reply:
        if n < 4:
            raise TransientFailure("HTTP 500")
        return Reply("at last")

    provider = Provider(flaky)
    model = chat(Journal(tmp_path / "j.db"), provider)
    assert (await model.ask(HELLO, Sampling(0, 9))).text == "at last"
    assert model.usage.retries == 3

    def dead(request: ChatRequest, n: int) -> Reply:
        raise TransientFailure("HTTP 502")

    provider = Provider(dead)
    with pytest.raises(RecordFailed, match="no reply after 6 tries: HTTP 502"):
        await chat(Journal(tmp_path / "j.db"), provider).ask([Message("user", "other")], Sampling(0, 9))
    assert len(provider.requests) == caller.TRIES


async def test_a_server_that_asks_to_wait_is_waited_for_and_sent_fewer_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds:
            waits.append(seconds)
        await sleep(0)

    def busy(request: ChatRequest, n: int) -> Reply:
        if n == 1:
            raise Overloaded("HTTP 429", retry_after=7.0)
        return Reply("ok")

    model = chat(Journal(tmp_path / "j.db"), Provider(busy))
    monkeypatch.setattr(asyncio, "sleep", note)
    assert (await model.ask(HELLO, Sampling(0, 9))).text == "ok"
    assert 7.0 in waits
    assert model.limiter.allowed < model.limiter.most


async def test_a_server_that_is_not_there_stops_the_run_with_one_sentence(tmp_path: Path) -> None:
    def absent(request: ChatRequest, n: int) -> Reply:
        raise Unreachable("nothing answers at http://127.0.0.1:1/v1: is the server running?")

    provider = Provider(absent)
    with pytest.raises(RunStopped, match=r"model `m`: nothing answers at .*: is the server running\?"):
        await chat(Journal(tmp_path / "j.db"), provider).ask(HELLO, Sampling(0, 9))
    assert len(provider.requests) == caller.FIRST_CONTACT_TRIES


async def test_a_reply_that_breaks_its_schema_is_asked_again_with_the_error_named(tmp_path: Path) -> None:
    replies = ["I think it is good.", '{"score": "many"}', 'Here: ```json\n{"score": 4}\n```']
    provider = Provider(lambda request, n: Reply(replies[n - 1]))
    model = chat(Journal(tmp_path / "j.db"), provider)
    answer = await model.ask(HELLO, Sampling(0, 9), schema=Score)
    assert answer.data == Score(score=4)
    assert len(answer.keys) == 3
    assert model.usage.asked_again == 2
    asked = [request.messages for request in provider.requests]
    assert asked[0] == tuple(HELLO)
    assert all(messages[:-1] == tuple(HELLO[:-1]) for messages in asked), "the errors stand in the last turn"
    first, second, third = (messages[-1].content for messages in asked)
    assert second.startswith(first + "\n\n")
    assert "no JSON object" in second
    assert third.startswith(second + "\n\n")
    assert "score" in third[len(second) :]


async def test_an_unusable_reply_is_not_shown_to_the_model_again(tmp_path: Path) -> None:
    """It would go on with one that repeats itself, and take a complaint behind it for the text to work on."""
    looping = '{"score": ' + "1" * 500
    provider = Provider(lambda request, n: Reply(looping, "length") if n < 3 else Reply('{"score": 1}'))
    await chat(Journal(tmp_path / "j.db"), provider).ask(HELLO, Sampling(0, 9), schema=Score)
    assert len({str(request.messages) for request in provider.requests}) == 3, (
        "greedy decoding repeats itself"
    )
    assert not any("111" in turn.content for request in provider.requests for turn in request.messages)


async def test_the_error_is_named_in_chinese_to_a_chinese_prompt(tmp_path: Path) -> None:
    provider = Provider(lambda request, n: Reply("不知道" if n == 1 else '{"score": 1}'))
    await chat(Journal(tmp_path / "j.db"), provider).ask(
        [Message("user", "给这段话打分")], Sampling(0, 9), schema=Score
    )
    assert "无法使用" in provider.requests[1].messages[-1].content


async def test_a_model_that_never_fits_the_schema_costs_one_record_three_calls(tmp_path: Path) -> None:
    provider = Provider(lambda request, n: Reply("nope"))
    with pytest.raises(RecordFailed, match="no usable reply after 3 tries: it holds no JSON object"):
        await chat(Journal(tmp_path / "j.db"), provider).ask(HELLO, Sampling(0, 9), schema=Score)
    assert len(provider.requests) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "finish", "said"),
    [
        ("", "stop", "no JSON object"),
        ('{"score": 3', "length", "cut at 7 tokens"),
        ('{"score": 3, "note": "a', "length", "cut at 7 tokens"),
        ('{"score": }', "stop", "not valid JSON"),
        ('{"score": 3.7}', "stop", "score"),
        ("[3]", "stop", "no JSON object"),
    ],
)
def test_what_is_wrong_with_a_reply_is_said(text: str, finish: str, said: str) -> None:
    data, problem = read_json(Reply(text, finish, Usage(1, 7)), Score)
    assert data is None
    assert said in problem


async def test_a_schema_is_sent_without_docstrings_but_keeps_a_field_named_title() -> None:
    class Part(BaseModel):
        """Some prose."""

        title: str
        description: str

    class Whole(BaseModel):
        """More prose."""

        parts: list[Part]

    schema = json_schema(Whole)
    assert "prose" not in str(schema)
    assert set(schema["$defs"]["Part"]["properties"]) == {"title", "description"}
    assert schema["$defs"]["Part"]["required"] == ["title", "description"]


async def test_once_a_stop_is_asked_for_no_new_call_goes_out(tmp_path: Path) -> None:
    gate = Gate()
    provider = Provider(lambda request, n: Reply("ok"))
    model = JournalledChat("m", provider, Journal(tmp_path / "j.db"), ModelUsage(), gate)
    gate.close()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(model.ask(HELLO, Sampling(0, 9)), 0.05)
    assert provider.requests == []
    assert gate.idle.is_set()


async def test_who_waits_for_a_call_that_is_cancelled_asks_again_itself(tmp_path: Path) -> None:
    class Slow(Provider):
        async def send(self, request: ChatRequest) -> Reply:
            self.requests.append(request)
            await asyncio.sleep(30 if len(self.requests) == 1 else 0)
            return Reply("late")

    provider = Slow(lambda request, n: Reply(""))
    model = chat(Journal(tmp_path / "j.db"), provider)
    first, second = (asyncio.create_task(model.ask(HELLO, Sampling(0, 9))) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    assert (await second).text == "late"
    assert len(provider.requests) == 2
    with pytest.raises(asyncio.CancelledError):
        await first
