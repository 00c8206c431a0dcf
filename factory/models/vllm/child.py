"""The process that vLLM's offline engine runs in; `vllm_offline` starts it and talks to it in lines of JSON.

In: the engine's arguments, then one job a line. Out: `true` when the model is loaded, then one result a line, each
as soon as it is there, in any order. When the input ends, so does this process, with all it started.

    job: {"id", "messages": [...], "params": {...}, "schema": {...} or null}, with the chat template's arguments as
        "template" where there are any; with "opening", a text to go on from, in place of the messages; {"id", "text"}
        to have it scored, with "opened" where a chat template wrote it; or {"id", "open": [...]} to have messages
        written as the chat template does
    result: {"id", "text", "finish", "logprobs", "usage"}, or {"id", "tokens", "logprobs", "ranks", "usage"}, or
        {"id", "rendered"}, or {"id", "refused": why}
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any, BinaryIO

import orjson

GRACE_SECONDS = 10.0
"""How long the engine may take to end by itself."""


def main() -> None:
    """Load the model and do jobs until the input ends."""
    source, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What vLLM prints, and what it starts prints, goes to the log.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, lines), daemon=True).start()
    engine = Engine(orjson.loads(lines.get()))
    _write(replies, [True])
    while True:
        # Jobs that wait join those that run, between two steps; where none runs, one is waited for.
        while lines.qsize() or not engine.runs:
            line = lines.get()
            if not line:
                return
            _write(replies, engine.add(orjson.loads(line)))
        _write(replies, engine.step())


def _read(source: BinaryIO, lines: queue.SimpleQueue[bytes]) -> None:
    for line in source:
        lines.put(line)
    lines.put(b"")
    # Whoever started this process is gone or has had enough: what is being computed is for nobody.
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _write(replies: BinaryIO, values: Sequence[Any]) -> None:
    for value in values:
        replies.write(orjson.dumps(value) + b"\n")
    replies.flush()


class Engine:
    """vLLM's `LLM`, which takes new jobs while it does others (continuous batching). `arguments` are its own."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        from vllm import LLM

        if not hasattr(LLM, "enqueue_chat"):
            raise RuntimeError(
                "this vLLM is too old for the vllm provider: install 0.32, or use `serve: true`"
            )
        self._llm = LLM(**arguments)
        self._jobs: dict[str, dict[str, Any]] = {}

    @property
    def runs(self) -> bool:
        """Whether there are jobs to do."""
        return bool(self._jobs)

    def add(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        """Let a job join those that run; returns its result where vLLM refuses it."""
        try:
            if "open" in job:
                return [{"id": job["id"], "rendered": self._render(job["open"])}]
            (name,) = self._enqueue(job)
        except Exception as error:
            if type(error).__name__ == "EngineDeadError":
                raise
            return [{"id": job["id"], "refused": str(error) or type(error).__name__}]
        # vLLM names a request by a number and random letters, and its output by the number alone.
        self._jobs[name.partition("-")[0]] = job
        return []

    def _render(self, messages: list[dict[str, Any]]) -> str:
        tokenizer = self._llm.get_tokenizer()
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False))

    def _enqueue(self, job: dict[str, Any]) -> list[str]:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        names: list[str]
        if "text" in job:
            # One token is generated, which nobody asked for: the engine takes no fewer.
            params = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
            text: Any = job["text"]
            if job.get("opened"):  # the template's text has its first token already
                ids = self._llm.get_tokenizer().encode(text, add_special_tokens=False)
                text = {"prompt_token_ids": ids}
            names = self._llm.enqueue([text], [params], use_tqdm=False)
        else:
            schema = job["schema"]
            structure = None if schema is None else StructuredOutputsParams(json=schema)
            if "opening" in job:
                # Marks of the template end a turn: they are needed to see where a stop text stands.
                params = SamplingParams(**job["params"], skip_special_tokens=False)
                # The template's text has its first token already.
                ids = self._llm.get_tokenizer().encode(job["opening"], add_special_tokens=False)
                return list(self._llm.enqueue([{"prompt_token_ids": ids}], [params], use_tqdm=False))
            params = SamplingParams(**job["params"], structured_outputs=structure)
            template = {"chat_template_kwargs": job["template"]} if "template" in job else {}
            names = self._llm.enqueue_chat([job["messages"]], [params], use_tqdm=False, **template)
        return names

    def step(self) -> list[dict[str, Any]]:
        """Go on with all jobs by a step; returns the results of those that came to their end."""
        results = []
        for output in self._llm.llm_engine.step():
            if output.finished:
                job = self._jobs.pop(output.request_id)
                result = self._score(output) if "text" in job else _reply(output, job["params"]["logprobs"])
                results.append({"id": job["id"], **result})
        return results

    def _score(self, output: Any) -> dict[str, Any]:
        ids, places = output.prompt_token_ids, output.prompt_logprobs
        rest = [place[token] for token, place in zip(ids[1:], places[1:], strict=True)]
        return {
            "tokens": [self._llm.get_tokenizer().decode(ids[:1]), *(_text(entry) for entry in rest)],
            "logprobs": [None, *(entry.logprob for entry in rest)],
            "ranks": [None, *(entry.rank for entry in rest)],
            "usage": [len(ids), 1],
        }


def _reply(output: Any, top: int | None) -> dict[str, Any]:
    said = output.outputs[0]
    places = [] if top is None else zip(said.token_ids, said.logprobs, strict=True)
    return {
        "text": said.text,
        "finish": said.finish_reason,
        "usage": [len(output.prompt_token_ids), len(said.token_ids)],
        "logprobs": [_place(token, place, top or 0) for token, place in places],
    }


def _place(token: int, place: dict[int, Any], top: int) -> list[Any]:
    """One generated token as `TokenLogprob` has it."""
    likeliest = sorted(place.values(), key=lambda entry: -float(entry.logprob))[:top]
    return [
        _text(place[token]),
        place[token].logprob,
        [[_text(entry), entry.logprob] for entry in likeliest],
    ]


def _text(entry: Any) -> str:
    return entry.decoded_token or ""


if __name__ == "__main__":
    main()
