"""What may be given as the address of a model's server; what cannot work is refused before anything is sent."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from factory.models.secrets import MEND, key_in_address

_EXAMPLE = "give an address such as http://127.0.0.1:8000/v1"
_PATHS = ("/chat/completions", "/completions", "/embeddings", "/responses")


def http_address(url: str) -> str:
    """`url` without slashes at its end.

    Raises:
        ValueError: it is no http or https address, holds a key, or names what requests add themselves. The
            sentence does not quote it, since it may hold a key.
    """
    if re.search(r"\s|[\x00-\x1f\x7f\"'<>\\^`|]", url) or not url.isprintable():
        raise ValueError(f"an address has no spaces, quotation marks or angle brackets: {_EXAMPLE}")
    if not re.match(r"https?://", url, re.IGNORECASE):
        raise ValueError(f"an address begins with http:// or https://: {_EXAMPLE}")
    if re.match(r"https?://https?:?/", url, re.IGNORECASE):
        raise ValueError(f"http:// stands in it twice: {_EXAMPLE}")
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets without an IPv6 address, letters that stand for others
        raise ValueError(f"its host cannot be read: {_EXAMPLE}") from None
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError(
            "give the bare address, without user, password, ? or #; a key belongs in api_key_env"
        )
    if key_in_address(url):
        raise ValueError(f"a part of its path looks like a key: {MEND}")
    if re.search(r"[${}]", parts.netloc) or re.search(r"[${}]", re.sub(r"\$\{[A-Z_][A-Z0-9_]*\}", "", url)):
        raise ValueError("fill in what stands in braces; only its path may name a variable, as ${NAME}")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"its port is not a number from 1 to 65535: {_EXAMPLE}")
    try:
        host = ascii_host(parts.hostname or "")
    except ValueError:
        host = ""
    if not host:
        raise ValueError(f"its host is neither a name nor an address: {_EXAMPLE}")
    url = url.rstrip("/")
    for path in _PATHS:
        if url.endswith(path):
            raise ValueError(f"leave {path} away: requests add it to the address themselves")
    return url


def ascii_host(host: str) -> str:
    """The host's name as it is looked up: IDNA where it is not ASCII, without the dot at its end.

    Raises:
        ValueError: no host can be so named.
    """
    host = host.rstrip(".")
    if ":" in host:
        import ipaddress

        host = host.replace("%25", "%")  # how an address writes the zone behind an IPv6 address
        ipaddress.IPv6Address(host)
        return host
    named = host if host.isascii() else host.encode("idna").decode("ascii")
    if not re.fullmatch(r"(?!.{254})(?:[A-Za-z0-9_-]{1,63}(?:\.|\Z))+", named) and named:
        raise ValueError(f"{host!r} is not the name of a host")
    return named
