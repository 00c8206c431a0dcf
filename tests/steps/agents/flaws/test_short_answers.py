"""Which answers of stop words and signs answer: options, yes and no, and what was asked for."""

from __future__ import annotations

import string

import pytest

from factory.steps.agents.flaws.eliminate import answer_flaw
from factory.steps.agents.flaws.short_answers import is_short_answer

_EN = [
    "Yes",
    "No",
    "yes",
    "no.",
    "Oui",
    "Non",
    "Ja",
    "Nein",
    "Sí",
    "Да",
    "Нет",
    "はい",
    "いいえ",
    "네",
    "아니요",
]
_ZH = [
    "是",
    "不是",
    "对",
    "不对",
    "错",
    "没有",
    "有",
    "会",
    "不会",
    "能",
    "不能",
    "可以",
    "不可以",
    "是的",
    "没",
]
YES_AND_NO = [*_EN, *_ZH]


@pytest.mark.parametrize(
    "form",
    ["{}", "{}.", "({})", "（{}）", "**{}**", "{})", "选项{}", "Option {}", "是{}。", "{}、{}", "{} and {}"],
)
def test_an_option_is_an_answer(form: str) -> None:
    for letter in string.ascii_uppercase:
        assert answer_flaw(form.replace("{}", letter)) is None, letter


@pytest.mark.parametrize("letter", string.ascii_lowercase)
def test_an_option_in_lower_case_is_an_answer(letter: str) -> None:
    for form in ("{}", "{}.", "({})", "{})"):
        assert answer_flaw(form.format(letter)) is None


@pytest.mark.parametrize(
    "answer", [*YES_AND_NO, *(f"{word}。" for word in YES_AND_NO), "①", "③", "7", "-1", "½", "Ⅳ", "七"]
)
def test_yes_no_and_numbers_are_answers_in_any_language(answer: str) -> None:
    assert answer_flaw(answer) is None


@pytest.mark.parametrize(
    ("answer", "instruction"),
    [
        ("A", ""),
        ("D", ""),
        ("(A)", ""),
        ("a", ""),
        ("d)", ""),
        ("①", ""),
        ("选项B", ""),
        ("是A。", ""),
        ("It is D.", ""),
        ("A and D", ""),
        ("A、D", ""),
        ("(a)", ""),
        ("I", ""),
        ("No.", ""),
        ("Both", ""),
        ("是", ""),
        ("不是。", ""),
        ("对", ""),
        ("没有", ""),
        ("没有。", ""),
        ("错", ""),
        ("Yes", ""),
        ("有", ""),
        ("会的", ""),
        ("不能", ""),
        ("可以。", ""),
        ("Да", ""),
        ("no", ""),
        ("Non", ""),
        ("不，不是。", ""),
        ("42", ""),
        ("-1", ""),
        ("½", ""),
        ("+", "Which operator adds two numbers?"),
        ("<", "Fill in < or >: 3 __ 5"),
        ("😀", "Reply with one emoji."),
        ("[]", "What does this code print: print([])"),
        ("🍎🍌", "把水果翻译成表情"),
        ("WHO", "Which UN agency..."),
        ("NOT", "Which gate inverts?"),
        ("down", "What is the opposite of up?"),
        ("with", "Fill in the preposition: I agree __ you"),
        ("我们", "Translate 'we' into Chinese"),
        ("he", "Which pronoun ..."),
        ("before", "Is spring before or after summer?"),
        ("Both of them.", ""),
        ("All", ""),
        ("It is.", "Is the sky blue?"),
        ("No, it isn't.", ""),
        ("一样", "它们一样吗"),
        ("√", "判断题，对的打√"),
        ("对的", ""),
        ("都不是", ""),
        ("**D**", ""),
        ("```\n{}\n```", "What code ..."),
        ("she will do it.", "Rewrite the sentence in the future tense: she does it"),
        ("★", "Change the rating from 5 stars to 1 star: ★★★★★"),
    ],
)
def test_what_was_asked_for_is_an_answer(answer: str, instruction: str) -> None:
    assert answer_flaw(answer, instruction) is None


@pytest.mark.parametrize(
    ("answer", "instruction"),
    [
        ("...", ""),
        ("?!", ""),
        ("It is what it is.", ""),
        ("Don't!", ""),
        ("I’m not.", ""),
        ("的了。", ""),
        ("那么，为什么不是我们的？", ""),
        ("。。。", ""),
        ("這個是我們的", ""),
        ("😀", ""),
        ("and 以及 or 或者", ""),
        ("the", ""),
        ("of the", ""),
        ("```\n```", ""),
        ("", ""),
        ("...", "Describe Rome."),
        ("的", "介绍北京"),
        ("and so on", "List three cities."),
        ("```", "Write code"),
        ("...", "Write an article about Rome in 200 words."),
        ("😀", "Explain gravity."),
        ("of", "写一篇200字的介绍"),
    ],
)
def test_what_says_nothing_is_empty(answer: str, instruction: str) -> None:
    flaw = answer_flaw(answer, instruction)
    assert flaw is not None
    assert flaw.kind == "empty_answer"


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ("What problems do farmers face?", False),
        ("What are the signs of a stroke?", False),
        ("Who are the main characters of the play?", False),
        ("Answer with a smiley face.", True),
        ("Which sign is missing: 3 ? 4 = 7", True),
        ("Which character ends a line of C?", True),
    ],
)
def test_a_word_for_signs_asks_for_one_where_it_means_that(asked: str, answers: bool) -> None:
    assert is_short_answer("¯¯", asked) is answers
