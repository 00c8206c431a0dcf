"""Addresses of machines on the network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from factory.steps.clean.rules.secrets.examples import PUBLIC_RESOLVERS
from factory.steps.clean.rules.secrets.hit import Hit, plain

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_V4 = re.compile(
    rf"(?<![A-Za-z0-9_.+/-])(?<![<>=~!]=){_OCTET}(?:\.{_OCTET}){{3}}(?![A-Za-z0-9_+-]|\.[0-9])|(?<=//){_OCTET}(?:\.{_OCTET}){{3}}(?![A-Za-z0-9_]|\.[0-9])"
)
_V6 = re.compile(
    r"(?<![A-Za-z0-9_:.])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}|:)(?::[0-9A-Fa-f]{1,4}){0,6}(?![A-Za-z0-9_:.])"
)
# Begin with one sign, which is looked for fastest.
_DOTTED = re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
_COLONS = re.compile(r":(?:[0-9A-Fa-f]{1,4}:){2}|[0-9A-Fa-f]::[0-9A-Fa-f]")
_VERSION = re.compile(
    r"(?:\bv|version|release|build|section|chapter|oid|rfc|版本|第|章|节|版)\s{0,2}[:：]?\s{0,2}\Z",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\bip\b|ipv4|server|host|address|ping|ssh|dns|proxy|gateway|http|服务器|地址|主机|代理|网关|登录",
    re.IGNORECASE,
)
_SMALL = 20
"""Four numbers up to this are the number of a section or a version, unless a word says that they are an address."""


def find_ip_addresses(text: str) -> Iterator[Hit]:
    """Each public IPv4 and IPv6 address, in the order of the text.

    Told apart: private, loopback, link-local, multicast and documentation addresses (RFC 1918, 5737, 3849, ...), name
    servers for all the world (8.8.8.8), networks (203.0.0.0/8), and versions (2.0.1.5).
    """
    text = plain(text)
    found: list[Hit] = []
    if _DOTTED.search(text):
        found += (Hit(*match.span(), "ip") for match in _V4.finditer(text) if _is_address(match, text))
    if text.count(":") > 2 and _COLONS.search(text):
        found += (Hit(*match.span(), "ip") for match in _V6.finditer(text) if _is_global_v6(match[0]))
    yield from sorted(found)


def _is_address(match: re.Match[str], text: str) -> bool:
    start, end = match.span()
    address = ipaddress.IPv4Address(match[0])
    if (
        not address.is_global
        or address.is_multicast
        or match[0] in PUBLIC_RESOLVERS
        or match[0].startswith("123.45.67.")
    ):
        return False
    before = text[max(0, start - 40) : start]
    if _VERSION.search(before) or (text[end : end + 1] == "/" and match[0].endswith(".0")):
        return False
    octets = [int(part) for part in match[0].split(".")]
    return max(octets) > _SMALL or _TOLD.search(before) is not None


def _is_global_v6(written: str) -> bool:
    try:
        address = ipaddress.IPv6Address(written)
    except ValueError:
        return False
    # Global unicast addresses alone (RFC 4291), so that `a::b` in a program is none.
    return address.is_global and int(address) >> 125 == 1 and written.count(":") >= 3
