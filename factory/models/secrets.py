"""Keys stay out of what is written: a recipe names the variable that holds one, and no file ever holds its value.

A recipe is copied into its run's folder, told of in the manifest, and shared. So a value that is a key by its
name or its look is refused; `${NAME}` in its place is filled in from the environment when a request is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from factory.errors import MissingSecret
from factory.models.key_kinds import ADDRESS_PASSWORD, BEFORE_KEY, KEY_KINDS, PRIVATE_KEY

MEND = "write ${NAME} in its place and export NAME=..., so that the key is written nowhere"

_VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
_NAMES = re.compile(
    r"(?:api|access|account|auth|bearer|client|private|secret|session|subscription|hf|hub)[-_ ]?(?:key|token|secret)"
    r"|(?:^|[-_ ])(?:secret|password|passwd|passphrase|credentials?|authorization|authentication)$",
    re.IGNORECASE,
)
_LIKELY_NAMES = re.compile(r"(?:key|token|auth|cookie|ak|sk)", re.IGNORECASE)
"""Names under which a long word is a key, and a short one may be anything."""
_LOOKS = re.compile(
    f"{BEFORE_KEY}(?:{'|'.join(KEY_KINDS.values())})|{PRIVATE_KEY}|{ADDRESS_PASSWORD}"
    r"|^\s*(?:Bearer|Basic)\s+[\w+/=.~-]{8,}\s*$"
)
_MIXED = re.compile(r"(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])(?=[A-Za-z]*\d)[A-Za-z0-9]{24}")
"""Letters of both cases and digits in one long word: no person so names a part of a path."""


def read_key(variable: str) -> str:
    """The key in the environment variable; "" where no variable is named.

    Raises:
        MissingSecret: the variable is not set, or its value cannot be a key.
    """
    if not variable:
        return ""
    key = os.environ.get(variable, "")
    if not key:
        raise MissingSecret(
            f"{variable} is not set, and a model of the recipe needs that key: export {variable}=..."
        )
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise MissingSecret(
            f"the value of {variable} holds a space, a line break or a letter that no key has; "
            f"set it again: export {variable}=..."
        )
    return key


def looks_like_key(text: str) -> bool:
    """Whether a text holds a key as providers, hubs and clouds write them, or a user's password in an address."""
    return _LOOKS.search(text) is not None


def key_in_address(url: str) -> bool:
    """Whether a part of an address's path is a key: by its look, or by the name before it (`/token/...`)."""
    parts = [unquote(part) for part in re.split(r"[/;=]", urlsplit(url).path)]
    named = zip(["", *parts], parts, strict=False)
    return looks_like_key(unquote(url)) or any(
        not _VARIABLE.fullmatch(part)
        and (
            _MIXED.search(part) or (len(part) >= 8 and (_NAMES.search(name) or _LIKELY_NAMES.fullmatch(name)))
        )
        for name, part in named
    )


def key_in(value: Any) -> str | None:
    """Where plain data holds a key, as the path of its names; None where it holds none.

    A text is one by its name (`api_key`, `headers.Authorization`, ...) or by its look. Names alone, as in a JSON
    schema, are none, and neither is `${NAME}`.
    """
    return next(
        (place or "a value" for place, name, text in _texts(value, "", "") if _is_key(name, text)), None
    )


def variables_in(value: Any) -> tuple[str, ...]:
    """The environment variables that texts of plain data stand for, each as `${NAME}` and nothing else."""
    matches = (_VARIABLE.fullmatch(text) for _, _, text in _texts(value, "", ""))
    return tuple(dict.fromkeys(match[1] for match in matches if match))


def filled_in(value: Any) -> Any:
    """Plain data with the values of environment variables for each text that is `${NAME}`. Raises as `read_key`."""
    if isinstance(value, dict):
        return {name: filled_in(item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    match = _VARIABLE.fullmatch(value) if isinstance(value, str) else None
    return read_key(match[1]) if match else value


def filled_in_address(url: str) -> tuple[str, tuple[str, ...]]:
    """An address with the values of the variables that its path names as `${NAME}`, and those values."""
    secrets = {name: read_key(name) for name in _VARIABLE.findall(url)}
    return _VARIABLE.sub(lambda match: quote(secrets[match[1]], safe=""), url), tuple(secrets.values())


def hidden(text: bytes, secrets: tuple[str, ...]) -> bytes:
    """`text` without these values."""
    for secret in secrets:
        for written in {secret, quote(secret, safe="")}:
            text = text.replace(written.encode(), b"***")
    return text


def _is_key(name: str, text: str) -> bool:
    if not text.strip() or _VARIABLE.fullmatch(text):
        return False
    long_word = len(text) >= 16 and not re.search(r"\s", text)
    return bool(looks_like_key(text) or _NAMES.search(name) or (long_word and _LIKELY_NAMES.fullmatch(name)))


def _texts(value: Any, place: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Each text of plain data: its place, the name it stands under, and itself."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{place}.{key}".lstrip("."), str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, place, name)
    elif isinstance(value, str):
        yield place, name, value
