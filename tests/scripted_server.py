"""An OpenAI-compatible server whose replies follow a script: for tests, benchmarks and fault injection.

In a test's own loop:     async with ScriptedServer(script) as server: ... server.base_url ...
In a thread of its own:   with in_thread(ScriptedServer(script)) as server: ...
In a process of its own:  python tests/scripted_server.py --port 8000 --delay 0.05

A script takes a request's JSON and gives the reply's text, a `Say` for anything else, or an awaitable of
either. Without a script the server answers with text that depends on the conversation, the seed and the
sampling alone, and a request for a JSON schema with a small instance that fits it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Say:
    """A reply other than plain text.

    text, reasoning, finish_reason, calls: of a proper completion; a call is a name and its arguments as text
    status, headers, body: an HTTP reply as it stands; `body` may be bytes, text or something to send as JSON
    delay: seconds before the reply
    fault: "hang" (never answers), "reset" (the connection breaks before any byte), "truncate" (the body
        breaks off half-way), "drip" (the body comes in ten pieces, `pace` seconds apart)
    """

    text: str | None = None
    reasoning: str = ""
    finish_reason: str = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    delay: float = 0.0
    fault: str = ""
    pace: float = 0.0
    calls: tuple[tuple[str, str], ...] = ()


Script = Callable[[dict[str, Any]], "str | Say | Awaitable[str | Say]"]

HTML = Say(body="<html><head><title>Welcome</title></head><body>It works!</body></html>")
HTML.headers["Content-Type"] = "text/html"


def refuse(status: int, message: str, *, headers: dict[str, str] | None = None, **error: Any) -> Say:
    """An error in OpenAI's shape."""
    return Say(status=status, headers=headers or {}, body={"error": {"message": message, **error}})


