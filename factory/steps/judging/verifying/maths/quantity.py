"""A number with its unit, as a final answer says it, and when two of them are the same.

Equal are two that are the same amount: 5 km is 5000 m, 2小时30分 is 2.5 hours and 150 minutes. Where one has no unit,
the numbers must be equal. A percent sign may be left out: 20 % equals 20, and 0.2. Numbers are compared as fractions,
exactly. Only where one has no end as a decimal (1/3) and the other is a decimal, that one may be rounded, to four
digits or more.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import NamedTuple

from factory.steps.judging.verifying.maths.numerals import CHARACTERS, MEASURES, chinese_number
from factory.steps.judging.verifying.maths.units import SIGNS, Unit, is_unit, per_before, read_unit, smaller

FEWEST_DIGITS = 4
"""Digits, from the first that is not 0, of a decimal that may stand for a fraction without end."""
_MOST = 400
_SIGN = "|".join(re.escape(one) for one in sorted(SIGNS, key=len, reverse=True))
_WHOLE = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d{1,60})"
_NUMBER = (
    rf"(?P<mixed>{_WHOLE}(?:\s+|又)\d{{1,9}}\s?/\s?\d{{1,9}})|(?P<fraction>{_WHOLE}\s?/\s?{_WHOLE}(?!\.?\d))"
    rf"|(?P<decimal>{_WHOLE}(?:\.\d{{1,60}})?|\.\d{{1,60}})"
    r"(?:\s?(?:[x×*]|\\times|\\cdot)\s?10\s?\^\s?\{?(?P<power>[+-]?\d{1,2})\}?|[eE](?P<exponent>[+-]?\d{1,2})(?![A-Za-z]))?"
)
# 3千克 is three kilograms; 成 and 折 are tenths behind a numeral alone.
_PLAIN = "".join(sorted(set(CHARACTERS) - set("千成")))
_TENTHS = r"(?<=[一二三四五六七八九十])成(?![为功绩本人立])|(?<=[一二三四五六七八九\d])折(?![叠线断成扇])"
_C = rf"(?:[{_PLAIN}]|千(?![米克瓦])|{_TENTHS})"
_HAN = (
    rf"(?P<han>(?=[\d.]*(?:{_C}|[负又]|分之|[{MEASURES}]半))负?(?:{_C}|分之|[点又\d.]|[{MEASURES}](?=半(?![径球圆年])))*(?:{_C}|\d))"
    r"(?![\d.]*\d|又?\d*\s?/\s?\d)"
)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SCALE = rf"(?:\s*(?P<scale>{'|'.join(_SCALES)})\b)?"
_PERCENT = r"(?:\s*(?P<percent>%|％|percent\b|per cent\b|个百分点)|(?P<thousandths>‰))?"
_QUANTITY = re.compile(
    rf"(?P<minus>[-−–]\s?)?(?P<sign>{_SIGN})?\s?(?P<minus2>[-−–])?"
    rf"(?:{_HAN}|(?:{_NUMBER})(?:(?P<wan>[万亿]|百万|千万)(?!一))?){_SCALE}{_PERCENT}",
    re.IGNORECASE,
)
_HALF = re.compile(rf"([{MEASURES.replace('个', '')}])半$")
# Words that begin with a numeral and are no number.
_NO_NUMBER = re.compile(
    r"一(?=[共起样些定般直旦致切边律同方只下])|(?<=[第统唯之同专万每另某任])一|十分(?!之)|千万(?=别|不|要)|半(?=径|年|球|圆|天)|百分比"
)
_LATEX = (
    (re.compile(r"\\[dtc]?frac\s*\{([^{}]{1,60})\}\s*\{([^{}]{1,60})\}"), r" \1/\2 "),
    (re.compile(r"\\[dtc]?frac\s*(\d)\s*(\d)"), r" \1/\2 "),
    (re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|operatorname)\s*\{([^{}]{0,80})\}"), r" \1 "),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?"), "°"),
    (re.compile(r"\s*\^\s*\{?([23])\}?(?!\d)"), r"^\1"),
    (re.compile(r"\\left|\\right|\\displaystyle|\\boldsymbol"), ""),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[!,;:\s]|~|\\quad"), " "),
    (re.compile(r"\\([%$&#])"), r"\1"),
    (re.compile(r"\\[()\[\]]"), " "),
)
_MARKS = re.compile(r"\*\*|__|`|\$(?!\s?[-.\d])|(?<=[\d%})])\$")
_RAISED = re.compile("[⁻⁺]?[⁰¹²³⁴-⁹]+")
# Yuan and a tenth of it behind: 七块五, 3元5角; not 3块5元, which are three things.
_JIAO = re.compile(
    r"((?<![\d.])\d{1,9}(?=[元块]\d)|[零一二三四五六七八九十百千两]{1,9}(?=[元块][一二三四五六七八九]))([元块])"
    r"(\d|[一二三四五六七八九])(?:[角毛](?:钱|整)?(?![一二三四五六七八九\d])|(?=\s*(?:[，。,.;；！!)）]|钱|$)))"
)
_POWER = re.compile(r"10\s*\^\s*\{?\s*([+-]?\d{1,2})\s*\}?")
# 时 and 分 are hours and minutes where a smaller unit follows.
_CLOCK_HOUR = re.compile(
    r"\s*时(?=\s*(?:零)?[\d一二三四五六七八九十]+\s*分)|\s*分(?=\s*[\d一二三四五六七八九十]+\s*秒)"
)
_FURTHER = re.compile(
    r"\s*(?P<own>[A-Za-z\u4e00-\u9fff]{1,9}?)(?P<joined>\s*(?:又|零|and\b|,)?\s*)"
    r"(?P<number>(?:(?P<digits>\d{1,9}(?:\.\d{1,9})?)|(?P<han>[一二三四五六七八九十两]{1,5})))\s*(?=(?P<rest>[A-Za-z\u4e00-\u9fff]\S{0,8}))"
)
_JOINED_BY_AND = ("h", "min", "day", "foot", "pound", "dollar")
_DOLLARS = re.compile(r"\$([^$\n]{1,200})\$")


class Quantity(NamedTuple):
    """A number and what is said of it.

    digits: how many digits a decimal has from the first that is not 0; 0 where it has no decimal point
    said: as it was written
    """

    value: Fraction
    percent: bool = False
    unit: Unit = Unit()
    digits: int = 0
    said: str = ""

    def equals(self, other: Quantity) -> bool:
        """Whether the two are the same by the rule above."""
        many = self.unit.many(other.unit)
        if many is None:
            return False
        if many != 1:
            return _same(self._replace(value=self.value * many, digits=0), other)
        if self.percent == other.percent:
            return _same(self, other)
        whole = other._replace(value=other.value * (100 if other.percent else Fraction(1, 100)))
        return _same(self, other) or _same(self, whole)


def _same(one: Quantity, two: Quantity) -> bool:
    if one.value == two.value:
        return True
    for exact, rounded in ((one, two), (two, one)):
        if _ends(exact.value) or rounded.digits < FEWEST_DIGITS:
            continue
        places = _places(rounded)
        if round(exact.value * 10**places) == rounded.value * 10**places:
            return True
    return False


def _ends(value: Fraction) -> bool:
    """Whether a number has finitely many digits as a decimal."""
    below = value.denominator
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    return below == 1


def _places(decimal: Quantity) -> int:
    """After how many digits behind the point a decimal ends."""
    below, places = decimal.value.denominator, 0
    while below > 1 and 10**places % below:
        places += 1
    # Zeros at its end were digits too.
    value = abs(decimal.value)
    whole = len(str(int(value))) if value >= 1 else 0
    return max(places, decimal.digits - whole)


def powers(text: str) -> str:
    """`text` with raised digits as LaTeX has them: 10² as 10^{2}."""
    return _RAISED.sub(lambda found: f"^{{{unicodedata.normalize('NFKC', found[0])}}}", text)


def plain(text: str) -> str:
    """`text` with full-width characters, markdown and simple LaTeX of numbers plainly, and 七块五 as 七点五块."""
    text = powers(text)
    text = unicodedata.normalize("NFKC", text.replace("\\[", " ").replace("\\]", " ")).replace("⁄", "/")
    for pattern, by in _LATEX:
        text = pattern.sub(by, text)
    text = _DOLLARS.sub(r" \1 ", text)
    text = _JIAO.sub(
        lambda found: f"{found[1]}{'.' if found[3].isdecimal() else '点'}{found[3]}{found[2]}", text
    )
    return " ".join(_MARKS.sub("", text).split())


def read_quantity(text: str) -> Quantity | None:
    """The number that `text` is, with its unit and whatever words stand behind; None where it is none.

    Before the number may stand "x =", "about" no: what is not sure is no number.
    """
    text = plain(text[:_MOST]).strip(" .。,，;；:：!！")
    text = re.sub(r"^[A-Za-z]\w?\s*=\s*", "", text)
    if power := _POWER.fullmatch(text):
        return Quantity(Fraction(10) ** int(power[1]), said=text)
    match = _QUANTITY.match(text)
    if match is None or _NO_NUMBER.match(text):
        return None
    whole, end = _whole_quantity(match, text)
    rest = text[end:]
    # More numbers, or an operator, make it something else: a list, a formula, a sentence.
    if re.match(r"\s*[-+*/^=<>×÷√\\(\[{_:π]", rest) or quantities_in(_units_out(rest)):
        return None
    if re.match(r"[A-Za-z]\b", rest) and read_unit(rest).name == "":
        return None
    return whole


def _units_out(rest: str) -> str:
    return re.sub(r"[a-z]\^?[23](?!\d)", "", rest)


def quantities_in(text: str) -> list[Quantity]:
    """All numbers in a sentence, in order; those in Chinese words only where there are none in digits."""
    text = plain(text)
    found, at = [], 0
    for match in _QUANTITY.finditer(text):
        if match.start() < at or _part_of_formula(match, text):
            continue
        quantity, at = _whole_quantity(match, text)
        if quantity is not None:
            found.append((match, quantity))
    in_digits = [quantity for match, quantity in found if re.search(r"\d", match[0])]
    if in_digits:
        return in_digits
    no_number = {match.start() for match in _NO_NUMBER.finditer(text)}
    return [quantity for match, quantity in found if match.start() not in no_number]


def _part_of_formula(match: re.Match[str], text: str) -> bool:
    """Whether a number is a power (cm^2), under a root, or before one or a letter of mathematics (2√3, 2π)."""
    before, after = text[max(0, match.start() - 8) : match.start()], text[match.end() : match.end() + 6]
    power = before.endswith(("^", "^{")) or re.search(r"(?<![A-Za-z])(?:[cdkm]?m|ft|in)$", before)
    return bool(
        power or re.search(r"(?:√|sqrt)\s*[({]?$", before) or re.match(r"\s*(?:√|\\sqrt|π|\\pi)", after)
    )


def _whole_quantity(match: re.Match[str], text: str) -> tuple[Quantity | None, int]:
    """The number that was matched with the smaller units behind it, and where it ends: 2小时30分, 5 feet 3 inches."""
    first, end = _quantity(match, text), match.end()
    if first is None:
        return None, end
    head = _CLOCK_HOUR.match(text, end)
    unit = "h" if head and head[0][0] == "时" else "min" if head else first.unit.name
    whole = first if head is None else first._replace(unit=Unit(unit))
    while more := _FURTHER.match(text, end):
        says = read_unit(more["rest"][:8]).name or ("分" if more["rest"].startswith("分") else "")
        if says == "分":
            says = "min" if unit == "h" else "fen" if unit in ("yuan", "jiao") else ""
        if unit == "foot" and re.match(r"in\b", more["rest"]):
            says = "inch"  # by itself a word that is no unit
        size = smaller(unit, says)
        number = Fraction(more["digits"]) if more["digits"] else _spoken(more["han"])
        joined = more["joined"].strip() not in ("and", ",") or unit in _JOINED_BY_AND
        if size is None or number is None or not joined or not is_unit(more["own"]):
            break
        whole = whole._replace(value=whole.value + (-1 if whole.value < 0 else 1) * number * size, digits=0)
        end, unit = more.end("number"), says
    if whole is not first and end > match.end():
        return whole._replace(said=text[match.start() : end]), end
    return first, match.end()


def _spoken(said: str) -> Fraction | None:
    number = chinese_number(said)
    return None if number is None else number.value


def _quantity(match: re.Match[str], text: str) -> Quantity | None:
    negative = (bool(match["minus"]) and not _takes_away(match, text)) != bool(match["minus2"])
    percent, digits = bool(match["percent"]), 0
    value: Fraction | None
    if match["han"]:
        number = chinese_number(match["han"])
        if number is None:
            return None
        value, percent = number.value, percent or number.percent
        if match["percent"]:
            value /= 100
    else:
        value, digits = _arabic(match)
        if value is None:
            return None
        if match["wan"]:
            value *= {"万": 10**4, "亿": 10**8, "百万": 10**6, "千万": 10**7}[match["wan"]]
        if match["percent"]:
            value /= 100
    if match["scale"]:
        value *= _SCALES[match["scale"].lower()]
    if match["thousandths"]:
        value /= 1000
    half = _HALF.search(match["han"] or "")
    unit = read_unit(
        (half[1] if half else "") + text[match.end() : match.end() + 40], (match["sign"] or "").upper()
    )
    if half and half[1] == "分":
        unit = Unit("min")
    if unit.name and not unit.per:
        unit = Unit(unit.name, per_before(text[: match.start()]))
    return Quantity(-value if negative else value, percent, unit, digits, match[0].strip())


def _takes_away(match: re.Match[str], text: str) -> bool:
    """Whether a minus stands between two numbers or letters ("5-3", "x - 3") rather than before one ("is -3")."""
    before = text[: match.start()]
    if before.endswith(" "):
        return match["minus"].endswith(" ") and bool(re.search(r"[0-9)]\s*$", before))
    return bool(re.search(r"[0-9A-Za-z)]$", before))


def _arabic(match: re.Match[str]) -> tuple[Fraction | None, int]:
    """The number in digits that was matched, and how many digits of a decimal."""
    if match["mixed"]:
        whole, rest = re.split(r"\s+|又", match["mixed"], maxsplit=1)
        above, below = (int(part) for part in rest.split("/"))
        return (Fraction(int(whole.replace(",", ""))) + Fraction(above, below) if below else None), 0
    if match["fraction"]:
        above, below = (int(part.replace(",", "")) for part in match["fraction"].split("/"))
        return (Fraction(above, below) if below else None), 0
    said = match["decimal"].replace(",", "")
    power = int(match["power"] or match["exponent"] or 0)
    digits = len(said.replace(".", "").lstrip("0")) if "." in said else 0
    return Fraction(said) * Fraction(10) ** power, digits
