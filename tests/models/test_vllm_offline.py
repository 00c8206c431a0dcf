"""The offline vLLM provider: jobs that join others, refusals, death. A small package stands in for vLLM."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from asking import chat_request

from factory.errors import MissingDependency, RecordFailed, RunStopped
from factory.models.base import AnswerLogprobs, ChatRequest, TokenLogprob, TokenLogprobs, Usage
from factory.models.options import VLLMOptions
from factory.models.provider import TextScorer
from factory.models.vllm.offline import VLLMChat

STAND_IN = """
import json, os, sys, time
from types import SimpleNamespace as Made

print("what a library prints is no reply")


def SamplingParams(**params):
    return Made(**{"logprobs": None, **params})


class LLM:
    def __init__(self, **arguments):
        if arguments["model"] == "broken":
            raise ValueError("no room for the weights")
        self.note(loaded=os.getpid(), **arguments)
        self.llm_engine, self.jobs, self.count = self, {}, 0

    def note(self, **facts):
        with open(os.environ["STAND_IN_NOTES"], "a") as notes:
            notes.write(json.dumps(facts) + "\\n")

    def get_tokenizer(self):
        return Made(decode=lambda ids: chr(ids[0]))

    def take(self, text, **output):
        self.jobs[text] = Made(request_id=str(self.count), finished=False, **output)
        self.count += 1
        return [f"{self.count - 1}-0a1b2c3d"]

    def enqueue_chat(self, conversations, params, use_tqdm, **more):
        (turns,), (wanted,) = conversations, params
        if more:
            self.note(template=more["chat_template_kwargs"])
        text = turns[-1]["content"]
        if len(text) > 100:
            raise ValueError("The prompt is longer than the maximum model length of 100.")
        reply = wanted.structured_outputs.json["reply"] if wanted.structured_outputs else f"to {text}"
        places = [
            {ord(letter): Made(logprob=-0.5, decoded_token=letter), 1: Made(logprob=-2.0, decoded_token="?")}
            for letter in reply
        ]
        said = Made(
            text=reply,
            finish_reason="length" if wanted.max_tokens < 5 else "stop",
            token_ids=[ord(letter) for letter in reply],
            logprobs=places if wanted.logprobs is not None else None,
        )
        return self.take(text, prompt_token_ids=list(range(len(text))), outputs=[said])

    def enqueue(self, texts, params, use_tqdm):
        (text,) = texts
        places = [None, *({ord(l): Made(logprob=-1.5, decoded_token=l, rank=3)} for l in text[1:])]
        return self.take(text, prompt_token_ids=[ord(l) for l in text], prompt_logprobs=places)

    def step(self):
        # All come to their end in a step, but "long", which ends when "last" is there too.
        self.note(step=list(self.jobs))
        if "die" in self.jobs:
            print("RuntimeError: out of memory", flush=True)
            os._exit(1)
        time.sleep(0.002)
        ready = [text for text in self.jobs if text != "long" or "last" in self.jobs]
        for text in ready:
            self.jobs[text].finished = True
        return [*(self.jobs.pop(text) for text in ready), *self.jobs.values()]
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What the stand-in for vLLM, installed for this test, was asked."""
    package = tmp_path / "site" / "vllm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    (package / "sampling_params.py").write_text(
        "from types import SimpleNamespace as StructuredOutputsParams\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("STAND_IN_NOTES", str(tmp_path / "notes"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    file = tmp_path / "notes"
    return lambda: [orjson.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def request(text: str, **options: Any) -> ChatRequest:
    return chat_request(text, **{"temperature": 0.0, "max_tokens": 9, **options})


def asked(ask: Callable[[VLLMChat], Awaitable[Any]], model: str = "tiny", **options: Any) -> Any:
    """What `ask` gets of a provider of its own."""

    async def go() -> Any:
        chat = VLLMChat(VLLMOptions(model=model, **options))
        try:
            return await ask(chat)
        finally:
            await chat.close()

    return asyncio.run(go())


def runs(pid: int) -> bool:
    """Whether a process runs, after a moment's patience for one that is ending."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except FileNotFoundError:
            return False
        time.sleep(0.05)
    return True


