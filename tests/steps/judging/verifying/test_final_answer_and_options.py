"""Where a response says its final answer, and which options it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.verifying.maths.choice import named_options, reference_options
from factory.steps.judging.verifying.maths.final_answer import final_answer

FOUND = [
    ("2 + 2 = 4\n#### 4", "4", "hashes"),
    (r"So \(\boxed{\frac{1}{2}}\), not \boxed{}.", r"\frac{1}{2}", "boxed"),
    (r"First \boxed{3}, then \boxed{4}. The answer is 5.", "4", "boxed"),
    ("The answer is 3.5. Check it!", "3.5", "marked"),
    ("**Answer:** 18 dollars\nThanks", "18 dollars", "marked"),
    ("The final answer to this question is: 7", "7", "marked"),
    ("答案是三分之一。因为……", "三分之一", "marked"),
    ("答：一共有8人。", "一共有8人", "marked"),
    ("第一步的结果是5。\n所以一共有9个。", "所以一共有9个。", "last_line"),
    ("最终结果为9。好的", "9", "marked"),
    ("Answer:\n\n42", "42", "marked"),
    ("故选：B", "B", "marked"),
    ("First 3.\nSo she has 5 left.\n\n---\n", "So she has 5 left.", "last_line"),
    ("<think>The answer is 3.</think>The answer is 4.", "4", "marked"),
]


@pytest.mark.parametrize(("response", "phrase", "how"), FOUND)
def test_a_final_answer_is_found(response: str, phrase: str, how: str) -> None:
    assert final_answer(response) == (phrase, how)


def test_a_response_that_says_nothing_has_none() -> None:
    assert final_answer(" \n --- \n") is None


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = final_answer(text)
    if found is not None:
        named_options(found)
    reference_options(text)


@pytest.mark.parametrize(
    ("response", "options"),
    [
        ("The answer is A.", "A"),
        ("The correct answer is (B) 12 apples.", "B"),
        ("Answer: option C", "C"),
        ("故选：B、D", "BD"),
        ("答案选ACD", "ACD"),
        (r"\boxed{\text{D}}", "D"),
        ("Answer: A, B and D", "ABD"),
        ("I choose (C)", "C"),
        ("The answer is A person.", ""),
        ("The answer is 12.", ""),
        ("The answer is about cats.", ""),
    ],
)
def test_the_options_that_an_answer_names_are_found(response: str, options: str) -> None:
    found = final_answer(response)
    assert found is not None
    assert named_options(found) == (frozenset(options) or None)


@pytest.mark.parametrize(
    ("reference", "options"),
    [
        ("A", "A"),
        ("(b)", "B"),
        ("C. 12 apples", "C"),
        ("选D", "D"),
        ("ABD", "ABD"),
        ("a", ""),
        ("12", ""),
        ("BA", ""),
        ("Apple", ""),
    ],
)
def test_a_reference_is_multiple_choice_where_it_is_letters_of_options(reference: str, options: str) -> None:
    assert reference_options(reference) == (frozenset(options) or None)
