"""Several samples of one prompt: one request where the server takes it, journalled one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import split_options
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from scripted_server import Say, ScriptedServer, refuse

from factory.data.record import Message
from factory.engine.calls import caller
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed, RunStopped
from factory.models.base import Answer, ChatRequest, Reply, SamplesFailed, Usage
from factory.models.openai.balanced import BalancedChat
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions

pytestmark = pytest.mark.anyio
HELLO = [Message("user", "Tell me something about rivers.")]


class Score(BaseModel):
    """A schema of one number."""

    model_config = ConfigDict(extra="forbid")
    score: int


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "BACKOFF_SECONDS", (0.0, 0.0))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "j.db")


def provider_of(server: ScriptedServer, **options: Any) -> OpenAIChat:
    return OpenAIChat(OpenAIOptions(base_url=server.base_url, model="scripted", **options))


def chat(journal: Journal, provider: Any, **options: Any) -> JournalledChat:
    return JournalledChat("m", provider, journal, ModelUsage(), Gate(), **options)


async def ask(model: JournalledChat, sample: int, **options: Any) -> Answer[Any]:
    sampling, others = split_options({"temperature": 1.0, **options})
    return await model.ask(HELLO, sampling, sample=sample, **others)


async def ask_many(model: JournalledChat, n: int, **options: Any) -> list[Answer[Any]]:
    sampling, others = split_options({"temperature": 1.0, **options})
    return await model.ask_many(HELLO, sampling, n=n, **others)


async def test_four_samples_are_one_request_and_then_none(server: ScriptedServer, journal: Journal) -> None:
    model = chat(journal, provider_of(server))
    answers = await ask_many(model, 4)
    assert [request.get("n") for request in server.requests] == [4]
    assert len({answer.text for answer in answers}) == 4
    assert not any(answer.replayed for answer in answers)
    again = await ask_many(model, 4)
    assert [answer.text for answer in again] == [answer.text for answer in answers]
    assert all(answer.replayed for answer in again)
    assert len(server.requests) == 1
    assert (model.usage.calls, model.usage.replayed) == (1, 4)
    await model.provider.close()


async def test_both_ways_of_asking_share_their_replies(server: ScriptedServer, journal: Journal) -> None:
    model = chat(journal, provider_of(server))
    together = await ask_many(model, 3)
    alone = [await ask(model, sample) for sample in range(3)]
    assert [one.keys for one in alone] == [one.keys for one in together]
    assert [one.text for one in alone] == [one.text for one in together]
    assert len(server.requests) == 1
    await model.provider.close()


async def test_only_the_samples_that_the_journal_lacks_are_asked_for(
    server: ScriptedServer, journal: Journal
) -> None:
    model = chat(journal, provider_of(server))
    known = {sample: await ask(model, sample) for sample in (1, 3)}
    alone = {request["seed"] for request in server.requests}
    answers = await ask_many(model, 6)
    assert [answer.replayed for answer in answers] == [False, True, False, True, False, False]
    assert {at: answers[at].text for at in known} == {at: answer.text for at, answer in known.items()}
    assert len(server.requests) == 3
    assert server.requests[2]["n"] == 4
    assert server.requests[2]["seed"] not in alone
    await ask_many(model, 7)
    assert "n" not in server.requests[3], "one that is missing is an ordinary request"
    await model.provider.close()


async def test_the_tokens_of_one_request_are_counted_once(server: ScriptedServer, journal: Journal) -> None:
    server.script = lambda request: "one two three"
    model = chat(journal, provider_of(server), tokens_per_minute=1e9)
    await ask_many(model, 4)
    assert (model.usage.prompt_tokens, model.usage.completion_tokens) == (5, 12)
    await ask_many(model, 4)
    assert (model.usage.replayed_prompt_tokens, model.usage.replayed_completion_tokens) == (5, 12)
    await model.provider.close()


@pytest.mark.parametrize("words", ["n must be 1", "'n' : number must be at most 1", "bad request"])
async def test_a_server_that_refuses_n_is_asked_one_by_one_from_then_on(
    server: ScriptedServer, journal: Journal, words: str
) -> None:
    def script(request: dict[str, Any]) -> str | Say:
        return refuse(400, words) if "n" in request else f"reply {request['seed']}"

    server.script = script
    model = chat(journal, provider_of(server))
    assert len({answer.text for answer in await ask_many(model, 4)}) == 4
    assert [request.get("n") for request in server.requests] == [4, None, None, None, None]
    await ask_many(model, 8)
    assert sum("n" in request for request in server.requests) == 1
    assert len(server.requests) == 9
    await model.provider.close()


async def test_a_server_that_overlooks_n_is_asked_for_the_rest_one_by_one(
    server: ScriptedServer, journal: Journal
) -> None:
    def script(request: dict[str, Any]) -> str | Say:
        text = f"reply {request['seed']}"
        choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
        return Say(body={"choices": [choice]})

    server.script = script
    model = chat(journal, provider_of(server))
    assert len({answer.text for answer in await ask_many(model, 3)}) == 3
    assert [request.get("n") for request in server.requests] == [3, None, None]
    await ask_many(model, 5)
    assert [request.get("n") for request in server.requests[3:]] == [None, None]
    await model.provider.close()


async def test_a_request_that_is_refused_for_another_reason_leaves_n_alone(
    server: ScriptedServer, journal: Journal
) -> None:
    server.script = lambda request: refuse(400, "this prompt is not wanted")
    model = chat(journal, provider_of(server))
    with pytest.raises(RecordFailed, match="not wanted"):
        await ask_many(model, 3)
    server.script = lambda request: f"reply {request['seed']}"
    await ask_many(model, 3)
    assert [request.get("n") for request in server.requests] == [3, None, 3]
    await model.provider.close()


async def test_where_one_sample_is_no_answer_the_error_holds_the_others(
    server: ScriptedServer, journal: Journal
) -> None:
    drawn: list[int] = []

    def script(request: dict[str, Any]) -> Say:
        drawn.append(request["seed"])
        return Say(None if len(drawn) in (2, 4) else f"reply {len(drawn)}", finish_reason="length")

    server.script = script
    model = chat(journal, provider_of(server))
    with pytest.raises(SamplesFailed) as caught:
        await ask_many(model, 3)
    first, second, third = caught.value.results
    assert isinstance(second, RecordFailed)
    assert (caught.value.kind, str(caught.value)) == (second.kind, str(second))
    assert [one.text for one in (first, third) if isinstance(one, Answer)] == ["reply 1", "reply 3"]
    await model.provider.close()


async def test_a_choice_that_cannot_be_used_is_asked_again_alone(
    server: ScriptedServer, journal: Journal
) -> None:
    drawn: list[int] = []

    def script(request: dict[str, Any]) -> Say:
        drawn.append(request["seed"])
        return Say(None if len(drawn) == 2 else f"reply {len(drawn)}")

    server.script = script
    model = chat(journal, provider_of(server))
    answers = await ask_many(model, 3)
    assert [answer.text for answer in answers] == ["reply 1", "reply 3", "reply 4"]
    assert [request.get("n") for request in server.requests] == [3, None]
    again = await ask_many(model, 3)
    assert [answer.text for answer in again] == [answer.text for answer in answers]
    assert len(server.requests) == 2
    await model.provider.close()


async def test_a_sample_that_breaks_its_schema_is_asked_again_alone(
    server: ScriptedServer, journal: Journal
) -> None:
    drawn = 0

    def script(request: dict[str, Any]) -> str:
        nonlocal drawn
        drawn += 1
        return "no number" if drawn == 2 else f'{{"score": {drawn}}}'

    server.script = script
    model = chat(journal, provider_of(server))
    answers = await ask_many(model, 3, schema=Score)
    assert [answer.data for answer in answers] == [Score(score=1), Score(score=4), Score(score=3)]
    assert [len(answer.keys) for answer in answers] == [1, 2, 1]
    assert [request.get("n") for request in server.requests] == [3, None]
    assert "no JSON object" in server.requests[1]["messages"][-1]["content"], "the error is named"
    replayed = await ask_many(model, 3, schema=Score)
    assert [answer.data for answer in replayed] == [answer.data for answer in answers]
    assert len(server.requests) == 2
    await model.provider.close()


async def test_a_sample_that_never_fits_fails_and_the_others_are_journalled(
    server: ScriptedServer, journal: Journal
) -> None:
    first = True

    def script(request: dict[str, Any]) -> str:
        nonlocal first
        bad, first = first or "no JSON object" in str(request["messages"]), False
        return "no number" if bad else '{"score": 1}'

    server.script = script
    model = chat(journal, provider_of(server))
    with pytest.raises(RecordFailed, match="no usable reply after 3 tries"):
        await ask_many(model, 3, schema=Score)
    asked = len(server.requests)
    for sample in (1, 2):
        assert (await ask(model, sample, schema=Score)).replayed
    assert len(server.requests) == asked
    await model.provider.close()


async def test_greedy_samples_are_one_call_whatever_the_provider(
    server: ScriptedServer, journal: Journal
) -> None:
    model = chat(journal, provider_of(server))
    answers = await ask_many(model, 4, temperature=0.0)
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.keys for answer in answers}) == 4
    assert ["n" in request for request in server.requests] == [False]
    assert (await ask(model, 3, temperature=0.0)).replayed
    assert {a.text for a in await ask_many(model, 6, temperature=0.0)} == {answers[0].text}
    assert len(server.requests) == 1
    assert model.usage.prompt_tokens == 5
    await model.provider.close()


async def test_a_model_whose_own_temperature_is_0_is_asked_one_by_one(
    server: ScriptedServer, journal: Journal
) -> None:
    model = chat(journal, provider_of(server, temperature=0))
    await ask_many(model, 3)
    assert ["n" in request for request in server.requests] == [False] * 3
    await model.provider.close()


async def test_an_overloaded_server_is_asked_for_all_of_them_again(
    server: ScriptedServer, journal: Journal
) -> None:
    server.script = lambda request: refuse(503, "busy") if len(server.requests) < 3 else "fine"
    model = chat(journal, provider_of(server))
    assert [answer.text for answer in await ask_many(model, 4)] == ["fine"] * 4
    assert [request["n"] for request in server.requests] == [4, 4, 4]
    assert (model.usage.calls, model.usage.retries) == (1, 2)
    await model.provider.close()


async def test_callers_at_the_same_time_share_what_is_on_its_way(
    server: ScriptedServer, journal: Journal
) -> None:
    server.delay = 0.05
    model = chat(journal, provider_of(server))
    four, six, two = await asyncio.gather(ask_many(model, 4), ask_many(model, 6), ask(model, 2))
    assert sorted(request["n"] for request in server.requests) == [2, 4], "whichever came first"
    assert [answer.text for answer in six[:4]] == [answer.text for answer in four]
    assert two.text == four[2].text
    await model.provider.close()


async def test_replicas_are_sent_whole_groups(server: ScriptedServer, journal: Journal) -> None:
    balanced = BalancedChat([provider_of(server), provider_of(server)])
    model = chat(journal, balanced)
    assert len(await ask_many(model, 3)) == 3
    assert [request["n"] for request in server.requests] == [3]
    await balanced.close()


class Single:
    """A provider that takes one sample at a time."""

    identity = "test:single"
    concurrency = 8

    def __init__(self, answer: Callable[[ChatRequest], Reply]) -> None:
        self.answer = answer
        self.requests: list[ChatRequest] = []
        self.inside = self.most = 0

    async def send(self, request: ChatRequest) -> Reply:
        self.requests.append(request)
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.01)
        self.inside -= 1
        return self.answer(request)

    async def close(self) -> None:
        return None


async def test_a_provider_without_groups_is_asked_for_all_of_them_at_once(journal: Journal) -> None:
    single = Single(lambda request: Reply(f"sample {request.sample}", usage=Usage(3, 1)))
    answers = await ask_many(chat(journal, single), 5)
    assert [answer.text for answer in answers] == [f"sample {at}" for at in range(5)]
    assert single.most == 5
    assert len({request.seed for request in single.requests}) == 5


async def test_what_ends_a_run_ends_it_for_all_samples(journal: Journal) -> None:
    def dead(request: ChatRequest) -> Reply:
        raise RunStopped("the key was refused")

    with pytest.raises(RunStopped, match="the key was refused"):
        await ask_many(chat(journal, Single(dead)), 3)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(known=st.sets(st.integers(0, 5)), n=st.integers(0, 6))
def test_whatever_is_known_each_sample_is_paid_for_once(
    tmp_path_factory: pytest.TempPathFactory, known: set[int], n: int
) -> None:
    async def check() -> None:
        async with ScriptedServer() as server:
            journal = Journal(tmp_path_factory.mktemp("known") / "j.db")
            model = chat(journal, provider_of(server))
            before = {sample: (await ask(model, sample)).text for sample in sorted(known)}
            answers = await ask_many(model, n)
            asked = sum(request.get("n", 1) for request in server.requests)
            assert asked == len(known | set(range(n)))
            assert len(server.requests) == len(known) + bool(set(range(n)) - known)
            assert all(answers[at].text == text for at, text in before.items() if at < n)
            await model.provider.close()
            journal.close()

    asyncio.run(check())
