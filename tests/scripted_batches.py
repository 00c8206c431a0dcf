"""A server that speaks OpenAI's files and batches, beside the chat of `ScriptedServer`: for tests of batch runs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from scripted_server import Say, ScriptedServer, echo

Answer = Callable[[dict[str, Any]], str]


class ScriptedBatches(ScriptedServer):
    """Batches stay "in_progress" until a test calls `end`.

    files: what was uploaded and what was made, by id
    batches: by id, in the order in which they were made
    lose: how many replies to "make a batch" are lost on the way: it is made, and nobody is told
    """

    def __init__(self, answer: Answer = echo) -> None:
        super().__init__(answer)
        self.answer = answer
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.seen: list[dict[str, str]] = []
        self.lose = 0
        self.refuse: tuple[int, str] | None = None
        self._numbers = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/files", self._upload),
            web.get("/v1/files/{id}/content", self._content),
            web.post("/v1/batches", self._make),
            web.get("/v1/batches/{id}", self._show),
            web.get("/v1/batches", self._list),
        ]

    def end(self, status: str = "completed", share: float = 1.0, words: str = "") -> int:
        """End every batch that is on its way, answering a share of its requests; how many were answered."""
        answered = 0
        for batch in self.batches.values():
            if batch["status"] != "in_progress":
                continue
            batch["status"] = status
            if status == "failed":
                batch["errors"] = {
                    "object": "list",
                    "data": [{"code": "invalid", "message": words, "line": 1}],
                }
                continue
            lines = [orjson.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
            random.Random(3).shuffle(lines)
            cut = round(len(lines) * share)
            done = [self._result(line) for line in lines[:cut]]
            expired = [
                {
                    "id": "x",
                    "custom_id": line["custom_id"],
                    "response": None,
                    "error": {
                        "code": "batch_expired",
                        "message": "This request could not be executed in time.",
                    },
                }
                for line in lines[cut:]
            ]
            batch["output_file_id"] = self._kept(b"\n".join(map(orjson.dumps, done))) if done else None
            batch["error_file_id"] = self._kept(b"\n".join(map(orjson.dumps, expired))) if expired else None
            batch["request_counts"] = {"total": len(lines), "completed": cut, "failed": len(expired)}
            answered += cut
        return answered

    def _result(self, line: dict[str, Any]) -> dict[str, Any]:
        body = self._completion(line["body"], [Say(self.answer(line["body"]))])
        response = {"status_code": 200, "request_id": "r", "body": body}
        return {"id": "b", "custom_id": line["custom_id"], "response": response, "error": None}

    def _kept(self, data: bytes) -> str:
        name = f"file-{next(self._numbers)}"
        self.files[name] = data
        return name

    async def _upload(self, http: web.Request) -> web.Response:
        self.seen.append(dict(http.headers))
        if self.refuse is not None:
            status, words = self.refuse
            return web.json_response({"error": {"message": words, "code": None}}, status=status)
        form = await http.post()
        assert form["purpose"] == "batch"
        sent = form["file"]
        assert isinstance(sent, web.FileField)
        name = self._kept(sent.file.read())
        return web.json_response(
            {
                "id": name,
                "object": "file",
                "bytes": 1,
                "created_at": 1,
                "filename": sent.filename,
                "purpose": "batch",
            }
        )

    async def _make(self, http: web.Request) -> web.StreamResponse:
        asked = await http.json()
        batch = {
            "id": f"batch_{next(self._numbers)}",
            "object": "batch",
            "endpoint": asked["endpoint"],
            "completion_window": asked["completion_window"],
            "input_file_id": asked["input_file_id"],
            "metadata": asked.get("metadata"),
            "status": "in_progress",
            "created_at": 4_000_000_000,
            "request_counts": {
                "total": len(self.files[asked["input_file_id"]].splitlines()),
                "completed": 0,
                "failed": 0,
            },
        }
        self.batches[batch["id"]] = batch
        if self.lose:
            self.lose -= 1
            assert http.transport is not None
            http.transport.close()
        return web.json_response(batch)

    async def _show(self, http: web.Request) -> web.Response:
        return web.json_response(self.batches[http.match_info["id"]])

    async def _list(self, http: web.Request) -> web.Response:
        newest = list(reversed(self.batches.values()))
        ids = [batch["id"] for batch in newest]
        start = ids.index(http.query["after"]) + 1 if "after" in http.query else 0
        page = newest[start : start + 2]  # small pages, so that a second one is asked for
        return web.json_response({"object": "list", "data": page, "has_more": start + 2 < len(newest)})

    async def _content(self, http: web.Request) -> web.Response:
        return web.Response(body=self.files[http.match_info["id"]])
