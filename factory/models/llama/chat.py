"""A GGUF chat model in this process, through llama.cpp (xllamacpp).

Each slot is a context of its own with one sequence. The weights are mapped from the file once, so that slots
share them. Measured with SmolLM2-135M on two busy cores (208 prompt tokens, 100 generated), this gives more
tokens for each second of processor time than batching sequences in one context, and two things besides:

- The same request gives the same text, bit for bit, whatever runs beside it and whatever is cached. Sequences
  batched in one context change each other's rounding: two replies in sixteen came out otherwise. Flash
  attention is off for the same reason: its rounding depends on how much of a prompt was cached.
- Threads that share a context wait for each other at every layer. On a busy machine, two threads generated 4
  tokens a second where one alone made 130.

A prompt's beginning that was seen before is not computed again: each slot keeps its last sequence, and others
in memory up to `_PROMPT_CACHE_MB`.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson

from factory.data.record import Message, ToolCall
from factory.data.text import shorten
from factory.errors import MissingDependency, RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply
from factory.models.failures import TransientFailure
from factory.models.installed import is_installed
from factory.models.llama.weights import fingerprint, gguf_file, template_takes_tools
from factory.models.openai.chat import identity_of
from factory.models.openai.completion import read_usage
from factory.models.opening import Opening, opening_of, with_words
from factory.models.options import LocalOptions
from factory.models.reply.read import read_reply
from factory.models.wire import no_tools, wire_messages, wire_template_arguments, wire_tools

if TYPE_CHECKING:
    from xllamacpp import Server

_PROMPT_CACHE_MB = 256


class LocalChat:
    """Generates replies in threads of its own; llama.cpp gives the interpreter lock away while it computes.

    Sampling is llama.cpp's: `top_k` 40 and `min_p` 0.05 hold beside the temperature and `top_p` asked for.
    A call that is cancelled stops after the token it is at.

    Raises:
        MissingDependency: the packaged weights are not installed, or a file cannot be had from the hub.
        RecipeError: there is no such file, or it is not a GGUF file.
    """

    def __init__(self, options: LocalOptions) -> None:
        if not is_installed("xllamacpp"):
            raise MissingDependency("the local model needs xllamacpp: pip install xllamacpp")
        self._path = gguf_file(options.model)
        changing = {**options.overrides(), "context": options.context}
        self.identity = identity_of("local", f"{self._path.name}@{fingerprint(self._path)}", changing)
        self.concurrency = options.concurrency
        self._options = options
        self._threads = ThreadPoolExecutor(self.concurrency, thread_name_prefix="llama")
        self._idle: list[Server] = []  # slots; last used, first taken, for the sake of its cache
        self._closing = threading.Event()
        self._key = secrets.token_hex(32)

    async def send(self, request: ChatRequest) -> Reply:
        """Generate one reply.

        Raises:
            RecordFailed: the prompt does not fit the context, the schema cannot be turned into a grammar, or the
                model's chat template has no place for tools that are offered.
            RunStopped: the model cannot be loaded.
        """
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._generate, request, stop)
        finally:
            stop.set()

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """See `TurnOpener`: llama.cpp has the template out of the file."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._opening, messages)

    async def close(self) -> None:
        """Stop what is being generated and free the model."""
        self._closing.set()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._idle.clear()

    def _generate(self, request: ChatRequest, stop: threading.Event) -> Reply:
        try:
            body = orjson.dumps(self._body(request)).decode()
        except orjson.JSONEncodeError as error:
            raise RecordFailed("bad_request", f"the prompt is not text: {error}") from None
        chunks: list[str] = []

        def receive(chunk: str) -> bool:
            chunks.append(chunk)
            return stop.is_set() or self._closing.is_set()

        slot = self._take_slot()
        try:
            if request.opening:
                slot.handle_completions(body, receive)
            else:
                slot.handle_chat_completions(body, receive)
        except (ValueError, RuntimeError) as error:
            raise RecordFailed(
                "bad_request", f"llama.cpp refused the request: {shorten(str(error), 200)}"
            ) from None
        finally:
            self._idle.append(slot)
        return _read_stream(chunks, request)

    def _opening(self, messages: Sequence[Message]) -> Opening:
        slot = self._take_slot()
        try:
            body = {"messages": wire_messages(with_words(messages)), "add_generation_prompt": False}
            # Only llama.cpp's own server writes a conversation as its template does, and it listens on loopback alone.
            asked = urllib.request.Request(
                f"{slot.listening_address}/apply-template",
                orjson.dumps(body),
                {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"},
            )
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                asked, timeout=60
            ) as reply:
                rendered = orjson.loads(reply.read())["prompt"]
        except (OSError, ValueError, LookupError) as error:
            raise RunStopped(
                f"llama.cpp cannot write a conversation as the template of {self._path.name} does: "
                f"{shorten(str(error), 120)}"
            ) from None
        finally:
            self._idle.append(slot)
        return opening_of(str(rendered), self._path.name)

    def _take_slot(self) -> Server:
        try:
            return self._idle.pop()
        except IndexError:
            return self._load()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        sampling = self._options.sampling(request.sampling)
        said = (
            {"messages": wire_messages(request.messages)}
            if not request.opening
            else {"prompt": request.opening}
        )
        body: dict[str, Any] = {
            **said,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": sampling.stop,
            "seed": request.seed or 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.schema is not None:
            body["response_format"] = {"type": "json_schema", "json_schema": {"schema": request.schema}}
        called = any(turn.calls for turn in request.messages)
        if (request.tools or called) and not template_takes_tools(self._path):
            # llama.cpp would leave them out and say nothing.
            raise no_tools(self._path.name, "its chat template has no place for them")
        if request.tools:
            body["tools"] = wire_tools(request.tools)
        if request.template_arguments:
            body["chat_template_kwargs"] = wire_template_arguments(request.template_arguments)
        return body

    def _load(self) -> Server:
        # Read when llama.cpp is first loaded: threads that wait for each other sleep instead of spinning,
        # which on a busy machine takes a fifth of the processor time.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        try:
            import xllamacpp
        except ImportError as error:
            raise MissingDependency(
                f"the local model needs xllamacpp: pip install xllamacpp ({error})"
            ) from None
        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_ctx = self._options.context
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._options.threads
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.reasoning_format = xllamacpp.common_reasoning_format.COMMON_REASONING_FORMAT_NONE
        params.cache_ram_mib = _PROMPT_CACHE_MB
        params.warmup = False
        params.verbosity = -1
        # llama.cpp's server always listens on a loopback port too; a key that nobody knows closes it.
        params.port = 0
        params.n_threads_http = 1
        params.api_keys = [self._key]
        try:
            return xllamacpp.Server(params)
        except RuntimeError:
            raise RunStopped(
                f"{self._path} cannot be loaded: it is damaged, of a kind that llama.cpp does not know, or "
                "too large for this machine's memory"
            ) from None


def _read_stream(chunks: list[str], request: ChatRequest | None = None) -> Reply:
    """The reply that a stream of chunks spells, or the error that is in it."""
    parts: list[str] = []
    called: dict[int, dict[str, Any]] = {}
    finish_reason = ""
    last: dict[str, Any] = {}
    for chunk in chunks:
        last = orjson.loads(chunk)
        if "error" in last:
            message = shorten(str(last["error"].get("message", "")), 200)
            if last["error"].get("type") == "exceed_context_size_error":
                raise RecordFailed(
                    "context_length", f"the prompt does not fit the model's context: {message}"
                )
            raise RecordFailed("bad_request", f"llama.cpp refused the request: {message}")
        for choice in last["choices"]:
            delta = choice.get("delta") or {"content": choice.get("text")}
            parts.append(delta.get("content") or "")
            for piece in delta.get("tool_calls") or ():
                call = called.setdefault(piece.get("index", 0), {"id": "", "name": "", "arguments": ""})
                call["id"] = call["id"] or piece.get("id") or ""
                for key, text in (piece.get("function") or {}).items():
                    call[key] += text or ""
            finish_reason = choice["finish_reason"] or finish_reason
    if not finish_reason:
        raise TransientFailure("the local model was stopped before its reply was complete")
    calls = tuple(ToolCall(call["name"], call["arguments"], call["id"]) for call in called.values())
    return read_reply("".join(parts), finish_reason, request, usage=read_usage(last), calls=calls)
