"""What our HTTP client makes of replies that go wrong, beside aiohttp: one table, each server scripted in bytes.

Both ask the same servers. Where they part, the table says what aiohttp does.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import pytest

from factory.models.openai.body import Unreadable, unpacked
from factory.models.openai.connection import BrokenOff, TooLong
from factory.models.openai.http import ConnectFailed, HTTPClient

MOST = 1 << 20
SECONDS = 5.0
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

Writer = asyncio.StreamWriter
Serve = Callable[[asyncio.StreamReader, Writer], Awaitable[None]]


class Case(NamedTuple):
    """A reply, and what becomes of it: status and body, or "broken", "too long", "packed", "late", "cut" (in silence).

    reply: bytes that are sent after the request, each piece on its own; or what does the sending
    aiohttp: what aiohttp makes of it, where that is something else
    hang: whether the connection stays open behind the reply
    """

    name: str
    reply: bytes | tuple[bytes, ...] | Serve
    ours: Any
    aiohttp: Any = None
    hang: bool = False


def sized(body: bytes, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return HEAD + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def endless(start: bytes, piece: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()

    return serve


async def reset_in_the_body(reader: asyncio.StreamReader, writer: Writer) -> None:
    writer.write(HEAD + b"Content-Length: 20\r\n\r\nok")
    await writer.drain()
    await asyncio.sleep(0.02)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def drip(reader: asyncio.StreamReader, writer: Writer) -> None:
    for at in range(0, len(OK), 8):
        writer.write(OK[at : at + 8])
        await asyncio.sleep(0.01)


DATA = b'{"answer": "' + b"tides and the moon " * 40 + b'"}'
BOMB = gzip.compress(bytes(4 * MOST))
GZIPPED = b"Content-Encoding: gzip"
OKAY = (200, b"ok")
WHOLE = (200, DATA)

CASES = [
    Case("of a told length", OK, OKAY, hang=True),
    Case("until the end", HEAD + b"\r\nok", OKAY),
    Case("in chunks", CHUNKED + b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n", OKAY, hang=True),
    Case("chunks with extensions", CHUNKED + b'2;a="b";c\r\nok\r\n0;d\r\n\r\n', OKAY, hang=True),
    Case("chunks with trailers", CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", OKAY, hang=True),
    Case("chunk sizes with spaces", CHUNKED + b"2 \r\nok\r\n0 \r\n\r\n", OKAY, hang=True),
    Case("an older protocol", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", OKAY),
    Case("an older protocol until the end", b"HTTP/1.0 200 OK\r\n\r\nok", OKAY),
    Case("announced", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, OKAY, hang=True),
    Case("announced thrice", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + OK, OKAY, hang=True),
    Case("announced without end", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200), "too long", "late"),
    Case("no content", b"HTTP/1.1 204 No Content\r\n\r\n", (204, b""), hang=True),
    Case("not modified", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", (304, b""), hang=True),
    Case("moved", b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", (302, b""), hang=True),
    Case("nothing in it", sized(b""), (200, b""), hang=True),
    Case("headers in capitals", HEAD + b"CONTENT-LENGTH: 2\r\n\r\nok", OKAY, hang=True),
    Case("headers in small letters", HEAD + b"content-length:2\r\n\r\nok", OKAY, hang=True),
    Case("a header with letters beyond ASCII", sized(b"ok", b"X: \xe9\xe4"), OKAY, hang=True),
    Case("no reason behind the status", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", OKAY, hang=True),
    Case("line ends without CR", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", OKAY, hang=True),
    Case("two lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 1\r\n\r\nok", "broken"),
    Case("one length twice", HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "broken"),
    Case(
        "a length and chunks",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "broken",
    ),
    Case("a length that is no number", HEAD + b"Content-Length: two\r\n\r\nok", "broken"),
    Case("a length below 0", HEAD + b"Content-Length: -2\r\n\r\nok", "broken"),
    Case("a chunk size that is no number", CHUNKED + b"zz\r\nok\r\n", "broken"),
    Case("a chunk size beyond any", CHUNKED + b"F" * 20 + b"\r\nok\r\n", "broken"),
    Case("half a body", HEAD + b"Content-Length: 20\r\n\r\nok", "broken"),
    Case("half a chunk", CHUNKED + b"5\r\nok", "broken"),
    Case("no last chunk", CHUNKED + b"2\r\nok\r\n", "broken"),
    Case("half a head", b"HTTP/1.1 200", "broken"),
    Case("not a byte", b"", "broken"),
    Case("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n", "broken"),
    Case("a later protocol's bytes", b"\0\0\x12\x04\0\0\0\0\0", "broken"),
    Case("another protocol", b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "broken", (101, b"")),
    Case("reset in the body", reset_in_the_body, "broken"),
    Case("a slow drip", drip, OKAY, hang=True),
    Case("refused for its length", b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", (413, b"no")),
    Case("refused for its headers", b"HTTP/1.1 431 Headers\r\nConnection: close\r\n\r\nno", (431, b"no")),
    Case("a header of 100 KiB", sized(b"ok", b"X: " + b"x" * 300_000), "too long", "broken"),
    Case("10,000 headers", sized(b"ok", *(b"X%d: " % n + b"x" * 90 for n in range(10_000))), "too long", "broken"),
    Case("a header without end", endless(HEAD + b"X: ", b"x" * 4096), "too long", "broken"),
    Case("a body without end", endless(HEAD + b"\r\n", b"x" * 4096), "too long", "late"),
    Case("a body of 10 GB", endless(HEAD + b"Content-Length: 9999999999\r\n\r\n", b"x" * 4096), "too long", "late"),
    Case("chunks without end", endless(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"), "too long", "late"),
    Case("a chunk extension without end", endless(CHUNKED + b"2;", b"x" * 4096), "too long", "late"),
    Case("trailers without end", endless(CHUNKED + b"0\r\n", b"X: " + b"y" * 4000 + b"\r\n"), "too long", "broken"),
    Case("gzip", sized(gzip.compress(DATA), GZIPPED), WHOLE, hang=True),
    Case("gzip in capitals", sized(gzip.compress(DATA), b"content-encoding: GZIP"), WHOLE, hang=True),
    Case("gzip in two parts", sized(gzip.compress(DATA[:9]) + gzip.compress(DATA[9:]), GZIPPED), WHOLE, hang=True),
    Case("gzip that no header names", sized(gzip.compress(DATA)), WHOLE, "packed", True),
    Case("no gzip though a header names it", sized(DATA, GZIPPED), WHOLE, "broken", True),
    Case("gzip with an empty body", sized(b"", GZIPPED), (200, b""), hang=True),
    Case("deflate", sized(zlib.compress(DATA), b"Content-Encoding: deflate"), WHOLE, hang=True),
    Case("bare deflate", sized(raw_deflate(DATA), b"Content-Encoding: deflate"), WHOLE, hang=True),
    Case("half of gzip", sized(gzip.compress(DATA)[:40], GZIPPED), "packed", "cut", True),
    Case("gzip that unpacks to 4 MiB", sized(BOMB, GZIPPED), "too long", (200, bytes(4 * MOST)), True),
    Case("brotli", sized(b"\x0b\x02\x80{}\x03", b"Content-Encoding: br"), "packed", "broken", True),
]  # fmt: skip


def serve_of(case: Case) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        if callable(case.reply):
            await case.reply(reader, writer)
        else:
            for piece in (case.reply,) if isinstance(case.reply, bytes) else case.reply:
                writer.write(piece)
                await writer.drain()
        if case.hang:
            await reader.read()

    return serve


@asynccontextmanager
async def serving(serve: Serve, host: str = "127.0.0.1") -> AsyncIterator[int]:
    async def safely(reader: asyncio.StreamReader, writer: Writer) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(safely, host, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def by_ours(url: str, seconds: float = SECONDS) -> Any:
    client = HTTPClient(url, {"User-Agent": "x"}, seconds, most_bytes=MOST)
    try:
        reply = await client.request("POST", "/x", b"{}")
        return reply.status, unpacked(reply.headers, reply.body, MOST)
    except BrokenOff:
        return "broken"
    except TooLong:
        return "too long"
    except Unreadable:
        return "packed"
    except TimeoutError:
        return "late"
    except ConnectFailed:
        return "unreachable"
    finally:
        await client.close()


async def by_aiohttp(url: str, seconds: float = SECONDS) -> Any:
    timeout = aiohttp.ClientTimeout(seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url + "/x", data=b"{}", allow_redirects=False) as reply,
        ):
            body = await reply.read()
            if body and body != DATA and DATA.startswith(body):
                return "cut"
            return "packed" if body.startswith(b"\x1f\x8b") else (reply.status, body)
    except aiohttp.ClientConnectorError:
        return "unreachable"
    except TimeoutError:
        return "late"
    except (aiohttp.ClientError, ValueError):
        return "broken"


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_reply_becomes_what_the_table_says(case: Case) -> None:
    async def main() -> None:
        async with serving(serve_of(case)) as port:
            assert await by_ours(f"http://127.0.0.1:{port}") == case.ours

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_aiohttp_makes_of_it_what_the_table_says(case: Case) -> None:
    expected = case.ours if case.aiohttp is None else case.aiohttp

    async def main() -> None:
        async with serving(serve_of(case)) as port:
            found = await by_aiohttp(f"http://127.0.0.1:{port}", 0.2 if expected == "late" else SECONDS)
            assert found == expected

    asyncio.run(main())


WHOLE_REPLIES = [case for case in CASES if isinstance(case.reply, bytes) and len(case.reply) < 400]


@pytest.mark.slow
@pytest.mark.parametrize("case", WHOLE_REPLIES, ids=lambda case: case.name)
def test_it_does_not_matter_how_a_reply_is_cut(case: Case) -> None:
    assert isinstance(case.reply, bytes)
    reply = case.reply

    async def main() -> None:
        whole = tuple(reply[at : at + 1] for at in range(len(reply)))
        for pieces in (whole, (reply[: len(reply) // 2], reply[len(reply) // 2 :])):

            async def serve(reader: asyncio.StreamReader, writer: Writer, pieces: Any = pieces) -> None:
                await reader.readuntil(b"\r\n\r\n{}")
                writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                if case.hang:
                    await reader.read()

            async with serving(serve) as port:
                assert await by_ours(f"http://127.0.0.1:{port}") == case.ours

    asyncio.run(main())


# Sequences on one connection, and the way to it.


async def twice(client: HTTPClient) -> list[bytes]:
    replies = [await client.request("POST", "/x", b"{}") for _ in range(2)]
    return [reply.body for reply in replies]


@pytest.mark.parametrize(
    "behind",
    [b"", b"\r\n", OK.replace(b"ok", b"no"), b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno", b"\0\1\2"],
    ids=["nothing", "a line end", "another reply", "a failure", "anything"],
)
def test_what_comes_behind_a_reply_is_never_the_next_one(behind: bytes) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(OK + behind)

    async def main() -> None:
        async with serving(serve) as port:
            client = HTTPClient(f"http://127.0.0.1:{port}", {}, SECONDS)
            assert await twice(client) == [b"ok", b"ok"]
            await client.close()

    asyncio.run(main())
    assert connections == (1 if behind in (b"", b"\r\n") else 2)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n", b"HTTP/1.0 200 OK\r\n", HEAD])
def test_a_connection_that_ends_behind_its_reply_is_not_used_again(head: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(head + b"Content-Length: 2\r\n\r\nok")

    async def main() -> None:
        async with serving(serve) as port:
            client = HTTPClient(f"http://127.0.0.1:{port}", {}, SECONDS)
            for _ in range(3):
                assert (await client.request("POST", "/x", b"{}")).body == b"ok"
                await asyncio.sleep(0.02)
            await client.close()

    asyncio.run(main())


def test_a_client_that_is_cancelled_while_it_sends_goes_on_with_the_next_request() -> None:
    stuck = asyncio.Event

    async def main() -> None:
        first = stuck()

        async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
            if not first.is_set():
                first.set()
                await asyncio.sleep(SECONDS)  # reads nothing: the body does not fit the socket
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(OK)

        async with serving(serve) as port:
            client = HTTPClient(f"http://127.0.0.1:{port}", {}, SECONDS)
            sending = asyncio.create_task(client.request("POST", "/x", bytes(32 << 20)))
            await first.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert (await client.request("POST", "/x", b"{}")).body == b"ok"
            await client.close()

    asyncio.run(main())


def test_a_client_begins_anew_in_another_event_loop() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    client = HTTPClient(f"http://127.0.0.1:{listener.getsockname()[1]}", {}, SECONDS)

    async def main(last: bool) -> None:
        async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(OK)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(serve, sock=listener.dup())
        assert (await client.request("POST", "/x", b"{}")).body == b"ok"
        if last:
            await client.close()
        server.close()

    asyncio.run(main(False))
    asyncio.run(main(True))
    listener.close()


def test_no_more_connections_are_open_than_requests_are_under_way() -> None:
    now = most = 0

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                writer.write(OK)
        finally:
            now -= 1

    async def main() -> None:
        async with serving(serve) as port:
            client = HTTPClient(f"http://127.0.0.1:{port}", {}, SECONDS)
            for _ in range(10):
                await asyncio.gather(*(client.request("POST", "/x", b"{}") for _ in range(8)))
            await client.close()

    asyncio.run(main())
    assert most == 8


def test_an_address_of_ipv6_is_asked() -> None:
    seen: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n{}")).decode())
        writer.write(OK)

    async def main() -> None:
        try:
            async with serving(serve, "::1") as port:
                assert await by_ours(f"http://[::1]:{port}/v1") == OKAY
                assert f"Host: [::1]:{port}\r\n" in seen[0]
        except OSError:
            pytest.skip("no IPv6 here")

    asyncio.run(main())


@asynccontextmanager
async def black_hole() -> AsyncIterator[tuple[str, int]]:
    """An address where no connection is ever made nor refused: a listener whose queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    filling = [socket.socket() for _ in range(4)]
    for one in filling:
        one.setblocking(False)
        one.connect_ex(address)
    await asyncio.sleep(0.05)
    try:
        yield address
    finally:
        for one in [listener, *filling]:
            one.close()


@pytest.mark.slow
def test_of_two_addresses_the_one_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8305: the second is tried beside a first that is silent; and it is the first from then on."""

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(OK)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with black_hole() as silent, serving(serve) as port:
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (silent, ("127.0.0.1", port))]

            async def getaddrinfo(*_: Any, **__: Any) -> Any:
                return found

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            client = HTTPClient("http://two.example/v1", {}, 3.0)
            replies = await asyncio.gather(*(client.request("POST", "/x", b"{}") for _ in range(4)))
            assert [reply.body for reply in replies] == [b"ok"] * 4
            assert client._addresses[0][4] == ("127.0.0.1", port)
            await client.close()

    asyncio.run(main())


def test_the_bytes_of_a_request_are_these() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n{}"))
        writer.write(OK)

    async def main() -> None:
        async with serving(serve) as port:
            await by_ours(f"http://127.0.0.1:{port}/\u6a21\u578b/v1")
            expected = (
                f"POST /%E6%A8%A1%E5%9E%8B/v1/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n"
                "Accept-Encoding: identity\r\nUser-Agent: x\r\nContent-Length: 2\r\n\r\n{}"
            )
            assert seen == [expected.encode()]

    asyncio.run(main())
