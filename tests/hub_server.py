"""A stand-in of the Hugging Face hub: data sets in memory, over the protocol that `huggingface_hub` speaks.

Repositories, the preupload question, LFS batches, commits of lines of JSON, tags, trees and files, as a real server
answers them; everything that a client sends is checked as a server would. What is to go wrong is set by a test.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_standin"
REGULAR = 10_000
"""Bytes up to which a file that is no Parquet goes into a commit itself, and not by LFS."""


@dataclass
class Repository:
    """commits: of each its files, by path, in order; tags: by name, the commit."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.head]

    def commit(self, files: dict[str, bytes], message: str) -> str:
        oid = hashlib.sha1(f"{len(self.commits)}{message}{sorted(files)}".encode()).hexdigest()
        self.commits[oid] = files
        self.messages.append(message)
        return oid

    def at(self, revision: str) -> str | None:
        revision = self.tags.get(revision, self.head if revision == "main" else revision)
        return revision if revision in self.commits else None


@dataclass
class Hub:
    """The stand-in's state. fail: by the beginning of "METHOD /path", the status to answer with, or 0 to hang up;
    garbled, silent: the beginning of what is answered with no JSON, or not at all while a client waits a second."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    lfs: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    fail: dict[str, int] = field(default_factory=dict)
    garbled: str = ""
    silent: str = ""
    may_write: tuple[str, ...] = ("me", "org")

    def sent(self, beginning: str) -> list[str]:
        """The requests that begin so."""
        return [one for one in self.requests if one.startswith(beginning)]


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message or code)
        self.status, self.code = status, code


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that listens on this machine while the block lasts."""
    hub = Hub()

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        asked = f"{self.command} {path}"
        self.state.requests.append(asked)
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(length)
        if self.state.garbled and asked.startswith(self.state.garbled):
            self._send(200, b"<html>\xff")
            return
        if self.state.silent and asked.startswith(self.state.silent):
            self.connection.settimeout(1)
            self.close_connection = True
            with suppress(OSError):
                self.connection.recv(1)  # ends when the client has gone
            return
        for beginning, status in self.state.fail.items():
            if asked.startswith(beginning):
                if not status:
                    self.close_connection = True
                    self.connection.close()
                    return
                self._send(status, {"error": "told to fail"})
                return
        try:
            self._answer(path, body)
        except _Refused as refused:
            self._send(
                refused.status,
                {"error": str(refused)},
                {"X-Error-Code": refused.code, "X-Error-Message": str(refused)},
            )

    do_GET = do_POST = do_PUT = do_HEAD = _handle

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().strip() or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if not isinstance(body, bytes):
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    @property
    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _signed(self) -> None:
        if not self._known:
            raise _Refused(401, "", "Invalid username or password.")

    def _repository(self, name: str) -> Repository:
        found = self.state.repositories.get(name)
        if found is None or (found.private and not self._known):
            raise _Refused(404 if self._known else 401, "RepoNotFound", "Repository not found")
        return found

    def _answer(self, path: str, body: bytes) -> None:
        match [part for part in path.split("/") if part]:
            case ["api", "whoami-v2"]:
                self._signed()
                self._send(200, {"type": "user", "name": "me", "orgs": [{"name": "org"}]})
            case ["api", "validate-yaml"]:
                self._send(200, {"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                self._create(json.loads(body))
            case ["lfs", oid] if self.command == "PUT":
                if hashlib.sha256(body).hexdigest() != oid:
                    raise _Refused(400, "", "wrong bytes")
                self.state.lfs[oid] = body
                self._send(200, {})
            case ["datasets", org, name, "info", "lfs", "objects", "batch"] if name.endswith(".git"):
                self._batch(f"{org}/{name[:-4]}", json.loads(body))
            case ["datasets", org, name, "resolve", revision, *file]:
                self._resolve(f"{org}/{name}", revision, "/".join(file))
            case ["api", "datasets", org, name, *rest]:
                self._dataset(f"{org}/{name}", rest, body)
            case _:
                raise _Refused(404, "", f"no such address {path}")

    def _create(self, asked: dict[str, Any]) -> None:
        self._signed()
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if asked.get("type") != "dataset" or name.split("/")[0] not in self.state.may_write:
            raise _Refused(403, "", "You don't have the rights to create a dataset under this namespace")
        if name in self.state.repositories:
            raise _Refused(409, "", "You already created this dataset repo")
        private = asked.get("visibility") == "private" or asked.get("private") is True
        made = self.state.repositories[name] = Repository(private)
        made.commit({".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}, "initial commit")
        self._send(200, {"url": f"{self.state.url}/datasets/{name}"})

    def _dataset(self, name: str, rest: list[str], body: bytes) -> None:
        repository = self._repository(name)
        match rest:
            case [] | ["revision", _]:
                oid = self._at(repository, rest[1] if rest else "main")
                siblings = [{"rfilename": path} for path in sorted(repository.commits[oid])]
                self._send(
                    200,
                    {"id": name, "sha": oid, "private": repository.private, "siblings": siblings, "tags": []},
                )
            case ["refs"]:
                tags = [
                    {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid}
                    for tag, oid in repository.tags.items()
                ]
                main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head}
                self._send(200, {"branches": [main], "converts": [], "tags": tags})
            case ["tree", revision, *_]:
                oid = self._at(repository, revision)
                self._send(
                    200, [_entry(path, data) for path, data in sorted(repository.commits[oid].items())]
                )
            case ["paths-info", revision]:
                oid = self._at(repository, revision)
                wanted = json.loads(body)["paths"]
                files = repository.commits[oid]
                self._send(200, [_entry(path, files[path]) for path in wanted if path in files])
            case ["preupload", _]:
                self._writes(name)
                files = json.loads(body)["files"]
                assert all(len(base64.b64decode(one["sample"])) <= 512 for one in files)
                modes = [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if _is_large(one["path"], one["size"]) else "regular",
                        "shouldIgnore": False,
                        "oid": None,
                    }
                    for one in files
                ]
                self._send(200, {"files": modes})
            case ["commit", "main"]:
                self._writes(name)
                self._commit(name, repository, body)
            case ["tag", revision]:
                self._writes(name)
                tag = json.loads(body)["tag"]
                if tag in repository.tags:
                    raise _Refused(409, "", "Tag reference exists already")
                repository.tags[tag] = self._at(repository, revision)
                self._send(200, {})
            case _:
                raise _Refused(404, "", f"no such address {rest}")

    def _writes(self, name: str) -> None:
        self._signed()
        if name.split("/")[0] not in self.state.may_write:
            raise _Refused(403, "", "no write access")

    def _at(self, repository: Repository, revision: str) -> str:
        oid = repository.at(revision)
        if oid is None:
            raise _Refused(404, "RevisionNotFound", "Invalid rev id")
        return oid

    def _batch(self, name: str, asked: dict[str, Any]) -> None:
        self._writes(name)
        assert asked["operation"] == "upload"
        assert asked["hash_algo"] == "sha256"
        objects = []
        for one in asked["objects"]:
            upload = {"upload": {"href": f"{self.state.url}/lfs/{one['oid']}"}}
            there = one["oid"] in self.state.lfs
            objects.append({"oid": one["oid"], "size": one["size"], **({} if there else {"actions": upload})})
        self._send(200, {"transfer": "basic", "objects": objects})

    def _commit(self, name: str, repository: Repository, body: bytes) -> None:
        header, *operations = [json.loads(line) for line in body.splitlines() if line]
        assert header["key"] == "header"
        parent = header["value"].get("parentCommit")
        if parent and parent != repository.head:
            raise _Refused(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(repository.files)
        for one in operations:
            value = one["value"]
            match one["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    if value["oid"] not in self.state.lfs:
                        raise _Refused(400, "", "lfs object is missing")
                    files[value["path"]] = self.state.lfs[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
                case key:
                    raise _Refused(400, "", f"unknown operation {key}")
        oid = repository.commit(files, header["value"]["summary"])
        url = f"{self.state.url}/datasets/{name}/commit/{oid}"
        self._send(200, {"commitUrl": url, "commitOid": oid, "success": True})

    def _resolve(self, name: str, revision: str, file: str) -> None:
        repository = self._repository(name)
        oid = self._at(repository, revision)
        data = repository.commits[oid].get(file)
        if data is None:
            raise _Refused(404, "EntryNotFound", "Entry not found")
        etag = hashlib.sha256(data).hexdigest()
        self._send(200, data, {"X-Repo-Commit": oid, "ETag": f'"{etag}"', "X-Linked-Size": str(len(data))})


def _is_large(path: str, size: int) -> bool:
    return path.endswith(".parquet") or size > REGULAR


def _entry(path: str, data: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob}
    if _is_large(path, len(data)):
        digest = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 130}
    return entry
