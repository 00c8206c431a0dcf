"""Times of the day: 8:15, 8时15分, 八点一刻, 下午3:30, 3:30 pm."""

from __future__ import annotations

import re
from typing import NamedTuple

from factory.steps.judging.verifying.maths.numerals import chinese_number

_N = r"\d{1,2}|[一二三四五六七八九十两]{1,3}"
_CLOCK = re.compile(
    rf"(?P<half>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上)?\s*(?<![\d.:])(?P<hours>{_N})\s*"
    rf"(?:[:：](?P<digits>[0-5]\d)(?![\d:])|[时点](?:(?P<minutes>{_N}|零[一二三四五六七八九\d])\s*分|(?P<part>半|一刻|三刻|整)))"
    r"\s*(?P<latin>[ap]\.?m\b\.?)?",
    re.IGNORECASE,
)
_BEFORE_NOON = ("凌晨", "清晨", "早上", "早晨", "上午", "a")
_PARTS = {"半": 30, "一刻": 15, "三刻": 45, "整": 0}
_NOON, _HOUR = 720, 60


class Clock(NamedTuple):
    """Minutes since midnight; `sure` where it is known whether it is before noon."""

    minutes: int
    sure: bool

    def equals(self, other: Clock) -> bool:
        """Whether the two may be one time."""
        if self.sure and other.sure:
            return self.minutes == other.minutes
        return self.minutes % _NOON == other.minutes % _NOON


def read_clock(text: str) -> Clock | None:
    """The time of the day that all of `text` says; None where it says none."""
    match = _CLOCK.fullmatch(text.strip(" .。"))
    return None if match is None else _clock(match)


def last_clock(text: str) -> Clock | None:
    """The last time of the day in a sentence; None where it has none."""
    found = list(_CLOCK.finditer(text[-400:]))
    return _clock(found[-1]) if found else None


def _clock(match: re.Match[str]) -> Clock | None:
    hours = _number(match["hours"])
    minutes = _PARTS.get(match["part"] or "", _number(match["digits"] or match["minutes"] or "0"))
    if hours is None or minutes is None or hours > 24 or minutes >= _HOUR:
        return None
    half = match["half"] or (match["latin"] or "").lower()[:1]
    if half and hours <= 12:
        hours = hours % 12 + (
            0 if half in _BEFORE_NOON or (half == "中午" and hours > 10 and hours < 12) else 12
        )
    return Clock(hours * _HOUR + minutes, bool(half) or hours > 12)


def _number(said: str) -> int | None:
    said = said.removeprefix("零")
    if said.isdecimal():
        return int(said)
    number = chinese_number(said)
    return None if number is None else int(number.value)
