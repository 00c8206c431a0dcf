"""Files of the OpenAI Batch format, which Batch APIs and vLLM's `run-batch` read and write.

One request or one result a line. The results come in any order and are joined by `custom_id` alone. What a
results file holds is data like any other: it is read, never trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from factory.data.text import shorten
from factory.data.whole_file import whole_file
from factory.errors import OutputError, RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply
from factory.models.failures import TransientFailure
from factory.models.openai.completion import read_completion
from factory.models.refusal import ModelNotFound, raise_for_status
from factory.models.refusal_reply import UNKNOWN, error_status

MOST_REQUESTS = 50_000
"""Requests that one file may hold."""
MOST_BYTES = 200_000_000
"""Bytes that one file may hold."""
URL: Final = "/v1/chat/completions"
REQUESTS, RESULTS = ".requests.jsonl", ".results.jsonl"
"""How the names of request and result files end."""


def request_line(custom_id: str, body: Mapping[str, Any]) -> bytes:
    """One line of a request file, with its line end.

    Raises:
        RecordFailed: the body cannot be written as JSON.
    """
    line = {"custom_id": custom_id, "method": "POST", "url": URL, "body": body}
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        raise RecordFailed("bad_request", f"the prompt cannot be sent as JSON: {error}") from None


def write_requests(lines: Iterable[bytes], paths: Iterator[Path]) -> list[Path]:
    """Write lines to as many files as they need, taken from `paths`; each appears whole or not at all.

    Raises:
        OutputError: a file cannot be written.
    """
    written: list[Path] = []
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and (len(held) == MOST_REQUESTS or size + len(line) > MOST_BYTES):
            written.append(write_durably(next(paths), held))
            held, size = [], 0
        held.append(line)
        size += len(line)
    if held:
        written.append(write_durably(next(paths), held))
    return written


def write_durably(path: Path, lines: Iterable[bytes]) -> Path:
    """Write a file so that it is on disk, whole, before it has its name.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as file:
        file.writelines(lines)
    return path


def read_lines(path: Path) -> Iterator[tuple[int, int, dict[str, Any] | None]]:
    """Offset, length and object of each line that is not blank; None for one that is no object with a custom_id.

    Raises:
        OutputError: the file cannot be read.
    """
    offset = 0
    try:
        with path.open("rb") as file:
            for raw in file:
                if raw.strip():
                    yield offset, len(raw), read_line(raw)
                offset += len(raw)
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_line(raw: bytes) -> dict[str, Any] | None:
    """The object that a line holds; None where it is none, or has no custom_id."""
    try:
        line = orjson.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("custom_id"), str) else None


def is_success(line: Mapping[str, Any]) -> bool:
    """A result with a completion, not with an error in any of the shapes in use."""
    response = line.get("response")
    if line.get("error") or not isinstance(response, dict) or response.get("status_code") != 200:
        return False
    body = response.get("body")
    return isinstance(body, dict) and error_status(body) is None


def read_reply(line: Mapping[str, Any], request: ChatRequest | None = None) -> Reply:
    """The reply that a result holds; `request` is what was asked.

    Raises:
        TransientFailure: an error that another try may mend: expired, overloaded, no body, a server's mishap.
        RecordFailed: this request can never succeed.
    """
    response = line.get("response")
    response = response if isinstance(response, dict) else {}
    body = response.get("body")
    if is_success(line):
        return read_completion(response["body"], request)
    told = line.get("error") or body or "there is no reply"
    status = response.get("status_code")
    if not _is_failure(status):
        status = error_status(told if isinstance(told, dict) and "error" in told else {"error": told})
    try:
        raise_for_status(
            status if isinstance(status, int) and status != UNKNOWN else 500,
            {},
            orjson.dumps(told if isinstance(told, dict) else {"error": told}),
            address="the batch",
            key="",
            key_env="",
        )
    except (ModelNotFound, RunStopped) as error:  # whoever ran the batch can mend it and run it again
        raise TransientFailure(str(error)) from None


def _is_failure(status: object) -> bool:
    return isinstance(status, int) and not isinstance(status, bool) and 400 <= status < 600


def one_line(text: object) -> str:
    """Words of a server as they may stand within a sentence at a terminal."""
    return shorten("".join(c if c.isprintable() else " " for c in str(text)), 200)
