"""One spelling for what is written in several ways: 根号5, ∞, ∅, 3∶4, 三比四, 周三, 零下5."""

from __future__ import annotations

import re

from factory.steps.judging.verifying.maths.numerals import chinese_number

_NUMERAL = r"[一二三四五六七八九十百千两零]{1,9}"
_ROOT = re.compile(
    rf"(?:√|(?:算术)?(?:平方)?根号下?)\s*(?:\(([^()]{{1,40}})\)|(\d+(?:\.\d+)?|[a-z]|{_NUMERAL}))"
)
_TIMES_ROOT = re.compile(r"(\d+)\s*倍的?(?=\\sqrt)")
_RATIO = re.compile(rf"(?<![\u4e00-\u9fff])({_NUMERAL}|\d+)比({_NUMERAL}|\d+)(?![\u4e00-\u9fff])")
_RATIO_BEHIND = re.compile(rf"(?<=[是为])({_NUMERAL}|\d+)比({_NUMERAL}|\d+)(?![\u4e00-\u9fff])")
_RATIO_IN_ENGLISH = re.compile(
    r"(\bratio\b[^.\n]{0,80}?\b(?:is|=|of)\s+)(\d+) to (\d+)(?![\d.]*\d)", re.IGNORECASE
)
_PLAIN = (
    (re.compile(r"\\(?:varnothing|emptyset)(?![A-Za-z])|[∅Ø⌀]"), "空集"),
    (re.compile(r"(?<!\\)∞|＋∞|\+∞"), r"\\infty "),
    (re.compile(r"\b(?:the\s+)?(?:empty|null) set\b", re.IGNORECASE), "空集"),
    (re.compile(r"(?<![A-Za-z])(?:negative|minus)\s+(?=[\d.$])(?<!\d minus )", re.IGNORECASE), "-"),
    (re.compile("[∶︰]"), ":"),
    (re.compile("≤|≦|⩽"), r"\\le "),
    (re.compile("≥|≧|⩾"), r"\\ge "),
    (re.compile("(?<![每一两]个)(?<![每一二两三四五六七八九十])(?:周|礼拜)(?=[一二三四五六日天])"), "星期"),
    (re.compile("星期日"), "星期天"),
    (re.compile(r"零下(?=\s*[\d一二三四五六七八九十两])"), "负"),
    (re.compile("一刻钟"), "15分钟"),
    (re.compile("三刻钟"), "45分钟"),
    (re.compile("俩(?:个)?"), "两个"),
    (re.compile("仨(?:个)?"), "三个"),
    (re.compile("廿"), "二十"),
    (re.compile("卅"), "三十"),
)


def spelled(text: str) -> str:
    """`text` with such words and signs in the one way that is read."""
    for pattern, by in _PLAIN:
        text = pattern.sub(by, text)
    text = _ROOT.sub(lambda found: rf"\sqrt{{{found[1] or _digits(found[2])}}}", text)
    text = _TIMES_ROOT.sub(r"\1", text)
    text = _RATIO_IN_ENGLISH.sub(r"\1\2:\3", text)
    for pattern in (_RATIO, _RATIO_BEHIND):
        text = pattern.sub(lambda found: f"{_digits(found[1])}:{_digits(found[2])}", text)
    return text


def _digits(said: str) -> str:
    number = None if said.isascii() else chinese_number(said)
    return said if number is None else str(number.value)
