"""Keys, tokens and private keys: by the look that each provider gives them, and by the name that they stand under."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from factory.models.key_kinds import BEFORE_KEY, KEY_KINDS, PRIVATE_KEY
from factory.steps.clean.rules.gates import Gated, encoded
from factory.steps.clean.rules.secrets.examples import EXAMPLE_KEYS
from factory.steps.clean.rules.secrets.hit import Hit

_KINDS = re.compile(
    BEFORE_KEY + "(?:" + "|".join(f"(?P<{kind}>{pattern})" for kind, pattern in KEY_KINDS.items()) + ")"
)
_WORDS = ("xox", "AIza", "ya29.", "AKIA", "ASIA", "LTAI", "AKID", "eyJ", "bce-v3/")
"""What some keys begin with: a pattern for all of them at once is slow, a search for one word is not."""
_PREFIXES = frozenset(
    {
        "sk", "pk", "rk", "csk", "dsk", "api", "key", "fc", "jina", "pplx", "tvly", "nvapi", "xai", "vck",
        "voyage", "glpat", "ark", "hf", "gho", "ghp", "ghr", "ghs", "ghu", "github_pat", "npm", "gsk", "r8", "fw",
        "lsv2", "dop_v1", "tgp_v1", "esecret", "pa",
    }
)  # fmt: skip
"""What the others begin with, before "-" or "_"."""
_JOINED = re.compile(r"[-_](?=[\w-]{16})")
_PREFIX = re.compile(r"(?:[a-z]+_)?[a-z][a-z0-9]{1,7}\Z")
# Begins with one sign, which is looked for fastest.
_ZHIPU = re.compile(r"\.(?<=[0-9a-f]{32}\.)[A-Za-z0-9]{16}(?![A-Za-z0-9])")
_VALUE = re.compile(
    r"""[=:：是为>](?:\\?["'‘“])?\s{0,3}(?:(?:Bearer|Basic|Token)\s{1,3})?(?:\\?["'‘“])?([A-Za-z0-9+/_=.~-]{16,512})(?![A-Za-z0-9(\[])"""
)
_NAME = re.compile(
    r"""(?:(?:api|access|account|auth|client|private|secret|app|service)[-_ ]?(?:key|token|secret)
    |secret|password|passwd|token|passphrase|authorization|密钥|密码|口令|令牌|访问码)(?:[-_](?:id|key))?\\?["'’”]?\s{0,3}=?\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_BEARER = re.compile(r"\b(?:Bearer|Basic)\s{1,3}([A-Za-z0-9+/_=.~-]{16,2048})")
_PASSWORD = re.compile(r"://[^/@\s:]{1,100}:([^/@\s\[\]{}<>,:]{6,200})@")
_PLACE = re.compile(
    r"your|my[-_]|example|sample|placeholder|dummy|change|insert|replace|here|token|secret|password|x{4}|\*{3}|0{8}|1234567|abcdef"
    r"|test|fake|redacted|\$\{|process\.env|os\.environ|getenv|\.{3}",
    re.IGNORECASE,
)
_HEAD = re.compile(PRIVATE_KEY + r"(?: BLOCK)?-----")
_TAIL = re.compile(r"-----END [A-Z ]{0,40}-----")
_MAY_HOLD = Gated(
    r"[-_][\w-]{16}|[=:：是为>][\\\"'‘“\s]*(?:Bearer|Basic|Token)?[\\\"'‘“\s]*[A-Za-z0-9+/_=.~-]{16}"
    r"|[0-9a-f]{32}\.[A-Za-z0-9]{16}|(?:Bearer|Basic) |://[^@]*@|" + "|".join(map(re.escape, _WORDS)),
    0,
)
"""What every key has: its beginning, a sign before it, or a name."""
_BITS = 3.0
"""Bits of entropy for each character of a key that only its name gives away: words have fewer, and no digits."""
_FEWEST_OF_BLOCK = 64
"""Characters of a private key, at least: fewer, or dots among them, are an example."""


def find_api_keys(text: str) -> Iterator[Hit]:
    """Each key or token, in the order of the text, of the kind that its look tells, else "named".

    A key whose look tells nothing counts where it stands under a name (`api_key=...`, 密钥：..., a Bearer header) and
    looks drawn by lot: sixteen characters or more, digits and letters, three bits of entropy for each. Short passwords
    are therefore not found. Told apart: AWS's and jwt.io's examples, places to fill (your_api_key, ${KEY}, xxxx),
    what a program reads from its surroundings.
    """
    if not _MAY_HOLD.may_hold(encoded(text)):
        return  # as most do
    found = [
        Hit(*match.span(), match.lastgroup or "other")
        for match in _looking_like_keys(text)
        if not any(part in match[0] for part in EXAMPLE_KEYS) and not _is_place(match[0])
    ]
    for match in _named(text):
        start, end = match.span(1)
        if any(start < hit.end and hit.start < end for hit in found):
            continue
        if _is_drawn(match[1]) and not any(part in match[1] for part in EXAMPLE_KEYS):
            found.append(Hit(start, end, "named"))
    if "://" in text and "@" in text:
        found += (
            Hit(*match.span(1), "address")
            for match in _PASSWORD.finditer(text)
            if match[1].isascii() and not _PLACE.search(match[1])
        )
    yield from sorted(found)


def find_private_keys(text: str) -> Iterator[Hit]:
    """Each block of a private key, from its first line to its last. Told apart: blocks that hold no key ("...")."""
    if "PRIVATE KEY" not in text:
        return
    for head in _HEAD.finditer(text):
        end = text.find("-----", head.end())
        tail = _TAIL.match(text, end) if end >= 0 else None
        if tail is None and end >= 0:
            continue  # another block begins before this one ends
        body = re.sub(r"\s|\\n", "", text[head.end() : end if tail else len(text)])
        if len(body) >= _FEWEST_OF_BLOCK and "..." not in body and "…" not in body:
            yield Hit(head.start(), tail.end() if tail else len(text), "private_key")


def _looking_like_keys(text: str) -> Iterator[re.Match[str]]:
    end = 0
    for start in sorted(_places(text)):
        match = _KINDS.match(text, start) if start >= end else None
        if match is not None:
            end = match.end()
            yield match


def _places(text: str) -> Iterator[int]:
    """Where a key may begin."""
    for word in _WORDS:
        at = text.find(word)
        while at >= 0:
            yield at
            at = text.find(word, at + 1)
    for match in _JOINED.finditer(text):
        end = match.start()
        before = _PREFIX.search(text, max(0, end - 12), end)
        if before is not None:
            joined = before[0]
            own = joined if joined in _PREFIXES else joined.rpartition("_")[2]
            if own in _PREFIXES:
                yield end - len(own)
    for match in _ZHIPU.finditer(text):
        yield match.start() - 32


def _named(text: str) -> Iterator[re.Match[str]]:
    """What stands under the name of a key: behind a sign first, since there are fewer of these than of letters."""
    for match in _VALUE.finditer(text):
        if _NAME.search(text, max(0, match.start() - 40), match.start()):
            yield match
    if "Bearer " in text or "Basic " in text:
        yield from _BEARER.finditer(text)


def _is_place(key: str) -> bool:
    own = re.sub(r"^[a-z0-9]+[-_]", "", key)
    return len(set(own)) < 8 or re.search(r"x{5}|X{5}|0{8}|\.{3}|your|YOUR|1234567890", own) is not None


def _is_drawn(value: str) -> bool:
    if _PLACE.search(value) or not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return False
    if re.fullmatch(r"[A-Za-z_]+(?:[.(/-][A-Za-z_0-9]+)+|[\w.-]+\.[a-z]{2,4}|[0-9-]+", value):
        return False
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values()) >= _BITS
