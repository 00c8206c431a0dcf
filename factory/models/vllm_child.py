"""The process that vLLM's offline engine runs in; `vllm_offline` starts it and talks to it in lines of JSON.

In: the engine's arguments, then batches, each a list of jobs. Out: `true` when the model is loaded, then for each
batch the list of results. When the input ends, so does this process, with all it started.

    job: {"messages": [...], "params": {...}, "schema": {...} or null}, or {"text": ...} to have it scored
    result: {"text", "finish", "logprobs", "usage"}, or {"tokens", "logprobs", "usage"}, or {"refused": why}
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
    """Load the model and answer batches until the input ends."""
    source, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What vLLM prints, and what it starts prints, goes to the log.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, lines), daemon=True).start()
    engine = Engine(orjson.loads(lines.get()))
    _write(replies, True)
    while line := lines.get():
        _write(replies, engine.answer(orjson.loads(line)))


def _read(source: BinaryIO, lines: queue.SimpleQueue[bytes]) -> None:
    for line in source:
        lines.put(line)
    lines.put(b"")
    # Whoever started this process is gone or has had enough: a batch that is being computed is for nobody.
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _write(replies: BinaryIO, value: Any) -> None:
    replies.write(orjson.dumps(value) + b"\n")
    replies.flush()


class Engine:
    """vLLM's `LLM`, asked in batches. `arguments` are its own."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        from vllm import LLM

        self._llm = LLM(**arguments)

    def answer(self, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The results of the jobs, in order; chats are one batch, and texts to be scored another."""
        results: dict[int, dict[str, Any]] = {}
        for batch in (
            [at for at, job in enumerate(jobs) if "text" not in job],
            [at for at, job in enumerate(jobs) if "text" in job],
        ):
            if batch:
                results.update(zip(batch, self._batch([jobs[at] for at in batch]), strict=True))
        return [results[at] for at in range(len(jobs))]

    def _batch(self, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            return self._score(jobs) if "text" in jobs[0] else self._chat(jobs)
        except Exception as error:
            if type(error).__name__ == "EngineDeadError":
                raise
            if len(jobs) == 1:
                return [{"refused": str(error) or type(error).__name__}]
        # vLLM refuses a batch for one request that it cannot take, before it generates anything: halving finds it.
        half = len(jobs) // 2
        return self._batch(jobs[:half]) + self._batch(jobs[half:])

    def _chat(self, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        params = []
        for job in jobs:
            schema = job["schema"]
            structure = None if schema is None else StructuredOutputsParams(json=schema)
            params.append(SamplingParams(**job["params"], structured_outputs=structure))
        outputs = self._llm.chat([job["messages"] for job in jobs], params, use_tqdm=False)
        results = []
        for job, output in zip(jobs, outputs, strict=True):
            said = output.outputs[0]
            top = job["params"].get("logprobs")
            results.append(
                {
                    "text": said.text,
                    "finish": said.finish_reason or "stop",
                    "usage": [len(output.prompt_token_ids), len(said.token_ids)],
                    "logprobs": []
                    if top is None
                    else [
                        _place(token, place, top)
                        for token, place in zip(said.token_ids, said.logprobs, strict=True)
                    ],
                }
            )
        return results

    def _score(self, jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        from vllm import SamplingParams

        # One token is generated, which nobody asked for: the engine takes no fewer.
        params = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0)
        outputs = self._llm.generate([job["text"] for job in jobs], params, use_tqdm=False)
        tokenizer = self._llm.get_tokenizer()
        results = []
        for output in outputs:
            ids, places = output.prompt_token_ids, output.prompt_logprobs
            rest = [place[token] for token, place in zip(ids[1:], places[1:], strict=True)]
            results.append(
                {
                    "tokens": [tokenizer.decode(ids[:1]), *(_text(entry) for entry in rest)],
                    "logprobs": [None, *(entry.logprob for entry in rest)],
                    "usage": [len(ids), 1],
                }
            )
        return results


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
