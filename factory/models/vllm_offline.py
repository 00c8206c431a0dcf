"""vLLM without a server: its offline engine in a process of its own, fed in large batches.

A process of its own, because the engine wants the interpreter to itself, and because its death must not be ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from factory.errors import FactoryError, MissingDependency, RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply, TokenLogprob, TokenLogprobs, Usage
from factory.models.completion import split_reasoning
from factory.models.engine_arguments import changing_arguments
from factory.models.openai import identity_of
from factory.models.options import VLLMOptions
from factory.models.refusal import raise_for_status
from factory.models.serve import last_words, temporary_log
from factory.models.vllm_child import GRACE_SECONDS

_GATHER_SECONDS = 0.02
"""How long a batch waits for those who are just about to ask: little beside what it takes to compute."""
_LONGEST_LINE = 1 << 30


class _Job(NamedTuple):
    job: orjson.Fragment
    result: asyncio.Future[dict[str, Any]]


class VLLMChat:
    """Sends all requests that wait as one batch, and reads its replies before it sends the next.

    The model is loaded with the first request. A schema is kept to by vLLM's structured outputs.

    Raises:
        MissingDependency: vLLM is not installed.
    """

    def __init__(self, options: VLLMOptions) -> None:
        spec = importlib.util.find_spec("vllm")
        if spec is None or spec.origin is None:  # a folder of that name on the path is not vLLM
            raise MissingDependency(
                "the vllm provider needs vLLM: pip install 'sft-factory[vllm]' in an environment for your hardware"
            )
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
        self._waiting: list[_Job] = []
        self._feeding: asyncio.Task[None] | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._failure: FactoryError | None = None

    async def send(self, request: ChatRequest) -> Reply:
        """Generate one reply.

        Raises:
            RecordFailed: vLLM refuses this request, because its prompt does not fit the context, for one.
            RunStopped: the model cannot be loaded, or the engine died; names its log.
        """
        temperature, top_p, max_tokens = self._options.sampling(request)
        params = {
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_tokens,
            "stop": list(request.stop),
            "seed": request.seed,
            "logprobs": request.logprobs,
        }
        messages = [{"role": role, "content": content} for role, content in request.messages]
        done = await self._ask({"messages": messages, "params": params, "schema": request.schema})
        text, reasoning = split_reasoning(done["text"])
        logprobs = tuple(
            TokenLogprob(token, logprob, tuple((other, value) for other, value in top))
            for token, logprob, top in done["logprobs"]
        )
        return Reply(text, done["finish"], Usage(*done["usage"]), reasoning, logprobs)

    async def score_text(self, text: str) -> TokenLogprobs:
        """The log-probabilities of a given text; raises as `send`."""
        done = await self._ask({"text": text})
        return TokenLogprobs(tuple(done["tokens"]), tuple(done["logprobs"]), Usage(*done["usage"]))

    async def close(self) -> None:
        """End the engine; what it is computing is let go."""
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait([self._feeding])
        if self._child is not None:
            await _end(self._child)
        for job in self._waiting:
            job.result.cancel()
        if self._failure is None and self._log is not None:
            self._log.unlink(missing_ok=True)

    async def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        if self._failure is not None:
            raise self._failure
        try:
            fragment = orjson.Fragment(orjson.dumps(job))
        except orjson.JSONEncodeError as error:
            raise RecordFailed("bad_request", f"the prompt cannot be sent as JSON: {error}") from None
        waiting = _Job(fragment, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._feeding is None or self._feeding.done():
            self._feeding = asyncio.create_task(self._feed())
        result = await waiting.result
        if "refused" in result:
            raise_for_status(400, {}, result["refused"].encode(), address="vLLM", key="", key_env="")
        return result

    async def _feed(self) -> None:
        """Send what waits, batch after batch, until nothing does."""
        batch: list[_Job] = []
        try:
            child = self._child or await self._start()
            while self._waiting:
                await asyncio.sleep(_GATHER_SECONDS)
                wanted = [job for job in self._waiting if not job.result.done()]  # the others were cancelled
                batch, self._waiting = wanted[: self.concurrency], wanted[self.concurrency :]
                results = await self._exchange(child, [job.job for job in batch]) if batch else []
                for job, result in zip(batch, results, strict=True):
                    if not job.result.done():
                        job.result.set_result(result)
        except Exception as error:
            fault = f"what vLLM's process sent cannot be read ({type(error).__name__}: {error})"
            self._failure = error if isinstance(error, FactoryError) else RunStopped(fault)
            for job in (*batch, *self._waiting):
                if not job.result.done():
                    job.result.set_exception(self._failure)

    async def _start(self) -> asyncio.subprocess.Process:
        arguments: dict[str, Any] = {
            "model": self._options.model,
            "dtype": self._options.dtype,
            "enable_prefix_caching": True,
        }
        if self._options.max_model_len is not None:
            arguments["max_model_len"] = self._options.max_model_len
        self._log = temporary_log("vllm")
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C is for us, who let the batch finish.
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "factory.models.vllm_child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                limit=_LONGEST_LINE,
            )
        await self._exchange(self._child, {**arguments, **self._options.arguments})
        return self._child

    async def _exchange(self, child: asyncio.subprocess.Process, value: Any) -> Any:
        """Send a line and read the one that answers it."""
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(ConnectionError):  # it is gone, as the next line finds
            child.stdin.write(orjson.dumps(value) + b"\n")
            await child.stdin.drain()
        line = await child.stdout.readline()
        if line:
            return orjson.loads(line)
        await _end(child)
        assert self._log is not None
        raise RunStopped(
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