def test_each_request_gets_its_own_reply(notes: Any, tmp_path: Path) -> None:
    texts = [f"text {n} 文" for n in range(40)]

    async def ask(chat: VLLMChat) -> Any:
        return await asyncio.gather(*(chat.send(request(text)) for text in texts))

    replies = asked(ask)
    assert [reply.text for reply in replies] == [f"to {text}" for text in texts]
    assert replies[0].usage == Usage(len(texts[0]), len(texts[0]) + 3)
    loaded, *steps = notes()
    assert sorted(text for step in steps for text in step["step"]) == sorted(texts)
    assert not runs(loaded["loaded"])
    assert not list(tmp_path.glob("*.log"))


def test_a_request_joins_those_that_run_and_its_reply_does_not_wait_for_theirs(notes: Any) -> None:
    async def ask(chat: VLLMChat) -> Any:
        long = asyncio.create_task(chat.send(request("long")))
        replies = [await chat.send(request(text)) for text in ("one", "two")]
        assert not long.done()
        replies.append(await chat.send(request("last")))
        return [*replies, await long]

    assert [reply.text for reply in asked(ask)] == ["to one", "to two", "to last", "to long"]
    steps = [set(note["step"]) for note in notes()[1:]]
    assert {"long", "two"} in steps  # "one" may have gone out before the task of "long" began


def test_a_request_that_was_cancelled_leaves_the_others_alone(notes: Any) -> None:
    async def ask(chat: VLLMChat) -> Any:
        long = asyncio.create_task(chat.send(request("long")))
        await chat.send(request("one"))
        long.cancel()
        return await asyncio.gather(*(chat.send(request(text)) for text in ("two", "last")))

    assert [reply.text for reply in asked(ask)] == ["to two", "to last"]


def test_the_engine_gets_the_recipes_arguments(notes: Any) -> None:
    asked(
        lambda chat: chat.send(request("hi")),
        dtype="bfloat16",
        max_model_len=512,
        arguments={"tensor_parallel_size": 2, "enable_prefix_caching": False},
    )
    loaded = notes()[0]
    loaded.pop("loaded")
    assert loaded == {
        "model": "tiny",
        "dtype": "bfloat16",
        "max_model_len": 512,
        "tensor_parallel_size": 2,
        "enable_prefix_caching": False,
    }


def test_a_schema_goes_to_structured_outputs_and_a_cut_reply_says_so(notes: Any) -> None:
    reply = asked(
        lambda chat: chat.send(request("hi", schema={"reply": "<think>hm</think>{}"}, max_tokens=4))
    )
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("{}", "hm", "length")


def test_log_probabilities_are_read_of_generated_and_of_given_text(notes: Any) -> None:
    async def ask(chat: VLLMChat) -> Any:
        assert isinstance(chat, TextScorer)
        return await asyncio.gather(chat.send(request("4", logprobs=1)), chat.score_text("巴黎"))

    reply, scores = asked(ask)
    assert reply.logprobs == (
        *(TokenLogprob(letter, -0.5) for letter in "to "),
        TokenLogprob("4", -0.5, (("4", -0.5),)),
    )
    assert scores == TokenLogprobs(("巴", "黎"), (None, -1.5), Usage(2, 1))


def test_an_answer_is_scored_behind_its_context_with_ranks(notes: Any) -> None:
    scores = asked(lambda chat: chat.score_answer("巴黎?\n", "对 yes"))
    assert scores == AnswerLogprobs((-1.5,) * 5, (3,) * 5, 4, False, Usage(9, 1))


def test_a_request_that_vllm_refuses_fails_alone(notes: Any) -> None:
    texts = [str(n) for n in range(8)]
    texts[5] = "long " * 30

    async def ask(chat: VLLMChat) -> Any:
        return await asyncio.gather(*(chat.send(request(text)) for text in texts), return_exceptions=True)

    replies = asked(ask)
    refused = replies.pop(5)
    assert isinstance(refused, RecordFailed)
    assert refused.kind == "context_length"
    assert [reply.text for reply in replies] == [f"to {n}" for n in range(8) if n != 5]


