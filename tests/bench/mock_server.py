"""A mock OpenAI-compatible server for benchmarks: answers every chat after 50 ms and does little else."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiohttp import web

DELAY = 0.05
TEXT = "An answer of a dozen words or so, as a model would give it."
TAGS = json.dumps({"tags": [{"tag": "question", "explanation": "it asks something"}]})
GRADE = json.dumps({"reason": "It answers what was asked.", "score": 4})
seen: dict[str, Any] = {"requests": 0, "first": 0.0, "last": 0.0}


async def chat(request: web.Request) -> web.Response:
    now = time.time()
    seen["first"] = seen["first"] or now
    seen["requests"] += 1
    body = await request.read()
    await asyncio.sleep(DELAY)
    said = TEXT
    if b'"response_format"' in body:
        said = GRADE if b'"score"' in body else TAGS
    message = {"role": "assistant", "content": said}
    reply = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
    }
    seen["last"] = time.time()
    return web.Response(body=json.dumps(reply).encode(), content_type="application/json")


async def stats(request: web.Request) -> web.Response:
    return web.json_response(seen)


async def reset(request: web.Request) -> web.Response:
    seen.update(requests=0, first=0.0, last=0.0)
    return web.json_response(seen)


async def serve() -> None:
    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/v1/chat/completions", chat)
    application.router.add_get("/v1/stats", stats)
    application.router.add_get("/v1/reset", reset)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
