"""Numbers with their units, and when two are the same."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.verifying.maths.quantity import quantities_in, read_quantity

SAME = [
    ("1,234", "1234"),
    ("$1,234.50", "1234.5"),
    ("3/4", "0.75"),
    ("1 1/2", "1.5"),
    (r"\frac{1}{3}", "三分之一"),
    ("$\\frac{3}{4}$", "0.75"),
    ("20%", "百分之二十"),
    ("20%", "20"),
    ("20%", "0.2"),
    ("5 km", "5"),
    ("5 km", "5 kilometers"),
    ("5千米", "5公里"),
    ("18 dollars", "$18"),
    ("18 eggs", "18"),
    ("18 eggs", "18 apples"),
    ("1.2 million", "1200000"),
    ("3.5×10^4", "35000"),
    ("１２", "12"),
    ("-3", "−3"),
    ("60 km/h", "60 km per hour"),
    ("60 km/h", "60 km"),
    ("1/3", "0.3333"),
    ("2/3", "0.66667"),
    ("x = 5", "5"),
    ("2.50", "2.5"),
    ("5 km", "5000 m"),
    ("3千克", "3000克"),
    ("0.8元", "8角"),
    ("2公顷", "20000平方米"),
    ("60 km/h", "1 km/min"),
    ("60千米/时", "60千米每小时"),
    ("2小时30分", "2.5小时"),
    ("2小时30分", "150分钟"),
    ("2 hours and 30 minutes", "2.5 h"),
    ("5 feet 3 inches", "63 inches"),
    ("1米20厘米", "120cm"),
    ("3吨500千克", "3.5吨"),
    ("1分30秒", "一分半"),
    ("50平方厘米", "50 cm²"),
    ("负5度", "-5度"),
    ("10^6", "一百万"),
]
DIFFERENT = [
    ("5 km", "5 m"),
    ("60 km/h", "60 km/min"),
    ("$5", "5 yuan"),
    ("1/3", "0.33"),
    ("2/3", "0.6666"),
    ("20%", "2"),
    ("20%", "25%"),
    ("3", "-3"),
    ("10000001", "10000000"),
    ("0.5", "0.50001"),
    ("24平方厘米", "24厘米"),
    ("2小时30分", "2.3小时"),
    ("2小时30分", "2小时3分"),
    ("1米20厘米", "12厘米"),
    ("36元5分", "36.5元"),
    ("1 year", "365 days"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_the_same_number_is_the_same_however_it_is_written(one: str, two: str) -> None:
    first, second = read_quantity(one), read_quantity(two)
    assert first is not None
    assert second is not None
    assert first.equals(second)
    assert second.equals(first)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_another_number_or_unit_is_not_the_same(one: str, two: str) -> None:
    first, second = read_quantity(one), read_quantity(two)
    assert first is not None
    assert second is not None
    assert not first.equals(second)
    assert not second.equals(first)


@pytest.mark.parametrize(
    "text", ["", "five or so", "5 and 6", "2x", "5-3", "1,2", "5:3", "1/0", "(1, 2)", "一共", "x+1"]
)
def test_what_is_more_or_less_than_one_number_is_none(text: str) -> None:
    assert read_quantity(text) is None


def test_numbers_in_words_count_where_there_are_none_in_digits() -> None:
    assert [one.value for one in quantities_in("一共有三个")] == [3]
    assert [one.value for one in quantities_in("三个人一共有15元")] == [15]
    assert [one.value for one in quantities_in("5-3 is 2, not -2")] == [5, 3, 2, -2]


@pytest.mark.parametrize("text", [r"\sqrt{5}", "√5", r"2\sqrt{3}", "9π"])
def test_a_part_of_a_formula_is_no_number(text: str) -> None:
    assert quantities_in(text) == []
    assert read_quantity(text) is None


def test_what_a_number_is_per_may_stand_before_it() -> None:
    wanted = read_quantity("60千米/时")
    assert wanted is not None
    for text, same in (("速度是每小时行60千米", True), ("每分钟60千米", False), ("每分钟走1千米", True)):
        (said,) = quantities_in(text)
        assert said.equals(wanted) == same


@given(st.integers(0, 10**6), st.integers(0, 59))
def test_hours_and_minutes_are_as_many_minutes(hours: int, minutes: int) -> None:
    whole, said = read_quantity(f"{hours}小时{minutes}分"), read_quantity(f"{60 * hours + minutes}分钟")
    assert whole is not None
    assert said is not None
    assert whole.equals(said)


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_read_back_with_and_without_separators(number: int) -> None:
    for text in (str(number), f"{number:,}", f"${number}$", f"{number}.00"):
        found = read_quantity(text)
        assert found is not None
        assert found.value == number


@given(st.fractions(), st.fractions())
def test_equal_is_what_is_equal_as_fractions(one: Fraction, two: Fraction) -> None:
    first, second = (
        read_quantity(f"{one.numerator}/{one.denominator}"),
        read_quantity(f"{two.numerator}/{two.denominator}"),
    )
    if first is not None and second is not None:
        assert first.equals(second) == (one == two)
        assert first.equals(first)


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    read_quantity(text)
    quantities_in(text)
