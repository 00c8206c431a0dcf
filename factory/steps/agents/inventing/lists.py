"""The tasks that a reply lists."""

from __future__ import annotations

import re
from typing import NamedTuple

# Of a numbered list, "1." in any of its spellings, bold or not; of another, a bullet.
_NUMBERED = re.compile(
    r"^[ \t>#*_]*(?:(?:task|instruction|任务|任務|指令)[ \t]*)?"
    r"[(（\[]?[ \t]*(\d{1,3})[ \t]*[)）\].．、:：][)*_]*[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_BULLET = re.compile(r"^[ \t]*[-*•·][ \t]+", re.MULTILINE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n")


class Listed(NamedTuple):
    """What a reply lists, white space folded; and how many pieces of text stand before or behind its items."""

    items: list[str]
    outside: int


def listed(reply: str) -> Listed:
    """The items of a reply's list: a numbered one, or else one of bullets of two items at least.

    A number begins an item only where it is one more than that before it, so that a list within an item stays there.
    An item ends at an empty line.
    """
    starts: list[re.Match[str]] = []
    for match in _NUMBERED.finditer(reply):
        if not starts or int(match[1]) == int(starts[-1][1]) + 1:
            starts.append(match)
    if not starts:
        starts = list(_BULLET.finditer(reply))
        if len(starts) < 2:
            return Listed([], 0)
    ends = [*(match.start() for match in starts[1:]), len(reply)]
    items, outside = [], int(bool(reply[: starts[0].start()].strip()))
    for match, end in zip(starts, ends, strict=True):
        item, *behind = _PARAGRAPH.split(reply[match.end() : end].strip(), maxsplit=1)
        items.append(" ".join(item.split()))
        outside += bool(behind and behind[0].strip())
    return Listed(items, outside)
