"""The proxy that the environment names for an address, by the rules of curl and httpx.

Python's own rules (`urllib.request`) know neither `ALL_PROXY`, nor networks, ports and IPv6 in `NO_PROXY`.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
import sys
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from factory.errors import FactoryError
from factory.models.base_url import ascii_host

_PORTS = {"http": 80, "https": 443}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ProxyUnusable(FactoryError):
    """The environment names a proxy that cannot be used; says the variable and how to mend it."""


class Proxy(NamedTuple):
    """An HTTP proxy.

    tls: whether it is spoken to over TLS
    authorization: the value of Proxy-Authorization, "" where it asks for none
    """

    host: str
    port: int
    tls: bool = False
    authorization: str = ""


def environment_proxy(scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy for a server at this address; None where it is asked directly.

    `http_proxy` or `https_proxy`, by `scheme`, then `all_proxy`; small letters win over capitals, and an empty
    value means none. `HTTP_PROXY` in capitals counts for nothing under CGI, where a request can set it. This
    machine itself is always asked directly, and so is what `no_proxy` names: hosts with all below them,
    addresses and networks (10.0.0.0/8), each with a port or without, or * for all.

    Raises:
        ProxyUnusable: what is named is no HTTP proxy.
    """
    if _is_local(host):
        return None
    variable, value = _named(scheme)
    if not value or any(_passes(entry, host, port) for entry in _no_proxy()):
        return None
    return read_proxy(variable, value)


def read_proxy(variable: str, value: str) -> Proxy:
    """A proxy as `value` names it: `http://user:password@host:port`, of which all but the host may be missing.

    Raises:
        ProxyUnusable: it speaks another protocol, or this is no address. The value, which may hold a password,
            is not quoted.
    """
    text = value if "://" in value else f"http://{value}"
    scheme = text.partition("://")[0].lower()
    if re.fullmatch(r"socks\w*", scheme):
        raise ProxyUnusable(
            f"{variable} names a SOCKS proxy, which is not supported: set it to an HTTP proxy (many SOCKS proxies "
            f"speak HTTP too, as http:// at the same port), or name the model's server in no_proxy"
        )
    if scheme not in _PORTS:
        raise ProxyUnusable(
            f"{variable} names no HTTP proxy: set it to an address such as http://127.0.0.1:3128"
        )
    try:
        parts = urlsplit(text)
        host, port = ascii_host(parts.hostname or ""), parts.port
        if not host or port == 0 or re.search(r"\s", text):
            raise ValueError
    except ValueError:
        raise ProxyUnusable(
            f"the value of {variable} is not an address such as http://127.0.0.1:3128: mend it"
        ) from None
    authorization = ""
    if parts.username or parts.password:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(host, port or _PORTS[scheme], scheme == "https", authorization)


def _named(scheme: str) -> tuple[str, str]:
    """The variable that is set for `scheme`, and its value; empty where none is."""
    names = [f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
    if (
        scheme == "http" and "REQUEST_METHOD" in os.environ
    ):  # a CGI script: it is the request's header "Proxy"
        names.remove("HTTP_PROXY")
    for name in names:
        if name in os.environ:
            return name, os.environ[name].strip()
    if sys.platform in ("darwin", "win32"):  # what the system's settings name
        from urllib.request import getproxies

        return "the system's proxy setting", getproxies().get(scheme, "")
    return "", ""


def _no_proxy() -> Iterator[str]:
    value = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    return (entry for entry in re.split(r"[\s,]+", value.lower()) if entry)


def _passes(entry: str, host: str, port: int) -> bool:
    """Whether an entry of `no_proxy` names this server."""
    if entry == "*":
        return True
    # An IPv6 address has colons of its own: only behind brackets does one begin a port.
    match = re.fullmatch(r"\[(?P<six>[^\]]+)\](?P<bits>/\d+)?(?::(?P<port>\d+))?", entry)
    if match is not None:
        name, told = match["six"] + (match["bits"] or ""), match["port"]
    elif entry.count(":") == 1:
        name, _, told = entry.partition(":")
    else:
        name, told = entry, None
    if told and told != str(port):
        return False
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(name, strict=False)
        except ValueError:
            pass
    name = name.removeprefix("*").strip(".")
    if not name.isascii():
        try:
            name = ascii_host(name)
        except ValueError:
            return False
    host = host.lower().rstrip(".")
    return bool(name) and (host == name or (address is None and host.endswith(f".{name}")))


def _is_local(host: str) -> bool:
    """Whether this is this machine: localhost, a loopback address, or the address that means any of its own."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _address(host: str) -> Address | None:
    """The address that `host` is written as; None for a name. `127.1` is one too, as the system reads it."""
    try:
        address: Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if not re.fullmatch(r"(?:0[xX][0-9a-fA-F]+|\d+)(?:\.(?:0[xX][0-9a-fA-F]+|\d+)){0,3}", host):
            return None
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
