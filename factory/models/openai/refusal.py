"""What an HTTP status and its words mean for a run: wait, try again, set the record aside, or stop."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from factory.data.text import shorten
from factory.errors import RecordFailed, RunStopped
from factory.models.base import Overloaded, TransientFailure

_CONTEXT = re.compile(
    r"context.{0,20}(?:length|size|window|limit)|exceed_context|max_model_len|maximum model length"
    r"|(?:prompt|input) (?:is )?too long|too many (?:input )?tokens|input length"
    r"|(?:maximum|max).{0,20}tokens allowed",
    re.IGNORECASE,
)
_TOO_LARGE = re.compile(r"input.{0,20} is too large to process", re.IGNORECASE)
"""llama.cpp's words for a text longer than its batch, which it says with status 500."""
_KEY_WORD = r"[^\s'\",;:)}\]]*"


class BadRequest(RecordFailed):
    """The server refused this one request; `param` is the field that it blamed, "" where it did not say."""

    def __init__(self, words: str, param: str = "", unsupported: bool = False) -> None:
        super().__init__("bad_request", f"the server refused the request: {words}")
        self.param = param
        self.unsupported = unsupported


class ModelNotFound(Exception):
    """The server does not know the model, or there is nothing at this address."""


def redact(text: str, key: str) -> str:
    """`text` without the key, whole or as the masked form ("sk-ab***yz") that some servers quote."""
    if not key:
        return text
    start = re.escape(key[:6]) if len(key) >= 12 else re.escape(key)
    return re.sub(start + _KEY_WORD, "***", text)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: `retry-after-ms`, or `Retry-After` (seconds or an HTTP date)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if 0 <= seconds < 1e9:
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def error_fields(body: bytes) -> tuple[str, str, str]:
    """Message, code and blamed parameter of an error reply, in any of the shapes in use; "" where absent."""
    try:
        data: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace")
        # An HTML page says nothing that helps at a terminal, except its title.
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        return (title[1] if title else "" if "<html" in text.lower() else text), "", ""
    if not isinstance(data, dict):
        return str(data), "", ""
    error = data.get("error") or data
    if not isinstance(error, dict):
        return str(error), "", ""
    message = error.get("message") or error.get("detail") or error.get("error") or error
    code = f"{error.get('code') or ''} {error.get('type') or ''}"
    return str(message), code, str(error.get("param") or "")


def raise_for_status(
    status: int, headers: Mapping[str, str], body: bytes, *, address: str, key: str, key_env: str
) -> None:
    """Raise what a status other than 200 means; the names of `headers` are in lower case.

    Raises:
        Overloaded: 429, 503 and 529.
        TransientFailure: 408, 409, 425 and any other 5xx.
        RecordFailed: 400, 413, 422, and a 500 for a text that is too long; kind "context_length" where the prompt
            does not fit, "refused" where a filter withheld it.
        ModelNotFound: 404 and 405, or a 400 that says so.
        RunStopped: everything else: a refused key, no credit, a redirect.
    """
    message, code, param = error_fields(body)
    words = shorten(redact(message, key), 200) or f"HTTP {status}"
    if status == 429 and "insufficient_quota" in code:
        raise RunStopped(f"{address} says that the account has no credit left: {words}")
    if status in (429, 503, 529):
        raise Overloaded(f"{address} is overloaded (HTTP {status}): {words}", retry_after(headers))
    if status == 500 and _TOO_LARGE.search(message):
        raise RecordFailed("context_length", f"the text does not fit the model's context: {words}")
    if status in (408, 409, 425) or status >= 500:
        raise TransientFailure(f"{address} failed with HTTP {status}: {words}")
    if status in (404, 405) or (status == 400 and "model_not_found" in code):
        raise ModelNotFound(words)
    if status in (400, 413, 422):
        if status == 413 or _CONTEXT.search(f"{code} {message}"):
            raise RecordFailed("context_length", f"the prompt does not fit the model's context: {words}")
        if "content_filter" in code or "content_policy" in code:
            raise RecordFailed("refused", f"the server's content filter refused the prompt: {words}")
        unsupported = "unsupported" in code or "not support" in message or "Unsupported" in message
        raise BadRequest(words, param, unsupported)
    if status in (401, 403):
        mend = (
            f"set a valid key: export {key_env}=..."
            if key
            else "it asks for a key: name the environment variable that holds it as the model's api_key_env"
        )
        detail = f" ({words})" if status == 403 else ""  # a 401 only ever quotes the key
        raise RunStopped(f"{address} refused access with HTTP {status}{detail}; {mend}")
    if 300 <= status < 400:
        where = shorten(redact(headers.get("location", "another address"), key), 200)
        raise RunStopped(f"{address} redirects to {where}; name the final address as base_url")
    raise RunStopped(f"{address} refused the request with HTTP {status}: {words}")
