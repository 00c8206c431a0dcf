"""Telephone numbers: Chinese mobile and landline numbers, North American ones, and others with their country's code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.steps.clean.rules.secrets.examples import EXAMPLE_PHONES
from factory.steps.clean.rules.secrets.hit import Hit, digits_of, has_number, is_filler, plain

# Letters and digits of ASCII alone: in Chinese a number stands between characters without a space.
_BEFORE = r"(?<![A-Za-z0-9_.+-])"
_AFTER = r"(?![A-Za-z0-9_]|[.,-][0-9])"
_SEGMENT = r"1(?:3[0-9]|4[5-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])"
_AREA = r"0(?:10|2[0-57-9]|[3-9][0-9]{2})"
# Codes of countries (ITU-T E.164).
_COUNTRY = (
    r"(?:1|7|2[07]|3[0123469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-689][0-9]|3[578][0-9]|42[0-9]|5[09][0-9]"
    r"|6[7-9][0-9]|8[058][0-9]|9[679][0-9])"
)
_MOBILE = re.compile(
    r"(?<![A-Za-z0-9_.+=*/^$¥€£#-])(?<![A-Za-z_]\()(?:(?:\+|00)?86[- ]?)?"
    rf"{_SEGMENT}([- ]?)[0-9]{{4}}\1[0-9]{{4}}{_AFTER}"
)
_LANDLINE = re.compile(
    rf"{_BEFORE}(?:\+86[- ]?)?(?:[(（]{_AREA}[)）][- ]?|{_AREA}[- ])[2-9][0-9]{{2,3}}[- ]?[0-9]{{4}}{_AFTER}"
)
_NANP = re.compile(
    rf"{_BEFORE}(?:\+?1[-. ])?(?:\([2-9][0-9]{{2}}\)[-. ]?[2-9][0-9]{{2}}[-. ]|[2-9][0-9]{{2}}([-.])[2-9][0-9]{{2}}\1)"
    rf"[0-9]{{4}}{_AFTER}"
)
_WORLD = re.compile(rf"(?<![A-Za-z0-9_+.)])\+{_COUNTRY}(?:[ .-]?\(?[0-9]{{1,5}}\)?){{2,6}}(?![A-Za-z0-9_])")
_TOLD = re.compile(
    r"(?:(?<![a-z])(?:tel|telephone|phone|mobile|cell|fax|whatsapp"
    r"|(?:call|contact|text|reach)(?: me| us)?(?: at| on)?)\.?"
    r"|电话|手机|联系方式|热线|传真|致电|手机号|电话号)(?:号码?)?(?: number)?(?: is|是|为)?\s{0,2}[:：]?\s{0,2}"
    r"(\+?[0-9](?:[ ().-]{0,2}[0-9]){6,13})(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_UNITS = re.compile(
    r"\s{0,2}(?:元|美元|人|米|公里|千米|吨|万|亿|%|dollars|people|km\b|kg\b|years|[+*/^=×÷<>]|-\s)"
)
_SUMS = re.compile(r"[+*/^=×÷<>$¥€£-]\s{1,2}\Z")
_TOLL_FREE = re.compile(r"1?8(?:00|33|44|55|66|77|88)|1?900|[48]00")


def find_phones(text: str) -> Iterator[Hit]:
    """Each telephone number, in the order of the text.

    With an area's or a country's code and signs between, or eleven digits of a Chinese mobile number; bare digits
    count behind a word such as "phone" or 电话 alone. Told apart: toll-free and premium numbers (800, 400), which are
    no person's; North American numbers with 555; runs such as 12345678; what a sum or a unit stands beside.
    """
    text = plain(text)
    if not has_number(text):
        return
    found: list[Hit] = []
    for pattern, group, kind in (
        (_MOBILE, 0, "phone_cn"),
        (_LANDLINE, 0, "phone_cn"),
        (_NANP, 0, "phone_us"),
        (_WORLD, 0, "phone"),
        (_TOLD, 1, "phone"),
    ):
        for match in pattern.finditer(text):
            start, end = match.span(group)
            if any(start < hit.end and hit.start < end for hit in found):
                continue
            if _plausible(match[group], kind) and not (
                _UNITS.match(text, end) or _SUMS.search(text, max(0, start - 3), start)
            ):
                found.append(Hit(start, end, kind))
    yield from sorted(found)


def _plausible(written: str, kind: str) -> bool:
    digits = digits_of(written)
    if kind == "phone_cn" or (len(digits) == 11 and re.match(_SEGMENT, written)):
        own = digits.removeprefix("00").removeprefix("86") if len(digits) > 11 else digits
        return own not in EXAMPLE_PHONES and not is_filler(own) and len(set(own)) > 2
    if not 7 <= len(digits) <= 15 or is_filler(digits, 7) or len(set(digits)) < 3 or _TOLL_FREE.match(digits):
        return False
    north_american = kind == "phone_us" or len(digits) == 10 or (len(digits) == 11 and digits[0] == "1")
    own = digits[-10:]
    # NANP: no area's code ends in 11, and 555 is kept for fiction.
    return not (
        north_american and (own[3:6] == "555" or own[:3] == "555" or own[1:3] == "11" or own[4:6] == "11")
    )
