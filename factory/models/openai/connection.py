"""One HTTP/1.1 connection: asked once at a time, its replies parsed in C by `httptools`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MOST_HEAD_BYTES = 64 << 10
"""Bytes that a reply may have before its body, those of replies such as "100 Continue" counted too."""
MOST_BYTES = 64 << 20
"""Bytes of a whole reply, as they come and unpacked, unless the client is told otherwise."""


class BrokenOff(Exception):
    """The connection ended, or turned into something else than HTTP, before the reply was whole."""


class TooLong(Exception):
    """The reply is longer than any reply is; says what of it."""


class Response(NamedTuple):
    """A reply; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection: asked once at a time.

    most_bytes: a reply with more of them is given up
    loop: the event loop that it lives in
    reusable: whether another request may be sent on it
    until_head: whether a reply ends with its headers, as one to CONNECT does
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most_bytes: int = MOST_BYTES) -> None:
        self.transport: asyncio.Transport | None = None
        self.loop = loop
        self.reusable = False
        self.until_head = False
        self.idle_since = 0.0
        self._most_bytes = most_bytes
        self._waiting: asyncio.Future[Response] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.begin()

    def begin(self) -> None:
        """Expect a reply as the first on this connection."""
        self.until_head = False
        self._parser = HttpResponseParser(self)
        # As aiohttp and browsers read: line ends without CR, a space behind a chunk's size.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._head_read = False
        self._received = 0

    async def ask(self, request: bytes, deadline: float) -> Response:
        """Write a request and wait for its reply, until the loop's clock shows `deadline`.

        Raises:
            BrokenOff: the connection broke before the reply was whole.
            TooLong: the reply has too many bytes.
            TimeoutError: the deadline has passed.
        """
        assert self._waiting is None
        if self.transport is None or self.transport.is_closing():
            raise BrokenOff("closed before the request was sent")
        waiting: asyncio.Future[Response] = self.loop.create_future()
        self._waiting = waiting
        self.reusable = False
        self.transport.write(request)
        self._deadline = deadline
        if self._timer is None or self._timer.when() > deadline:
            self._wake_at(deadline)
        try:
            return await waiting
        finally:
            self._waiting = None

    def end(self) -> None:
        """Close: in order where nothing is under way, at once where a reply may still come."""
        if self.transport is not None:
            with contextlib.suppress(RuntimeError):  # its event loop is closed, and its socket with that
                if self.reusable:
                    self.transport.close()
                else:
                    self.transport.abort()
        self.reusable = False
        self._wake_at(None)
        self._fail(BrokenOff("closed from this side"))

    def _wake_at(self, when: float | None) -> None:
        """Look at the clock then, in place of when it was to be; None: not any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if when is None else self.loop.call_at(when, self._late)

    def _late(self) -> None:
        """The deadline of this request has passed, or that of an earlier one: a timer for each costs more than all."""
        self._timer = None
        if self._waiting is None:
            return
        if self._deadline > self.loop.time():
            self._wake_at(self._deadline)
        else:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    def _finish(self, reusable: bool) -> None:
        response = Response(self._parser.get_status_code(), self._headers, b"".join(self._body))
        self._headers, self._body, self._head_read, self._received = {}, [], False, 0
        if self._waiting is not None and not self._waiting.done():
            self.reusable = reusable
            self._waiting.set_result(response)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._waiting is None or self._waiting.done():
            # Nothing was asked: whatever this is, it must not be taken for the reply to the next request.
            self.end()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail(BrokenOff("it turned into another protocol"))
            self.end()
        except HttpParserError as error:
            self._fail(BrokenOff(f"what came is not HTTP: {error}"))
            self.end()
        if not self._head_read and self._received > MOST_HEAD_BYTES:
            self._fail(TooLong(f"its headers have more than {MOST_HEAD_BYTES >> 10} KiB"))
            self.end()
        elif self._received > self._most_bytes:
            self._fail(TooLong(f"it has more than {self._most_bytes >> 20} MiB"))
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.reusable = False
        self._wake_at(None)
        until_end = "content-length" not in self._headers and "transfer-encoding" not in self._headers
        if exc is None and self._head_read and until_end:
            self._finish(reusable=False)
        self._fail(BrokenOff("reset" if isinstance(exc, ConnectionResetError) else "closed before its end"))

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A reply begins; one that nobody asked for spoils the connection."""
        if self._waiting is None or self._waiting.done():
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the reply; of two with one name the first counts. Those behind the body are let go."""
        if not self._head_read:
            self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())

    def on_headers_complete(self) -> None:
        """The body comes next."""
        self._head_read = self._parser.get_status_code() >= 200
        if self.until_head and self._head_read:
            self._finish(reusable=True)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The reply is whole; one such as "100 Continue" only announces another."""
        if not self._head_read:
            self._headers, self._body = {}, []
            return
        self._finish(self._parser.should_keep_alive())