def test_text_that_is_no_unicode_fails_alone(notes: Any) -> None:
    async def ask(chat: VLLMChat) -> Any:
        return await asyncio.gather(
            chat.send(request("\ud800")), chat.send(request("hi")), return_exceptions=True
        )

    refused, reply = asked(ask)
    assert isinstance(refused, RecordFailed)
    assert reply.text == "to hi"


def test_an_engine_that_dies_stops_the_run_in_one_sentence_that_names_its_log(
    notes: Any, tmp_path: Path
) -> None:
    async def ask(chat: VLLMChat) -> Any:
        together = (chat.send(request(text)) for text in ("long", "die", "there"))
        first = await asyncio.gather(*together, return_exceptions=True)
        return [*first, *await asyncio.gather(chat.send(request("later")), return_exceptions=True)]

    errors = asked(ask)
    (log,) = tmp_path.glob("*.log")
    assert {type(error) for error in errors} == {RunStopped}
    assert {str(error) for error in errors} == {
        f"vLLM ended while it ran tiny: RuntimeError: out of memory; its log: {log}"
    }


def test_a_model_that_cannot_be_loaded_stops_the_run(notes: Any) -> None:
    with pytest.raises(
        RunStopped, match="vLLM ended while it ran broken: ValueError: no room for the weights; "
    ):
        asked(lambda chat: chat.send(request("hi")), model="broken")


@pytest.mark.slow
def test_the_engine_ends_with_its_starter_even_where_that_is_killed(notes: Any) -> None:
    code = (
        "import asyncio, sys\n"
        "from factory.models.base import ChatRequest, Sampling\n"
        "from factory.models.options import VLLMOptions\n"
        "from factory.models.vllm.offline import VLLMChat\n"
        "from factory.data.record import Message\n"
        "async def go():\n"
        "    chat = VLLMChat(VLLMOptions(model='tiny'))\n"
        "    await chat.send(ChatRequest((Message('user', 'hi'),), Sampling(0.0, 9)))\n"
        "    print('up', flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(go())"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"up\n"
    engine = notes()[0]["loaded"]
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    assert not runs(engine)


def test_nothing_is_loaded_for_nobody(notes: Any) -> None:
    async def ask(chat: VLLMChat) -> None:
        return None

    asked(ask)
    assert notes() == []


def test_a_vllm_that_is_too_old_is_said_to_be(notes: Any, tmp_path: Path) -> None:
    package = tmp_path / "site" / "vllm" / "__init__.py"
    package.write_text(STAND_IN.replace("enqueue_chat", "chat"))
    with pytest.raises(RunStopped, match="RuntimeError: this vLLM is too old for the vllm provider"):
        asked(lambda chat: chat.send(request("hi")))


def test_vllm_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"sft-factory\[vllm\]"):
        VLLMChat(VLLMOptions(model="tiny"))


def test_an_identity_holds_what_changes_replies_and_no_more(notes: Any) -> None:
    def identity(**options: Any) -> str:
        return VLLMChat(VLLMOptions(model="tiny", **options)).identity

    plain = identity()
    assert plain == "vllm:tiny"
    assert identity(concurrency=3, arguments={"gpu_memory_utilization": 0.5}) == plain
    assert len({plain, identity(dtype="half"), identity(arguments={"quantization": "fp8"})}) == 3


def test_tools_are_refused_and_the_way_to_offer_them_is_named(notes: Any) -> None:
    with pytest.raises(RecordFailed, match="takes no tools: use `provider: openai` with `serve: true`"):
        asked(lambda chat: chat.send(request("hi", tools=({"name": "add"},))))


def test_arguments_for_the_chat_template_reach_it(notes: Any) -> None:
    asked(lambda chat: chat.send(request("hi", template_arguments={"enable_thinking": False})))
    assert {"template": {"enable_thinking": False}} in notes()
