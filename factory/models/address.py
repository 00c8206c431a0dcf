"""Where a model's replies come from, as it may be written down: an address without what is secret in it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from factory.models.naming import ModelEntry
from factory.models.options import LangChainOptions, OpenAIEmbeddingOptions, OpenAIOptions

BATCH = "batch"
"""Stands for the address of replies that came in a file."""
_HIDDEN = "***"
_LONG = 20  # characters from which a part of a path with letters and digits mixed is taken for a key
_PREFIXED = re.compile(r"(?:sk|pk|rk|key|token|api|bearer)[-_].{6,}", re.IGNORECASE)


def server_of(options: ModelEntry) -> str:
    """The address behind a model, several with spaces between; "" where it is not known or there is none."""
    match options:
        case OpenAIOptions(serve=True):
            return "vllm-serve"  # the run's own, at whatever port is free
        case OpenAIOptions() if options.batch is not None:
            return BATCH
        case OpenAIOptions():
            return " ".join(map(shown_address, options.addresses))
        case OpenAIEmbeddingOptions():
            return shown_address(options.base_url)
        case LangChainOptions():
            address = options.arguments.get("base_url")
            return shown_address(address) if isinstance(address, str) else ""
        case _:
            return ""


def shown_address(address: str) -> str:
    """An address as it may be shown and stored: a password, a key in the path and all of a query are hidden.

    What is left tells one server from another; it is nothing to connect to.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return _HIDDEN
    place = f"[{host}]" if ":" in host else host
    place += f":{port}" if port is not None else ""
    user = f"{_HIDDEN}@" if "@" in parts.netloc else ""
    path = "/".join(_HIDDEN if _is_secret(part) else part for part in parts.path.rstrip("/").split("/"))
    return urlunsplit((parts.scheme, user + place, path, _HIDDEN if parts.query else "", ""))


def _is_secret(part: str) -> bool:
    """Whether a part of a path looks like a key: none that a person made up is so long and mixed."""
    mixed = any(letter.isdigit() for letter in part) and any(letter.isalpha() for letter in part)
    return (len(part) >= _LONG and mixed) or _PREFIXED.fullmatch(part) is not None
