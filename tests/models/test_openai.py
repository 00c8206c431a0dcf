"""The OpenAI-compatible chat provider against a server that follows a script."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from asking import chat_request
from pydantic import BaseModel, Field, ValidationError
from scripted_server import HTML, Say, ScriptedServer, refuse

from factory.data.record import Message
from factory.errors import MissingSecret, RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply, Usage
from factory.models.failures import Overloaded, TransientFailure, Unreachable
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions

pytestmark = pytest.mark.anyio

KEY = "sk-planted-0123456789abcdefXYZ"


class Grade(BaseModel):
    """A schema with bounds."""

    grade: int = Field(ge=1, le=5)
    why: str = Field(max_length=80)


def request(text: str = "Say hello.", **options: Any) -> ChatRequest:
    return chat_request(text, **{"temperature": 0.0, "max_tokens": 50, **options})


def options(server: ScriptedServer, **fields: Any) -> OpenAIOptions:
    return OpenAIOptions(**{"base_url": server.base_url, "model": "scripted", **fields})


async def send(server: ScriptedServer, asked: ChatRequest | None = None, **fields: Any) -> Reply:
    """One call by a provider of its own."""
    provider = OpenAIChat(options(server, **fields))
    try:
        return await provider.send(asked or request())
    finally:
        await provider.close()


def says(reply: Say | str) -> Callable[[dict[str, Any]], Say | str]:
    return lambda _: reply


async def test_a_reply_has_its_text_its_end_and_its_usage(server: ScriptedServer) -> None:
    server.script = says(Say("Hello there.", finish_reason="length"))
    reply = await send(server)
    assert reply == Reply("Hello there.", "length", Usage(2, 2))


async def test_the_request_says_what_was_asked(server: ScriptedServer) -> None:
    asked = chat_request(
        (Message("system", "你是老师。"), Message("user", "一加一？")),
        temperature=0.5,
        max_tokens=9,
        top_p=0.9,
        stop=("\n",),
        seed=7,
    )
    await send(server, asked, extra_body={"top_k": 5})
    assert server.requests == [
        {
            "model": "scripted",
            "messages": [
                {"role": "system", "content": "你是老师。"},
                {"role": "user", "content": "一加一？"},
            ],
            "temperature": 0.5,
            "max_tokens": 9,
            "top_p": 0.9,
            "stop": ["\n"],
            "seed": 7,
            "top_k": 5,
        }
    ]


async def test_options_of_the_recipe_win_over_the_step(server: ScriptedServer) -> None:
    await send(server, temperature=1.5, top_p=0.3, max_tokens=3)
    assert {"temperature": 1.5, "top_p": 0.3, "max_tokens": 3}.items() <= server.requests[0].items()


async def test_a_schema_goes_out_as_response_format(server: ScriptedServer) -> None:
    reply = await send(server, request(schema=Grade.model_json_schema()))
    Grade.model_validate_json(reply.text)
    wanted = server.requests[0]["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"] == {"name": "Grade", "schema": Grade.model_json_schema(), "strict": True}


async def test_a_server_without_response_format_is_asked_in_words_from_then_on(
    server: ScriptedServer,
) -> None:
    def script(body: dict[str, Any]) -> Say | str:
        return refuse(400, "unknown field") if "response_format" in body else '{"grade": 3, "why": "ok"}'

    server.script = script
    provider = OpenAIChat(options(server))
    for _ in range(3):
        reply = await provider.send(request("给这个回答打分。", schema=Grade.model_json_schema()))
        assert json.loads(reply.text)["grade"] == 3
    await provider.close()
    assert ["response_format" in body for body in server.requests] == [True, False, False, False]
    last_turn = server.requests[-1]["messages"][-1]["content"]
    assert last_turn.startswith("给这个回答打分。\n\n请只回答")
    assert '"maxLength":80' in last_turn


async def test_a_request_refused_with_and_without_a_schema_fails_its_record(server: ScriptedServer) -> None:
    server.script = says(refuse(400, "messages must alternate"))
    provider = OpenAIChat(options(server))
    for _ in range(2):
        with pytest.raises(RecordFailed, match="messages must alternate") as caught:
            await provider.send(request(schema=Grade.model_json_schema()))
        assert caught.value.kind == "bad_request"
    await provider.close()
    # The schema was not shown to be at fault, so that it is still tried first.
    assert ["response_format" in body for body in server.requests] == [True, False, True, False]


async def test_a_parameter_that_the_model_does_not_support_is_left_out(server: ScriptedServer) -> None:
    def script(body: dict[str, Any]) -> Say | str:
        if "temperature" in body:
            words = "Unsupported value: 'temperature' does not support 0 with this model."
            return refuse(400, words, param="temperature", code="unsupported_value")
        return "fine"

    server.script = script
    provider = OpenAIChat(options(server))
    assert [(await provider.send(request())).text for _ in range(2)] == ["fine", "fine"]
    await provider.close()
    assert ["temperature" in body for body in server.requests] == [True, False, False]


@pytest.mark.parametrize(
    ("said", "text", "reasoning"),
    [
        (Say("<think>\nLet me see.\n</think>\n\nFour."), "Four.", "Let me see."),
        (Say("Let me see.\n</think>\n\nFour."), "Four.", "Let me see."),
        (Say("<think>Cut off bef", finish_reason="length"), "", "Cut off bef"),
        (Say("Four.", reasoning="Let me see."), "Four.", "Let me see."),
        (Say(None, reasoning="Only thought.", finish_reason="length"), "", "Only thought."),
        (Say("Close it with </think> in the text."), "Close it with </think> in the text.", ""),
    ],
)
async def test_reasoning_is_kept_apart(server: ScriptedServer, said: Say, text: str, reasoning: str) -> None:
    server.script = says(said)
    reply = await send(server)
    assert (reply.text, reply.reasoning) == (text, reasoning)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "in an hour"}, 3000, 3600),
        ({"retry-after-ms": "250"}, 0.25, 0.25),
    ],
)
async def test_an_overloaded_server_says_how_long_to_wait(
    server: ScriptedServer, status: int, headers: dict[str, str], low: float, high: float
) -> None:
    if "in an hour" in headers.values():  # of now, not of when the tests were gathered
        moment = datetime.now(UTC) + timedelta(seconds=3600)
        headers = {"Retry-After": format_datetime(moment, usegmt=True)}
    server.script = says(refuse(status, "slow down", headers=headers))
    with pytest.raises(Overloaded, match="slow down") as caught:
        await send(server)
    assert caught.value.retry_after is not None
    assert low <= caught.value.retry_after <= high


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan"])
async def test_an_unusable_retry_after_is_no_retry_after(server: ScriptedServer, value: str) -> None:
    server.script = says(refuse(429, "slow down", headers={"Retry-After": value}))
    with pytest.raises(Overloaded) as caught:
        await send(server)
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "said",
    [
        refuse(408, "timeout"),
        refuse(409, "conflict"),
        refuse(500, "oops"),
        Say(status=502, body="<html><title>Bad gateway</title></html>"),
        Say(fault="reset"),
        Say("a long reply " * 50, fault="truncate"),
        Say(body='{"choices": [{"mess'),
        Say(body=b"\xff\xfe{"),
        Say(body={"choices": []}),
        Say(body={}),
        Say(body={"choices": [{"message": {"content": None}}]}),
        Say(body={"error": {"message": "upstream broke", "code": 502}}),
    ],
    ids=lambda said: said.fault or str(said.body)[:40],
)
async def test_a_mishap_is_worth_another_try(server: ScriptedServer, said: Say) -> None:
    provider = OpenAIChat(options(server))
    await provider.send(request())
    server.script = says(said)
    with pytest.raises(TransientFailure):
        await provider.send(request())
    server.script = says("better")
    assert (await provider.send(request())).text == "better"
    await provider.close()


@pytest.mark.slow
async def test_a_reply_that_never_comes_is_given_up(server: ScriptedServer) -> None:
    server.script = says(Say(fault="hang"))
    with pytest.raises(TransientFailure, match=r"longer than 0\.2 s"):
        await send(server, timeout=0.2)


async def test_an_overload_passed_on_under_status_200_is_an_overload(server: ScriptedServer) -> None:
    server.script = says(Say(body={"error": {"message": "rate limited", "code": 429}}))
    with pytest.raises(Overloaded, match="rate limited"):
        await send(server)


@pytest.mark.slow
async def test_a_page_from_a_server_that_never_answered_stops_the_run(server: ScriptedServer) -> None:
    server.script = says(HTML)
    with pytest.raises(RunStopped, match="is /v1 missing"):
        await send(server)


async def test_a_page_from_a_server_that_answered_before_is_a_mishap(server: ScriptedServer) -> None:
    provider = OpenAIChat(options(server))
    await provider.send(request())
    server.script = says(HTML)
    with pytest.raises(TransientFailure, match="it is not JSON"):
        await provider.send(request())
    await provider.close()


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        provider = OpenAIChat(OpenAIOptions(base_url=url, model="scripted"))
        with pytest.raises(Unreachable, match=f"nobody answers at {url}"):
            await provider.send(request())
        await provider.close()


async def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    provider = OpenAIChat(OpenAIOptions(base_url="http://no-such-host.invalid/v1", model="scripted"))
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid"):
        await provider.send(request())
    await provider.close()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (refuse(400, "This model's maximum context length is 4096 tokens."), "context_length"),
        (refuse(400, "too long", code="context_length_exceeded"), "context_length"),
        (refuse(400, "the request exceeds the available context size"), "context_length"),
        (refuse(413, "payload too large"), "context_length"),
        (
            refuse(500, "input (900 tokens) is too large to process. increase the batch size"),
            "context_length",
        ),
        (refuse(400, "bad role"), "bad_request"),
        (refuse(422, "bad field"), "bad_request"),
        (refuse(400, "filtered", code="content_filter"), "refused"),
        (
            Say(body={"choices": [{"message": {"content": None}, "finish_reason": "content_filter"}]}),
            "refused",
        ),
        (Say(body={"choices": [{"message": {"content": None, "refusal": "I can't."}}]}), "refused"),
    ],
)
async def test_a_request_that_can_never_succeed_fails_its_record(
    server: ScriptedServer, said: Say, kind: str
) -> None:
    server.script = says(said)
    with pytest.raises(RecordFailed) as caught:
        await send(server)
    assert caught.value.kind == kind
    assert len(str(caught.value)) < 300


async def test_a_lone_surrogate_fails_its_record(server: ScriptedServer) -> None:
    with pytest.raises(RecordFailed, match="cannot be sent as JSON"):
        await send(server, request("half a character: \ud800"))


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_stops_the_run_and_names_the_variable(
    server: ScriptedServer, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    server.script = says(refuse(status, f"Incorrect API key provided: {KEY}"))
    with pytest.raises(RunStopped, match="export TEACHER_KEY=") as caught:
        await send(server, api_key_env="TEACHER_KEY")
    assert KEY not in str(caught.value)


async def test_an_account_without_credit_stops_the_run(server: ScriptedServer) -> None:
    server.script = says(refuse(429, "You exceeded your current quota", code="insufficient_quota"))
    with pytest.raises(RunStopped, match="no credit"):
        await send(server)


async def test_an_unknown_model_stops_the_run_and_lists_the_known_ones(server: ScriptedServer) -> None:
    server.models = ("small", "large")
    with pytest.raises(RunStopped, match="no model 'scripted'; it has small, large"):
        await send(server)


async def test_an_address_without_v1_stops_the_run(server: ScriptedServer) -> None:
    with pytest.raises(RunStopped, match="is /v1 missing"):
        await send(server, base_url=server.base_url.removesuffix("/v1"))


async def test_a_redirect_is_not_followed(server: ScriptedServer) -> None:
    server.script = says(Say(status=307, headers={"Location": "https://elsewhere.invalid/v1"}, body=""))
    with pytest.raises(RunStopped, match=r"elsewhere\.invalid"):
        await send(server)


@pytest.mark.slow
async def test_the_key_goes_to_the_server_and_nowhere_else(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    chosen = options(server, api_key_env="TEACHER_KEY")
    provider = OpenAIChat(chosen)
    shown = [provider.identity, repr(provider), repr(chosen)]
    server.script = echo_key
    for _ in range(len(ECHOES)):
        try:
            shown.append(repr(await provider.send(request())))
        except Exception as error:
            chain: BaseException | None = error
            while chain is not None:
                shown += [str(chain), repr(chain), repr(vars(chain))]
                chain = chain.__context__
    await provider.close()
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert not any(KEY[:8] in text for text in shown)


ECHOES = [
    refuse(status, f"key {KEY} and sk-planted-****XYZ", code=KEY)
    for status in (400, 401, 402, 403, 404, 408, 413, 429, 500, 503)
]
ECHOES += [
    Say(status=302, headers={"Location": f"https://elsewhere.invalid/?key={KEY}"}, body=""),
    Say(fault="reset"),
    Say(body=KEY),
    Say(body={"error": KEY}),
]


def echo_key(_: dict[str, Any], left: list[Say] = [*ECHOES]) -> Say:  # noqa: B006
    return left.pop(0)


async def test_a_server_without_a_key_is_sent_a_dummy_and_never_the_key_for_openai(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    await send(server)
    assert server.headers[0]["Authorization"] == "Bearer none"


async def test_a_variable_that_the_recipe_names_must_be_set(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    with pytest.raises(MissingSecret, match="export TEACHER_KEY="):
        await send(server, api_key_env="TEACHER_KEY")


async def test_a_server_that_asks_for_a_key_it_was_not_given_says_where_to_name_it(
    server: ScriptedServer,
) -> None:
    server.script = says(refuse(401, "missing key"))
    with pytest.raises(RunStopped, match="api_key_env"):
        await send(server)


def test_openai_without_a_key_says_how_to_set_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingSecret, match="export OPENAI_API_KEY="):
        OpenAIChat(OpenAIOptions(model="gpt-4.1-mini"))


@pytest.mark.parametrize("broken", [KEY + "\n", "Bearer " + KEY, KEY + "é"])
def test_a_value_that_cannot_be_a_key_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", broken)
    with pytest.raises(MissingSecret, match="OPENAI_API_KEY") as caught:
        OpenAIChat(OpenAIOptions(model="gpt-4.1-mini"))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("field", ["api_key_env", "base_url", "concurrency", "api_key"])
def test_a_key_in_the_wrong_field_is_refused_unseen(field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        OpenAIOptions.model_validate({"model": "m", field: KEY})
    assert KEY not in str(caught.value)


def test_the_identity_names_what_changes_a_reply_and_no_address() -> None:
    def identity(**fields: Any) -> str:
        return OpenAIChat(OpenAIOptions(base_url="http://10.0.0.1/v1", model="m", **fields)).identity

    assert identity() == "openai:m"
    assert identity(concurrency=3, timeout=5.0) == "openai:m"
    different = {identity(extra_body={"top_k": k}) for k in (1, 2)} | {identity(temperature=0.1), identity()}
    assert len(different) == 4


def test_openai_is_sent_a_strict_schema_and_its_own_name_for_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    provider = OpenAIChat(OpenAIOptions(model="gpt-4.1-mini"))
    body = provider._body(request())
    assert body["max_completion_tokens"] == 50
    assert "max_tokens" not in body


@pytest.mark.slow
async def test_the_official_client_reads_the_scripted_server(server: ScriptedServer) -> None:
    import openai

    client = openai.AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0)
    turns: list[Any] = [{"role": "user", "content": "Say hello."}]
    ours = await send(server)
    theirs = await client.chat.completions.create(
        model="scripted", messages=turns, temperature=0.0, max_tokens=50
    )
    assert theirs.choices[0].message.content == ours.text
    assert theirs.usage is not None
    assert theirs.usage.completion_tokens == ours.usage.completion_tokens
    parsed = await client.chat.completions.parse(model="scripted", messages=turns, response_format=Grade)
    assert parsed.choices[0].message.parsed is not None
    assert parsed.choices[0].message.parsed.grade == 1
    embedded = await client.embeddings.create(model="scripted", input=["a", "b"], encoding_format="float")
    assert len(embedded.data) == 2
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="unknown", messages=turns)
    await client.close()
