"""Reads what an error reply says, in any of the shapes in use, and what other libraries' exceptions say."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

UNKNOWN = 0
"""The status of a failure that has none."""
PAGE = "html_page"
"""The code of an error that came as a web page: no model server wrote it."""
_DEEPEST = 6
_FINE = (0, "0", None)
_MESSAGES = (
    "message",
    "Message",
    "msg",
    "detail",
    "error_msg",
    "status_msg",
    "error_message",
    "errorMessage",
)
_CODES = ("code", "Code", "type", "status", "reason", "error_code", "errorCode", "error_type", "status_code")
_INSIDE = (
    "error",
    "errors",
    "Error",
    "Response",
    "base_resp",
    "header",
    "innererror",
    "details",
    "metadata",
    "raw",
)


@dataclass(frozen=True, slots=True)
class Told:
    """What an error reply says, in any of the shapes in use; "" and () where it does not.

    codes: of all its parts, the outer ones first; numbers behind their provider's name
    """

    message: str = ""
    codes: tuple[str, ...] = ()
    param: str = ""


def read_error(body: bytes) -> Told:
    """What an error reply says."""
    text = body.decode("utf-8", "replace").lstrip("\ufeff").strip()
    data = _as_data(text)
    if data is None:
        # An HTML page says nothing that helps at a terminal, except its title.
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        page = title is not None or "<html" in text.lower()
        return Told(title[1].strip() if title else "" if page else text, (PAGE,) if page else ())
    parts = list(_parts(data, 0))
    messages = [message for part in parts if (message := _message(part))]
    codes = dict.fromkeys(code for part in parts for code in _codes(part))
    params = (part.get("param") for part in parts if isinstance(part, dict))
    message = ": ".join(dict.fromkeys(messages[:3])) or _as_text(data)
    return Told(message, tuple(codes), next((str(param) for param in params if param), ""))


def _as_data(text: str) -> Any:
    """The JSON that a text is; None where it is none."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _parts(data: Any, depth: int) -> Iterator[Any]:
    """The objects and texts of an error reply that may say something, the inner ones of an object after it."""
    if depth > _DEEPEST:
        return
    if isinstance(data, list):
        for part in data[:8]:
            yield from _parts(part, depth + 1)
    elif isinstance(data, str):
        inner = _as_data(data.strip())
        if inner is None:
            yield data
        else:
            yield from _parts(inner, depth + 1)
    elif isinstance(data, dict):
        yield data
        for name in (*_INSIDE, *_MESSAGES):
            value = data.get(name)
            if isinstance(value, (dict, list)) or (
                isinstance(value, str) and (name in _INSIDE or "{" in value[:1])
            ):
                yield from _parts(value, depth + 1)


def _message(part: Any) -> str:
    if isinstance(part, str):
        return part.strip()
    if not isinstance(part, dict):
        return ""
    told = next((part[name] for name in _MESSAGES if isinstance(part.get(name), str) and part[name]), "")
    return "" if _as_data(told.strip()) is not None else told.strip()


def _as_text(data: Any) -> str:
    """An error reply without a message, as text; what the first of its errors says of a request's fields."""
    if isinstance(data, dict):
        data = data.get("error") or data.get("detail") or data.get("message") or data
    return str(data)


def _codes(part: Any) -> Iterator[str]:
    """The codes of one object of an error reply; a number alone stands behind the name of whose shape this is."""
    if not isinstance(part, dict):
        return
    for name in _CODES:
        code = part.get(name)
        if isinstance(code, bool) or not isinstance(code, (str, int)) or code in ("", 0):
            continue
        code = str(code)
        if not code.lstrip("-").isdigit():
            yield code
        elif name == "status_code" and "status_msg" in part:
            yield f"minimax:{code}"
        elif name == "error_code":
            yield f"baidu:{code}"
        elif name == "code" and len(code) == 4:
            yield f"zhipu:{code}"
            yield code
        elif name == "code" and len(code) == 5:
            yield f"{'spark' if code[0] == '1' else 'siliconflow'}:{code}"


