"""Tools and template arguments to OpenAI-style servers, online and by batch, and the calls that come back."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest
from asking import chat_request
from scripted_server import Say, ScriptedServer

from factory.data.record import Media, Message, ToolCall
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.models.failures import TransientFailure
from factory.models.openai.batch_files import read_reply, request_line
from factory.models.openai.chat import OpenAIBodies, OpenAIChat
from factory.models.openai.completion import read_completion, read_samples
from factory.models.options import OpenAIOptions

ADD = {"name": "add", "parameters": {"type": "object"}}


def completion(finish_reason: str = "tool_calls", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": None, **message}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish_reason}]}


def called(**function: Any) -> dict[str, Any]:
    return {"id": "c1", "type": "function", "function": function}


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({"tool_calls": [called(name="add", arguments='{"a": 2}')]}, (ToolCall("add", '{"a": 2}', "c1"),)),
        ({"tool_calls": [called(name="add", arguments={"a": 2})]}, (ToolCall("add", '{"a":2}', "c1"),)),
        ({"tool_calls": [called(name="add")]}, (ToolCall("add", "{}", "c1"),)),
        ({"tool_calls": [called(name="add", arguments="not {JSON")]}, (ToolCall("add", "not {JSON", "c1"),)),
        ({"function_call": {"name": "add", "arguments": "{}"}}, (ToolCall("add", "{}"),)),
        ({"tool_calls": [], "content": "4"}, ()),
        ({"tool_calls": None, "content": "4"}, ()),
    ],
)
def test_calls_are_read_as_the_server_spells_them(
    message: dict[str, Any], calls: tuple[ToolCall, ...]
) -> None:
    reply = read_completion(completion(**message))
    assert reply.calls == calls
    assert reply.text == message.get("content", "")


def test_words_reasoning_and_calls_of_one_reply_are_kept_apart() -> None:
    data = completion(content="Let me add.", reasoning_content="Hm.", tool_calls=[called(name="add")])
    reply = read_completion(data)
    expected = Reply("Let me add.", "tool_calls", reasoning="Hm.", calls=(ToolCall("add", "{}", "c1"),))
    assert reply == expected


@pytest.mark.parametrize(
    "calls",
    [
        [called(arguments="{}")],
        [called(name="")],
        [called(name=7)],
        [{"id": "c1"}],
        ["add"],
        {"name": "add"},
        "add",
    ],
)
def test_calls_that_cannot_be_read_are_a_servers_mishap(calls: Any) -> None:
    with pytest.raises(TransientFailure, match="cannot be read"):
        read_completion(completion(tool_calls=calls))


def test_of_several_choices_each_has_its_own_calls() -> None:
    data = completion(tool_calls=[called(name="add")])
    data["choices"].append({"index": 1, "message": {"content": "4"}, "finish_reason": "stop"})
    replies, _ = read_samples(data)
    assert [len(reply.calls) for reply in replies] == [1, 0]


@pytest.mark.anyio
async def test_the_recipes_arguments_for_the_template_stand_over_the_records(server: ScriptedServer) -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 5}
    provider = OpenAIChat(OpenAIOptions(base_url=server.base_url, model="scripted", extra_body=extra))
    arguments = {"enable_thinking": True, "xml_tools": ["a"]}
    await provider.send(chat_request("hi", template_arguments=arguments))
    await provider.send(chat_request("hi"))
    await provider.close()
    assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False, "xml_tools": ["a"]}
    assert server.requests[1]["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.anyio
async def test_a_servers_refusal_of_tools_fails_the_record_with_its_words(server: ScriptedServer) -> None:
    words = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    server.script = lambda _: Say(status=400, body={"error": {"message": words}})
    provider = OpenAIChat(OpenAIOptions(base_url=server.base_url, model="scripted"))
    with pytest.raises(RecordFailed, match="--enable-auto-tool-choice"):
        await provider.send(chat_request("hi", tools=(ADD,)))
    await provider.close()


def test_openai_itself_has_no_template_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bodies = OpenAIBodies(OpenAIOptions(model="gpt-4.1-mini"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            body = bodies.body(chat_request("hi", template_arguments={"enable_thinking": True}, tools=(ADD,)))
    assert "chat_template_kwargs" not in body
    assert body["tools"] == [{"type": "function", "function": ADD}]
    assert len(caplog.records) == 1
    assert "does not support chat_template_kwargs" in caplog.text


def test_a_batch_carries_tools_out_and_calls_back() -> None:
    bodies = OpenAIBodies(OpenAIOptions(base_url="http://10.0.0.1/v1", model="m"))
    line = orjson.loads(request_line("k", bodies.body(chat_request("2+2?", tools=(ADD,)))))
    assert line["body"]["tools"] == [{"type": "function", "function": ADD}]
    result = {
        "response": {"status_code": 200, "body": completion(tool_calls=[called(name="add")])},
        "error": None,
    }
    assert read_reply(result).calls == (ToolCall("add", "{}", "c1"),)


def test_a_batch_opens_no_file_that_a_row_names() -> None:
    bodies = OpenAIBodies(OpenAIOptions(base_url="http://10.0.0.1/v1", model="m"))
    shown = Message("user", "look", media=(Media("image", "~/.ssh/id_rsa"),))
    with pytest.raises(RecordFailed, match="is not opened"):
        bodies.body(chat_request((shown,)))


@pytest.mark.anyio
async def test_a_server_that_takes_no_template_arguments_is_asked_without_them_from_then_on(
    server: ScriptedServer,
) -> None:
    def script(request: dict[str, Any]) -> str | Say:
        if "chat_template_kwargs" in request:
            words = "property 'chat_template_kwargs' is unsupported"
            return Say(status=400, body={"error": {"message": words}})
        return "fine"

    server.script = script
    provider = OpenAIChat(OpenAIOptions(base_url=server.base_url, model="scripted"))
    asked = chat_request("hi", template_arguments={"enable_thinking": False})
    assert [(await provider.send(asked)).text for _ in range(2)] == ["fine", "fine"]
    await provider.close()
    assert ["chat_template_kwargs" in request for request in server.requests] == [True, False, False]


@pytest.mark.parametrize("name", ["chat_template", "tokenize"])
def test_a_row_brings_no_template_of_its_own(name: str) -> None:
    bodies = OpenAIBodies(OpenAIOptions(base_url="http://10.0.0.1/v1", model="m"))
    with pytest.raises(RecordFailed, match=f"hold '{name}', which no row may set") as caught:
        bodies.body(chat_request("hi", template_arguments={"enable_thinking": True, name: "{{ 1 }}"}))
    assert caught.value.kind == "template_in_row"
