"""What becomes of a reply between provider and step: tried again, set aside, counted, read from the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest
from pydantic import BaseModel, ConfigDict

from factory.data.record import Message
from factory.engine.calls import caller
from factory.engine.calls.chat import JournalledChat, _dump_reply
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed
from factory.models.base import ChatRequest, Reply, Sampling, Usage
from factory.models.reply.read import read_reply

pytestmark = pytest.mark.anyio
ASKED = [Message("user", "Explain tides.")]
HALF = "The first reason is"
COUNTED = Usage(3, 2)


class Score(BaseModel):
    model_config = ConfigDict(extra="forbid")
    score: int


class Provider:
    """Reads what `say` gives as a provider of a server does; counts what reaches it."""

    identity = "test:model"
    concurrency = 8
    sends_samples = True

    def __init__(self, say: Callable[[int], tuple[str, str]], usage: Usage = COUNTED) -> None:
        self.say = say
        self.usage = usage
        self.sent = 0

    async def send(self, request: ChatRequest) -> Reply:
        self.sent += 1
        await asyncio.sleep(0)
        text, end = self.say(self.sent)
        return read_reply(text, end, request, usage=self.usage)

    async def send_samples(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        return [await self.send(request) for request in requests]

    async def close(self) -> None:
        return None


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "BACKOFF_SECONDS", (0.0, 0.0))


def chat(path: Path, provider: Provider) -> JournalledChat:
    return JournalledChat("m", provider, Journal(path / "j.db"), ModelUsage(), Gate())


async def test_a_reply_that_broke_off_is_tried_again_and_never_journalled(tmp_path: Path) -> None:
    provider = Provider(lambda n: (HALF, "network_error") if n < 3 else ("The moon.", "stop"))
    answer = await chat(tmp_path, provider).ask(ASKED, Sampling(0, 9))
    assert (answer.text, provider.sent) == ("The moon.", 3)
    assert (await chat(tmp_path, provider).ask(ASKED, Sampling(0, 9))).text == "The moon."
    assert provider.sent == 3


async def test_a_reply_that_always_breaks_off_fails_its_record_with_the_servers_word(tmp_path: Path) -> None:
    provider = Provider(lambda n: (HALF, "insufficient_system_resource"))
    with pytest.raises(RecordFailed, match="insufficient_system_resource") as caught:
        await chat(tmp_path, provider).ask(ASKED, Sampling(0, 9))
    assert (caught.value.kind, provider.sent) == ("call_failed", caller.TRIES)


@pytest.mark.parametrize(
    ("text", "end", "kind"),
    [
        ("<think>Hm", "length", "truncated"),
        ("<think>Hm.</think>", "stop", "only_reasoning"),
        (HALF, "tool_calls", "called_a_tool"),
        (HALF, "flux", "unknown_end"),
        (HALF, "repetition", "repetition"),
    ],
)
@pytest.mark.parametrize("schema", [None, Score])
async def test_what_cannot_change_is_asked_for_once_and_paid_once(
    tmp_path: Path, text: str, end: str, kind: str, schema: type[BaseModel] | None
) -> None:
    provider = Provider(lambda n: (text, end))
    for _ in range(2):
        model = chat(tmp_path, provider)
        with pytest.raises(RecordFailed, match=r"^m: ") as caught:
            await model.ask(ASKED, Sampling(0, 9), schema=schema)
        assert caught.value.kind == kind
    assert provider.sent == 1, "it is in the journal"
    assert model.usage.replayed_completion_tokens == 2


@pytest.mark.parametrize("schema", [None, Score])
async def test_what_is_refused_is_counted_and_asked_for_again_by_the_next_run_alone(
    tmp_path: Path, schema: type[BaseModel] | None
) -> None:
    provider = Provider(lambda n: (HALF, "SAFETY") if n == 1 else ('{"score": 4}', "stop"))
    model = chat(tmp_path, provider)
    with pytest.raises(RecordFailed) as caught:
        await model.ask(ASKED, Sampling(0, 9), schema=schema)
    assert (caught.value.kind, provider.sent) == ("refused", 1)
    assert (model.usage.prompt_tokens, model.usage.completion_tokens) == (3, 2), "it was paid for"
    assert (await chat(tmp_path, provider).ask(ASKED, Sampling(0, 9), schema=schema)).text == '{"score": 4}'


async def test_a_cut_answer_is_an_answer_that_says_so(tmp_path: Path) -> None:
    provider = Provider(lambda n: (HALF, "MAX_TOKENS"))
    assert (await chat(tmp_path, provider).ask(ASKED, Sampling(0, 9))).finish_reason == "length"


async def test_what_is_taken_off_a_reply_is_counted_when_it_comes_and_when_it_is_replayed(
    tmp_path: Path,
) -> None:
    provider = Provider(lambda n: ("Assistant: The moon.\nUser: More?\nAssistant: No.", ""))
    for _ in range(2):
        model = chat(tmp_path, provider)
        assert (await model.ask(ASKED, Sampling(0, 9))).text == "The moon."
        assert model.usage.noted == {"label": 1, "next_turn": 1, "end_not_told": 1}
    assert provider.sent == 1


async def test_a_plain_reply_is_stored_without_a_word_of_it(tmp_path: Path) -> None:
    model = chat(tmp_path, Provider(lambda n: ("The moon.", "stop")))
    await model.ask(ASKED, Sampling(0, 9))
    assert not model.usage.noted
    assert b"noted" not in _dump_reply(Reply("The moon."))


async def test_a_sample_that_broke_off_is_asked_for_again_alone(tmp_path: Path) -> None:
    provider = Provider(lambda n: ("ok", "stop"))
    model = chat(tmp_path, provider)
    answers = await model.ask_many(ASKED, Sampling(1, 9), n=3)
    assert [answer.text for answer in answers] == ["ok"] * 3


async def stored(path: Path, provider: Provider, reply: Reply) -> JournalledChat:
    """A journal that an older version wrote: it holds the reply as the server sent it."""
    model = chat(path, provider)
    call = model.call_of(ChatRequest(tuple(ASKED), Sampling(0, 9)))
    told = {
        "text": reply.text,
        "finish": reply.finish_reason,
        "usage": [reply.usage.prompt_tokens, reply.usage.completion_tokens],
        "reasoning": reply.reasoning,
    }
    await model._journal.put(call.key, "chat", provider.identity, orjson.dumps(call.sent), orjson.dumps(told))
    return chat(path, provider)


async def test_an_old_reply_is_read_as_a_new_one(tmp_path: Path) -> None:
    provider = Provider(lambda n: ("asked", "stop"))
    old = Reply("Hm.</think>\n\nThe moon.<|im_end|>", "end_turn", Usage(-5, 2))
    answer = await (model := await stored(tmp_path, provider, old)).ask(ASKED, Sampling(0, 9))
    assert (answer.text, answer.reasoning, answer.finish_reason) == ("The moon.", "Hm.", "stop")
    assert (answer.replayed, provider.sent) == (True, 0)
    assert model.usage.replayed_prompt_tokens >= 0


@pytest.mark.parametrize("end", ["content_filter", "SAFETY"])
async def test_an_old_half_answer_is_no_answer(tmp_path: Path, end: str) -> None:
    provider = Provider(lambda n: ("asked", "stop"))
    model = await stored(tmp_path, provider, Reply(HALF, end))
    with pytest.raises(RecordFailed, match="content filter"):
        await model.ask(ASKED, Sampling(0, 9))
    assert provider.sent == 0


async def test_an_old_reply_that_broke_off_is_asked_for_again_once(tmp_path: Path) -> None:
    provider = Provider(lambda n: ("The moon.", "stop"))
    model = await stored(tmp_path, provider, Reply(HALF, "error"))
    for replayed in (False, True):
        answer = await model.ask(ASKED, Sampling(0, 9))
        assert (answer.text, answer.replayed) == ("The moon.", replayed)
        remarks = [remark for remark in model._journal.remarks() if "1 stored replies broke off" in remark]
        assert len(remarks) == (not replayed)
        model = chat(tmp_path, provider)
    assert provider.sent == 1


@pytest.mark.parametrize("usage", [Usage(-50, 10), Usage(10, -50), Usage(10**12, 10), Usage(10, 10**12)])
async def test_counts_that_cannot_be_are_estimated_and_told_once(
    tmp_path: Path, usage: Usage, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Provider(lambda n: (f"The moon {n}.", "stop"), usage)
    model = chat(tmp_path, provider)
    with caplog.at_level(logging.WARNING):
        for sample in range(3):
            await model.ask(ASKED, Sampling(1, 9), sample=sample)
    assert 0 < model.usage.prompt_tokens < 100
    assert 0 < model.usage.completion_tokens < 100
    assert sum("an estimate counts instead" in record.message for record in caplog.records) == 1


async def test_a_server_that_does_not_count_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = chat(tmp_path, Provider(lambda n: (f"The moon {n}.", "stop"), Usage()))
    with caplog.at_level(logging.WARNING):
        for sample in range(3):
            await model.ask(ASKED, Sampling(1, 9), sample=sample)
    assert (model.usage.prompt_tokens, model.usage.completion_tokens) == (0, 0)
    assert sum("counts no tokens" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<think>{"score": 1}?</think>{"score": 4}',
        '{"score": 1}? no</think>{"score": 4}',
        '{"score": 4}<|im_end|>',
    ],
)
async def test_json_behind_thoughts_is_read_in_one_call(tmp_path: Path, text: str) -> None:
    provider = Provider(lambda n: (text, "stop"))
    answer = await chat(tmp_path, provider).ask(ASKED, Sampling(0, 9), schema=Score)
    assert (answer.data.score, provider.sent) == (4, 1)
