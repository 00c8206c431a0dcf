"""Whether a text is in the language of another."""

from __future__ import annotations

import pytest

from factory.statistics.flaws.language import answer_language_flaw, language_flaw


@pytest.mark.parametrize(
    ("text", "like", "flawed"),
    [
        ("Name three rivers.", "说出三条河。", True),
        ("说出三条河。", "Name three rivers.", True),
        ("川の名前を三つ挙げてください。", "Name three rivers.", True),
        ("说出三条河，例如 Rhine。", "说出一条河。", False),
        ("把 I have been living here for ten long years now 译成中文。", "把 I am 译成中文。", False),
        ("Explain the line 床前明月光 word by word.", "Explain 床前明月光.", False),
        ("42", "算一算。", False),
        ("Nomme trois fleuves.", "Name three rivers.", False),  # one script: not to be told
    ],
)
def test_languages_are_told_by_script(text: str, like: str, flawed: bool) -> None:
    flaw = language_flaw(text, like, "the text")
    assert (flaw is not None) == flawed
    assert flaw is None or (
        flaw.kind == "other_language" and flaw.reason.startswith("the text is in another")
    )


@pytest.mark.parametrize(
    ("answer", "instruction", "flawed"),
    [
        ("It is blue.", "天空是什么颜色？", True),
        ("天是蓝的。", "What colour is the sky?", True),
        ("It is blue.", "把“天是蓝的”翻译成英语。", False),
        ("天是蓝的。", "Translate: The sky is blue.", False),
        ("def add(a, b): return a + b", "写一个函数，求两数之和。", False),
        ("天是蓝的。", "天空是什么颜色？", False),
    ],
)
def test_an_answer_may_be_in_another_language_only_where_that_is_asked(
    answer: str, instruction: str, flawed: bool
) -> None:
    assert (answer_language_flaw(answer, instruction) is not None) == flawed
