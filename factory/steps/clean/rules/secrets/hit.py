"""What a detector finds, and what detectors of numbers share."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple


class Hit(NamedTuple):
    """A place in a text: from `start` to `end` (characters), and what kind of thing stands there."""

    start: int
    end: int
    kind: str


_WIDE = {0xFF01 + at: 0x21 + at for at in range(94)}
_ANY_WIDE = re.compile("[０-９＠．－＋]")
# With at most two signs between neighbours: fewer digits are no number of a person, a card or a telephone.
_NUMBER = re.compile(r"[0-9](?:[ ().-]{0,2}[0-9]){5}")


@functools.lru_cache(maxsize=32)
def plain(text: str) -> str:
    """The text with half-width signs for full-width ones, each character in its place."""
    return text.translate(_WIDE) if not text.isascii() and _ANY_WIDE.search(text) else text


@functools.lru_cache(maxsize=32)
def has_number(text: str) -> bool:
    """Whether six digits stand together, which each kind of number needs."""
    return _NUMBER.search(text) is not None


def digits_of(text: str) -> str:
    """The digits of a text, without what stands between them."""
    return "".join(filter(str.isdecimal, text))


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (Luhn, ISO/IEC 7812-1)."""
    total = 0
    for at, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + at % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def is_filler(digits: str, length: int = 8) -> bool:
    """Whether the last digits are one digit again and again, or count up or down: written to fill a place."""
    steps = {
        (int(after) - int(before)) % 10
        for before, after in zip(digits[-length:], digits[-length + 1 :], strict=False)
    }
    return len(steps) == 1 and steps <= {0, 1, 9}
