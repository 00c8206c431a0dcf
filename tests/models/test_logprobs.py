"""Log-probabilities of generated tokens and of given texts, against a server that follows a script."""

from __future__ import annotations

from typing import Any

import pytest
from asking import chat_request
from scripted_server import Say, ScriptedServer, in_thread, refuse

from factory.errors import RecordFailed, RunStopped
from factory.models.base import TokenLogprob, TokenLogprobs, Usage
from factory.models.failures import TransientFailure
from factory.models.openai.balanced import BalancedChat
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions
from factory.models.provider import TextScorer

pytestmark = pytest.mark.anyio

GENERATED = [
    {
        "token": "Par",
        "logprob": -0.5,
        "bytes": [80],
        "top_logprobs": [{"token": "Par", "logprob": -0.5}, {"token": "Lon", "logprob": -1.25}],
    },
    {"token": "is", "logprob": 0.0, "top_logprobs": []},
    {
        "token": "four",
        "logprob": -0.5,
        "top_logprobs": [{"token": "four", "logprob": -0.5}, {"token": "4", "logprob": -1.25}],
    },
]
USAGE = {"prompt_tokens": 3, "completion_tokens": 0}


def completion(logprobs: Any) -> Say:
    """A chat completion of "Paris" with these log-probabilities."""
    choice = {"message": {"content": "Paris"}, "finish_reason": "stop", "logprobs": logprobs}
    return Say(body={"choices": [choice], "usage": USAGE})


def echo(tokens: Any, logprobs: Any) -> Say:
    """A text completion that scored its prompt."""
    return Say(
        body={"choices": [{"logprobs": {"tokens": tokens, "token_logprobs": logprobs}}], "usage": USAGE}
    )


def provider(server: ScriptedServer) -> OpenAIChat:
    return OpenAIChat(OpenAIOptions(base_url=server.base_url, model="scripted"))


async def score(say: Say) -> tuple[TokenLogprobs, dict[str, Any]]:
    """What is read of this reply, and what was sent for it."""
    with in_thread(ScriptedServer(complete=lambda _: say)) as server:
        chat = provider(server)
        try:
            return await chat.score_text("巴黎 Paris"), server.requests[-1]
        finally:
            await chat.close()


async def test_a_reply_has_the_log_probabilities_that_were_asked_for(server: ScriptedServer) -> None:
    server.script = lambda _: completion({"content": GENERATED})
    chat = provider(server)
    asked = chat_request("Capital?", logprobs=2)
    reply = await chat.send(asked)
    await chat.close()
    assert reply.logprobs == (
        TokenLogprob("Par", -0.5),  # no number is near: what else was likely would only fill the journal
        TokenLogprob("is", 0.0),
        TokenLogprob("four", -0.5, (("four", -0.5), ("4", -1.25))),
    )
    assert (server.requests[0]["logprobs"], server.requests[0]["top_logprobs"]) == (True, 2)


@pytest.mark.parametrize(
    "refusal",
    [
        refuse(400, "You are not allowed to request logprobs from this model."),
        refuse(400, "Unsupported parameter", param="top_logprobs", code="unsupported_parameter"),
    ],
)
async def test_a_model_that_refuses_to_tell_them_is_asked_without_them_from_then_on(
    server: ScriptedServer, refusal: Say
) -> None:
    server.script = lambda request: refusal if "logprobs" in request else "4"
    chat = provider(server)
    asked = chat_request("How many?", logprobs=2)
    assert [(reply.text, reply.logprobs) for reply in (await chat.send(asked), await chat.send(asked))] == [
        ("4", ()),
        ("4", ()),
    ]
    await chat.close()
    assert ["logprobs" in request for request in server.requests] == [True, False, False]
    assert not any("top_logprobs" in request for request in server.requests[1:])


async def test_nobody_is_asked_for_log_probabilities_that_nobody_wants(server: ScriptedServer) -> None:
    chat = provider(server)
    assert (await chat.send(chat_request("hi"))).logprobs == ()
    await chat.close()
    assert "logprobs" not in server.requests[0]


async def test_log_probabilities_that_cannot_be_read_are_worth_another_try(server: ScriptedServer) -> None:
    server.script = lambda _: completion({"content": [{"token": "Par"}]})
    chat = provider(server)
    with pytest.raises(TransientFailure, match="cannot be read"):
        await chat.send(chat_request("hi", logprobs=0))
    await chat.close()


async def test_a_given_text_is_scored_token_by_token_and_its_first_token_has_no_value() -> None:
    scores, sent = await score(echo(["巴", "黎", " Paris"], [None, -1, -0.25]))
    assert scores == TokenLogprobs(("巴", "黎", " Paris"), (None, -1, -0.25), Usage(3, 0))
    assert sent == {"model": "scripted", "prompt": "巴黎 Paris", "echo": True, "max_tokens": 0, "logprobs": 1}


@pytest.mark.parametrize(
    "say",
    [
        Say(body={"choices": [{"text": "Paris", "logprobs": None}]}),
        Say(body={"choices": []}),
        echo([], []),
        echo([" is", " big"], [-0.5, -0.25]),
    ],
    ids=["no logprobs", "no choice", "nothing", "only what it generated"],
)
async def test_a_server_that_does_not_score_its_prompt_stops_the_run_in_one_sentence(say: Say) -> None:
    with pytest.raises(RunStopped, match=r"does not tell the log-probabilities of a given text; .*vLLM"):
        await score(say)


async def test_a_server_without_text_completions_stops_the_run(server: ScriptedServer) -> None:
    chat = provider(server)
    with pytest.raises(
        RunStopped, match=r"log-probabilities of a given text: .*404.*vLLM.*provider: transformers"
    ):
        await chat.score_text("text")
    await chat.close()


async def test_a_server_that_refuses_to_echo_names_what_does() -> None:
    with pytest.raises(RecordFailed, match=r"refused the request: echo is not supported; .*vLLM") as caught:
        await score(refuse(400, "echo is not supported"))
    assert caught.value.kind == "bad_request"


async def test_a_text_that_does_not_fit_fails_its_record_alone() -> None:
    with pytest.raises(RecordFailed, match="does not fit") as caught:
        await score(refuse(400, "This model's maximum context length is 4096 tokens."))
    assert caught.value.kind == "context_length"


async def test_scores_of_another_length_than_the_tokens_are_worth_another_try() -> None:
    for say in (echo(["a"], [None, -1.0]), echo(["a", "b"], [None, "low"])):
        with pytest.raises(TransientFailure):
            await score(say)


async def test_several_servers_score_as_one() -> None:
    with in_thread(ScriptedServer(complete=lambda _: echo(["a", "b"], [None, -2.0]))) as server:
        balanced = BalancedChat([provider(server), provider(server)])
        assert isinstance(balanced, TextScorer)
        assert (await balanced.score_text("ab")).logprobs == (None, -2.0)
        await balanced.close()
