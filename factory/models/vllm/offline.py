"""vLLM without a server: its offline engine in a process of its own, fed as it goes.

A process of its own, because the engine wants the interpreter to itself, and because its death must not be ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from factory.data.record import Message
from factory.errors import RecordFailed, RunStopped
from factory.models.base import AnswerLogprobs, ChatRequest, Reply, TokenLogprob, TokenLogprobs, Usage
from factory.models.border import answer_logprobs
from factory.models.openai.chat import identity_of
from factory.models.opening import Opening, no_template, opening_of, with_words
from factory.models.options import VLLMOptions
from factory.models.refusal import raise_for_status
from factory.models.reply.read import read_reply
from factory.models.secrets import filled_in
from factory.models.vllm.child import GRACE_SECONDS
from factory.models.vllm.engine_arguments import changing_arguments
from factory.models.vllm.server import last_words, require_vllm, temporary_log
from factory.models.wire import no_tools, wire_messages, wire_template_arguments

_LONGEST_LINE = 1 << 30


class VLLMChat:
    """Hands requests to the engine as they come; each joins those that run, and its reply comes when it is done.

    The model is loaded with the first request. A schema is kept to by vLLM's structured outputs.

    Raises:
        MissingDependency: vLLM is not installed.
        MissingSecret: a variable that `arguments` name is not set.
        RecipeError: the model is written as a folder, and there is none.
    """

    def __init__(self, options: VLLMOptions) -> None:
        require_vllm("the vllm provider", options.model)
        filled_in(options.arguments)  # a variable that is not set is told now, not when the engine starts
        self._options = options
        changing = {
            **options.overrides(),
            "dtype": "" if options.dtype == "auto" else options.dtype,
            "max_model_len": options.max_model_len,
            "arguments": changing_arguments(options.arguments),
        }
        self.identity = identity_of("vllm", options.model, changing)
        self.concurrency = options.concurrency
        self._log: Path | None = None
        self._jobs = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._starting: asyncio.Task[asyncio.StreamWriter] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._failure: RunStopped | None = None

    async def send(self, request: ChatRequest) -> Reply:
        """Generate one reply.

        Raises:
            RecordFailed: vLLM refuses this request, because its prompt does not fit the context, for one.
            RunStopped: the model cannot be loaded, or the engine died; names its log.
        """
        if request.tools:
            # Its replies are text: what parses a call of a tool out of them is in vLLM's server.
            raise no_tools("vLLM without a server", "use `provider: openai` with `serve: true`")
        sampling = self._options.sampling(request.sampling)
        params = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop),
            "seed": request.seed,
            "logprobs": sampling.logprobs,
        }
        job: dict[str, Any] = {"params": params, "schema": request.schema}
        if request.opening:
            job["opening"] = request.opening
        else:
            job["messages"] = wire_messages(request.messages)
        if request.template_arguments:
            job["template"] = wire_template_arguments(request.template_arguments)
        done = await self._ask(job)
        logprobs = tuple(
            TokenLogprob.read(token, logprob, ((other, value) for other, value in top))
            for token, logprob, top in done["logprobs"]
        )
        usage = Usage(*done["usage"])
        return read_reply(done["text"], done["finish"], request, usage=usage, logprobs=logprobs)

    async def score_text(self, text: str) -> TokenLogprobs:
        """The log-probabilities of a given text; raises as `send`."""
        done = await self._ask({"text": text})
        return TokenLogprobs(tuple(done["tokens"]), tuple(done["logprobs"]), Usage(*done["usage"]))

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> AnswerLogprobs:
        """The log-probabilities and ranks of a given answer; see `AnswerScorer`. Raises as `send`."""
        done = await self._ask({"text": context + answer, **({"opened": True} if opened else {})})
        scores = TokenLogprobs(tuple(done["tokens"]), tuple(done["logprobs"]), Usage(*done["usage"]))
        return answer_logprobs(scores, done["ranks"], context, answer)

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """See `TurnOpener`: vLLM's tokenizer has the template."""
        done = await self._ask({"open": wire_messages(with_words(messages))})
        return opening_of(done["rendered"], self._options.model)

    async def answer_opening(self, messages: Sequence[Message]) -> Opening:
        """See `AnswerOpener`: vLLM's tokenizer has the template."""
        try:
            done = await self._ask({"open": wire_messages(with_words(messages, "assistant"))})
        except RecordFailed as error:
            raise no_template(f"{self._options.model} has no chat template for this: {error}") from None
        return opening_of(done["rendered"], self._options.model, "assistant")

    async def close(self) -> None:
        """End the engine; what it is computing is let go."""
        tasks = [task for task in (self._starting, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._child is not None:
            await _end(self._child)
        for waiting in self._waiting.values():
            waiting.cancel()
        if self._failure is None and self._log is not None:
            self._log.unlink(missing_ok=True)

    async def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        number = next(self._jobs)
        try:
            line = orjson.dumps({"id": number, **job}, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError as error:
            raise RecordFailed("bad_request", f"the prompt cannot be sent as JSON: {error}") from None
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        engine = await asyncio.shield(self._starting)
        if self._failure is not None:
            raise self._failure
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            engine.write(line)  # no more than `concurrency` at once: there is nothing to hold back
            result = await waiting
        finally:
            del self._waiting[number]
        if "refused" in result:
            # 422: what vLLM refuses in this process, it refuses for the request alone.
            raise_for_status(422, {}, result["refused"].encode(), address="vLLM", key="", key_env="")
        return result

    async def _start(self) -> asyncio.StreamWriter:
        """Load the model; returns what takes jobs."""
        arguments: dict[str, Any] = {
            "model": self._options.model,
            "dtype": self._options.dtype,
            "enable_prefix_caching": True,
        }
        if self._options.max_model_len is not None:
            arguments["max_model_len"] = self._options.max_model_len
        self._log = temporary_log("vllm")
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C is for us, who let what is in flight finish.
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "factory.models.vllm.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
        jobs, results = self._child.stdin, self._child.stdout
        assert jobs is not None
        assert results is not None
        jobs.write(orjson.dumps({**arguments, **filled_in(self._options.arguments)}) + b"\n")
        if not await results.readline():
            self._failure = await self._death(self._child)
            raise self._failure
        self._reading = asyncio.create_task(self._read(self._child, results))
        return jobs

    async def _read(self, child: asyncio.subprocess.Process, results: asyncio.StreamReader) -> None:
        """Give each result to who waits for it, until the engine ends, which is the end of all that wait."""
        try:
            while line := await results.readline():
                result = orjson.loads(line)
                waiting = self._waiting.get(result["id"])
                if waiting is not None and not waiting.done():  # else it was cancelled
                    waiting.set_result(result)
            self._failure = await self._death(child)
        except Exception as error:
            fault = f"what vLLM's process sent cannot be read ({type(error).__name__}: {error})"
            self._failure = RunStopped(fault)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(self._failure)

    async def _death(self, child: asyncio.subprocess.Process) -> RunStopped:
        await _end(child)
        assert self._log is not None
        return RunStopped(
            f"vLLM ended while it ran {self._options.model}: {last_words(self._log)}; its log: {self._log}"
        )


async def _end(child: asyncio.subprocess.Process) -> None:
    """Close the child's input, which ends it, and see to it that nothing of its process group is left."""
    assert child.stdin is not None
    child.stdin.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS + 5):
            await child.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
