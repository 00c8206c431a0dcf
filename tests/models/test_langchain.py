"""LangChain chat models as providers."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from asking import chat_request
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from pydantic import Field, SecretStr, ValidationError

from factory.data.record import Message, ToolCall
from factory.errors import MissingDependency, RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply, Usage
from factory.models.failures import Denied, Overloaded, TransientFailure, Unreachable
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


@pytest.mark.parametrize(
    ("about", "end"),
    [
        ({"finish_reason": "MAX_TOKENS"}, "length"),
        ({"done_reason": "length"}, "length"),
        ({"stopReason": "max_tokens"}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "completed", "incomplete_details": None}, "stop"),
        ({"finish_reason": "flux"}, "flux"),
        ({"stop_reason": "end_turn"}, "stop"),
        ({"finish_reason": "COMPLETE"}, "stop"),
        ({}, "stop"),
    ],
)
async def test_every_package_says_the_end_in_its_own_place(about: dict[str, Any], end: str) -> None:
    said = AIMessage("Hello.", response_metadata=about)
    reply = await LangChainChat(GenericFakeChatModel(messages=iter([said]))).send(request())
    assert reply.finish_reason == end


@pytest.mark.parametrize(
    "about",
    [{"finish_reason": "SAFETY"}, {"stop_reason": "guardrail_intervened"}, {"stop_reason": "refusal"}],
)
async def test_what_a_filter_cut_is_refused(about: dict[str, Any]) -> None:
    said = AIMessage("Hel", response_metadata=about)
    with pytest.raises(RecordFailed) as caught:
        await LangChainChat(GenericFakeChatModel(messages=iter([said]))).send(request())
    assert caught.value.kind == "refused"


async def test_a_reply_that_broke_off_is_worth_another_try() -> None:
    said = AIMessage("Hel", response_metadata={"finish_reason": "MALFORMED_FUNCTION_CALL"})
    with pytest.raises(TransientFailure, match="MALFORMED"):
        await LangChainChat(GenericFakeChatModel(messages=iter([said]))).send(request())


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


class RateLimitError(Exception):
    pass


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
        (RefusedError(429, "{'error': {'message': 'x', 'code': 'insufficient_quota'}}"), RunStopped),
        (RefusedError(400, "code: DataInspectionFailed \n message: inappropriate content"), RecordFailed),
        (RefusedError(403, "Forbidden"), Denied),
        (RateLimitError("Too many requests"), Overloaded),
        (ValueError("账户余额不足，请充值"), RunStopped),
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
    with pytest.raises(ValidationError, match="holds a key") as caught:
        LangChainOptions(model="openai:gpt-4.1", arguments={"api_key": KEY})
    assert KEY not in str(caught.value)


class Tooled(GenericFakeChatModel):
    """Keeps the turns and the tools that it was given."""

    given: list[Any] = Field(default_factory=list)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        self.given.append(tools)
        return self

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        self.given.append(messages)
        return super()._generate(messages, *args, **kwargs)


async def test_tools_are_bound_and_calls_come_back_as_calls() -> None:
    good = {"name": "add", "args": {"a": 2}, "id": "c1", "type": "tool_call"}
    bad = {"name": "mul", "args": "{", "id": "c2", "error": None, "type": "invalid_tool_call"}
    said = AIMessage("", tool_calls=[good], invalid_tool_calls=[bad])
    model = Tooled(messages=iter([said]))
    reply = await LangChainChat(model).send(request(tools=({"name": "add", "parameters": {}},)))
    assert model.given[0] == [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    assert reply.calls == (ToolCall("add", '{"a":2}', "c1"), ToolCall("mul", "{", "c2"))
    assert reply.finish_reason == "tool_calls"


async def test_a_round_of_tools_is_sent_as_langchain_spells_it() -> None:
    calls = (ToolCall("add", '{"a": 2}'), ToolCall("mul", "{"), ToolCall("sub", ""))
    turns = (
        Message("user", "?"),
        Message("assistant", "", calls=calls),
        Message("tool", "4", name="add"),
    )
    model = Tooled(messages=iter([AIMessage("ok")]))
    await LangChainChat(model).send(chat_request(turns))
    _, called, answered = model.given[0]
    assert [(call["name"], call["args"], call["id"]) for call in called.tool_calls] == [
        ("add", {"a": 2}, "call_0"),
        ("sub", {}, "call_2"),
    ]
    assert [(call["name"], call["args"], call["id"]) for call in called.invalid_tool_calls] == [
        ("mul", "{", "call_1")
    ]
    assert (answered.type, answered.content, answered.tool_call_id) == ("tool", "4", "call_0")


async def test_a_class_that_can_bind_no_tools_fails_the_record_that_offers_some() -> None:
    with pytest.raises(RecordFailed, match="takes no tools: its LangChain class") as caught:
        await LangChainChat(Recorder(responses=["ok"])).send(request(tools=({"name": "add"},)))
    assert caught.value.kind == "takes_no_tools"


async def test_arguments_for_a_chat_template_are_left_out_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chat = LangChainChat(Recorder(responses=["ok"]))
    for _ in range(2):
        assert (await chat.send(request(template_arguments={"enable_thinking": False}))).text == "ok"
    assert [record.getMessage() for record in caplog.records if "left out" in record.getMessage()] == [
        "Recorder: takes no arguments for a chat template; they are left out"
    ]
