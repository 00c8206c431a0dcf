"""Names of people in paths of their home folders."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.steps.clean.rules.secrets.examples import ANYBODY
from factory.steps.clean.rules.secrets.hit import Hit

_NAME = r"([A-Za-z][A-Za-z0-9_.-]{0,31}|[\u4e00-\u9fff]{2,4})"
_UNIX = re.compile(rf"(?<![A-Za-z0-9_.~%$}}/-])(?:/mnt/[a-z])?/(?:home|Users)/{_NAME}")
_WINDOWS = re.compile(
    rf"(?<![A-Za-z])[A-Za-z]:(?:\\{{1,2}}|/)(?:Users|Documents and Settings)(?:\\{{1,2}}|/){_NAME}"
)
_PAGE = re.compile(r"\.(?:html?|php|aspx?|jsx?|tsx?|css|py|json|vue|png|jpg|svg|md|txt)\Z", re.IGNORECASE)
_END = re.compile(r"[.-]+\Z")


def find_home_paths(text: str) -> Iterator[Hit]:
    """The name of each person in a path such as /home/NAME/, /Users/NAME or C:\\Users\\NAME.

    Told apart: names of nobody (user, ubuntu, your_name, $USER), and the path of a page (https://host/home/news,
    /home/index.html). Below /home a folder has to follow, since routes of web pages look the same.
    """
    found = []
    if "/home/" in text or "/Users/" in text:
        found += [match.span(1) for match in _UNIX.finditer(text) if _is_person(match, text)]
    if "Users" in text or "Settings" in text:
        found += [match.span(1) for match in _WINDOWS.finditer(text) if _is_person(match, text)]
    for start, end in sorted(set(found)):  # C:/Users/NAME is of both kinds
        yield Hit(start, end - len(_dots(text[start:end])), "home")


def _dots(name: str) -> str:
    match = _END.search(name)
    return match[0] if match else ""


def _is_person(match: re.Match[str], text: str) -> bool:
    name = match[1].rstrip(".-")
    if name.lower() in ANYBODY or _PAGE.search(name) or len(name) < 2:
        return False
    return "/home/" not in match[0] or text[match.end() : match.end() + 1] == "/"
