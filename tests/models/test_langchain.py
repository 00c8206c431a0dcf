"""LangChain chat models as providers."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from asking import chat_request
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from pydantic import Field, SecretStr, ValidationError

from factory.errors import MissingDependency, RecordFailed, RunStopped
from factory.models.base import ChatRequest, Overloaded, Reply, TransientFailure, Unreachable, Usage
from factory.models.langchain import LangChainChat, langchain_chat
from factory.models.options import LangChainOptions

pytestmark = pytest.mark.anyio
KEY = "sk-planted-0123456789abcdefXYZ"


def request(text: str = "Hi {name}", **options: Any) -> ChatRequest:
    return chat_request(text, **{"temperature": 0.5, "max_tokens": 9, **options})


class Recorder(FakeListChatModel):
    """Keeps what it was asked, and with which sampling."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    asked: list[Any] = Field(default_factory=list)
    api_key: SecretStr = SecretStr(KEY)

    def _call(self, messages: Any, *args: Any, **kwargs: Any) -> str:
        self.asked.append((messages, self.temperature, self.max_tokens, self.seed))
        return super()._call(messages, *args, **kwargs)


async def test_a_reply_has_its_text_its_reasoning_its_end_and_its_usage() -> None:
    said = AIMessage(
        "<think>Hm.</think>Hello.",
        response_metadata={"stop_reason": "max_tokens"},
        usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    )
    reply = await LangChainChat(GenericFakeChatModel(messages=iter([said]))).send(request())
    assert reply == Reply("Hello.", "length", Usage(3, 2), "Hm.")


async def test_blocks_of_thought_are_kept_apart() -> None:
    said = AIMessage([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello."}])
    reply = await LangChainChat(GenericFakeChatModel(messages=iter([said]))).send(request())
    assert (reply.text, reply.reasoning) == ("Hello.", "Hm.")


async def test_the_model_is_asked_what_was_asked_and_braces_are_text() -> None:
    model = Recorder(responses=["ok"], asked=[])
    await LangChainChat(model).send(request(seed=7))
    (messages, *sampling) = model.asked[0]
    assert [(turn.type, turn.content) for turn in messages] == [("human", "Hi {name}")]
    assert sampling == [0.5, 9, 7]


async def test_what_was_set_on_the_model_holds() -> None:
    model = Recorder(responses=["ok"], asked=[], temperature=0.1)
    await LangChainChat(model).send(request())
    assert model.asked[0][1:] == (0.1, 9, None)
    assert LangChainChat(model).identity != LangChainChat(Recorder(responses=["ok"])).identity


async def test_a_schema_is_asked_for_in_words() -> None:
    model = Recorder(responses=["{}"], asked=[])
    await LangChainChat(model).send(request("打分。", schema={"type": "object", "title": "Grade"}))
    assert model.asked[0][0][0].content.endswith(
        'JSON 对象，不要输出任何其他内容：\n{"type":"object","title":"Grade"}'
    )


class RefusedError(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status_code = status


class APIConnectionError(Exception):
    pass


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (RefusedError(401, f"bad key {KEY}"), RunStopped),
        (RefusedError(404, "no such model"), RunStopped),
        (RefusedError(429, "slow down"), Overloaded),
        (RefusedError(500, f"oops {KEY}"), TransientFailure),
        (RefusedError(400, "maximum context length is 8"), RecordFailed),
        (APIConnectionError("refused"), Unreachable),
        (TimeoutError(), TransientFailure),
        (ValueError(f"odd {KEY}"), TransientFailure),
    ],
)
async def test_a_providers_exception_is_told_apart_and_shows_no_key(
    raised: Exception, error: type[Exception]
) -> None:
    class Failing(Recorder):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            raise raised

    with pytest.raises(error) as caught:
        await LangChainChat(Failing(responses=[])).send(request())
    assert KEY not in str(caught.value)


def test_without_langchain_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    monkeypatch.setitem(sys.modules, "langchain", None)
    with pytest.raises(
        MissingDependency, match=r"pip install 'sft-factory\[langchain\]' langchain-anthropic"
    ):
        langchain_chat(LangChainOptions(model="anthropic:claude-haiku-4-5"))


def test_a_key_among_the_arguments_is_refused_unseen() -> None:
    with pytest.raises(ValidationError, match="keys come from the environment") as caught:
        LangChainOptions(model="openai:gpt-4.1", arguments={"api_key": KEY})
    assert KEY not in str(caught.value)
