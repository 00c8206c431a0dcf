"""Long patterns at little cost: RE2 asks in one pass whether a text may hold one, and Python finds where.

Python's `re` tries each alternative at each character; RE2 goes through a text once, whatever the pattern, about thirty
times as fast. It knows no looking around, so that what it is asked is wider than the pattern: what it lets pass is
looked at again, and what it does not let pass needs no look.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.steps.clean.rules.view import Part

_COUNT = re.compile(r"\{(\d+),(\d*)\}")
_MANY = 8
"""A repetition of more is asked for as any number: each count would be a state of its own."""
_LETTERS, _BLANKS = r"\pL\pN\pM_", r"\s\pZ\x1c-\x1f\x85"


class Gated:
    """A pattern that most texts do not hold.

    gate: what RE2 is asked in place of the pattern without its looking around, where that says little
    """

    def __init__(self, pattern: str, flags: int = re.IGNORECASE, gate: str = "") -> None:
        self.pattern = re.compile(pattern, flags)
        self._asked = gate or pattern

    @functools.cached_property
    def _gate(self) -> Any:
        return _compiled(self._asked, self.pattern.flags)

    def may_hold(self, text: bytes) -> bool:
        """Whether a text in UTF-8 is worth a look: true of every text that holds the pattern."""
        return self._gate.search(text) is not None

    def find(self, part: Part) -> re.Match[str] | None:
        """The first place of the pattern in the prose of a part."""
        return self.pattern.search(part.prose) if self.may_hold(part.prose_bytes) else None

    def find_all(self, part: Part) -> list[re.Match[str]]:
        """All places of the pattern in the prose of a part."""
        return list(self.pattern.finditer(part.prose)) if self.may_hold(part.prose_bytes) else []

    def all_in(self, text: str) -> list[re.Match[str]]:
        """All places of the pattern in a text."""
        return list(self.pattern.finditer(text)) if self.may_hold(encoded(text)) else []

    def search(self, text: str) -> re.Match[str] | None:
        """The first place of the pattern in a text."""
        return self.pattern.search(text) if self.may_hold(encoded(text)) else None


class Topic:
    """Words of which a text holds one or none: what it speaks of. For RE2 a Chinese character ends an English word."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    @functools.cached_property
    def _gate(self) -> Any:
        return _compiled(self._pattern, re.IGNORECASE)

    def found(self, text: str) -> bool:
        """Whether the text speaks of it."""
        return self._gate.search(encoded(text)) is not None


def encoded(text: str) -> bytes:
    """A text in UTF-8; half a surrogate pair is a question mark."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _compiled(pattern: str, flags: int) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    options.case_sensitive = not flags & re.IGNORECASE
    options.dot_nl = bool(flags & re.DOTALL)
    options.never_capture = True
    return re2.compile(("(?m)" if flags & re.MULTILINE else "") + wider(pattern), options)


def wider(pattern: str) -> str:
    """A pattern for RE2 that matches wherever Python's does, and may match elsewhere too."""
    pieces: list[str] = []
    at, in_class, negated = 0, False, False
    while at < len(pattern):
        mark = pattern[at]
        if mark == "\\":
            piece, size = _escape(pattern, at, in_class, negated)
            pieces.append(piece)
            at += size
        elif in_class:
            in_class = mark != "]"
            pieces.append(r"\[" if mark == "[" else mark)
            at += 1
        elif mark == "[":
            in_class, negated = True, pattern.startswith("^", at + 1)
            size = 1 + negated
            pieces.append(pattern[at : at + size])
            at += size
        elif pattern.startswith(("(?=", "(?!", "(?<=", "(?<!"), at):
            at = _closing(pattern, at) + 1
            pieces.append("(?:)")
        elif mark == "{" and (count := _COUNT.match(pattern, at)):
            few, most = int(count[1]), int(count[2] or 10**6)
            pieces.append(count[0] if most <= _MANY else ("*" if few == 0 else "+"))
            at = count.end()
        else:
            pieces.append(mark)
            at += 1
    return "".join(pieces)


def _escape(pattern: str, at: int, in_class: bool, negated: bool) -> tuple[str, int]:
    """An escape as RE2 writes it, and how long it is in the pattern; of a negated class less, so that it holds more."""
    mark = pattern[at + 1]
    if in_class and negated and mark in "wWsS":
        return (rf"\{mark}" if mark.islower() else r"\x{10ffff}"), 2
    if mark in "wWsS":
        inside = _LETTERS if mark in "wW" else _BLANKS
        if mark.islower():
            return (inside if in_class else f"[{inside}]"), 2
        return (r"\x00-\x{10ffff}" if in_class else f"[^{inside}]"), 2
    if mark == "Z":
        return r"\z", 2
    if mark in "bB":
        return "(?:)", 2
    if mark in "uU":
        size = 4 if mark == "u" else 8
        return rf"\x{{{pattern[at + 2 : at + 2 + size]}}}", 2 + size
    return pattern[at : at + 2], 2


def _closing(pattern: str, at: int) -> int:
    """Where the group that opens here closes."""
    depth, in_class = 0, False
    while at < len(pattern):
        mark = pattern[at]
        if mark == "\\":
            at += 2
            continue
        if in_class:
            in_class = mark != "]"
        elif mark == "[":
            in_class = True
            at += pattern.startswith("^", at + 1) + pattern.startswith(("]", "^]"), at + 1)
        elif mark in "()":
            depth += 1 if mark == "(" else -1
            if not depth:
                return at
        at += 1
    raise ValueError("a group that never closes")
