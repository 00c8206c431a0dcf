"""Which proxy the environment names, by the rules of curl and httpx."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from factory.models.openai.http import ConnectFailed, HTTPClient, ProxyRefused, TLSRefused
from factory.models.openai.proxies import Proxy, ProxyUnusable, environment_proxy, read_proxy

PROXY = "http://proxy.example:3128"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)


def named(monkeypatch: pytest.MonkeyPatch, url: str = "http://model.example", **variables: str) -> str | None:
    """The host of the proxy for an address."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":") if rest.rpartition(":")[2].isdigit() else (rest, "", "")
    found = environment_proxy(scheme, host.strip("[]"), int(port or (443 if scheme == "https" else 80)))
    return found.host if found else None


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        ("http://m.example", {}, None),
        ("http://m.example", {"http_proxy": "http://a:1"}, "a"),
        ("http://m.example", {"HTTP_PROXY": "http://a:1"}, "a"),
        ("http://m.example", {"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, "a"),
        ("http://m.example", {"https_proxy": "http://a:1"}, None),
        ("https://m.example", {"https_proxy": "http://a:1", "http_proxy": "http://b:1"}, "a"),
        ("https://m.example", {"HTTPS_PROXY": "http://a:1"}, "a"),
        ("https://m.example", {"all_proxy": "http://a:1"}, "a"),
        ("http://m.example", {"ALL_PROXY": "http://a:1"}, "a"),
        ("http://m.example", {"ALL_PROXY": "socks5://s:1", "http_proxy": "a:1"}, "a"),
        ("http://m.example", {"http_proxy": "", "ALL_PROXY": "http://a:1"}, None),
        ("http://m.example", {"http_proxy": "", "HTTP_PROXY": "http://a:1"}, None),
        ("http://m.example", {"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, None),
        ("http://m.example", {"http_proxy": "http://a:1", "REQUEST_METHOD": "GET"}, "a"),
        ("https://m.example", {"HTTPS_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, "a"),
    ],
)
def test_the_variable_that_counts(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], expected: str | None
) -> None:
    assert named(monkeypatch, url, **variables) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "http://LOCALHOST",
        "http://my.localhost",
        "http://127.0.0.1:8000",
        "http://127.9.9.9",
        "http://127.1",
        "http://[::1]:8000",
        "http://0.0.0.0:8000",
        "http://[::]:8000",
        "http://[::ffff:127.0.0.1]",
    ],
)
def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert named(monkeypatch, url, http_proxy=PROXY, all_proxy=PROXY) is None


@pytest.mark.parametrize(
    "url", ["http://127.example.com", "http://127.0.0.1.example.com", "http://localhost.example"]
)
def test_a_name_that_only_begins_like_this_machine_is_not(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert named(monkeypatch, url, http_proxy=PROXY) == "proxy.example"


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("example.com", "http://example.com", True),
        ("example.com", "http://a.b.example.com", True),
        ("example.com", "http://notexample.com", False),
        (".example.com", "http://a.example.com", True),
        (".example.com", "http://example.com", True),
        ("*.example.com", "http://a.example.com", True),
        ("EXAMPLE.com.", "http://a.Example.COM", True),
        ("other, example.com", "http://example.com", True),
        ("other example.com", "http://example.com", True),
        ("example.com:8000", "http://example.com:8000", True),
        ("example.com:8000", "http://example.com:8001", False),
        ("example.com:443", "https://example.com", True),
        ("*", "http://anything.example", True),
        ("other,*", "http://anything.example", True),
        ("10.0.0.0/8", "http://10.1.2.3:8000", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("192.168.1.7/24", "http://192.168.1.200", True),
        ("10.1.2.3", "http://10.1.2.3", True),
        ("10.1.2.3:8000", "http://10.1.2.3:8000", True),
        ("10.1.2.3:8000", "http://10.1.2.3:9000", False),
        ("2.3", "http://10.1.2.3", False),
        ("fd00::/8", "http://[fd12::1]:8000", True),
        ("[fd00::]/8", "http://[fd12::1]", True),
        ("fd00::1", "http://[fd00::1]:8000", True),
        ("[fd00::1]", "http://[fd00:0:0::1]:8000", True),
        ("[fd00::1]:8000", "http://[fd00::1]:8000", True),
        ("[fd00::1]:8000", "http://[fd00::1]:8001", False),
        ("10.0.0.0/99", "http://10.1.2.3", False),
        ("10.0.0.0/8", "http://name.example", False),
        ("例子.example", "http://xn--fsqu00a.example", True),
        ("", "http://example.com", False),
        (",,  ,.", "http://example.com", False),
    ],
)
def test_what_no_proxy_names_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, direct: bool
) -> None:
    variables = {"http_proxy": PROXY, "https_proxy": PROXY, "no_proxy": no_proxy}
    assert (named(monkeypatch, url, **variables) is None) is direct


def test_no_proxy_in_small_letters_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(monkeypatch, http_proxy=PROXY, NO_PROXY="*", no_proxy="other") == "proxy.example"
    monkeypatch.delenv("no_proxy")
    assert named(monkeypatch) is None


