"""A journal outlives the program: what was asked before keeps its key, and what was stored is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from asking import chat_request
from pydantic import BaseModel, ConfigDict

from factory.data.record import Media, Message, ToolCall
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed
from factory.models.base import ChatRequest, Reply, Sampling, Usage

pytestmark = pytest.mark.anyio

TALK = (
    Message("system", "Be brief."),
    Message("user", "2+2? 二加二"),
    Message("assistant", "4"),
    Message("user", "sure?"),
)
ADD = {"name": "add", "parameters": {"type": "object"}}


class Score(BaseModel):
    """A schema of one number."""

    model_config = ConfigDict(extra="forbid")
    score: int


class Provider:
    """Gives one reply, and counts how often."""

    identity = "test:model"
    concurrency = 8

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[ChatRequest] = []

    async def send(self, request: ChatRequest) -> Reply:
        self.requests.append(request)
        return self.reply

    async def close(self) -> None:
        return None


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "j.db")


def chat(journal: Journal, reply: Reply = Reply("4")) -> JournalledChat:  # noqa: B008
    return JournalledChat("m", Provider(reply), journal, ModelUsage(), Gate(), seed=7)


async def test_a_call_of_every_option_has_the_key_that_journals_know_it_by(journal: Journal) -> None:
    sampling = Sampling(0.7, 64, 0.95, ("\n\n", "END"), logprobs=5)
    answer = await chat(journal, Reply('{"score": 1}')).ask(TALK, sampling, schema=Score, sample=3)
    assert answer.keys == ("1955dcb54902608e38aa240778166c89",)
    assert answer.data == Score(score=1)


@pytest.mark.parametrize(
    ("temperature", "key"),
    [(0.0, "01b9bb1ad0a4d90495594dc297415f44"), (0, "22252a71e4a38ae15799da961133267e")],
)
async def test_a_plain_call_has_the_key_that_journals_know_it_by(
    temperature: float, key: str, journal: Journal
) -> None:
    answer = await chat(journal).ask([Message("user", "hello")], Sampling(temperature, 9))
    assert answer.keys == (key,)


async def test_what_is_stored_of_a_plain_call_is_what_was_always_stored(journal: Journal) -> None:
    model = chat(journal)
    call = model.call_of(chat_request("hello", temperature=0.0))
    assert orjson.dumps(call.sent) == (
        b'{"messages":[["user","hello"]],"temperature":0.0,"max_tokens":9,"top_p":1.0,"stop":[],'
        b'"schema":null,"seed":null,"sample":0}'
    )
    await model.ask([Message("user", "hello")], Sampling(0.0, 9))
    assert journal.get(call.key) == b'{"text":"4","finish":"stop","usage":[0,0],"reasoning":""}'


async def test_a_reply_that_was_stored_before_replies_had_calls_is_replayed(journal: Journal) -> None:
    model = chat(journal)
    call = model.call_of(chat_request("hello"))
    old = b'{"text":"hi","finish":"stop","usage":[3,1],"reasoning":"hm"}'
    await journal.put(call.key, "chat", "test:model", orjson.dumps(call.sent), old)
    answer = await model.ask([Message("user", "hello")], Sampling(0, 9))
    assert (answer.text, answer.reasoning, answer.calls, answer.replayed) == ("hi", "hm", (), True)


async def test_calls_of_tools_are_replayed_as_they_were(journal: Journal) -> None:
    calls = (ToolCall("add", '{"a": 2,"b":"二"}', "c1"), ToolCall("mul", ""))
    model = chat(journal, Reply("", "tool_calls", Usage(3, 2), calls=calls))
    answers = [await model.ask(TALK, Sampling(0, 9), tools=[ADD, {"name": "mul"}]) for _ in range(2)]
    assert [answer.replayed for answer in answers] == [False, True]
    assert answers[0].calls == answers[1].calls == calls


def test_tools_template_arguments_and_what_turns_show_each_make_another_call(journal: Journal) -> None:
    model = chat(journal)
    options: list[dict[str, Any]] = [
        {},
        {"tools": (ADD,)},
        {"tools": ({**ADD, "name": "sum"},)},
        {"template_arguments": {"enable_thinking": False}},
    ]
    requests = [chat_request("hello", **more) for more in options]
    shown = Message("user", "hello", media=(Media("image", "https://example.org/a.png"),))
    requests.append(chat_request((shown,)))
    assert len({model.call_of(request).key for request in requests}) == len(requests)


async def test_half_a_character_in_a_tools_schema_fails_the_record_and_not_the_run(journal: Journal) -> None:
    with pytest.raises(RecordFailed, match="cannot be sent as JSON"):
        await chat(journal).ask(TALK, Sampling(0, 9), tools=[{"name": "\ud800"}])
