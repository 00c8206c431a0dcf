"""What tests say to a real vLLM server and read of it."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import orjson
from asking import chat_request

from factory.models.base import ChatRequest
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions
from factory.models.vllm.server import LocalServer

ARGUMENTS = ("--enforce-eager", "--max-model-len", "4096", "--max-num-seqs", "64")
"""For a small machine: no compilation, little memory."""
TOOLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
"""What a server needs to be told before it takes tools."""

PARIS = "The capital of France is Paris."
PARIS_LOGPROBS = [-11.71, -0.34, -2.42, -0.47, -0.27, -0.36]
"""Of SmolLM2-135M-Instruct in bfloat16; transformers in float32 gives -11.55 -0.34 -2.42 -0.45 -0.26 -0.39."""


def metric(server: LocalServer, name: str) -> float:
    """The sum of a Prometheus metric of the server."""
    address = server.base_url.removesuffix("/v1") + "/metrics"
    with build_opener(ProxyHandler({})).open(address, timeout=60) as response:
        text = response.read().decode()
    return sum(
        float(value)
        for value in re.findall(rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
    )


def asked(server: LocalServer, ask: Callable[[OpenAIChat], Awaitable[Any]], **options: Any) -> Any:
    """What `ask` gets of a provider for this server."""

    async def go() -> Any:
        chat = OpenAIChat(OpenAIOptions(base_url=server.base_url, model=server.model, **options))
        try:
            return await ask(chat)
        finally:
            await chat.close()

    return asyncio.run(go())


def request(text: str, **options: Any) -> ChatRequest:
    return chat_request(text, **{"temperature": 0.0, "max_tokens": 24, **options})


def seeds(path: Path, count: int) -> Path:
    rows = [
        {"instruction": f"Name {n + 2} things that are {colour}."} for n, colour in enumerate(colours(count))
    ]
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return path


def colours(count: int) -> list[str]:
    names = ["red", "green", "blue", "white", "round", "cold", "heavy", "sweet"]
    return [names[n % len(names)] for n in range(count)]


def recipe(model: dict[str, Any], path: Path, **respond: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "models": {"teacher": {"provider": "openai", **model}},
        "steps": [{"read": {"path": str(path)}}, {"respond": {"allow_truncated": True, **respond}}],
    }


def replies(journal: Path) -> int:
    """How many replies are in the journal."""
    if not journal.exists():
        return 0
    connection = sqlite3.connect(journal)
    try:
        return int(connection.execute("SELECT count(*) FROM replies").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


def usage(folder: Path) -> dict[str, Any]:
    """What a run's manifest says of its teacher."""
    models: dict[str, dict[str, Any]] = json.loads((folder / "manifest.json").read_text())["models"]
    return models["teacher"]


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that these started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found
