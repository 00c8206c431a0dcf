"""Text from data and numbers as a person can safely read them in a terminal or on a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from factory.data.record import Record
from factory.data.text import shorten

# What no screen shows as itself, or what changes how its neighbours are shown: controls (terminal escapes
# begin with one), line and paragraph separators, marks that turn the reading direction, invisible tag
# characters that smuggle text, halves of surrogate pairs. The joiners U+200C and U+200D stay: Persian and
# emoji need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with everything invisible or active written out, such as `\\x1b`; line ends and tabs stay."""
    return _HIDDEN.sub(lambda match: ascii(match[0])[1:-1], text.replace("\r\n", "\n"))


def clip(text: str, characters: int) -> str:
    """`visible` text, at most this long, that says how much was cut."""
    text = text.strip()
    if len(text) <= characters:
        return visible(text)
    return f"{visible(text[:characters].rstrip())} … ({len(text) - characters:,} more characters)"


def count(number: int) -> str:
    """A count with its thousands set apart."""
    return f"{number:,}"


def named(record: Record) -> str:
    """A record as a person is told of it: by the id that its row had in the source, where it had one, and ours."""
    own = record.meta.get("id")
    return record.id if own is None or str(own) == record.id else f"{shorten(str(own), 60)} ({record.id})"


def lacks(name: str) -> str:
    """That a record has no such score, tags or task."""
    return "untagged" if name == "tag" else f"no {visible(name)}"


def counts(kinds: dict[str, int]) -> str:
    """Counts by kind, the largest first: "unchanged 8, empty 4"."""
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{visible(kind)} {number:,}" for kind, number in ordered)


def duration(seconds: float) -> str:
    """Seconds as a person says them: "4.2 s", "1 min 20 s", "2 h 5 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def clock(seconds: float) -> str:
    """Seconds as a clock shows them: "1:20", "2:05:00"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def money(amount: float) -> str:
    """An amount in the currency of the recipe's prices; a small one keeps its digits."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:.4f}"


def fact(value: Any) -> str:
    """What a step told of its work, on one line: a number, a text, or several of them by name."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {fact(part)}" for key, part in value.items()) or "none"
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return count(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
