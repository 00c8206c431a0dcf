"""Solutions of equations, times of the day, and the one spelling of what is written in several ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.verifying.maths.clock import last_clock, read_clock
from factory.steps.judging.verifying.maths.solutions import named_solutions, reference_solutions
from factory.steps.judging.verifying.maths.spelling import spelled
from factory.steps.judging.verifying.maths.words import same_words


@pytest.mark.parametrize(
    ("text", "names", "values"),
    [
        ("x=±2", "x", {"2", "-2"}),
        ("x_1=2, x_2=-2", "x", {"2", "-2"}),
        ("x₁=2，x₂=-2", "x", {"2", "-2"}),
        ("x=2或-2", "x", {"2", "-2"}),
        (r"x=3 \text{ or } x=\frac{1}{2}", "x", {"3", "1/2"}),
        (r"x=1\pm\sqrt{2}", "x", {r"1+\sqrt{2}", r"1-\sqrt{2}"}),
        (r"\begin{cases} x=1 \\ y=2 \end{cases}", "xy", {"1", "2"}),
    ],
)
def test_solutions_are_read_as_values_of_their_unknowns(text: str, names: str, values: set[str]) -> None:
    found = reference_solutions(text)
    assert found is not None
    assert (found.names, set(found.values)) == (tuple(names), values)


@pytest.mark.parametrize("text", ["x=2", "1, 2", "x=2,y=1或x=1,y=2", "A, B", "x=甲, y=乙", "", "=,="])
def test_one_solution_or_pairs_of_them_are_left_to_others(text: str) -> None:
    assert reference_solutions(text) is None


def test_solutions_stand_behind_the_last_verb_of_an_answer() -> None:
    found = named_solutions("方程 $x^2=4$ 的解为 $x_1=2$，$x_2=-2$。")
    assert found is not None
    assert set(found.values) == {"2", "-2"}
    assert named_solutions("没有解") is None


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_time_is_the_same_with_24_hours_and_with_the_half_of_the_day(hours: int, minutes: int) -> None:
    whole = read_clock(f"{hours}:{minutes:02d}")
    half = "上午" if hours < 12 else "下午"
    said = read_clock(f"{half}{hours % 12 or 12}点{minutes}分")
    assert whole is not None
    assert said is not None
    assert said.minutes == hours * 60 + minutes
    assert whole.equals(said)
    assert not said.equals(said._replace(minutes=(said.minutes + 1) % 1440))


def test_what_is_no_time_of_the_day_is_none() -> None:
    for text in ("三点五", "3:4", "25:00", "8", "1:2:3", ""):
        assert read_clock(text) is None
    assert last_clock("从8:00到9点一刻") == read_clock("9:15")


def test_signs_and_words_have_one_spelling() -> None:
    assert spelled("根号5") == spelled("√5") == r"\sqrt{5}"
    assert spelled("3倍根号三") == r"3\sqrt{3}"
    assert spelled("比是三比四") == "比是3:4"
    assert spelled("6比5多1") == "6比5多1"
    assert spelled("周三") == "星期三"
    assert spelled("每周三次") == "每周三次"


@pytest.mark.parametrize(
    ("phrase", "reference", "same"),
    [
        ("是的，它是。", "是", True),
        ("不能拼成", "不能", True),
        ("三根小棒不能拼成三角形", "能", False),
        ("该方程无解", "无解", True),
        ("6月1日不是星期六", "星期六", None),
        ("说不好", "是", None),
        ("No, it does not.", "no", True),
    ],
)
def test_yes_and_no_are_read_and_what_no_rule_tells_is_none(
    phrase: str, reference: str, same: bool | None
) -> None:
    assert same_words(phrase, reference) is same


@given(st.text(max_size=120))
def test_any_text_is_read_without_an_error(text: str) -> None:
    reference_solutions(text)
    named_solutions(spelled(text))
    last_clock(text)
    same_words(text, "是")
