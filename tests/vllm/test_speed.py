"""What is printed of a real server's speed: nothing here fails for being slow."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import orjson
import pytest
from real_server import metric, recipe, seeds, usage

import factory as sft
from factory.models.vllm.server import LocalServer

TOKENS = 96
FLIGHT = 32
PROMPTS = 128
ROUNDS = 4


def test_a_judges_prompts_are_found_in_the_prefix_cache(
    vllm: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"instruction": f"What is {n} + {n}?", "output": f"It is {2 * n}."} for n in range(32)]
    path = tmp_path / "answered.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    data = recipe({"base_url": vllm.base_url, "model": vllm.model, "concurrency": 8}, path)
    data["steps"][1] = {"judge": {"max_tokens": 160}}
    names = ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total")
    before = [metric(vllm, name) for name in names]
    result = sft.run(data, out=tmp_path / "run", journal=tmp_path / "j.db")
    hits, queries = (metric(vllm, name) - old for name, old in zip(names, before, strict=True))
    asked = usage(tmp_path / "run")
    with capsys.disabled():
        print(
            f"\njudge on 32 records: {asked['calls']} calls, {queries:,.0f} prompt tokens, {hits:,.0f} of them "
            f"from the prefix cache ({hits / queries:.0%}); {result.kept} kept, {result.failed} without a score"
        )
    assert queries >= asked["prompt_tokens"] > 0
    assert hits > 0


def test_a_run_beside_bare_aiohttp_is_printed(
    vllm: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both ask the same, turn and turn about, each first as often as the other."""
    model = {"base_url": vllm.base_url, "model": vllm.model, "concurrency": FLIGHT}
    data = recipe(model, seeds(tmp_path / "s.jsonl", PROMPTS), max_tokens=TOKENS, temperature=0.0)

    def factory_run(name: str, limit: int | None = None) -> int:
        result = sft.run(data, out=tmp_path / name, journal=tmp_path / f"{name}.db", limit=limit)
        return int(result.manifest["models"]["teacher"]["completion_tokens"])

    factory_run("warm", limit=FLIGHT)  # imports, and the server's first full batch, are nobody's
    rates: dict[str, list[float]] = {"factory": [], "aiohttp": []}
    cpu = {"factory": 0.0, "aiohttp": 0.0}
    bodies: list[dict[str, Any]] = []
    for turn in range(ROUNDS):
        for name in ("factory", "aiohttp") if turn % 2 == 0 else ("aiohttp", "factory"):
            began, busy = time.perf_counter(), time.process_time()
            generated = factory_run(f"run{turn}") if name == "factory" else asyncio.run(bare(vllm, bodies))
            rates[name].append(generated / (time.perf_counter() - began))
            cpu[name] += time.process_time() - busy
            assert PROMPTS <= generated <= PROMPTS * TOKENS
            bodies = bodies or sent(tmp_path / f"run{turn}.db")
    ratios = [one / other for one, other in zip(rates["factory"], rates["aiohttp"], strict=True)]
    asked = PROMPTS * ROUNDS / 1000
    with capsys.disabled():
        print(
            f"\n{PROMPTS} prompts, {FLIGHT} in flight, at most {TOKENS} tokens each, {ROUNDS} rounds: factory run "
            f"{median(rates['factory']):.0f} tokens/s and {cpu['factory'] / asked:.1f} ms of CPU a call, bare aiohttp "
            f"{median(rates['aiohttp']):.0f} tokens/s and {cpu['aiohttp'] / asked:.1f} ms; ratio "
            f"{median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})"
        )


def sent(journal: Path) -> list[dict[str, Any]]:
    """The requests of a journal, as bodies for a server."""
    connection = sqlite3.connect(journal)
    rows = [
        orjson.loads(row) for (row,) in connection.execute("SELECT request FROM replies ORDER BY created")
    ]
    connection.close()
    return [
        {
            "messages": [{"role": role, "content": content} for role, content in row["messages"]],
            "temperature": row["temperature"],
            "max_tokens": row["max_tokens"],
        }
        for row in rows
    ]


async def bare(server: LocalServer, bodies: list[dict[str, Any]]) -> int:
    """Send the bodies, as many at once as the run; returns the tokens that came."""
    flight = asyncio.Semaphore(FLIGHT)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send(body: dict[str, Any]) -> int:
            async with flight:
                url = f"{server.base_url}/chat/completions"
                async with session.post(url, json={"model": server.model, **body}) as response:
                    reply = await response.json()
                    return int(reply["usage"]["completion_tokens"])

        return sum(await asyncio.gather(*(send(body) for body in bodies)))