def digest(*parts: Any) -> str:
    """Eight hexadecimal digits of what is given."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:8]


def instance(schema: dict[str, Any], word: str = "text", root: dict[str, Any] | None = None) -> Any:
    """A small instance of a JSON schema; its strings hold `word`."""
    root = schema if root is None else root
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return instance(target, word, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return instance(schema[key][0], word, root)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: instance(inner, word, root) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {}), word, root)] * max(schema.get("minItems", 1), 1)
    if kind == "string":
        return word.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
        return low if low <= schema.get("maximum", low) else schema["maximum"]
    return {"boolean": True, "null": None}[kind]


def echo(request: dict[str, Any]) -> str:
    """The reply without a script: the same for the same conversation, sampling and seed."""
    said = [(turn["role"], turn["content"]) for turn in request["messages"]]
    mark = digest(said, request.get("temperature"), request.get("seed"))
    wanted = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return orjson.dumps(instance(wanted["json_schema"]["schema"], f"text {mark}")).decode()
    return f"Reply {mark} to: {said[-1][1][-200:]}"


class ScriptedServer:
    """Serves /v1/chat/completions, /v1/embeddings and /v1/models on the loopback interface.

    With `complete`, /v1/completions too.

    A request for `n` choices is put to the script so many times.

    requests, headers: the JSON bodies and headers of the chat requests, in the order of arrival
    embedded: the bodies of the embedding requests
    paths, strangers: addresses that are not served and were asked for, and the headers
    in_flight, max_in_flight: chat requests being answered, now and at most
    """

    def __init__(
        self,
        script: Script = echo,
        *,
        models: tuple[str, ...] = ("scripted",),
        delay: float = 0.0,
        port: int = 0,
        dimensions: int = 8,
        embed: Script | None = None,
        complete: Script | None = None,
    ) -> None:
        self.script = script
        self.embed = embed
        self.complete = complete
        self.models = models
        self.delay = delay
        self.port = port
        self.dimensions = dimensions
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.embedded: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.strangers: list[dict[str, str]] = []
        self.in_flight = self.max_in_flight = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """What a recipe names."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> ScriptedServer:
        application = web.Application(client_max_size=1 << 28)
        application.router.add_post("/v1/chat/completions", self._chat)
        application.router.add_post("/v1/embeddings", self._embeddings)
        application.router.add_get("/v1/models", self._models)
        if self.complete is not None:
            application.router.add_post("/v1/completions", self._completions)
        application.router.add_routes([*self.routes(), web.route("*", "/{path:.*}", self._stranger)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def _stranger(self, http: web.Request) -> web.Response:
        """A path that is not served."""
        self.paths.append(http.path_qs)
        self.strangers.append(dict(http.headers))
        return web.json_response({"error": {"message": "Not Found"}}, status=404)

    def routes(self) -> list[web.RouteDef]:
        """What a server of another kind serves besides."""
        return []

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        request = orjson.loads(await http.read())
        self.requests.append(request)
        self.headers.append(dict(http.headers))
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            if request.get("model") not in self.models:
                words = f"The model `{request.get('model')}` does not exist."
                return await self._deliver(http, refuse(404, words, type="NotFoundError", param="model"))
            if self.delay:
                await asyncio.sleep(self.delay)
            says: list[Say] = []
            for at in range(request.get("n") or 1):
                # As in vLLM, each choice of one request is drawn from a seed of its own.
                seeded = {**request, "seed": request["seed"] + at} if at and "seed" in request else request
                said = self.script(seeded)
                said = await said if inspect.isawaitable(said) else said
                says.append(Say(said) if isinstance(said, str) else said)
                if says[-1].body is not None:
                    break
            say = says[-1]
            if say.body is None:
                say = Say(**{**vars(say), "body": self._completion(request, says)})
            return await self._deliver(http, say)
        finally:
            self.in_flight -= 1

    def _completion(self, request: dict[str, Any], says: list[Say]) -> dict[str, Any]:
        choices: list[dict[str, Any]] = []
        for index, say in enumerate(says):
            message: dict[str, Any] = {"role": "assistant", "content": say.text}
            if say.reasoning:
                message["reasoning_content"] = say.reasoning
            if say.calls:
                message["tool_calls"] = [
                    {
                        "id": f"made-{at}",
                        "type": "function",
                        "function": {"name": name, "arguments": arguments},
                    }
                    for at, (name, arguments) in enumerate(say.calls)
                ]
            choices.append(
                {"index": index, "message": message, "finish_reason": say.finish_reason, "logprobs": None}
            )
        prompt = sum(len(str(turn["content"]).split()) for turn in request["messages"])
        answer = sum(len((say.text or "").split()) for say in says)
        return {
            "id": f"chatcmpl-{len(self.requests)}",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": choices,
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": answer,
                "total_tokens": prompt + answer,
            },
        }

    async def _embeddings(self, http: web.Request) -> web.StreamResponse:
        request = orjson.loads(await http.read())
        self.embedded.append(request)
        if self.embed is not None:
            said = self.embed(request)
            said = await said if inspect.isawaitable(said) else said
            return await self._deliver(http, Say(body=said) if isinstance(said, str) else said)
        texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
        rows = [
            {"object": "embedding", "index": index, "embedding": self.vector(text)}
            for index, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": len(texts), "total_tokens": len(texts)}
        body = {"object": "list", "model": request["model"], "data": rows, "usage": usage}
        return await self._deliver(http, Say(body=body))

    def vector(self, text: str) -> list[float]:
        """What a text is embedded as: not of unit length, and the same each time."""
        raw = hashlib.shake_128(text.encode()).digest(self.dimensions)
        return [byte / 16 - 8.03 for byte in raw]

    async def _completions(self, http: web.Request) -> web.StreamResponse:
        request = orjson.loads(await http.read())
        self.requests.append(request)
        assert self.complete is not None
        said = self.complete(request)
        said = await said if inspect.isawaitable(said) else said
        return await self._deliver(http, Say(body=said) if isinstance(said, str) else said)

    async def _models(self, http: web.Request) -> web.Response:
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "tests"} for name in self.models]
        return web.json_response({"object": "list", "data": listed})

    async def _deliver(self, http: web.Request, say: Say) -> web.StreamResponse:
        if say.delay:
            await asyncio.sleep(say.delay)
        if say.fault == "hang":
            await asyncio.sleep(3600)
        if say.fault == "reset":
            assert http.transport is not None
            http.transport.abort()
        body = say.body if isinstance(say.body, bytes | str) else orjson.dumps(say.body)
        body = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": "application/json", **say.headers}
        if say.fault == "truncate":
            response = web.StreamResponse(status=say.status, headers=headers)
            response.content_length = len(body)
            await response.prepare(http)
            await response.write(body[: len(body) // 2])
            assert http.transport is not None
            http.transport.close()
            return response
        if say.fault == "drip":
            response = web.StreamResponse(status=say.status, headers=headers)
            await response.prepare(http)
            piece = len(body) // 10 + 1
            with suppress(ConnectionError):  # the client would not wait any longer
                for at in range(0, len(body), piece):
                    await response.write(body[at : at + piece])
                    await asyncio.sleep(say.pace)
            return response
        return web.Response(status=say.status, body=body, headers=headers)


@contextmanager
def in_thread(server: ScriptedServer) -> Iterator[ScriptedServer]:
    """Run a server in a thread of its own, for as long as the block lasts."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    ended: asyncio.Future[None] = loop.create_future()

    async def serve() -> None:
        async with server:
            ready.set()
            await ended

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the scripted server did not start")
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set_result, None)
        thread.join(10)
        loop.close()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that each reply takes")
    parser.add_argument("--model", default="scripted")
    arguments = parser.parse_args()

    async def serve() -> None:
        server = ScriptedServer(delay=arguments.delay, port=arguments.port, models=(arguments.model,))
        async with server:
            print(server.base_url, flush=True)
            await asyncio.Event().wait()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
