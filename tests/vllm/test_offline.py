"""vLLM's offline engine, for real."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field
from real_server import PARIS, PARIS_LOGPROBS, descendants, recipe, request, seeds, usage

import factory as sft
from factory.data.record import Message
from factory.errors import RecordFailed
from factory.models.base import ChatRequest, Reply, Sampling
from factory.models.options import VLLMOptions
from factory.models.vllm.offline import VLLMChat

ENGINE = {"enforce_eager": True, "max_num_seqs": 64}


class City(BaseModel):
    """A schema with bounds, which a small model needs."""

    model_config = ConfigDict(extra="forbid")
    city: str = Field(max_length=20)
    population: int = Field(ge=0, le=99_999_999)


def asked(model: str, ask: Callable[[VLLMChat], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        chat = VLLMChat(VLLMOptions(model=model, max_model_len=2048, arguments=ENGINE))
        try:
            return await ask(chat)
        finally:
            await chat.close()

    return asyncio.run(go())


async def written(chat: VLLMChat) -> Reply:
    """A user's turn that the model writes by its own template."""
    opening = await chat.user_opening((Message("system", "Users ask about cooking."),))
    assert opening.text.endswith("Users ask about cooking.<|im_end|>\n<|im_start|>user\n")
    assert opening.end == "<|im_end|>"
    sampling = Sampling(1.0, 48, stop=(opening.end,))
    return await chat.send(ChatRequest((), sampling, seed=1, opening=opening.text))


async def behind_the_template(chat: VLLMChat) -> Any:
    """An answer scored behind the model's own template."""
    opening = await chat.answer_opening((Message("user", "法国的首都？"),))
    assert opening.text.endswith("法国的首都？<|im_end|>\n<|im_start|>assistant\n")
    return await chat.score_answer(opening.text, "巴黎。", opened=True)


def test_one_engine_chats_keeps_to_a_schema_scores_and_refuses_what_is_too_long(model: str) -> None:
    async def ask(chat: VLLMChat) -> list[Any]:
        story = asyncio.create_task(chat.send(request("Tell me a very long story.", max_tokens=400)))
        others = await asyncio.gather(
            chat.send(request("Repeat: 1 2 3 4 5", logprobs=2)),
            chat.send(request("Describe Paris as JSON.", schema=City.model_json_schema(), max_tokens=80)),
            chat.send(request("word " * 5000)),
            chat.score_text(PARIS),
            chat.score_text("法国的首都是巴黎。"),
            chat.score_answer("法国的首都？\n", "巴黎。"),
            behind_the_template(chat),
            written(chat),
            return_exceptions=True,
        )
        assert not story.done()  # they joined it, and did not wait for its end
        return [*others, await story]

    counted, city, long, scores, chinese, answer, opened, turn, story = asked(model, ask)
    assert len(opened.logprobs) == len(opened.ranks) > 0
    assert max(opened.logprobs) < 0
    assert counted.text.strip()
    assert story.usage.completion_tokens > city.usage.completion_tokens
    assert len(counted.logprobs) == counted.usage.completion_tokens
    numbers = [place for place in counted.logprobs if place.top]
    assert numbers
    assert all(place.logprob == max(value for _, value in place.top) for place in numbers)
    City.model_validate_json(city.text)
    assert isinstance(long, RecordFailed)
    assert long.kind == "context_length"
    assert "".join(scores.tokens) == PARIS
    assert scores.logprobs[1:] == pytest.approx(PARIS_LOGPROBS, abs=0.1)
    assert "".join(chinese.tokens) == "法国的首都是巴黎。"
    assert len(answer.ranks) == len(answer.logprobs) >= 3
    assert answer.before > 3
    assert all(
        (rank == 1) <= (value > -math.log(49152))
        for rank, value in zip(answer.ranks, answer.logprobs, strict=True)
    )
    assert turn.text.strip()
    assert "<|im_" not in turn.text
    assert not engines()


def test_a_run_in_the_offline_engine_is_replayed_by_the_next(model: str, tmp_path: Path) -> None:
    data = recipe({"model": model}, seeds(tmp_path / "s.jsonl", 96), max_tokens=24)
    data["models"]["teacher"] = {
        "provider": "vllm",
        "model": model,
        "max_model_len": 2048,
        "arguments": ENGINE,
    }
    result = sft.run(data, out=tmp_path / "run", journal=tmp_path / "j.db")
    assert result.kept == 96
    assert usage(tmp_path / "run")["calls"] == 96
    assert not engines()
    sft.run(data, out=tmp_path / "again", journal=tmp_path / "j.db")  # at once: it loads no model
    assert (usage(tmp_path / "again")["replayed"], usage(tmp_path / "again")["calls"]) == (96, 0)


def engines() -> list[int]:
    """The offline engines that this process has running."""
    return [
        pid
        for pid in descendants(os.getpid())
        if b"factory.models.vllm.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
