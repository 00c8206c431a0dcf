"""What a refusal means for a run: wait, try again, set the record aside, or stop; for every provider alike.

What the body says comes before the status: a 429 may mean that no credit is left, a 400 an account in arrears, and
some gateways send their failures with status 200. `refusal_reply` reads it, `refusal_table` holds codes and words.
"""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NoReturn

from factory.data.text import shorten
from factory.errors import RecordFailed, RunStopped
from factory.models import refusal_table as table
from factory.models.failures import Denied, Overloaded, TransientFailure
from factory.models.refusal_reply import PAGE, UNKNOWN, Told, read_error
from factory.models.refusal_table import Meaning

_KEY_WORD = r"[^\s'\",;:)}\]]*"
_LOOKED_AT = 600  # characters: what a provider has to say comes first, what it quotes of the prompt later
# A long quotation is the prompt's or the schema's: its words are not the provider's.
_QUOTED = re.compile(r"'[^']{24,}'|\"[^\"]{24,}\"|`[^`]{24,}`|“[^”]{24,}”")


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
    """Seconds that a server asks to wait: `retry-after-ms`, or `Retry-After` (seconds or an HTTP date).

    Never negative and never without end; None where nothing sensible is told.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        with contextlib.suppress(ValueError):
            seconds = float(headers.get(name, "")) / unit
            if math.isfinite(seconds) and seconds >= 0:
                return seconds
    told = _moment(headers.get("retry-after", ""))
    if told is None:
        return None
    now = _moment(headers.get("date", ""))  # by the server's clock: ours may be wrong
    return max(0.0, told - (time.time() if now is None else now))


def _moment(date: str) -> float | None:
    """Seconds since 1970 of an HTTP date; None where it is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def meaning_of(status: int, told: Told) -> Meaning | None:
    """What a refusal with this status means; None where it may be meant for this request or for every one."""
    text = _QUOTED.sub(" ", told.message)[:_LOOKED_AT]
    known = [meaning for code in told.codes if (meaning := table.meaning_of_code(code)) is not None]
    if table.TOO_LARGE.search(text):
        return Meaning.TOO_LONG
    if status == 402 and Meaning.BLOCKED not in known:
        return Meaning.NO_CREDIT
    # Codes that only one thing can be meant by come first, then words that only one thing can be meant by.
    for meaning in (Meaning.NO_CREDIT, Meaning.BLOCKED, Meaning.TOO_LONG):
        if meaning in known:
            return meaning
    if status != 422 and table.NO_CREDIT.search(text):
        return Meaning.NO_CREDIT
    for meaning in (Meaning.PLACE, Meaning.BAD_KEY, Meaning.NO_MODEL):
        if meaning in known:
            return meaning
    if status not in (401, 408, 429) and status < 501 and table.BLOCKED.search(text):
        return Meaning.BLOCKED
    long = Meaning.RATE_LIMIT not in known and table.TOO_LONG.search(" ".join((*told.codes, text)))
    if status == 413 or (status in (UNKNOWN, 400, 422) and long):
        return Meaning.TOO_LONG
    if status not in (401, 404, 422) and (Meaning.RATE_LIMIT in known or table.RATE_LIMIT.search(text)):
        return Meaning.RATE_LIMIT
    quota = any(table.plain_code(code) in table.QUOTA_CODES for code in told.codes)
    if status != 422 and (quota or table.NO_CREDIT_PERHAPS.search(text)):
        return Meaning.NO_CREDIT
    if status in (UNKNOWN, 400, 401, 403, 451) and table.PLACE.search(text):
        return Meaning.PLACE
    if status not in (422, 429) and table.BAD_KEY.search(text):
        return Meaning.BAD_KEY
    if status not in (422, 429) and table.NO_MODEL.search(text):
        return Meaning.NO_MODEL
    waits = status in (UNKNOWN, 403, 429) or status >= 498
    if Meaning.OVERLOADED in known or (waits and table.OVERLOADED.search(text)):
        return Meaning.OVERLOADED
    if known:
        return known[0]
    if status == UNKNOWN and any(table.plain_code(code) in table.REQUEST_CODES for code in told.codes):
        return Meaning.BAD_REQUEST
    return _of_status(status)


