"""E-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.steps.clean.rules.secrets.examples import EXAMPLE_DOMAINS, EXAMPLE_MAILBOXES, EXAMPLE_NAMES
from factory.steps.clean.rules.secrets.hit import Hit, plain

# From the @ outwards, so that no text is read twice. RFC 5321 allows 64 characters before it.
_DOMAIN = re.compile(
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,5}[A-Za-z]{2,18})(?![A-Za-z0-9@_/-]|\.[A-Za-z0-9])"
)
_LOCAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_%+-])?\Z")
_FILES = frozenset(
    {
        "css", "cpp", "gif", "go", "htm", "html", "java", "jpeg", "jpg", "js", "json", "md", "pdf", "png", "py", "rb",
        "rs", "sh", "svg", "ts", "txt", "vue", "webp", "yaml", "yml",
    }
)  # fmt: skip
_PASSWORD = re.compile(r"://[^\s/]{0,200}\Z")


def find_emails(text: str) -> Iterator[Hit]:
    """Each e-mail address, its top-level domain letters alone.

    Told apart: domains for documents (example.com, *.test, RFC 2606), mailboxes of nobody (your_name@), names of files
    (logo@2x.png), an account of a server (git@github.com:...), a password in an address (https://me:word@host).
    """
    text = plain(text)
    if "@" not in text:
        return
    for match in _DOMAIN.finditer(text):
        domain = match[1].lower()
        if domain.rpartition(".")[2] in _FILES or _is_example(domain):
            continue
        before = text[max(0, match.start() - 64) : match.start()]
        local = _LOCAL.search(before)
        if local is None or _is_nobody(local[0]) or _is_account(local[0], text, match.end()):
            continue
        start = match.start() - len(local[0])
        if _PASSWORD.search(text, max(0, start - 210), start):
            continue
        yield Hit(start, match.end(), "email")


def _is_example(domain: str) -> bool:
    *names, last = domain.split(".")
    if last in EXAMPLE_DOMAINS or len(names[-1]) == 1:  # all but a handful of one letter are kept back
        return True
    # Of a name below a country's second level (example.co.uk) the first counts as well.
    return names[-1] in EXAMPLE_NAMES or (len(last) == 2 and names[0] in EXAMPLE_NAMES)


def _is_nobody(local: str) -> bool:
    name = re.sub(r"[._+-]|[0-9]+\Z", "", local.lower())
    return (
        name in EXAMPLE_MAILBOXES
        or re.match(r"(?:your|my)[._-]?(?:gmail|e?mail|name|address)", local.lower()) is not None
    )


def _is_account(local: str, text: str, end: int) -> bool:
    return local == "git" or re.compile(r":[\w~-]+/").match(text, end) is not None