def error_status(data: Any) -> int | None:
    """The status of a failure that came as a success: None for a proper reply, `UNKNOWN` for a failure without one.

    An error beside choices is a failure too: what the choices hold is half of an answer.
    """
    if not isinstance(data, dict):
        return None
    error = data.get("error") or data.get("errors")
    inner = error if isinstance(error, dict) else data
    resp, header = data.get("base_resp"), data.get("header")
    failed = isinstance(resp, dict) and resp.get("status_code") not in _FINE
    failed |= isinstance(header, dict) and header.get("code") not in _FINE
    if data.get("choices"):
        failed |= is_error(error)
    else:
        failed |= bool(error) or (isinstance(data.get("Response"), dict) and "Error" in data["Response"])
        failed |= data.get("error_code") not in (*_FINE, "")
        failed |= data.get("code") not in (*_FINE, 200, "200", "") and bool(_message(data))
        failed |= data.get("object") == "error"
    if not failed:
        return None
    codes = (inner.get("code"), inner.get("status"), inner.get("http_code"), data.get("code"))
    return next((status for code in codes if (status := _http_status(code))), UNKNOWN)


def is_error(told: Any) -> bool:
    """Whether what stands in a reply's place for an error is one, and not an empty form that says that all is well."""
    if isinstance(told, dict):
        return bool(_message(told)) or any(
            told.get(name) not in (*_FINE, 200, "200", "") for name in ("code", "status", "type")
        )
    return bool(told)


_STATUS_IN_WORDS = re.compile(
    r"(?:\A|error code:? |status(?:_| )code\W{1,3}|HTTP(?: Status)?[ :]{1,2})([45]\d\d)\b", re.IGNORECASE
)


def read_exception(error: BaseException) -> tuple[int, Told, Mapping[str, str]]:
    """Status, words and headers of a failure that another library raised; `UNKNOWN` where it tells no status."""
    response = getattr(error, "response", None)
    words = str(error)
    about = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}  # as botocore has it
    candidates = (
        *(getattr(error, name, None) for name in ("status_code", "code", "http_status", "status")),
        getattr(response, "status_code", None),
        getattr(response, "status", None),
        about.get("HTTPStatusCode") if isinstance(about, dict) else None,
        match[1] if (match := _STATUS_IN_WORDS.search(words)) else None,
    )
    status = next((number for told in candidates if (number := _http_status(told))), UNKNOWN)
    headers = getattr(response, "headers", None)
    held = {str(name).lower(): str(value) for name, value in dict(headers).items()} if headers else {}
    return status, _told_of(error, response, words), held


def _http_status(told: Any) -> int:
    with contextlib.suppress(TypeError, ValueError):
        number = int(told)
        return number if 400 <= number < 600 and not isinstance(told, bool) else 0
    return 0


def _told_of(error: BaseException, response: Any, words: str) -> Told:
    body = getattr(error, "body", None)
    if isinstance(body, (dict, list)):
        found = body
    elif isinstance(response, dict):
        found = response
    else:
        found = _data_in(words)
    codes = [str(code) for name in ("code", "error_code", "reason") if (code := getattr(error, name, None))]
    named = re.findall(r"\bcode: ?([A-Za-z][\w.]+)", words)
    if found is None:
        return Told(words, (*codes, *named))
    with contextlib.suppress(TypeError, ValueError):
        told = read_error(orjson.dumps(found, default=str))
        return Told(told.message or words, (*told.codes, *codes, *named), told.param)
    return Told(words, (*codes, *named))


def _data_in(words: str) -> Any:
    """The object that an exception's words quote, as JSON or as Python writes it; None where there is none."""
    start = words.find("{")
    if start < 0 or len(words) > 100_000:
        return None
    quoted = words[start : words.rfind("}") + 1]
    for read in (orjson.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            found = read(quoted)
            if isinstance(found, dict):
                return found
    return None
