"""Responses to mathematical tasks in Chinese whose final answer is right or wrong, written from numbers by a seed."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import NamedTuple

_DIGITS = "零一二三四五六七八九"


class Answered(NamedTuple):
    """A response, the reference, and whether the response comes to it."""

    reference: str
    response: str
    right: bool


def in_words(number: int) -> str:
    """A whole number from 0 to below 10^12, as Chinese says it."""
    if number < 10:
        return _DIGITS[number]
    for scale, name in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if number >= scale:
            above, below = divmod(number, scale)
            head = "" if scale == 10 and above == 1 else in_words(above)
            gap = "零" if 0 < below < scale // 10 else ""
            return head + name + gap + (in_words(below) if below else "")
    raise AssertionError(number)


def _spoken(value: Fraction) -> str:
    if value.denominator == 1:
        return in_words(value.numerator)
    return f"{in_words(value.denominator)}分之{in_words(value.numerator)}"


def _forms(value: Fraction, draw: random.Random) -> str:
    """One of the ways to write a number."""
    if value.denominator > 1:
        ways = [
            _spoken(value),
            f"{value.numerator}/{value.denominator}",
            rf"$\frac{{{value.numerator}}}{{{value.denominator}}}$",
        ]
        return draw.choice(ways)
    number = value.numerator
    ways = [
        str(number),
        f"{number:,}",
        in_words(number),
        "".join(chr(ord(one) + 0xFEE0) for one in str(number)),
    ]
    if number >= 10**4 and number % 100 == 0:
        ways.append(f"{number / 10**4:g}万")
    return draw.choice(ways)


_UNITS = ("元", "千米", "个", "小时", "棵", "平方米", "本", "只", "岁", "")
_ENDS = (
    "答：一共有{answer}{unit}。",
    "所以答案是{answer}{unit}。",
    "因此，最后的结果为{answer}{unit}",
    "**答案：{answer}{unit}**",
    "故答案为：{answer}{unit}。",
    "综上，小明要付的就是{answer}{unit}。",
    "最终答案是 \\boxed{{{boxed}}}。",
    "#### {answer}",
)


def made_answers(count: int, seed: int = 0) -> list[Answered]:
    """So many responses, half of them right."""
    draw = random.Random(seed)
    made = []
    for at in range(count):
        value = draw.choice(
            (
                Fraction(draw.randrange(2, 100)),
                Fraction(draw.randrange(100, 10**6)),
                Fraction(draw.randrange(2, 5000) * 100),
                Fraction(draw.randrange(1, 9), draw.randrange(2, 12)),
            )
        )
        wrong = value + draw.choice((1, 2, 10)) if draw.random() < 0.7 else value * 10
        right = at % 2 == 0
        unit = draw.choice(_UNITS)
        answer = _forms(value if right else wrong, draw)
        steps = f"先算第一步：{draw.randrange(2, 9)}×{draw.randrange(2, 9)}，再把各部分加起来。\n"
        end = draw.choice(_ENDS).format(answer=answer, boxed=answer.strip("$"), unit=unit)
        reference = _forms(value, draw) + (unit if draw.random() < 0.5 else "")
        made.append(Answered(reference, steps + end, right))
    return made
