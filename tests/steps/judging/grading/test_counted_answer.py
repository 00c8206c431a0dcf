"""The final answer of a worked solution."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.grading.counted_answer import counted_answer


@pytest.mark.parametrize(
    ("text", "final"),
    [
        (r"First \boxed{1}, then \boxed{\frac{1}{2}}, and so 9 more.", "1/2"),
        (r"\boxed{-\sqrt{3}}", r"-\sqrt{3}"),
        (r"\boxed{x^{2}+1}", "x^{2}+1"),
        (r"\boxed{42\text{ cm}}", "42"),
        (r"\boxed{x = 5}", "5"),
        (r"\boxed{3x}", "3x"),
        (r"\boxed{1/0}", "1/0"),
        (r"an open \boxed{7", "7"),
        ("The answer is 0.5. (Checked in 3 ways.)", "1/2"),
        ("the final answer is **1,000** apples.", "1000"),
        ("The answer is:\n\n**42**", "42"),
        (r"The answer is $-5$.", "-5"),
        ("Answer: (B)", "b"),
        ("Answer: Let me compute 3+4 first and then add it all up = 7", "7"),
        ("the answer is 42 because we have seen that it is so and all that", "42"),
        ("Answer: 50\\%", "50%"),
        ("#### 1,234", "1234"),
        ("故答案为：１０００个", "1000"),
        ("所以答案应该是二分之一。", "1/2"),
        ("答案是百分之五十", "50%"),
        ("答案是四。", "4"),
        ("答案：B", "b"),
        ("We get 3, then 7.", "7"),
        ("共有 12 只。", "12"),
        ("Nothing is said.", ""),
        ("", ""),
    ],
)
def test_it_is_found_and_made_one_form(text: str, final: str) -> None:
    assert counted_answer(text) == final


@given(st.integers(-(10**9), 10**9))
def test_a_whole_number_is_itself_however_it_is_written(number: int) -> None:
    ways = [
        f"\\boxed{{{number}}}",
        f"The answer is {number:,}.",
        f"答案是{number}。",
        f"So it is {number}.0",
        f"#### {number}",
    ]
    assert {counted_answer(way) for way in ways} == {str(number)}


@given(st.text())
def test_any_text_has_one_or_none(text: str) -> None:
    assert isinstance(counted_answer(text), str)


@given(st.text(alphabet="\\boxed{}{0123456789/%.,-答案是分之 =x"))
def test_nor_does_hostile_text_break_it(text: str) -> None:
    assert isinstance(counted_answer(text), str)


@pytest.mark.parametrize(
    "text", ["123,456," * 2000, "1" * 9000, "\\boxed{" * 2000 + "1" * 5000 + "}", "答案是" + "九" * 9000]
)
def test_an_endless_number_is_no_error(text: str) -> None:
    assert isinstance(counted_answer(text), str)
