"""Log-probabilities of generated tokens and of given texts, against a server that follows a script."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import chat_request
from scripted_server import Say, ScriptedServer, in_thread, refuse

from factory.api.dataset import load
from factory.api.steps import model
from factory.data.record import Candidate, Message, new_record
from factory.errors import RecordFailed, RunStopped
from factory.models.base import AnswerLogprobs, TokenLogprob, TokenLogprobs, Usage
from factory.models.failures import TransientFailure
from factory.models.openai.balanced import BalancedChat
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions
from factory.models.provider import AnswerScorer, TextScorer

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


def ranked(tokens: list[str], places: Any) -> Say:
    """A text completion that scored its prompt, with what vLLM tells of the prompt's tokens beside it."""
    logprobs = [None, *(-float(at) for at in range(1, len(tokens)))]
    choice = {"logprobs": {"tokens": tokens, "token_logprobs": logprobs}, "prompt_logprobs": places}
    return Say(body={"choices": [choice], "usage": USAGE})


PLACES = [None, {"13": {"logprob": -1.0, "rank": 4}}, {"7": {"logprob": -2.0, "rank": 9}, "8": {"rank": 1}}]


async def test_an_answer_is_scored_behind_its_context_with_the_ranks_that_vllm_tells() -> None:
    with in_thread(ScriptedServer(complete=lambda _: ranked(["Say", "\n", "yes"], PLACES))) as server:
        chat = provider(server)
        scores = await chat.score_answer("Say\n", "yes")
        await chat.close()
    assert scores == AnswerLogprobs((-2.0,), (9,), 2, False, Usage(3, 0))
    assert server.requests[-1]["prompt_logprobs"] == 0
    assert server.requests[-1]["prompt"] == "Say\nyes"


async def test_what_a_chat_template_wrote_is_sent_without_tokens_of_the_tokenizers_own() -> None:
    with in_thread(ScriptedServer(complete=lambda _: ranked(["Say", "\n", "yes"], PLACES))) as server:
        chat = provider(server)
        await chat.score_answer("Say\n", "yes", opened=True)
        await chat.score_answer("Say\n", "yes")
        await chat.close()
    assert [request.get("add_special_tokens") for request in server.requests] == [False, None]


@pytest.mark.parametrize(
    "places",
    [None, "no", [None, None], [None, {}, {}], [None, None, None], [None, {"1": {}}, {"2": {"rank": 0}}]],
)
async def test_ranks_that_are_not_told_or_cannot_be_read_are_none(places: Any) -> None:
    with in_thread(ScriptedServer(complete=lambda _: ranked(["Say", "\n", "yes"], places))) as server:
        chat = provider(server)
        scores = await chat.score_answer("Say\n", "yes")
        await chat.close()
    assert (scores.logprobs, scores.ranks) == ((-2.0,), ())


async def test_a_server_that_refuses_to_tell_ranks_is_asked_without_them_from_then_on() -> None:
    def say(request: dict[str, Any]) -> Say:
        if "prompt_logprobs" in request:
            return refuse(400, "prompt_logprobs: extra fields not permitted")
        return echo(["Say", "\n", "yes"], [None, -1.0, -2.0])

    with in_thread(ScriptedServer(complete=say)) as server:
        chat = provider(server)
        scores = [await chat.score_answer("Say\n", "yes") for _ in range(2)]
        await chat.close()
    assert scores == [AnswerLogprobs((-2.0,), (), 2, False, Usage(3, 0))] * 2
    assert ["prompt_logprobs" in request for request in server.requests] == [True, False, False]


async def test_a_server_that_does_not_score_its_prompt_scores_no_answer_either() -> None:
    with in_thread(ScriptedServer(complete=lambda _: Say(body={"choices": []}))) as server:
        chat = provider(server)
        with pytest.raises(RunStopped, match=r"does not tell the log-probabilities of a given text; .*vLLM"):
            await chat.score_answer("Say\n", "yes")
        await chat.close()


async def test_several_servers_score_answers_as_one() -> None:
    with in_thread(ScriptedServer(complete=lambda _: ranked(["Say", "\n", "yes"], PLACES))) as server:
        balanced = BalancedChat([provider(server), provider(server)])
        assert isinstance(balanced, AnswerScorer)
        assert (await balanced.score_answer("Say\n", "yes")).ranks == (9,)
        await balanced.close()


def test_answers_that_were_scored_are_not_asked_for_again(tmp_path: Path) -> None:
    def say(request: dict[str, Any]) -> Say:
        tokens = re.findall(r"\S+|\n", request["prompt"])
        places = [None, *({str(at): {"logprob": -1.0, "rank": at}} for at in range(1, len(tokens)))]
        return ranked(tokens, places)

    answers = [Candidate((Message("assistant", text),)) for text in ("a b", "c", "a b")]
    records = [replace(new_record(f"question {at}"), answers=tuple(answers)) for at in range(3)]
    with in_thread(ScriptedServer(complete=say)) as server:
        student = model("openai", base_url=server.base_url, model="scripted")
        runs = [
            load(records).then("fit", model=student, choose="grape").run(journal=tmp_path / "journal.db")
            for _ in range(2)
        ]
        asked = [request["prompt"] for request in server.requests if request["prompt"].startswith("question")]
    assert sorted(asked) == sorted(f"question {at}\n{text}" for at in range(3) for text in ("a b", "c"))
    assert list(runs[0]) == list(runs[1])
    assert [record.scores for record in runs[0]] == [{"grape": -3.0, "rsr": 1.0}] * 3
