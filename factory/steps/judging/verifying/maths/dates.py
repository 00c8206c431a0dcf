"""Days: March 5, the 5th of March 2024, 3月5日, 三月五号, 2024-02-29; and days of the week: Tuesday, 周二."""

from __future__ import annotations

import re
from typing import NamedTuple

from factory.steps.judging.verifying.maths.numerals import chinese_number

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
_N = r"\d{1,2}|[一二三四五六七八九十]{1,3}"
_DATE = re.compile(
    rf"(?:(?P<year1>\d{{4}}|[〇零一二三四五六七八九]{{4}})\s*年\s*)?(?<![\d一二三四五六七八九十])(?P<month1>{_N})\s*月\s*(?P<day1>{_N})\s*[日号]"
    r"|(?<!\d)(?P<year2>\d{4})(?P<mark>[-/.])(?P<month2>\d{1,2})(?P=mark)(?P<day2>\d{1,2})(?!\d)"
    rf"|\b(?P<month3>{_MONTH})\s+(?:the\s+)?(?P<day3>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<year3>\d{{4}})\b)?"
    rf"|(?<![\d.])(?P<day4>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month4>{_MONTH})(?:,?\s+(?P<year4>\d{{4}})\b)?"
)
_WEEKDAYS = {
    name: at
    for at, names in enumerate(
        (
            "monday mon 一 1",
            "tuesday tues tue 二 2",
            "wednesday wed 三 3",
            "thursday thurs thur thu 四 4",
            "friday fri 五 5",
            "saturday sat 六 6",
            "sunday sun 天 日 7",
        )
    )
    for name in names.split()
}
_WEEKDAY = re.compile(
    r"(?:星期|(?<![一二三四五六七八九十每个上下])(?:周|礼拜))\s*([一二三四五六天日])(?![个天周])"
    r"|\b((?:mon|tues|wednes|thurs|fri|satur|sun)day|(?-i:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat))\b\.?",
    re.IGNORECASE,
)
_VERB = re.compile(r"\b(?:is|be|on|until)\b|(?<!不)[是为]|[:：]")


class Date(NamedTuple):
    """A day of a year, 0 where none is said."""

    year: int
    month: int
    day: int

    def equals(self, other: Date) -> bool:
        """Whether the two may be one day: where one has no year, that of the other."""
        years = {self.year, other.year} - {0}
        return self[1:] == other[1:] and len(years) < 2


def read_date(text: str) -> Date | None:
    """The day that all of `text` says, with or without its day of the week; None where it says none."""
    match = _DATE.fullmatch(re.sub(rf"^{_WEEKDAY.pattern},?\s*", "", text.strip(" .。"), flags=re.IGNORECASE))
    return None if match is None else _date(match)


def named_date(phrase: str) -> Date | None:
    """The day that a final answer says: that behind its last verb, or the one it begins with, or its last."""
    phrase = phrase[-400:]
    *_, result = _VERB.split(phrase)
    for text in (result, phrase):
        if found := list(_DATE.finditer(text)):
            return _date(
                found[0] if text is result or not phrase[: found[0].start()].strip(" *") else found[-1]
            )
    return None


def _date(match: re.Match[str]) -> Date | None:
    year, month, day = (
        next((said for at in "1234" if (said := match.groupdict().get(f"{part}{at}"))), "0")
        for part in ("year", "month", "day")
    )
    if month[0].isalpha() and month.isascii():
        numbers = [_number(year), _MONTHS.index(month[:3]) + 1, _number(day)]
    else:
        numbers = [_number(year), _number(month), _number(day)]
    if any(number is None for number in numbers):
        return None
    date = Date(*(number or 0 for number in numbers))
    return date if 1 <= date.month <= 12 and 1 <= date.day <= 31 else None


def _number(said: str) -> int | None:
    if said.isascii():
        return int(said)
    number = chinese_number(said)
    return None if number is None else int(number.value)


def read_weekday(text: str) -> int | None:
    """The day of the week that all of `text` says, 0 for Monday; None where it says none."""
    match = _WEEKDAY.fullmatch(text.strip(" .。"))
    return None if match is None else _WEEKDAYS[(match[1] or match[2]).lower()]


def named_weekday(phrase: str) -> int | None:
    """The one day of the week in a final answer, or the one behind its last verb; None where that is not told."""
    if re.search(r"不[是为会]|\bnot\b|n't\b", phrase):
        return None
    if re.search(r"不[是为会]|\bnot\b|n't\b", phrase):
        return None
    *_, result = _VERB.split(phrase)
    for text in (phrase, result):
        days = {_WEEKDAYS[(one or two).lower()] for one, two in _WEEKDAY.findall(text)}
        if len(days) == 1:
            return days.pop()
    return None
