"""Units of measure as they are written in English and Chinese, and how many of one make another."""

from __future__ import annotations

import re
from fractions import Fraction
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
fen: 分钱
degree: degree degrees ° 度
celsius: °c celsius ℃ 摄氏度
m^2: m^2 m2 sqm 平方米 平米
cm^2: cm^2 cm2 平方厘米
dm^2: dm^2 dm2 平方分米
km^2: km^2 km2 平方千米 平方公里
foot^2: ft^2 ft2 平方英尺
hectare: ha hectare hectares 公顷
mu: 亩
m^3: m^3 m3 立方米
cm^3: cm^3 cm3 cc 立方厘米
dm^3: dm^3 dm3 立方分米
"""
_UNITS = {
    alias: name.strip()
    for name, aliases in (line.split(":", 1) for line in _TABLE.strip().splitlines())
    for alias in aliases.split()
}
# Of each kind the units that make each other, and how many of the first each is.
_KINDS = (
    "m 1 km 1000 dm 1/10 cm 1/100 mm 1/1000",
    "inch 1 foot 12 yard 36 mile 63360",
    "g 1 kg 1000 mg 1/1000 t 1000000 jin 500",
    "ounce 1 pound 16",
    "l 1 ml 1/1000 m^3 1000 dm^3 1 cm^3 1/1000",
    "s 1 min 60 h 3600 day 86400 week 604800",
    "month 1 year 12",
    "dollar 1 cent 1/100",
    "yuan 1 jiao 1/10 fen 1/100",
    "m^2 1 km^2 1000000 dm^2 1/100 cm^2 1/10000 hectare 10000",
)
_SIZES = {
    name: (kind, Fraction(size))
    for kind, line in enumerate(_KINDS)
    for name, size in zip(line.split()[::2], line.split()[1::2], strict=True)
}
# What a unit is per, said before the number (每小时行60千米) or behind (60千米/时).
_TIMES = {
    "小时": "h",
    "时": "h",
    "分钟": "min",
    "分": "min",
    "秒钟": "s",
    "秒": "s",
    "天": "day",
    "日": "day",
}
_EACH = re.compile(rf"每(?:一|个)?({'|'.join(_TIMES)})[^\d\s,，。;；]{{0,8}}$")
SIGNS = {"$": "dollar", "US$": "dollar", "€": "euro", "£": "sterling", "¥": "yuan", "￥": "yuan"}
_LONG = {"square": "^2", "cubic": "^3", "sq": "^2", "cu": "^3"}
_WORDS = re.compile(r"\s*(°\s?[cC]|[A-Za-z]+(?:\^?[23])?(?![A-Za-z0-9])|[°¢℃]|[\u4e00-\u9fff]+)")
_PER = re.compile(r"\s*(?:/|per\b|an?\b|each\b|every\b|每)", re.IGNORECASE)


class Unit(NamedTuple):
    """A unit, "" where none is known, and what it is per, "" where it is per nothing known."""

    name: str = ""
    per: str = ""

    def many(self, other: Unit) -> Fraction | None:
        """How many of `other` one of these is: 1 where either is unknown, None where they cannot be one another."""
        above, below = _many(self.name, other.name), _many(self.per, other.per)
        return None if above is None or below is None else above / below


def _many(one: str, two: str) -> Fraction | None:
    if one == two or not one or not two:
        return Fraction(1)
    (kind, size), (other, by) = (_SIZES.get(name, (name, Fraction(1))) for name in (one, two))
    return size / by if kind == other else None


def per_before(text: str) -> str:
    """The time that the words before a number say it is in: h of 每小时行, "" where they say none."""
    found = _EACH.search(text[-16:])
    return _TIMES[found[1]] if found else ""


def is_unit(word: str) -> bool:
    """Whether a word is a unit and nothing else."""
    return word.lower() in _UNITS or word in _TIMES


def smaller(one: str, two: str) -> Fraction | None:
    """How many of the unit `one` one of `two` is, where it is a smaller one of its kind that may stand behind it."""
    size = _many(two, one)
    return size if size is not None and size < 1 and one and two else None


def read_unit(text: str, sign: str = "") -> Unit:
    """The unit that the words behind a number begin with, or the sign before it says.

    Words that are no unit of measure, such as those of the things counted (apples, 个), are no unit.
    """
    name, at = (SIGNS[sign], 0) if sign in SIGNS else _unit_at(text, 0)
    if not name:
        return Unit()
    if not (per := _PER.match(text, at)):
        return Unit(name)
    time = re.match("小时|分钟|秒钟|[时分秒天日]", text[per.end() :])
    return Unit(name, _TIMES[time[0]] if time else _unit_at(text, per.end())[0])


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
