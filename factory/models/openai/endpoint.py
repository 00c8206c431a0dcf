"""The address, key and sockets of one OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from factory.data.text import shorten
from factory.errors import RecordFailed, RunStopped
from factory.models.failures import Denied, TransientFailure, Unreachable
from factory.models.openai.body import Unreadable, is_page, read_json, unpacked
from factory.models.openai.connection import MOST_BYTES, BrokenOff, Response, TooLong
from factory.models.openai.event_stream import is_event_stream
from factory.models.openai.http import ConnectFailed, HTTPClient, ProxyRefused, TLSRefused
from factory.models.openai.proxies import Proxy, environment_proxy
from factory.models.options import OPENAI_HOST
from factory.models.refusal import ModelNotFound, raise_for_status, redact
from factory.models.refusal_reply import error_status
from factory.models.secrets import filled_in_address, hidden, read_key, variables_in

if TYPE_CHECKING:
    from factory.models.openai.sdk import SDKTransport
    from factory.models.options import OpenAIClientOptions

OPENAI_KEY = "OPENAI_API_KEY"
PAGE_SECONDS = 0.5
"""How long is waited before a first reply that is a page, or empty, is asked for once more."""

_log = logging.getLogger(__name__)


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


class NotServed(Denied):
    """The server has the model, and does not do with it what was asked."""


class Endpoint:
    """Posts JSON to one server and reads JSON back; every failure becomes one of `factory`'s own."""

    def __init__(
        self,
        base_url: str,
        *,
        model: str,
        options: OpenAIClientOptions,
        secrets: tuple[str, ...] = (),
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`secrets` are sent in the bodies: where the server quotes one, it is not told on."""
        self.base_url = base_url
        self._model = model
        self._key_env = key_variable(options, base_url)
        self._key = read_key(self._key_env)
        self._timeout = options.timeout
        self._most_bytes = most_bytes
        in_arguments = map(read_key, variables_in(options.client_arguments))
        self._secrets = (*secrets, *in_arguments, *filled_in_address(base_url)[1])
        self._proxy: Proxy | None = None
        self._http = self._transport(options)
        self._answered = False
        self._forgiven: set[str] = set()

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
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._proxy = environment_proxy(parts.scheme, parts.hostname or "", port)
        address, _ = filled_in_address(self.base_url)
        return HTTPClient(address, headers, options.timeout, self._proxy, self._most_bytes)

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        """Send `body` to `base_url` + `path` once and return the JSON object that came back.

        A first reply that is a page or empty, such as a gateway's that is just starting, is asked for once more.

        Raises:
            Overloaded, TransientFailure, Unreachable, RecordFailed, RunStopped: as `ChatProvider.send`.
        """
        try:
            payload = orjson.dumps(body)
        except orjson.JSONEncodeError as error:
            raise RecordFailed("bad_request", f"the prompt cannot be sent as JSON: {error}") from None
        response = await self._ask(path, payload)
        if response.status == 200 and not self._answered and is_page(response.body):
            await asyncio.sleep(PAGE_SECONDS)
            response = await self._ask(path, payload)
        if response.status != 200:
            await self._refuse(response.status, response)
        return await self._read(response)

    async def close(self) -> None:
        """Close every socket."""
        await self._http.close()

    async def _ask(self, path: str, payload: bytes) -> Response:
        """The whole reply to one request, unpacked, and without the secrets where it is a refusal."""
        try:
            response = await self._http.request("POST", path, payload)
            body = unpacked(response.headers, response.body, self._most_bytes)
        except TLSRefused as error:
            raise RunStopped(f"{self.base_url}: {error}") from None
        except ConnectFailed as error:
            raise Unreachable(f"nobody answers at {self.base_url}: {shorten(str(error), 120)}") from None
        except ProxyRefused as error:
            raise self._proxy_refused(error.args[0]) from None
        except TimeoutError:
            raise TransientFailure(f"{self.base_url} took longer than {self._timeout:g} s") from None
        except BrokenOff as error:
            raise TransientFailure(f"the connection to {self.base_url} broke off ({error})") from None
        except TooLong as error:
            raise RecordFailed("bad_reply", f"the reply of {self.base_url} was given up: {error}") from None
        except Unreadable as error:
            raise TransientFailure(f"{self.base_url} sent a reply that cannot be read: {error}") from None
        if response.status == 407 and self._proxy is not None:
            raise self._proxy_refused(407)
        return response if body is response.body else response._replace(body=body)

    def _proxy_refused(self, status: int) -> RunStopped:
        mend = (
            "put user and password into the proxy's address (http://user:password@host:port)"
            if status == 407
            else "have it pass the server on, or name the server in no_proxy"
        )
        return RunStopped(f"the proxy before {self.base_url} refused with HTTP {status}: {mend}")

    async def _read(self, response: Response) -> dict[str, Any]:
        raw = response.body
        try:
            data, forgiven = read_json(raw)
        except Unreadable as error:
            if self._answered or not is_page(raw) or is_event_stream(raw):
                raise TransientFailure(f"{self.base_url} sent a reply that cannot be read: {error}") from None
            raise RunStopped(
                f"{self.base_url} does not answer with JSON: is it the right base_url, and is /v1 missing?"
            ) from None
        if not isinstance(data, dict):
            raise TransientFailure(f"{self.base_url} sent a reply that is not a JSON object")
        if forgiven and forgiven not in self._forgiven:
            self._forgiven.add(forgiven)
            _log.warning("%s answers with %s", self.base_url, forgiven)
        status = error_status(data)
        if status is not None:  # some gateways pass a failure on under status 200
            await self._refuse(status, response._replace(body=orjson.dumps(data)))
        self._answered = True
        return data

    async def _refuse(self, status: int, response: Response) -> None:
        headers, body = response.headers, response.body.removeprefix(b"\xef\xbb\xbf")
        if self._secrets:
            body = hidden(body, self._secrets)
            headers = {
                name: hidden(value.encode(), self._secrets).decode() for name, value in headers.items()
            }
        try:
            raise_for_status(
                status,
                headers,
                body,
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
            listed, _ = read_json(unpacked(response.headers, response.body))
            names = [str(model["id"]) for model in listed["data"]]
        except (ConnectFailed, TLSRefused, ProxyRefused, BrokenOff, TooLong, Unreadable):
            names = None
        except (TimeoutError, LookupError, TypeError):
            names = None
        if names is None:
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
