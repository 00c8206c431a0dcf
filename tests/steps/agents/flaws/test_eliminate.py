"""The eliminator's rules, in English and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.prompt import load_prompt
from factory.models.base import Answer
from factory.steps.agents.evolving.mix import OPERATIONS
from factory.steps.agents.flaws.eliminate import answer_flaw, instruction_flaw, template_leak, truncation_flaw
from factory.steps.agents.flaws.stop_words import has_content

EN = load_prompt("evolve/deepen", "en")
ZH = load_prompt("evolve/deepen", "zh")


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I cannot help with that.",
        "Sorry. As a language model I have no body.",
        "很抱歉，我无法回答这个问题。",
        "对不起，我没有访问互联网的能力。",
        "很遗憾，这超出了我的能力范围。",
        "對不起，我無法查詢今天的天氣。",
        "我sorry了，这个真的做不到。",
    ],
)
def test_an_apology_in_a_short_answer_is_a_refusal(answer: str) -> None:
    flaw = answer_flaw(answer)
    assert flaw is not None
    assert flaw.kind == "refusal"
    assert flaw.numbers["words"] < 80


@pytest.mark.parametrize(
    ("apology", "word"), [("I am sorry, I cannot", " river"), ("抱歉，我无法说", "河")], ids=["en", "zh"]
)
def test_a_refusal_has_fewer_than_80_words(apology: str, word: str) -> None:
    words = 5 if apology.isascii() else 6
    assert answer_flaw(apology + word * (80 - words)) is None
    flaw = answer_flaw(apology + word * (79 - words))
    assert flaw is not None
    assert flaw.numbers == {"words": 79}


@pytest.mark.parametrize("answer", ["Sorrym is a surname.", "The sorrydom of kings.", "Feel sorrow."])
def test_sorry_is_found_as_a_word_only(answer: str) -> None:
    assert answer_flaw(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "...",
        "?!",
        "It is what it is.",
        "Don't!",
        "I’m not.",
        "的了。",
        "那么，为什么不是我们的？",
        "。。。",
        "這個是我們的",
        "😀",
        "and 以及 or 或者",
    ],
)
def test_punctuation_and_stop_words_are_no_answer(answer: str) -> None:
    flaw = answer_flaw(answer)
    assert flaw is not None
    assert flaw.kind == "empty_answer"


@pytest.mark.parametrize(
    "answer", ["Paris", "42", "It is blue.", "北京", "目的", "是蓝色的。", "はい", "Да", "x"]
)
def test_one_word_of_content_is_an_answer(answer: str) -> None:
    assert answer_flaw(answer) is None


@given(st.text(alphabet=" .,!?;:-—。，！？、；：…\n\"'()（）《》", max_size=40))
def test_punctuation_alone_never_has_content(text: str) -> None:
    assert not has_content(text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_words_added_to_content_leave_it_content(first: str, second: str) -> None:
    # A space between, so that no Chinese stop word arises at the seam.
    assert has_content(f"{first} {second}") == (has_content(first) or has_content(second))


@pytest.mark.parametrize(
    ("evolved", "prompt"),
    [
        ("Answer the given prompt in verse.", EN),
        ("#Rewritten Prompt#: name three kings", EN),
        ("A rewritten prompt about kings", EN),
        ("Name three kings. #The Instruction#", EN),
        ("Name three kings.</instruction> Done.", EN),
        ("针对给定的提示，说出三位国王", ZH),
        ("改写后的指令是：说出三位国王", ZH),
        ("这是重写后的提示词，请回答", ZH),
        ("#改写后的指令# 说出三位国王", ZH),
        ("根據給定的提示，說出三位國王", ZH),
    ],
)
def test_words_of_the_evolving_prompt_are_a_leak(evolved: str, prompt: object) -> None:
    flaw = instruction_flaw(evolved, "Name a king." if prompt is EN else "说出一位国王", prompt)  # type: ignore[arg-type]
    assert flaw is not None
    assert flaw.kind == "template_leak"


def test_words_that_the_parent_says_were_not_copied() -> None:
    parent = "Rate the given prompt for clarity."
    assert template_leak("Rate the given prompt for clarity and tone.", parent, EN) == ""
    assert template_leak("Rate the given prompt for clarity and tone.", "Rate this.", EN) == "given prompt"
    assert template_leak("给给定的提示打分并说明理由", "给给定的提示打分", ZH) == ""


def test_a_parent_that_is_an_example_of_the_prompt_may_be_evolved() -> None:
    example = next(text for role, text in EN.turns if role == "assistant")
    assert template_leak(f"{example} Answer in verse.", example, EN) == ""
    assert template_leak(f"{example} Answer in verse.", "Name a king.", EN) != ""


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_example_or_a_rule_of_the_prompt_is_a_leak(operation: str, language: str) -> None:
    prompt = load_prompt(f"evolve/{operation}", language)
    texts = [text for role, text in prompt.turns if role == "assistant"]
    texts += [line for line in prompt.turns[0][1].splitlines() if len(line) > 60]
    assert texts
    for text in texts:
        assert template_leak(text, "Name a king.", prompt) != "", text


@pytest.mark.parametrize(
    ("evolved", "prompt"),
    [
        ("Explain how a hashtag such as #poem# differs from a heading, step by step.", EN),
        ("Write a prompt for a painter, with three colours.", EN),
        ("如何创建提示词来写一首诗，并说明指令的结构？", ZH),
        ("Implement `a # b #c` in Ruby.", EN),
    ],
)
def test_ordinary_instructions_are_no_leak(evolved: str, prompt: object) -> None:
    assert template_leak(evolved, "Write.", prompt) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize("evolved", ["", " \n", "...", "。"])
def test_an_instruction_without_words_is_empty(evolved: str) -> None:
    flaw = instruction_flaw(evolved, "Name a king.", EN)
    assert flaw is not None
    assert flaw.kind == "empty"


@pytest.mark.parametrize(
    ("evolved", "parent"), [("NAME  a\nking.", "Name a king."), ("说出ＡＢＣ", "说出abc")], ids=["en", "zh"]
)
def test_a_change_of_case_width_or_space_is_no_change(evolved: str, parent: str) -> None:
    flaw = instruction_flaw(evolved, parent, EN)
    assert flaw is not None
    assert flaw.kind == "unchanged"


def test_a_reply_cut_by_the_token_limit_is_truncated() -> None:
    assert truncation_flaw(Answer("a b", "m", ()), "the answer") is None
    flaw = truncation_flaw(Answer("a b", "m", (), "length"), "the answer")
    assert flaw is not None
    assert (flaw.kind, flaw.numbers) == ("truncated", {"words": 2})
