"""Numbers in English words, days, sets that a sentence lists, and bounds in words."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.verifying.maths.dates import (
    Date,
    named_date,
    named_weekday,
    read_date,
    read_weekday,
)
from factory.steps.judging.verifying.maths.english import english_number, in_digits
from factory.steps.judging.verifying.maths.final_answer import Found
from factory.steps.judging.verifying.maths.formula import bounds_in_signs, formula_of
from factory.steps.judging.verifying.maths.sets import named_set, reference_set


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("So the trip takes two and a half hours.", "So the trip takes 5/2 hours."),
        ("three eighths", "3/8"),
        ("He ate one-seventh of the cake", "He ate 1/7 of the cake"),
        ("That makes two dozen eggs", "That makes 24 eggs"),
        ("half a dozen", "6"),
        ("a dozen", "12"),
        ("negative five degrees", "-5 degrees"),
        ("forty-two", "42"),
        ("one thousand two hundred and six", "1206"),
        ("a hundred", "100"),
        ("The answer is one.", "The answer is 1."),
        ("the red one", "the red one"),
        ("the second one", "the second one"),
        ("two three", "two three"),
        ("half past nine", "half past nine"),
        ("a third runner", "a third runner"),
        # Beside digits only what stands behind a verb is the answer.
        ("of 8 pieces two remain, which is one half", "of 8 pieces two remain, which is 1/2"),
    ],
)
def test_numbers_in_english_words_become_digits(said: str, digits: str) -> None:
    assert in_digits(said) == digits


ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def in_words(number: int) -> str:
    if number < 20:
        return ONES.split()[number]
    if number < 100:
        return TENS.split()[number // 10 - 2] + (f"-{in_words(number % 10)}" if number % 10 else "")
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return f"{in_words(number // size)} {name}" + (
                f"{' and' if size == 100 else ''} {in_words(rest)}" if rest else ""
            )
    raise AssertionError(number)


@given(st.integers(2, 10**9 - 1))
def test_a_whole_number_in_words_is_read_as_it_is_said(number: int) -> None:
    assert english_number(in_words(number)) == str(number)


@given(st.text(alphabet=st.sampled_from("two half and a third-dozen five hundred .1"), max_size=60))
def test_any_words_are_read_without_an_error(text: str) -> None:
    in_digits(text)
    named_date(text)
    named_weekday(text)
    named_set(text)


@pytest.mark.parametrize(
    ("said", "date"),
    [
        ("March 5", Date(0, 3, 5)),
        ("the 5th of March", None),  # not all of it
        ("5th of March, 2024", Date(2024, 3, 5)),
        ("Tuesday, Sept. 30, 1999", Date(1999, 9, 30)),
        ("3月5号", Date(0, 3, 5)),
        ("二〇二四年二月二十九日", Date(2024, 2, 29)),
        ("2024-02-29", Date(2024, 2, 29)),
        ("2024/13/01", None),
        ("3/4", None),
        ("12", None),
    ],
)
def test_a_day_is_read_in_its_ways(said: str, date: Date | None) -> None:
    assert read_date(said) == date


def test_the_day_that_an_answer_comes_to_is_the_one_behind_its_verb_or_the_last() -> None:
    assert named_date("14 days after February 19 we land on the 5th of March") == Date(0, 3, 5)
    assert named_date("It is March 5, two weeks after February 19") == Date(0, 3, 5)
    assert named_date("no day at all") is None
    assert Date(2024, 3, 5).equals(Date(0, 3, 5))
    assert not Date(2024, 3, 5).equals(Date(2023, 3, 5))


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("it will be a Tuesday", 1),
        ("所以是周日", 6),
        ("从星期一算起是星期三", 2),
        ("it is not Tuesday", None),
    ],
)
def test_a_day_of_the_week_is_read(said: str, day: int | None) -> None:
    assert named_weekday(said) == day
    assert read_weekday("礼拜天") == read_weekday("Sunday") == 6


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ("The divisors of 8 are 1, 2, 4, and 8.", (1, 2, 4, 8)),
        ("6的因数有1、2、3、6。", (1, 2, 3, 6)),
        ("x^2 = 9 gives x = 3 or x = -3", (3, -3)),
        ("方程的两个根是3和-3", (3, -3)),
        ("x = ±2", (2, -2)),
        ("The roots are √2 and 1", None),
        ("The winners are Ann and Bob", None),
    ],
)
def test_a_sentence_that_lists_numbers_names_their_set(said: str, numbers: tuple[int, ...] | None) -> None:
    assert named_set(said) == (None if numbers is None else frozenset(map(Fraction, numbers)))


def test_a_set_in_braces_is_its_numbers_without_order() -> None:
    assert reference_set(r"\{4, 1, 2\}") == reference_set("{1, 2, 4}") == frozenset(map(Fraction, (1, 2, 4)))
    assert reference_set("{x | x > 2}") is None


@pytest.mark.parametrize(
    ("said", "formula"),
    [
        ("The lines meet at the point (2, -1).", "(2, -1)"),
        ("We need x to be greater than 7.", "x > 7"),
        ("So x must be no less than -1.", r"x \ge -1"),
        ("所以x不超过4", r"x \le 4"),
        ("The area is ab/2.", "ab/2"),
    ],
)
def test_the_formula_of_a_sentence_is_its_last_piece_without_words(said: str, formula: str) -> None:
    found = bounds_in_signs(Found(said, "last_line"), "x > 0")
    assert formula_of(found, said) == formula


def test_bounds_in_words_stay_words_where_the_reference_has_none() -> None:
    found = Found("x is more than 5 by 3, so x = 8", "last_line")
    assert bounds_in_signs(found, "8") == found