@pytest.mark.slow
@given(st.text())
def test_any_value_of_no_proxy_can_be_read(no_proxy: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", PROXY)
        patch.setenv("no_proxy", no_proxy.replace("\0", "").encode("utf-8", "ignore").decode())
        environment_proxy("http", "model.example", 80)


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://p:3128", Proxy("p", 3128)),
        ("p:3128", Proxy("p", 3128)),
        ("p", Proxy("p", 80)),
        ("HTTPS://p", Proxy("p", 443, tls=True)),
        ("http://[fd00::1]:3128/", Proxy("fd00::1", 3128)),
        ("http://u%40x:p%3A%2F%25@p:1", Proxy("p", 1, authorization=b"u@x:p:/%")),  # type: ignore[arg-type]
        ("http://u@p:1", Proxy("p", 1, authorization=b"u:")),  # type: ignore[arg-type]
        ("http://ü:ß@p:1", Proxy("p", 1, authorization="ü:ß".encode())),  # type: ignore[arg-type]
    ],
)
def test_a_proxy_is_read(value: str, proxy: Proxy) -> None:
    if proxy.authorization:
        proxy = proxy._replace(
            authorization="Basic " + base64.b64encode(proxy.authorization).decode()  # type: ignore[arg-type]
        )
    assert read_proxy("http_proxy", value) == proxy


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("socks5://me:secret@p:1080", "SOCKS"),
        ("socks5h://p:1080", "SOCKS"),
        ("SOCKS4://p", "SOCKS"),
        ("ftp://me:secret@p", "no HTTP proxy"),
        ("http://me:secret@p:99999", "not an address"),
        ("http://me:secret@p:port", "not an address"),
        ("http://me:secret@", "not an address"),
        ("http://me:secret@p:0", "not an address"),
        ("http://[p", "not an address"),
        ("http://me:secret@p q:1", "not an address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_refused_and_its_password_not_told(value: str, words: str) -> None:
    with pytest.raises(
        ProxyUnusable, match=f"https_proxy.*{words}|{words}.*https_proxy|https_proxy"
    ) as caught:
        read_proxy("https_proxy", value)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


# A proxy that is itself spoken to over TLS, and proxies that refuse.


@asynccontextmanager
async def server(handle: object, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)  # type: ignore[operator]
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    made = await asyncio.start_server(safely, "127.0.0.1", 0, ssl=context)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ssl.SSLContext:
    """What a server proves itself with, to clients that trust what SSL_CERT_FILE names."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(made)
    return made


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(OK)


async def asked(url: str, proxy: Proxy | None) -> bytes:
    client = HTTPClient(url, {}, 5.0, proxy)
    try:
        await client.request("POST", "/x", b"{}")
        return (await client.request("POST", "/x", b"{}")).body
    finally:
        await client.close()


@pytest.mark.parametrize("target_tls", [True, False], ids=["to a server with TLS", "to a server without"])
def test_a_proxy_over_tls_gets_its_password_over_tls_alone(context: ssl.SSLContext, target_tls: bool) -> None:
    heads: list[bytes] = []

    async def main() -> None:
        async with server(answer, context if target_tls else None) as target:

            async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                head = await reader.readuntil(b"\r\n\r\n")
                heads.append(head)
                if not head.startswith(b"CONNECT"):
                    await reader.readexactly(2)
                    writer.write(OK)
                    await answer(reader, writer)
                back, on = await asyncio.open_connection("127.0.0.1", target)
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

                async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
                    while data := await source.read(1 << 16):
                        sink.write(data)
                    sink.close()

                await asyncio.gather(pump(reader, on), pump(back, writer))

            async with server(proxy, context) as port:
                through = Proxy("127.0.0.1", port, True, "Basic c2VjcmV0")
                scheme = "https" if target_tls else "http"
                assert await asked(f"{scheme}://127.0.0.1:{target}/v1", through) == b"ok"

    asyncio.run(main())
    assert b"Proxy-Authorization: Basic c2VjcmV0\r\n" in heads[0]


def test_a_proxy_named_https_that_speaks_no_tls_gets_no_password() -> None:
    heads: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def main() -> None:
        async with server(proxy) as port:
            with pytest.raises(ConnectFailed, match="no TLS with the proxy at 127"):
                await asked("http://model.example/v1", Proxy("127.0.0.1", port, True, "Basic c2VjcmV0"))

    asyncio.run(main())
    assert b"c2VjcmV0" not in b"".join(heads)


def test_the_certificates_of_ssl_cert_file_are_trusted_and_no_others(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> bytes:
        async with server(answer, context) as port:
            return await asked(f"https://127.0.0.1:{port}/v1", None)

    assert asyncio.run(main()) == b"ok"
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(TLSRefused, match=r"certificate cannot be trusted.*SSL_CERT_FILE"):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", ProxyRefused, "407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nno", ProxyRefused, "403"),
        (b"", ConnectFailed, "hung up"),
        (b"SSH-2.0-x\r\n", ConnectFailed, "hung up"),
    ],
)
def test_a_proxy_that_refuses_is_named_so(reply: bytes, error: type[Exception], words: str) -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)

    async def main() -> None:
        async with server(proxy) as port:
            with pytest.raises(error, match=words):
                await asked("https://model.example/v1", Proxy("127.0.0.1", port))

    asyncio.run(main())
