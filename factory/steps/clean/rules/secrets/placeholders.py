"""What stands in the place of a secret: the same for the same one within a record, and numbered by first sight."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from factory.steps.clean.rules.secrets.hit import digits_of

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "email": "EMAIL",
        "phone": "PHONE",
        "identity_number": "ID",
        "bank_card": "CARD",
        "iban": "IBAN",
        "ip_address": "IP",
        "api_key": "KEY",
        "private_key": "PRIVATE_KEY",
        "home_path": "USER",
        "person_name": "PERSON",
    }
)
"""The word of each rule's placeholders: <EMAIL_1>, <EMAIL_2>, ..."""
_TAKEN = re.compile(rf"<({'|'.join(WORDS.values())})_([0-9]{{1,9}})>")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})')
_SIGNS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')


class Placeholders:
    """The placeholders of one record; those that its texts have already are not given again."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._last: dict[str, int] = {}
        self._given: dict[tuple[str, str], str] = {}
        for text in texts:
            if "_" in text:
                for word, number in _TAKEN.findall(text):
                    self._last[word] = max(self._last.get(word, 0), int(number))

    def of(self, rule: str, value: str) -> str:
        """The placeholder for what a rule found: the same where it is the same but for how it is written."""
        key = rule, _own(rule, value)
        if key not in self._given:
            word = WORDS[rule]
            self._last[word] = self._last.get(word, 0) + 1
            self._given[key] = f"<{word}_{self._last[word]}>"
        return self._given[key]


def _own(rule: str, value: str) -> str:
    if rule == "phone":  # with its country's code or without
        return digits_of(value)[-10:]
    if rule in ("identity_number", "bank_card", "iban"):
        return "".join(filter(str.isalnum, value)).upper()
    return value.casefold() if rule in ("email", "ip_address") else " ".join(value.split())


class Json:
    """JSON text as detectors read it: with the signs that its escapes stand for, and the place of each in the JSON."""

    def __init__(self, written: str) -> None:
        self._written = written
        self._ends: list[int] = []
        self._shifts: list[int] = []
        pieces, at, length = [], 0, 0
        for match in _ESCAPE.finditer(written) if "\\" in written else ():
            pieces += [written[at : match.start()], _sign(match[0])]
            length += match.start() - at + 1
            at = match.end()
            self._ends.append(length)
            self._shifts.append(at - length)
        self.text = "".join([*pieces, written[at:]])

    def place(self, at: int) -> int:
        """Where in the JSON the character `at` of the text begins."""
        before = bisect.bisect_right(self._ends, at)
        return at + (self._shifts[before - 1] if before else 0)

    def in_text(self, start: int) -> bool:
        """Whether a place in the JSON lies within one of its texts; what replaces a number outside needs quotes."""
        if self._written.lstrip()[:1] not in ("{", "["):
            return True
        return any(match.start() < start < match.end() for match in _LITERAL.finditer(self._written))


def _sign(escape: str) -> str:
    return chr(int(escape[2:], 16)) if escape[1] == "u" else _SIGNS.get(escape[1], escape[1])
