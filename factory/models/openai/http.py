"""HTTP/1.1 for many small requests to one server: what a call costs beside the model's own time.

One request at a time on each of a pool of kept-alive connections, its reply parsed in C by `httptools` (llhttp,
the parser of Node.js and of aiohttp). A general client spends most of a small request's processor time on what a
model server never needs: cookies, redirects, tracing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from aiohappyeyeballs import start_connection

from factory.models.base_url import ascii_host
from factory.models.openai.connection import MOST_BYTES, BrokenOff, Connection, Response
from factory.models.openai.proxies import Proxy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

CONNECT_SECONDS = 10.0
"""How long opening a connection may take, TLS included."""
NEXT_ADDRESS_SECONDS = 0.25
"""After how long a name's next address is tried beside the one that has not answered yet (RFC 8305)."""
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

    In another event loop than before it begins anew.

    Args:
        base_url: http or https, host, port and the path that all requests begin with.
        headers: sent with every request; values are ASCII without line breaks.
        timeout: seconds a request may take in all.
        proxy: the proxy to go through, or None.
        most_bytes: a reply with more of them is given up.
    """

    def __init__(
        self,
        base_url: str,
        headers: dict[str, str],
        timeout: float,
        proxy: Proxy | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        address = urlsplit(base_url)
        self._timeout = timeout
        self._most_bytes = most_bytes
        self._tls = address.scheme == "https"
        self._host = ascii_host(address.hostname or "")
        self._port = address.port or (443 if self._tls else 80)
        self._proxy = proxy
        shown = f"[{self._host.partition('%')[0]}]" if ":" in self._host else self._host
        default = self._port == (443 if self._tls else 80)
        self._authority = f"{shown}:{self._port}"
        target = quote(address.path.rstrip("/"), safe="/%:@!$&'()*+,;=-._~")
        if proxy is not None and not self._tls:
            target = f"http://{self._authority}{target}"
            if proxy.authorization:
                headers = {**headers, "Proxy-Authorization": proxy.authorization}
        self._target = target
        self._head = "".join(
            f"{name}: {value}\r\n"
            for name, value in {
                "Host": shown if default else self._authority,
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                **headers,
            }.items()
        )
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._addresses: Sequence[Any] = ()
        self._resolved = 0.0
        self._context: ssl.SSLContext | None = None

    async def request(
        self, method: Literal["GET", "POST"], path: str, body: bytes = b"", seconds: float | None = None
    ) -> Response:
        """Send one request once and return the whole reply, whatever its status, unpacked or not.

        Raises:
            ConnectFailed, TLSRefused, ProxyRefused: no connection could be opened.
            BrokenOff: the connection broke before the reply was whole.
            TooLong: the reply has too many bytes.
            TimeoutError: the reply took longer than `seconds` (unless told, the client's `timeout`).
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (seconds or self._timeout)
        connection = self._take(loop) or await self._connect(loop, deadline)
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

    def _take(self, loop: asyncio.AbstractEventLoop) -> Connection | None:
        """The connection that was used last, unless it has been idle for too long or lives in another loop."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since > oldest and connection.loop is loop:
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
            self._resolved = 0.0  # the name may have moved
            raise ConnectFailed(f"no connection within {limit:.3g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise TLSRefused(
                f"its certificate cannot be trusted ({error.verify_message}): where it is your own, name the file "
                "with its authority: export SSL_CERT_FILE=..."
            ) from None
        except ssl.SSLError as error:
            raise TLSRefused(f"it does not speak TLS ({error.reason}): is it http:// instead?") from None
        except (OSError, UnicodeError) as error:
            self._resolved = 0.0
            raise ConnectFailed(_why(error)) from None
        self._open.add(connection)
        return connection

    async def _opened(self, loop: asyncio.AbstractEventLoop) -> Connection:
        """A connection to the server, or through the proxy to it."""
        proxy = self._proxy
        if proxy is None:
            return await self._dial(loop, self._host, self._port, self._tls)
        try:
            connection = await self._dial(loop, proxy.host, proxy.port, proxy.tls)
        except ssl.SSLError as error:
            why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
            raise ConnectionError(f"no TLS with the proxy at {proxy.host}: {why}") from None
        except OSError as error:
            raise ConnectionError(f"the proxy at {proxy.host}:{proxy.port}: {_why(error)}") from None
        if self._tls:
            try:
                await self._tunnel(loop, connection, proxy)
            except BaseException:
                connection.end()
                raise
        return connection

    async def _dial(self, loop: asyncio.AbstractEventLoop, host: str, port: int, tls: bool) -> Connection:
        """A connection to whichever of the host's addresses answers first."""
        if time.monotonic() - self._resolved > _RESOLVED_SECONDS or not self._addresses:
            self._addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._resolved = time.monotonic()
        reached = await start_connection(self._addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
        try:
            if len(self._addresses) > 1:  # the one that answered is asked first from now on
                peer = reached.getpeername()
                self._addresses = sorted(self._addresses, key=lambda one: one[4][:2] != peer[:2])
            _, connection = await loop.create_connection(
                lambda: Connection(loop, self._most_bytes),
                sock=reached,
                ssl=self._trust() if tls else None,
                server_hostname=host if tls else None,
            )
        except BaseException:
            reached.close()
            raise
        return connection

    def _trust(self) -> ssl.SSLContext:
        """Whose certificates are trusted: the system's, or those that SSL_CERT_FILE and SSL_CERT_DIR name."""
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

    async def _tunnel(self, loop: asyncio.AbstractEventLoop, connection: Connection, proxy: Proxy) -> None:
        """Have the proxy pass the connection on to the server, and speak TLS with that."""
        key = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        head = f"CONNECT {self._authority} HTTP/1.1\r\nHost: {self._authority}\r\n{key}\r\n"
        connection.until_head = True
        try:
            answer = await connection.ask(head.encode("ascii"), loop.time() + CONNECT_SECONDS)
        except BrokenOff as error:
            raise ConnectionError(f"the proxy hung up: {error}") from None
        if not 200 <= answer.status < 300:
            raise ProxyRefused(answer.status)
        connection.begin()
        assert connection.transport is not None
        connection.transport = await loop.start_tls(
            connection.transport, connection, self._trust(), server_hostname=self._host
        )


def _why(error: OSError | UnicodeError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    # asyncio's own words tell the address alone; the number of an unknown name's error is negative.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)
