"""Units of measure as they are written in English and Chinese: enough to see that two differ, nothing is converted."""

from __future__ import annotations

import re
from typing import NamedTuple

_TABLE = """
km: km kms kilometer kilometers kilometre kilometres 千米 公里
m: m meter meters metre metres 米
dm: dm 分米
cm: cm centimeter centimeters centimetre centimetres 厘米
mm: mm millimeter millimeters millimetre millimetres 毫米
mile: mile miles mi 英里
foot: foot feet ft 英尺
inch: inch inches 英寸
yard: yard yards yd yds 码
kg: kg kgs kilogram kilograms kilo kilos 千克 公斤
jin: 斤
g: g gram grams 克
mg: mg milligram milligrams 毫克
t: tonne tonnes ton tons 吨
pound: lb lbs 磅
ounce: oz ounce ounces 盎司
l: l liter liters litre litres 升
ml: ml milliliter milliliters millilitre millilitres 毫升
gallon: gallon gallons gal 加仑
s: s sec secs second seconds 秒 秒钟
min: min mins minute minutes 分钟
h: h hr hrs hour hours 小时 个小时 钟头
day: day days 天 日
week: week weeks 周 星期 个星期
month: month months 月 个月
year: year years yr yrs 年 岁
dollar: dollar dollars usd buck bucks 美元 美金
cent: cent cents ¢ 美分
euro: euro euros eur 欧元
sterling: gbp 英镑
yuan: yuan rmb cny 元 块 块钱 元钱 人民币
jiao: jiao 角 毛 毛钱
degree: degree degrees ° 度
celsius: °c celsius ℃ 摄氏度
m^2: m^2 m2 sqm 平方米 平米
cm^2: cm^2 cm2 平方厘米
dm^2: dm^2 dm2 平方分米
km^2: km^2 km2 平方千米 平方公里
foot^2: ft^2 ft2 平方英尺
m^3: m^3 m3 立方米
cm^3: cm^3 cm3 cc 立方厘米
dm^3: dm^3 dm3 立方分米
"""
_UNITS = {
    alias: name.strip()
    for name, aliases in (line.split(":", 1) for line in _TABLE.strip().splitlines())
    for alias in aliases.split()
}
SIGNS = {"$": "dollar", "US$": "dollar", "€": "euro", "£": "sterling", "¥": "yuan", "￥": "yuan"}
_LONG = {"square": "^2", "cubic": "^3", "sq": "^2", "cu": "^3"}
_WORDS = re.compile(r"\s*(°\s?[cC]|[A-Za-z]+(?:\^?[23])?(?![A-Za-z0-9])|[°¢℃]|[\u4e00-\u9fff]+)")
_PER = re.compile(r"\s*(?:/|per\b|an?\b|each\b|every\b|每)", re.IGNORECASE)


class Unit(NamedTuple):
    """A unit, "" where none is known, and what it is per, "" where it is per nothing known."""

    name: str = ""
    per: str = ""

    def differs(self, other: Unit) -> bool:
        """Whether the two cannot be one unit: both are known, and not the same."""
        return any(one and two and one != two for one, two in zip(self, other, strict=True))


def read_unit(text: str, sign: str = "") -> Unit:
    """The unit that the words behind a number begin with, or the sign before it says.

    Words that are no unit of measure, such as those of the things counted (apples, 个), are no unit.
    """
    name, at = (SIGNS[sign], 0) if sign in SIGNS else _unit_at(text, 0)
    if not name:
        return Unit()
    if not (per := _PER.match(text, at)):
        return Unit(name)
    return Unit(name, _unit_at(text, per.end())[0])


def _unit_at(text: str, at: int) -> tuple[str, int]:
    match = _WORDS.match(text, at)
    if match is None:
        return "", at
    word = match[1].replace(" ", "")
    if (power := _LONG.get(word.lower())) and (next_word := _WORDS.match(text, match.end())):
        name = _UNITS.get(next_word[1].lower(), "")
        return (name + power if name else ""), next_word.end()
    if "\u4e00" <= word[0] <= "\u9fff":
        # The longest unit that the words begin with: 平方米的地 is 平方米.
        for length in range(min(4, len(word)), 0, -1):
            if word[:length] in _UNITS:
                return _UNITS[word[:length]], match.start(1) + length
        return "", at
    return _UNITS.get(word.lower(), ""), match.end()
