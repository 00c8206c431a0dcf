"""Numbers in Chinese."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_chinese_answers import in_words

from factory.steps.judging.verifying.maths.numerals import chinese_number

SAID = {
    "十": 10,
    "二十": 20,
    "一百一十": 110,
    "三百五": 350,
    "三百零五": 305,
    "三千五": 3500,
    "一万二": 12000,
    "一万二千": 12000,
    "一万零二": 10002,
    "一亿零三百万": 103_000_000,
    "两千零二": 2002,
    "二〇二四": 2024,
    "壹佰贰拾": 120,
    "2.5万": 25000,
    "1万2千": 12000,
    "三点五万": 35000,
    "负三": -3,
    "半": Fraction(1, 2),
    "一个半": Fraction(3, 2),
    "3个半": Fraction(7, 2),
    "三分之一": Fraction(1, 3),
    "5分之2": Fraction(2, 5),
    "千分之五": Fraction(1, 200),
    "一又二分之一": Fraction(3, 2),
    "三点一四": Fraction(157, 50),
}


@pytest.mark.parametrize("said", SAID)
def test_a_number_is_read_as_it_is_spoken(said: str) -> None:
    found = chinese_number(said)
    assert found is not None
    assert (found.value, found.percent) == (SAID[said], False)


@pytest.mark.parametrize(
    ("said", "hundredths"), [("百分之二十", 20), ("三成", 30), ("三成五", 35), ("百分之0.5", Fraction(1, 2))]
)
def test_hundredths_are_told_from_numbers(said: str, hundredths: int | Fraction) -> None:
    assert chinese_number(said) == (Fraction(hundredths) / 100, True)


@pytest.mark.parametrize(
    "said", ["", "百", "万", "十十", "一共", "三分之", "分之一", "零分之一", "二点", "千米", "好", "一" * 100]
)
def test_what_is_no_number_is_none(said: str) -> None:
    assert chinese_number(said) is None


@given(st.integers(0, 10**12 - 1))
def test_every_whole_number_is_read_back_from_its_words(number: int) -> None:
    assert chinese_number(in_words(number)) == (Fraction(number), False)