def _of_status(status: int) -> Meaning | None:
    match status:
        case 400 | 422:
            return Meaning.BAD_REQUEST
        case 404 | 405:
            return Meaning.NO_MODEL
        case 451:
            return Meaning.BLOCKED
        case 429:
            return Meaning.RATE_LIMIT
        case 498 | 503 | 529:
            return Meaning.OVERLOADED
        case 0 | 408 | 409 | 423 | 425:
            return Meaning.FAULT
    return Meaning.FAULT if status >= 500 else None


def raise_for_status(
    status: int, headers: Mapping[str, str], body: bytes, *, address: str, key: str, key_env: str
) -> NoReturn:
    """Raise what a reply means that is none; the names of `headers` are in lower case.

    Raises:
        Overloaded: the server asks to wait.
        TransientFailure: a mishap: another try may succeed.
        RecordFailed: this request can never succeed; kind "context_length" where the prompt does not fit, "refused"
            where a filter withheld it.
        ModelNotFound: the model is not known, or there is nothing at this address.
        RunStopped: no request can succeed: no credit is left, the key is refused.
        Denied: that, or this request alone: whoever knows of other requests can tell.
    """
    raise_for(status, read_error(body), headers, address=address, key=key, key_env=key_env)


def raise_for(
    status: int, told: Told, headers: Mapping[str, str], *, address: str, key: str, key_env: str
) -> NoReturn:
    """As `raise_for_status`, of an error reply that was read."""
    words = shorten(redact(told.message, key), 200) or (f"HTTP {status}" if status else "no reason was told")
    http = f"HTTP {status}" if status else "an error"
    match meaning_of(status, told):
        case Meaning.NO_CREDIT:
            raise RunStopped(f"{address} says that the account has no credit left: {words}")
        case Meaning.BLOCKED:
            raise RecordFailed("refused", f"the server's content filter refused the prompt: {words}")
        case Meaning.TOO_LONG:
            raise RecordFailed("context_length", f"the prompt does not fit the model's context: {words}")
        case Meaning.RATE_LIMIT | Meaning.OVERLOADED:
            raise Overloaded(f"{address} is overloaded ({http}): {words}", retry_after(headers))
        case Meaning.FAULT:
            raise TransientFailure(f"{address} failed with HTTP {status or 500}: {words}")
        case Meaning.NO_MODEL:
            raise ModelNotFound(words if str(status) in words else f"{http}: {words}")
        case Meaning.BAD_REQUEST:
            code = " ".join(told.codes)
            unsupported = "unsupported" in code or "not support" in words or "Unsupported" in words
            raise BadRequest(words, told.param, unsupported)
        case Meaning.PLACE:
            raise RunStopped(
                f"{address} does not serve the place that it is called from ({http}: {words}); no key helps: call it "
                "from where it is served, or name another base_url"
            )
        case Meaning.BAD_KEY:
            raise RunStopped(_bad_key(http, status, words, address, key, key_env))
        case None:
            pass
    alone = f"the server refused the request with HTTP {status}: {words}"
    if status == 403 and PAGE in told.codes:
        raise Denied(
            f"{address} refused access with {http}, as a web page ({words}): what stands before the model server did, "
            "such as a firewall or nginx, and a key may not help; look at base_url, and ask whoever runs it",
            alone,
        )
    if status in (401, 403):
        raise Denied(_bad_key(http, status, words, address, key, key_env), alone)
    if 300 <= status < 400:
        where = shorten(redact(headers.get("location", "another address"), key), 200)
        raise Denied(
            f"{address} redirects to {where}; name the final address as base_url", f"{alone} to {where}"
        )
    raise Denied(f"{address} refused the request with HTTP {status}: {words}", alone)


def _bad_key(http: str, status: int, words: str, address: str, key: str, key_env: str) -> str:
    mend = (
        f"set a valid key: export {key_env}=..."
        if key
        else "it asks for a key: name the environment variable that holds it as the model's api_key_env"
    )
    detail = "" if status == 401 else f" ({words})"  # a 401 only ever quotes the key
    return f"{address} refused access with {http}{detail}; {mend}"
