"""The address, key and sockets of one OpenAI-compatible server."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from factory.data.text import shorten
from factory.errors import MissingSecret, RecordFailed, RunStopped
from factory.models.base import Denied, TransientFailure, Unreachable
from factory.models.openai.connection import BrokenOff, Response
from factory.models.openai.http import ConnectFailed, HTTPClient, ProxyRefused, TLSRefused
from factory.models.refusal import ModelNotFound, raise_for_status, redact
from factory.models.refusal_reply import error_status

if TYPE_CHECKING:
    from factory.models.openai.sdk import SDKTransport
    from factory.models.options import OpenAIClientOptions

OPENAI_KEY = "OPENAI_API_KEY"
OPENAI_HOST = "api.openai.com"


def is_openai(base_url: str) -> bool:
    """Whether this is OpenAI's own server."""
    return urlsplit(base_url).hostname == OPENAI_HOST


def key_variable(options: OpenAIClientOptions, base_url: str) -> str:
    """The environment variable that holds the key for this server, "" for none.

    A key goes only where it was meant to go: OpenAI's to OpenAI, any other where the recipe says so.
    """
    if options.token_provider:
        return ""
    return options.api_key_env or (OPENAI_KEY if is_openai(base_url) else "")


def read_key(variable: str) -> str:
    """The key in the environment variable; "" where no variable is named.

    Raises:
        MissingSecret: the variable is not set, or its value cannot be a key.
    """
    if not variable:
        return ""
    key = os.environ.get(variable, "")
    if not key:
        raise MissingSecret(
            f"{variable} is not set, and a model of the recipe needs that key: export {variable}=..."
        )
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise MissingSecret(
            f"the value of {variable} holds a space, a line break or a letter that no key has; "
            f"set it again: export {variable}=..."
        )
    return key


class NotServed(Denied):
    """The server has the model, and does not do with it what was asked."""


class Endpoint:
    """Posts JSON to one server and reads JSON back; every failure becomes one of `factory`'s own."""

    def __init__(self, base_url: str, *, model: str, options: OpenAIClientOptions) -> None:
        self.base_url = base_url
        self._model = model
        self._key_env = key_variable(options, base_url)
        self._key = read_key(self._key_env)
        self._timeout = options.timeout
        self._http = self._transport(options)
        self._answered = False

    def _transport(self, options: OpenAIClientOptions) -> HTTPClient | SDKTransport:
        if options.client == "openai":
            from factory.models.openai.sdk import SDKTransport

            return SDKTransport(options, self.base_url, self._key)
        parts = urlsplit(self.base_url)
        headers = {
            "User-Agent": "sft-factory",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._key or 'none'}",
        }
        proxy = _proxy_for(parts.scheme, parts.hostname or "")
        return HTTPClient(self.base_url, headers, options.timeout, proxy)

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        """Send `body` to `base_url` + `path` once and return the JSON object that came back.

        Raises:
            Overloaded, TransientFailure, Unreachable, RecordFailed, RunStopped: as `ChatProvider.send`.
        """
        try:
            payload = orjson.dumps(body)
        except orjson.JSONEncodeError as error:
            raise RecordFailed("bad_request", f"the prompt cannot be sent as JSON: {error}") from None
        try:
            response = await self._http.request("POST", path, payload)
        except TLSRefused as error:
            raise RunStopped(f"{self.base_url}: {error}") from None
        except ConnectFailed as error:
            raise Unreachable(f"nobody answers at {self.base_url}: {shorten(str(error))}") from None
        except ProxyRefused as error:
            raise RunStopped(f"the proxy before {self.base_url} refused with HTTP {error}") from None
        except TimeoutError:
            raise TransientFailure(f"{self.base_url} took longer than {self._timeout:g} s") from None
        except BrokenOff as error:
            raise TransientFailure(f"the connection to {self.base_url} broke off ({error})") from None
        if response.status != 200:
            await self._refuse(response.status, response)
        return await self._read(response)

    async def close(self) -> None:
        """Close every socket."""
        await self._http.close()

    async def _read(self, response: Response) -> dict[str, Any]:
        raw = response.body
        data = _parse_json(raw)
        if not isinstance(data, dict):
            if self._answered or raw.lstrip()[:1] in (b"{", b"["):
                raise TransientFailure(f"{self.base_url} sent a reply that is not a JSON object")
            raise RunStopped(
                f"{self.base_url} does not answer with JSON: is it the right base_url, and is /v1 missing?"
            )
        status = error_status(data)
        if status is not None:  # some gateways pass a failure on under status 200
            await self._refuse(status, response)
        self._answered = True
        return data

    async def _refuse(self, status: int, response: Response) -> None:
        try:
            raise_for_status(
                status,
                response.headers,
                response.body,
                address=self.base_url,
                key=self._key,
                key_env=self._key_env,
            )
        except ModelNotFound as error:
            raise await self._not_found(str(error)) from None

    async def _not_found(self, words: str) -> RunStopped:
        """The sentence for a 404: which models the server has, or that there is no such server here."""
        alone = f"the server refused the request: {words}"
        if self._answered:
            return Denied(f"{self.base_url} does not find model {self._model!r} any more: {words}", alone)
        try:
            response = await self._http.request("GET", "/models", seconds=10)
            listed = orjson.loads(response.body)["data"]
            names = [str(model["id"]) for model in listed]
        except (ConnectFailed, BrokenOff, TLSRefused, TimeoutError, ValueError, LookupError, TypeError):
            return Denied(
                f"{self.base_url} is not an OpenAI-compatible server ({words}): is /v1 missing in base_url?",
                alone,
            )
        if self._model in names:
            return NotServed(f"{self.base_url} cannot do this with model {self._model!r}: {words}", alone)
        shown = ", ".join(shorten(name) for name in names[:10]) + (", ..." if len(names) > 10 else "")
        return Denied(
            f"{self.base_url} has no model {self._model!r}; it has {redact(shown, self._key) or 'none'}",
            alone,
        )


def _parse_json(raw: bytes) -> Any:
    """The value in `raw`, None where it is not JSON; the parser's error, which quotes `raw`, is let go."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for `host`, looked up once instead of at each request."""
    from urllib.request import getproxies, proxy_bypass

    if host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    return getproxies().get(scheme)
