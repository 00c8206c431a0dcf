"""Numbers in Chinese: 三分之一, 百分之二十, 八折, 一万二千, 三点一四, 2.5万, 一个半, 壹佰."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

_DIGITS: dict[str, int] = dict(zip("零〇一二三四五六七八九", (0, 0, *range(1, 10)), strict=True)) | {
    "两": 2,
    "幺": 1,
}
# The forms of bills, and the traditional ones, as the plain ones.
_PLAIN = str.maketrans(
    "壹贰叁肆伍陆柒捌玖拾佰仟萬億兩贰貳參陸負點", "一二三四五六七八九十百千万亿两二二三六负点"
)
_D = "[一二三四五六七八九两]"
_SECTION = re.compile(
    rf"(?:(?P<thousands>{_D})千)?(?:(?P<zero2>零)?(?P<hundreds>{_D})百)?"
    rf"(?:(?P<zero1>零)?(?P<tens>{_D}?)十)?(?:(?P<zero0>零)?(?P<ones>{_D}))?"
)
_LARGE = {"亿": 10**8, "万": 10**4}
_SCALES = {"万亿": 10**12, "千亿": 10**11, "百亿": 10**10, "十亿": 10**9, "亿": 10**8} | {
    "千万": 10**7,
    "百万": 10**6,
    "十万": 10**5,
    "万": 10**4,
    "千": 1000,
    "百": 100,
}
_MIXED = re.compile(rf"(\d{{1,15}}(?:\.\d{{1,15}})?)({'|'.join(_SCALES)})")
MEASURES = "个小时分天年月斤米元块倍度杯箱张条只本人次份吨"
"""What may stand before the half of 一个半 and 两吨半."""
_MEASURE = f"[{MEASURES}]"
CHARACTERS = "零〇一二三四五六七八九两幺十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟萬億兩貳參陸半成"
"""What a number in Chinese is written with, "分之", "点" and "负" beside."""


class ChineseNumber(NamedTuple):
    """A number, and whether it was said in hundredths (百分之, 成, 折)."""

    value: Fraction
    percent: bool = False


def chinese_number(said: str) -> ChineseNumber | None:
    """The number that all of `said` is, as it is spoken or with digits before 万 and 亿; else None.

    Without unit: the "个" of "一个半" is all that may stand within it.
    """
    text = re.sub(r"\s", "", said).translate(_PLAIN)
    if not text or len(text) > 60:
        return None
    if text[0] == "负":
        found = chinese_number(text[1:])
        return None if found is None else ChineseNumber(-found.value, found.percent)
    if text.startswith("百分之"):
        value = _decimal(text[3:])
        return None if value is None else ChineseNumber(value / 100, True)
    if match := re.fullmatch(rf"({_D}|十)成({_D}|半)?", text):
        rest = Fraction(1, 2) if match[2] == "半" else Fraction(_DIGITS.get(match[2] or "零", 0))
        tenths = 10 if match[1] == "十" else _DIGITS[match[1]]
        return ChineseNumber((tenths + rest / 10) / 10, True)
    if text.endswith("折"):
        # 八折 is 80 % of the price, 八五折 85 %.
        price = _decimal(text[:-1])
        return None if price is None else ChineseNumber(price / (10 if price < 10 else 100), True)
    value = _fraction(text) if "分之" in text else _decimal(text)
    return None if value is None else ChineseNumber(value)


def _fraction(text: str) -> Fraction | None:
    """二分之一, 千分之五, 三又四分之一 (also with digits: 3又4分之1)."""
    whole, has_whole, rest = text.rpartition("又")
    below, _, above = rest.partition("分之")
    below = {"十": "一十", "百": "一百", "千": "一千", "万": "一万"}.get(below, below)
    parts = [_decimal(part) for part in ([whole] if has_whole else []) + [below, above]]
    if any(part is None for part in parts):
        return None
    *first, denominator, numerator = [part for part in parts if part is not None]
    return None if denominator == 0 else sum(first, numerator / denominator)


def _decimal(text: str) -> Fraction | None:
    """An amount with or without digits after the point, or a half."""
    if re.fullmatch(r"\d{1,30}(?:\.\d{1,30})?", text):
        return Fraction(text)
    if text in ("半", "一半"):
        return Fraction(1, 2)
    if match := re.fullmatch(rf"(.+?){_MEASURE}?半", text):
        whole = _decimal(match[1])
        return None if whole is None else whole + Fraction(1, 2)
    before, point, after = text.partition("点")
    if not point:
        return _amount(text)
    tail = re.fullmatch(r"([零〇一二三四五六七八九]{1,20})(万亿|亿|万|千)?", after)
    whole = _whole(before)
    if tail is None or whole is None:
        return None
    digits = "".join(str(_DIGITS[one]) for one in tail[1])
    return (whole + Fraction(int(digits), 10 ** len(digits))) * _SCALES.get(tail[2] or "", 1)


def _amount(text: str) -> Fraction | None:
    """A whole number in words, or in digits before 万 and the like ("1万2千", "2.5亿")."""
    if not text[:1].isascii():
        return _whole(text)
    total, last = Fraction(0), None
    at = 0
    while match := _MIXED.match(text, at):
        scale = _SCALES[match[2]]
        if last is not None and scale >= last:
            return None
        total, last, at = total + Fraction(match[1]) * scale, scale, match.end()
    rest = text[at:]
    if last is None or not rest:
        return total if last is not None else None
    return total + int(rest) if rest.isdecimal() and rest.isascii() and int(rest) < last else None


def _whole(text: str) -> Fraction | None:
    """A whole number in words: by places (一万二千), or digit by digit (二〇二四)."""
    if len(text) > 1 and all(one in _DIGITS for one in text) and "两" not in text:
        return Fraction(int("".join(str(_DIGITS[one]) for one in text)))
    if text in ("零", "〇"):
        return Fraction(0)
    found = _places(text.replace("〇", "零"))
    return None if found is None else Fraction(found)


def _places(text: str) -> int | None:
    for name, scale in _LARGE.items():
        # 万亿 is 10^12: what stands before the last 亿 is an amount of its own.
        before, there, after = text.rpartition(name)
        if not there:
            continue
        above = _places(before)
        if above is None:
            return None
        if not after:
            return above * scale
        if after in _DIGITS and after not in "零":
            return above * scale + _DIGITS[after] * scale // 10
        below = _places(after.removeprefix("零"))
        return None if below is None or below >= scale else above * scale + below
    return _section(text)


def _section(text: str) -> int | None:
    """A whole number below ten thousand."""
    match = _SECTION.fullmatch(text)
    if not text or match is None:
        return None
    thousands, hundreds, tens, ones = (
        None if match[place] is None else _DIGITS.get(match[place], 1)
        for place in ("thousands", "hundreds", "tens", "ones")
    )
    last = 0 if ones is None else ones
    # 三百五 is 350 as it is spoken, 三千五 3500; 三百零五 has its zero.
    if ones is not None and match["zero0"] is None and tens is None:
        last *= 10 if hundreds is not None else 100 if thousands is not None else 1
    return (thousands or 0) * 1000 + (hundreds or 0) * 100 + (tens or 0) * 10 + last
