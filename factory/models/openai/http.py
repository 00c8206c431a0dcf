"""HTTP/1.1 for many small requests to one server: what a call costs beside the model's own time.

One request at a time on each of a pool of kept-alive connections, its reply parsed in C by `httptools` (llhttp,
the parser of Node.js). A general client spends most of a small request's processor time on what a model server
never needs: cookies, redirects, tracing, compression.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from factory.models.openai.connection import BrokenOff, Connection, Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

CONNECT_SECONDS = 10.0
"""How long opening a connection may take, TLS included."""
# Servers built on uvicorn close an idle connection after 5 seconds; ours is given up before theirs, so that a
# request is never written to a socket that is just being closed.
IDLE_SECONDS = 4.0
_RESOLVED_SECONDS = 300.0


class ConnectFailed(Exception):
    """No connection could be opened; says why."""


class TLSRefused(Exception):
    """What answers speaks no TLS, or its certificate cannot be trusted."""


class ProxyRefused(Exception):
    """The proxy would not pass the connection on; says its status."""


class HTTPClient:
    """Sends requests to one server over connections that it opens as they are needed and keeps.

    Must be used in one event loop.

    Args:
        base_url: http or https, host, port and the path that all requests begin with.
        headers: sent with every request; values are ASCII without line breaks.
        timeout: seconds a request may take in all.
        proxy: the address of an HTTP proxy, or None.
    """

    def __init__(
        self, base_url: str, headers: dict[str, str], timeout: float, proxy: str | None = None
    ) -> None:
        address = urlsplit(base_url)
        self._timeout = timeout
        self._tls = address.scheme == "https"
        self._host, self._port = _host_and_port(address)
        self._proxy = urlsplit(proxy if "//" in proxy else f"//{proxy}") if proxy else None
        shown = f"[{self._host}]" if ":" in self._host else self._host
        default = self._port == (443 if self._tls else 80)
        self._authority = f"{shown}:{self._port}"
        target = quote(address.path.rstrip("/"), safe="/%:@!$&'()*+,;=-._~")
        if self._proxy is not None and not self._tls:
            target = f"http://{self._authority}{target}"
            headers = {**headers, **self._proxy_headers()}
        self._target = target
        self._head = "".join(
            f"{name}: {value}\r\n"
            for name, value in {
                "Host": shown if default else self._authority,
                "Accept": "*/*",
                **headers,
            }.items()
        )
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._addresses: Sequence[Any] = ()
        self._resolved = 0.0
        self._context: ssl.SSLContext | None = None

    async def request(
        self, method: str, path: str, body: bytes = b"", seconds: float | None = None
    ) -> Response:
        """Send one request once and return the whole reply, whatever its status.

        Raises:
            ConnectFailed, TLSRefused, ProxyRefused: no connection could be opened.
            BrokenOff: the connection broke before the reply was whole.
            TimeoutError: the reply took longer than `seconds` (unless told, the client's `timeout`).
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (seconds or self._timeout)
        connection = self._take() or await self._connect(loop, deadline)
        head = f"{method} {self._target}{path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        try:
            response = await connection.ask(head.encode("ascii") + body, deadline)
        except BaseException:  # cancelled too: the reply may still come, and must not meet the next request
            self._drop(connection)
            raise
        if connection.reusable:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            self._drop(connection)
        return response

    async def close(self) -> None:
        """Close every connection; requests under way break off."""
        for connection in list(self._open):
            self._drop(connection)
        self._idle.clear()
        await asyncio.sleep(0)  # asyncio closes the sockets at the next turn of its loop

    def _take(self) -> Connection | None:
        """The connection that was used last, unless it has been idle for too long."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since > oldest:
                return connection
            self._drop(connection)
        return None

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.end()

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        limit = min(CONNECT_SECONDS, deadline - loop.time())
        try:
            async with asyncio.timeout(limit):
                connection = await self._opened(loop)
        except TimeoutError:
            raise ConnectFailed(f"no connection within {limit:.3g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise TLSRefused(f"its certificate cannot be trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise TLSRefused(f"it does not speak TLS ({error.reason}): is it http:// instead?") from None
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(_why(error)) from None
        self._open.add(connection)
        return connection

    async def _opened(self, loop: asyncio.AbstractEventLoop) -> Connection:
        """A connection to the server, or through the proxy to it."""
        if self._tls and self._context is None:
            self._context = ssl.create_default_context()
        peer, port = (self._host, self._port) if self._proxy is None else _host_and_port(self._proxy)
        direct_tls = self._tls and self._proxy is None
        if time.monotonic() - self._resolved > _RESOLVED_SECONDS or not self._addresses:
            self._addresses = await loop.getaddrinfo(peer, port, type=socket.SOCK_STREAM)
            self._resolved = time.monotonic()
        failure: OSError | None = None
        for family, _, protocol, _, address in self._addresses:
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(loop),
                    str(address[0]),
                    int(address[1]),
                    family=family,
                    proto=protocol,
                    ssl=self._context if direct_tls else None,
                    server_hostname=self._host if direct_tls else None,
                )
                break
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = failure or error
        else:
            self._resolved = 0.0  # the name may have moved
            assert failure is not None
            raise failure
        if self._proxy is not None and self._tls:
            try:
                await self._tunnel(loop, connection)
            except BaseException:
                connection.end()
                raise
        return connection

    async def _tunnel(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        """Have the proxy pass the connection on to the server, and speak TLS with that."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in self._proxy_headers().items())
        head = f"CONNECT {self._authority} HTTP/1.1\r\nHost: {self._authority}\r\n{lines}\r\n"
        connection.until_head = True
        try:
            answer = await connection.ask(head.encode("ascii"), loop.time() + CONNECT_SECONDS)
        except BrokenOff as error:
            raise ConnectionError(f"the proxy hung up: {error}") from None
        if answer.status != 200:
            raise ProxyRefused(answer.status)
        connection.begin()
        assert connection.transport is not None
        assert self._context is not None
        connection.transport = await loop.start_tls(
            connection.transport, connection, self._context, server_hostname=self._host
        )

    def _proxy_headers(self) -> dict[str, str]:
        assert self._proxy is not None
        if not self._proxy.username:
            return {}
        pair = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}"
        return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _why(error: OSError | UnicodeError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    # asyncio's own words tell the address alone; the number of an unknown name's error is negative.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _host_and_port(address: SplitResult) -> tuple[str, int]:
    host = address.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    return host, address.port or (443 if address.scheme == "https" else 80)
