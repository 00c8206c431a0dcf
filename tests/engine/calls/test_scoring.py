"""Log-probabilities go through the journal as replies do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from factory.data.record import Message
from factory.engine.calls import caller
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import RunStopped
from factory.models.base import ChatRequest, Reply, Sampling, TokenLogprob, TokenLogprobs, Usage
from factory.models.failures import TransientFailure

pytestmark = pytest.mark.anyio

HELLO = [Message("user", "hello")]


class Chat:
    """Answers and tells no log-probabilities."""

    identity = "test:model"
    concurrency = 4

    def __init__(self, logprobs: tuple[TokenLogprob, ...] = ()) -> None:
        self.logprobs = logprobs
        self.asked: list[ChatRequest | str] = []

    async def send(self, request: ChatRequest) -> Reply:
        self.asked.append(request)
        return Reply("hi", usage=Usage(1, 1), logprobs=self.logprobs)

    async def close(self) -> None:
        return None


class Scorer(Chat):
    """Scores texts letter by letter; fails at first as often as told."""

    failures = 0

    async def score_text(self, text: str) -> TokenLogprobs:
        self.asked.append(text)
        await asyncio.sleep(0)
        if len(self.asked) <= self.failures:
            raise TransientFailure("HTTP 500")
        return TokenLogprobs(tuple(text), (None, *[-0.5] * (len(text) - 1)), Usage(len(text), 1))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "BACKOFF_SECONDS", (0.0, 0.0))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.db")


def model(journal: Journal, provider: Chat) -> JournalledChat:
    return JournalledChat("m", provider, journal, ModelUsage(), Gate())


async def test_a_text_is_scored_once_in_a_run_and_never_again_in_the_next(journal: Journal) -> None:
    provider = Scorer()
    first = model(journal, provider)
    scored = await asyncio.gather(*(first.score_text("巴黎") for _ in range(4)))
    assert {one.logprobs for one in scored} == {(None, -0.5)}
    assert provider.asked == ["巴黎"]
    assert (first.usage.calls, first.usage.prompt_tokens) == (1, 2)
    again = await model(journal, provider).score_text("巴黎")
    assert again.replayed
    assert (again.tokens, again.logprobs, again.keys) == (("巴", "黎"), (None, -0.5), scored[0].keys)
    assert len(provider.asked) == 1


async def test_the_time_that_scoring_takes_is_counted(journal: Journal) -> None:
    chat = model(journal, Scorer())
    await chat.score_text("ab")
    measured = chat.usage.busy_seconds
    assert measured > 0
    await chat.score_text("ab")  # from the journal, in no time
    assert chat.usage.busy_seconds == measured


async def test_a_failed_score_is_tried_again(journal: Journal) -> None:
    provider = Scorer()
    provider.failures = 2
    assert (await model(journal, provider).score_text("ab")).logprobs == (None, -0.5)
    assert len(provider.asked) == 3


async def test_an_empty_text_has_no_tokens_and_costs_nothing(journal: Journal) -> None:
    provider = Scorer()
    assert (await model(journal, provider).score_text("")).tokens == ()
    assert provider.asked == []


async def test_a_model_that_cannot_score_stops_the_run_in_one_sentence(journal: Journal) -> None:
    with pytest.raises(
        RunStopped, match="model `m` cannot score a given text: name one behind a vLLM server"
    ):
        await model(journal, Chat()).score_text("text")


async def test_log_probabilities_of_a_reply_are_replayed_as_they_were(journal: Journal) -> None:
    told = (TokenLogprob("h", -0.25, (("h", -0.25), ("H", -2.0))), TokenLogprob("i", 0.0))
    provider = Chat(told)
    answers = [await model(journal, provider).ask(HELLO, Sampling(0, 9, logprobs=2)) for _ in range(2)]
    assert [answer.replayed for answer in answers] == [False, True]
    assert answers[0].logprobs == answers[1].logprobs == told


async def test_log_probabilities_change_a_calls_key_only_where_they_are_asked_for(journal: Journal) -> None:
    provider = Chat((TokenLogprob("hi", -0.25),))
    plain = await model(journal, provider).ask(HELLO, Sampling(0, 9))
    with_them = await model(journal, provider).ask(HELLO, Sampling(0, 9, logprobs=0))
    sent = {
        "messages": [["user", "hello"]],
        "temperature": 0,
        "max_tokens": 9,
        "top_p": 1.0,
        "stop": [],
        "schema": None,
        "seed": None,
        "sample": 0,
    }
    assert plain.keys == (call_key("chat", "test:model", sent).hex(),)
    assert with_them.keys == (call_key("chat", "test:model", {**sent, "logprobs": 0}).hex(),)


async def test_a_reply_without_the_log_probabilities_that_were_asked_for_is_kept_as_it_is(
    journal: Journal,
) -> None:
    provider = Chat()
    for _ in range(2):
        answer = await model(journal, provider).ask(HELLO, Sampling(0, 9, logprobs=1))
        assert answer.text
        assert answer.logprobs == ()
    assert len(provider.asked) == 1, "it was paid for, and is not asked for again"
