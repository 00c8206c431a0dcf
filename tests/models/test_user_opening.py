"""Having a model write a user's turn: where its words begin, asked of whoever has the chat template."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
from aiohttp import web
from scripted_server import Say, ScriptedServer, in_thread

from factory.data.record import Message
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply, Sampling
from factory.models.openai.balanced import BalancedChat
from factory.models.openai.chat import OpenAIChat
from factory.models.opening import Opening, opening_of, with_words
from factory.models.options import LocalOptions, OpenAIOptions
from factory.models.provider import ChatProvider

Result = TypeVar("Result")
SYSTEM = Message("system", "你教数学。")
WRITTEN = "<|im_start|>system\n你教数学。<|im_end|>\n<|im_start|>user\n"


def chatml(messages: list[dict[str, Any]]) -> str:
    return "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in messages)


class Server(ScriptedServer):
    """Tells its chat template as vLLM does, or as llama.cpp does, or not at all."""

    def __init__(self, kind: str) -> None:
        super().__init__(complete=lambda request: Say(body=self.completion(request)))
        self.kind = kind
        self.rendered: list[dict[str, Any]] = []

    def completion(self, request: dict[str, Any]) -> dict[str, Any]:
        choice = {"index": 0, "text": " What is 2 + 2? ", "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 6}}

    def routes(self) -> list[web.RouteDef]:
        if self.kind == "vllm":
            return [web.post("/tokenize", self._tokenize), web.post("/detokenize", self._detokenize)]
        return [web.post("/apply-template", self._apply)] if self.kind == "llama.cpp" else []

    async def _tokenize(self, http: web.Request) -> web.Response:
        request = orjson.loads(await http.read())
        self.rendered.append(request)
        return web.json_response({"tokens": [ord(letter) for letter in chatml(request["messages"])]})

    async def _detokenize(self, http: web.Request) -> web.Response:
        request = orjson.loads(await http.read())
        return web.json_response({"prompt": "".join(map(chr, request["tokens"]))})

    async def _apply(self, http: web.Request) -> web.Response:
        request = orjson.loads(await http.read())
        self.rendered.append(request)
        return web.json_response({"prompt": chatml(request["messages"])})


@pytest.fixture(params=["vllm", "llama.cpp"])
def telling(request: pytest.FixtureRequest) -> Iterator[Server]:
    with in_thread(Server(request.param)) as server:
        assert isinstance(server, Server)
        yield server


def asked(provider: ChatProvider, folder: Path, ask: Callable[[JournalledChat], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        chat = JournalledChat("m", provider, Journal(folder / "journal.db"), ModelUsage(), Gate())
        try:
            return await ask(chat)
        finally:
            await provider.close()

    return asyncio.run(run())


def openai(server: ScriptedServer, **options: Any) -> OpenAIChat:
    return OpenAIChat(OpenAIOptions(provider="openai", model="scripted", base_url=server.base_url, **options))


def test_a_template_is_cut_where_the_words_begin() -> None:
    (turn,) = with_words(())
    assert opening_of(f"<s>[INST] {turn.content} [/INST]", "m") == Opening("<s>[INST] ", "[/INST]")
    assert opening_of(f"User: {turn.content}", "m") == Opening("User: ", "")


@pytest.mark.parametrize("template", ["", "no words", "{0}", "a {0} b {0}"])
def test_a_template_without_one_place_for_the_words_is_refused(template: str) -> None:
    (turn,) = with_words(())
    with pytest.raises(
        RunStopped, match=r"template of m .* give the text that comes before them as `template`"
    ):
        opening_of(template.format(turn.content), "m")


def test_a_server_tells_its_template_and_goes_on_from_a_text(telling: Server, tmp_path: Path) -> None:
    async def ask(chat: JournalledChat) -> tuple[Opening, str]:
        opening = await chat.user_opening((SYSTEM,))
        answer = await chat.continue_text(opening.text, Sampling(1.0, 64, stop=(opening.end,)), sample=3)
        return opening, answer.text

    opening, text = asked(openai(telling), tmp_path, ask)
    assert opening == Opening(WRITTEN, "<|im_end|>")
    assert text.strip() == "What is 2 + 2?"
    (sent,) = telling.requests
    assert sent["prompt"] == WRITTEN
    assert "messages" not in sent
    assert sent["stop"] == ["<|im_end|>"]
    assert sent["add_special_tokens"] is False  # the template wrote the first token already


def test_a_replay_asks_no_server(telling: Server, tmp_path: Path) -> None:
    async def ask(chat: JournalledChat) -> bool:
        opening = await chat.user_opening((SYSTEM,))
        return (await chat.continue_text(opening.text, Sampling(1.0, 64), sample=1)).replayed

    assert asked(openai(telling), tmp_path, ask) is False
    assert asked(openai(telling), tmp_path, ask) is True
    assert (len(telling.rendered), len(telling.requests)) == (1, 1)


def test_samples_of_one_opening_are_calls_of_their_own(telling: Server, tmp_path: Path) -> None:
    async def ask(chat: JournalledChat) -> None:
        for sample in range(3):
            await chat.continue_text(WRITTEN, Sampling(1.0, 64), sample=sample)

    asked(openai(telling), tmp_path, ask)
    assert len({request["seed"] for request in telling.requests}) == 3


def test_what_the_recipe_gives_the_template_is_given_to_it(telling: Server, tmp_path: Path) -> None:
    arguments = {"chat_template_kwargs": {"enable_thinking": False}}
    asked(openai(telling, extra_body=arguments), tmp_path, lambda chat: chat.user_opening(()))
    assert telling.rendered[0]["chat_template_kwargs"] == {"enable_thinking": False}


def test_several_servers_tell_as_one(telling: Server, tmp_path: Path) -> None:
    provider = BalancedChat([openai(telling), openai(telling)])
    assert asked(provider, tmp_path, lambda chat: chat.user_opening((SYSTEM,))).text == WRITTEN


def test_a_server_that_tells_no_template_is_named_with_what_helps(tmp_path: Path) -> None:
    with in_thread(Server("none")) as server:
        with pytest.raises(RunStopped, match=r"does not tell its model's chat template .* as `template`"):
            asked(openai(server), tmp_path, lambda chat: chat.user_opening(()))
        # And the advice works: with the text given, the server goes on from it.
        answer = asked(openai(server), tmp_path, lambda chat: chat.continue_text("User: ", Sampling(1.0, 9)))
        assert answer.text.strip() == "What is 2 + 2?"


def test_a_server_tells_where_an_answer_begins_and_a_replay_asks_none(
    telling: Server, tmp_path: Path
) -> None:
    question = (SYSTEM, Message("user", "2 + 2?"))
    written = f"{WRITTEN}2 + 2?<|im_end|>\n<|im_start|>assistant\n"
    for _ in range(2):
        assert asked(openai(telling), tmp_path, lambda chat: chat.answer_opening(question)) == written
    balanced = BalancedChat([openai(telling), openai(telling)])
    assert asked(balanced, tmp_path / "other", lambda chat: chat.answer_opening(question)) == written
    assert len(telling.rendered) == 2
    # A user's turn behind the same conversation is another call.
    assert asked(openai(telling), tmp_path, lambda chat: chat.user_opening(question)).text != written


def test_no_template_for_an_answer_fails_the_record_and_not_the_run(tmp_path: Path) -> None:
    with (
        in_thread(Server("none")) as server,
        pytest.raises(RecordFailed, match="tells no chat template") as told,
    ):
        asked(openai(server), tmp_path, lambda chat: chat.answer_opening((SYSTEM,)))
    assert told.value.kind == "no_template"
    with pytest.raises(RecordFailed, match="does not tell its chat template"):
        asked(Plain(), tmp_path, lambda chat: chat.answer_opening((SYSTEM,)))
    (turn,) = with_words((), "assistant")
    with pytest.raises(RecordFailed, match="does not show an answer's words once"):
        opening_of("nothing", "m", "assistant")
    assert opening_of(f"<a>{turn.content}</a>", "m", "assistant") == Opening("<a>", "</a>")


class Plain:
    """A provider that answers conversations alone."""

    identity = "test:plain"
    concurrency = 1

    async def send(self, request: ChatRequest) -> Reply:
        raise AssertionError("it was asked to answer nothing")

    async def close(self) -> None:
        return None


def test_a_provider_that_cannot_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(RunStopped, match=r"`m` cannot be had to write a user's turn: name one behind"):
        asked(Plain(), tmp_path, lambda chat: chat.user_opening(()))
    with pytest.raises(RunStopped, match="cannot be had to write a user's turn"):
        asked(Plain(), tmp_path, lambda chat: chat.continue_text("User: ", Sampling(1.0, 9)))


@pytest.mark.model
@pytest.mark.slow
def test_the_packaged_model_writes_a_user_turn_by_its_own_template(tmp_path: Path) -> None:
    from factory.models.llama.chat import LocalChat

    async def ask(chat: JournalledChat) -> tuple[Opening, list[str]]:
        opening = await chat.user_opening((SYSTEM,))
        sampling = Sampling(1.0, 48, stop=(opening.end,))
        return opening, [
            (await chat.continue_text(opening.text, sampling, sample=number)).text for number in range(2)
        ]

    opening, texts = asked(LocalChat(LocalOptions(provider="local")), tmp_path, ask)
    assert opening == Opening(WRITTEN, "<|im_end|>")
    assert texts[0] != texts[1]
    assert all(text.strip() and "<|im_" not in text for text in texts)
