"""A placeholder in place of an answer is told from one that the reader of a letter is to fill in."""

from __future__ import annotations

import pytest

from factory.statistics.flaws.placeholders import placeholder


@pytest.mark.parametrize(
    "answer",
    [
        "[Your answer here]",
        "[Insert your answer here]",
        "Tides: <insert the explanation here>",
        "{your response here}",
        "[answer]",
        "**[Your answer]**",
        "[在此填写答案]",
        "【此处填写你的回答】",
        "（你的答案）",
        "【答案】",
        "Tides are:\n\n[Your explanation goes here...]",
    ],
)
def test_a_placeholder_is_found(answer: str) -> None:
    assert placeholder(answer, "Explain tides.")


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ("Dear [Your Name],\nthank you.", "Write a letter."),
        ("Name: [your answer here]", "Make a template for a survey."),
        ("Fill: [your answer here]", "Complete: [your answer here]"),
        ("a[text] = 1", "Write code."),
        ("See [the text here](https://example.org).", "Link."),
        ("【答案】四。", "二加二？"),
        ("The answer is here (see below).", "Where?"),
    ],
)
def test_what_is_for_a_reader_or_was_asked_for_is_none(answer: str, asked: str) -> None:
    assert not placeholder(answer, asked)
