"""The HTTP client, against servers that send just the bytes a test names."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.models.openai.connection import BrokenOff, Response
from factory.models.openai.http import ConnectFailed, HTTPClient, ProxyRefused, TLSRefused
from factory.models.openai.proxies import Proxy, read_proxy

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes]:
    """First line, headers and body of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return head[0], headers, await reader.readexactly(int(headers.get("Content-Length", 0)))


def answering(*replies: bytes, close: bool = False) -> Handler:
    """Answers the requests of each connection with these bytes, one after the other."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await read_request(reader)
            writer.write(reply)
        if close:
            await writer.drain()
        else:
            await reader.read()

    return handle


@asynccontextmanager
async def serving(handle: Handler, **options: Any) -> AsyncIterator[int]:
    """The port of a server that does this with every connection; `connections` counts them."""

    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(safely, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def client_of(port: int, **options: Any) -> AsyncIterator[HTTPClient]:
    options = {"base_url": f"http://127.0.0.1:{port}/v1", "headers": {"X": "y"}, "timeout": 5.0, **options}
    client = HTTPClient(**options)
    try:
        yield client
    finally:
        await client.close()


def ask(handle: Handler, requests: int = 1, **options: Any) -> list[Response | BaseException]:
    """What becomes of requests sent one after the other to such a server."""

    async def main() -> list[Response | BaseException]:
        results: list[Response | BaseException] = []
        async with serving(handle) as port, client_of(port, **options) as client:
            for _ in range(requests):
                results += await asyncio.gather(client.request("POST", "/x", b"{}"), return_exceptions=True)
        return results

    return asyncio.run(main())


def test_a_request_is_sent_as_told() -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    (response,) = ask(handle)
    assert response == Response(200, {"content-length": "2"}, b"ok")
    line, headers, body = seen[0]
    assert line == "POST /v1/x HTTP/1.1"
    assert headers["X"] == "y"
    assert headers["Host"].startswith("127.0.0.1:")
    assert body == b"{}"


def test_requests_one_after_the_other_share_a_connection() -> None:
    assert [response.body for response in ask(answering(OK, OK, OK), 3)] == [b"ok"] * 3  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["chunked", "announced", "until the end", "an older protocol"],
)
@settings(max_examples=20)
@given(cut=st.integers(0, 60))
def test_a_reply_is_read_however_it_is_framed_and_cut(reply: bytes, cut: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(reply[:cut])
        await writer.drain()
        await asyncio.sleep(0.001)
        writer.write(reply[cut:])

    (response,) = ask(handle)
    assert isinstance(response, Response), response
    assert (response.status, response.body) == (200, b"ok")


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        b"HTTP/1.1 200",
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=["body cut", "chunk cut", "head cut", "nothing", "no HTTP", "another protocol"],
)
def test_a_reply_that_is_not_whole_has_broken_off(reply: bytes) -> None:
    (result,) = ask(answering(reply, close=True))
    assert isinstance(result, BrokenOff)


@pytest.mark.slow
def test_a_reply_that_takes_too_long_is_given_up_and_its_connection_too() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, _, body = await read_request(reader)
        if body == b"slow":
            await asyncio.sleep(0.3)
            writer.write(OK.replace(b"ok", b"no"))
        else:
            writer.write(OK)

    async def main() -> None:
        async with serving(handle) as port, client_of(port, timeout=0.1) as client:
            with pytest.raises(TimeoutError):
                await client.request("POST", "/x", b"slow")
            task = asyncio.create_task(client.request("POST", "/x", b"slow"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.request("POST", "/x", b"quick")).body == b"ok"

    asyncio.run(main())


@pytest.mark.slow
def test_bytes_that_nobody_asked_for_are_not_taken_for_a_reply() -> None:
    forged = OK.replace(b"ok", b"no")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK + forged)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(forged)
        await reader.read()

    async def main() -> None:
        async with serving(handle) as port, client_of(port) as client:
            for _ in range(3):
                assert (await client.request("POST", "/x", b"{}")).body == b"ok"
                await asyncio.sleep(0.05)

    asyncio.run(main())


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    async def main() -> None:
        async with serving(answering(OK, close=True)) as port, client_of(port) as client:
            for _ in range(3):
                assert (await client.request("POST", "/x", b"{}")).body == b"ok"
                await asyncio.sleep(0.02)

    asyncio.run(main())


def test_many_requests_at_once_each_get_their_own_reply() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, _, body = await read_request(reader)
            await asyncio.sleep(0.001 * (body[-1] % 7))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async def main() -> None:
        async with serving(handle) as port, client_of(port) as client:
            for _ in range(3):
                bodies = [str(number).encode() for number in range(50)]
                replies = await asyncio.gather(*(client.request("POST", "/x", body) for body in bodies))
                assert [reply.body for reply in replies] == bodies

    asyncio.run(main())


def test_an_address_where_nobody_answers_is_told_from_one_that_breaks_off() -> None:
    async def main() -> None:
        async with serving(answering()) as port:
            pass
        async with client_of(port) as client:
            with pytest.raises(ConnectFailed, match="refused"):
                await client.request("POST", "/x", b"{}")
        async with client_of(1, base_url="http://no-such-host.invalid/v1") as client:
            with pytest.raises(ConnectFailed):
                await client.request("POST", "/x", b"{}")

    asyncio.run(main())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(ssl, "create_default_context", lambda: context)


def test_a_certificate_is_checked(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(name: str) -> Response:
        async with (
            serving(answering(OK), ssl=server_side(authority, name)) as port,
            client_of(port, base_url=f"https://127.0.0.1:{port}/v1") as client,
        ):
            return await client.request("POST", "/x", b"{}")

    with pytest.raises(TLSRefused, match="certificate"):
        asyncio.run(main("127.0.0.1"))
    trusting(authority, monkeypatch)
    assert asyncio.run(main("127.0.0.1")).body == b"ok"
    with pytest.raises(TLSRefused, match="certificate"):
        asyncio.run(main("other.example"))


def test_a_server_without_tls_is_named_so() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with serving(handle) as port, client_of(port, base_url=f"https://127.0.0.1:{port}") as client:
            with pytest.raises(TLSRefused, match="http://"):
                await client.request("POST", "/x", b"{}")

    asyncio.run(main())


def test_plain_requests_go_through_a_proxy_by_their_whole_address() -> None:
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    async def main() -> None:
        async with serving(proxy) as port:
            options = {
                "base_url": "http://model.example/v1",
                "proxy": read_proxy("http_proxy", f"http://me:p%40ss@127.0.0.1:{port}"),
            }
            async with client_of(port, **options) as client:
                assert (await client.request("POST", "/x", b"{}")).body == b"ok"

    asyncio.run(main())
    line, headers, _ = seen[0]
    assert line == "POST http://model.example:80/v1/x HTTP/1.1"
    assert base64.b64decode(headers["Proxy-Authorization"].removeprefix("Basic ")) == b"me:p@ss"
    assert headers["Host"] == "model.example"


def test_tls_goes_through_a_proxy_unseen_by_it(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting(authority, monkeypatch)
    lines: list[str] = []

    async def main() -> None:
        async with serving(answering(OK, OK), ssl=server_side(authority)) as target:

            async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                lines.append((await reader.readuntil(b"\r\n\r\n")).decode())
                back, on = await asyncio.open_connection("127.0.0.1", target)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

                async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                    while data := await source.read(1 << 16):
                        sink.write(data)
                    sink.close()

                await asyncio.gather(pump(reader, on), pump(back, writer))

            async with (
                serving(proxy) as port,
                client_of(
                    port, base_url=f"https://127.0.0.1:{target}/v1", proxy=Proxy("127.0.0.1", port)
                ) as client,
            ):
                for _ in range(2):
                    assert (await client.request("POST", "/x", b"{}")).body == b"ok"
            assert lines == [f"CONNECT 127.0.0.1:{target} HTTP/1.1\r\nHost: 127.0.0.1:{target}\r\n\r\n"]

    asyncio.run(main())


def test_a_proxy_that_refuses_is_named_by_its_status() -> None:
    async def main() -> None:
        refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"

        async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(refusal)

        options = {"base_url": "https://model.example/v1"}
        async with (
            serving(proxy) as port,
            client_of(port, proxy=Proxy("127.0.0.1", port), **options) as client,
        ):
            with pytest.raises(ProxyRefused, match="407"):
                await client.request("POST", "/x", b"{}")

    asyncio.run(main())
