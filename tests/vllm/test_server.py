"""The openai provider and whole runs against a real vLLM server."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field
from real_server import (
    ARGUMENTS,
    PARIS,
    PARIS_LOGPROBS,
    asked,
    descendants,
    metric,
    recipe,
    replies,
    request,
    seeds,
    usage,
)

import factory as sft
from factory.data.record import Message
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RunStopped
from factory.models.base import Answer, ChatRequest, Sampling
from factory.models.openai.chat import OpenAIChat
from factory.models.options import TransformersOptions
from factory.models.providers import chat_provider
from factory.models.vllm.server import LocalServer


class City(BaseModel):
    """A schema with bounds, which a small model needs."""

    model_config = ConfigDict(extra="forbid")
    city: str = Field(max_length=20)
    population: int = Field(ge=0, le=99_999_999)


def test_a_chat_is_answered_in_english_and_chinese(vllm: LocalServer) -> None:
    for text in ("What is the capital of France?", "法国的首都是哪里？"):
        reply = asked(vllm, lambda chat, text=text: chat.send(request(text)))
        assert reply.text.strip()
        assert reply.usage.prompt_tokens > 0
        assert 0 < reply.usage.completion_tokens <= 24
        assert reply.logprobs == ()


def test_the_same_seed_gives_the_same_text_and_another_seed_another(vllm: LocalServer) -> None:
    def sampled(seed: int) -> str:
        hot = request("Tell me a story.", temperature=1.0, seed=seed)
        text: str = asked(vllm, lambda chat: chat.send(hot)).text
        return text

    assert sampled(1) == sampled(1) != sampled(2)


def test_samples_of_a_prompt_differ_come_again_with_their_seed_and_are_replayed_one_by_one(
    vllm: LocalServer, tmp_path: Path
) -> None:
    story = [Message("user", "Tell me a story.")]
    sampling = Sampling(1.0, 24)

    def drawn(journal: str, ask: Callable[[JournalledChat], Awaitable[Any]], seed: int = 0) -> Any:
        async def go(provider: OpenAIChat) -> Any:
            kept = Journal(tmp_path / journal)
            chat = JournalledChat("m", provider, kept, ModelUsage(), Gate(), seed=seed)
            try:
                return await ask(chat), chat.usage
            finally:
                kept.close()

        return asked(vllm, go)

    def four(chat: JournalledChat) -> Awaitable[list[Answer[None]]]:
        return chat.ask_many(story, sampling, n=4)

    answers, used = drawn("first.db", four)
    texts = [answer.text for answer in answers]
    assert len(set(texts)) == 4  # vLLM adds the number of a choice to the seed
    assert used.calls == 1
    assert len({answer.keys for answer in answers}) == 4
    again, _ = drawn("second.db", four)
    assert [answer.text for answer in again] == texts
    other, _ = drawn("third.db", four, seed=1)
    assert not set(texts) & {answer.text for answer in other}
    for sample, text in enumerate(texts):
        alone, used = drawn("first.db", lambda chat, n=sample: chat.ask(story, sampling, sample=n))
        assert (alone.text, alone.replayed, used.calls) == (text, True, 0)
    first, used = drawn("fourth.db", lambda chat: chat.ask(story, sampling, sample=0))
    assert (first.text, used.calls) == (
        texts[0],
        1,
    )  # the first of several is the one that is asked for alone


def test_a_reply_keeps_to_its_schema(vllm: LocalServer) -> None:
    wanted = request("Describe Paris as JSON.", schema=City.model_json_schema(), max_tokens=80)
    City.model_validate_json(asked(vllm, lambda chat: chat.send(wanted)).text)


def test_generated_tokens_come_with_their_log_probabilities(vllm: LocalServer) -> None:
    reply = asked(vllm, lambda chat: chat.send(request("Repeat: 1 2 3 4 5", logprobs=3)))
    assert len(reply.logprobs) == reply.usage.completion_tokens
    assert "".join(place.token for place in reply.logprobs).startswith(reply.text)
    numbers = [place for place in reply.logprobs if place.top]
    assert numbers
    for place in numbers:
        assert len(place.top) == 3
        assert place.logprob == max(value for _, value in place.top)  # greedy takes the likeliest
        assert sum(math.exp(value) for _, value in place.top) <= 1.001


def test_a_given_text_has_the_log_probabilities_that_are_known(vllm: LocalServer) -> None:
    scores = asked(vllm, lambda chat: chat.score_text(PARIS))
    assert "".join(scores.tokens) == PARIS
    assert scores.logprobs[0] is None
    assert scores.logprobs[1:] == pytest.approx(PARIS_LOGPROBS, abs=0.1)
    chinese = asked(vllm, lambda chat: chat.score_text("法国的首都是巴黎。"))
    assert "".join(chinese.tokens) == "法国的首都是巴黎。"


@pytest.mark.parametrize(
    ("context", "answer"), [("The capital of France is\n", "Paris, of course."), ("法国的首都？\n", "巴黎。")]
)
def test_an_answer_has_the_ranks_and_log_probabilities_that_torch_finds(
    vllm: LocalServer, model: str, context: str, answer: str
) -> None:
    served = asked(vllm, lambda chat: chat.score_answer(context, answer))

    async def plainly() -> Any:
        scorer: Any = chat_provider(TransformersOptions(model=model, device="cpu"))
        try:
            return await scorer.score_answer(context, answer)
        finally:
            await scorer.close()

    here = asyncio.run(plainly())
    assert (served.before, served.merged) == (here.before, here.merged)
    assert served.logprobs == pytest.approx(here.logprobs, abs=0.3)
    # In bfloat16 neighbours in rank change places.
    assert len(served.ranks) == len(here.ranks) == len(served.logprobs)
    for one, other in zip(served.ranks, here.ranks, strict=True):
        assert one == pytest.approx(other, rel=0.3, abs=2)


def test_behind_the_chat_template_an_answer_scores_as_torch_finds_by_the_same_template(
    vllm: LocalServer, model: str
) -> None:
    question = (Message("user", "What is the capital of France?"),)

    async def both(chat: Any) -> Any:
        opening = await chat.answer_opening(question)
        return opening.text, await chat.score_answer(opening.text, "Paris, of course.", opened=True)

    async def here() -> Any:
        scorer: Any = chat_provider(TransformersOptions(model=model, device="cpu"))
        try:
            return await both(scorer)
        finally:
            await scorer.close()

    (text, served), (written, found) = asked(vllm, both), asyncio.run(here())
    assert text == written
    assert text.endswith("What is the capital of France?<|im_end|>\n<|im_start|>assistant\n")
    assert (served.before, served.merged) == (found.before, found.merged)
    assert served.logprobs == pytest.approx(found.logprobs, abs=0.3)


def test_a_user_turn_is_written_by_the_template_of_the_server(vllm: LocalServer) -> None:
    opening = asked(vllm, lambda chat: chat.user_opening((Message("system", "用户用中文提问。"),)))
    assert opening.text.endswith("用户用中文提问。<|im_end|>\n<|im_start|>user\n")
    assert opening.end == "<|im_end|>"
    sampling = Sampling(1.0, 48, stop=(opening.end,))
    texts = [
        asked(
            vllm,
            lambda chat, seed=seed: chat.send(ChatRequest((), sampling, seed=seed, opening=opening.text)),
        ).text
        for seed in (1, 2)
    ]
    assert texts[0] != texts[1]
    assert all(text.strip() and "<|im_" not in text for text in texts)


def test_sixty_four_requests_are_in_flight_at_once(vllm: LocalServer, tmp_path: Path) -> None:
    data = recipe(
        {"base_url": vllm.base_url, "model": vllm.model}, seeds(tmp_path / "s.jsonl", 96), max_tokens=48
    )
    data["models"]["teacher"]["extra_body"] = {"ignore_eos": True}
    peak = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(
                peak, sum(metric(vllm, f"vllm:num_requests_{state}") for state in ("running", "waiting"))
            )

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = sft.run(data, out=tmp_path / "run", journal=tmp_path / "j.db")
    done.set()
    watcher.join()
    assert result.kept == 96
    assert peak == 64


def test_a_run_whose_client_is_killed_goes_on_where_it_was(vllm: LocalServer, tmp_path: Path) -> None:
    data = recipe(
        {"base_url": vllm.base_url, "model": vllm.model}, seeds(tmp_path / "s.jsonl", 80), max_tokens=32
    )
    data["models"]["teacher"]["concurrency"] = 8
    file, journal, out = tmp_path / "recipe.yaml", tmp_path / "j.db", tmp_path / "run"
    file.write_bytes(orjson.dumps(data))
    command = [Path(sys.executable).with_name("factory"), "run", file, "--out", out, "--journal", journal]
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while replies(journal) < 16 and client.poll() is None:
        time.sleep(0.05)
    assert client.poll() is None, "the run ended before it could be killed"
    client.send_signal(signal.SIGKILL)
    client.wait()
    saved = replies(journal)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert (usage(out)["replayed"], usage(out)["calls"]) == (saved, 80 - saved)


def test_a_run_whose_server_is_killed_says_so_and_goes_on_with_another(model: str, tmp_path: Path) -> None:
    mark = "--max-num-seqs=63"  # by which its processes are known from the other tests'
    served = {"model": model, "serve": True, "serve_arguments": [*ARGUMENTS, mark], "concurrency": 8}
    data = recipe(served, seeds(tmp_path / "s.jsonl", 60), max_tokens=32)
    journal, out = tmp_path / "j.db", tmp_path / "run"

    def servers() -> list[int]:
        lines = {
            pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in descendants(os.getpid())
        }
        return [pid for pid, words in lines.items() if mark.encode() in words and b"-I" not in words]

    def kill() -> None:
        while replies(journal) < 12:
            time.sleep(0.05)
        for pid in servers():
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(RunStopped, match=r"the vLLM server for .* ended: .*; its log: "):
        sft.run(data, out=out, journal=journal)
    killer.join()
    saved = replies(journal)
    assert 12 <= saved < 60
    assert sft.run(data, out=out, journal=journal).kept == 60
    assert (usage(out)["replayed"], usage(out)["calls"]) == (saved, 60 - saved)
    assert not servers()
    sft.run(data, out=tmp_path / "again", journal=journal)  # at once: it needs no server
    assert (usage(tmp_path / "again")["replayed"], usage(tmp_path / "again")["calls"]) == (60, 0)
