"""Texts of the same letters and digits are no duplicates where a sign differs, and are where punctuation does."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from step_context import scripted_context

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.data.text import rouge_tokens
from factory.step import Context, WholeSet
from factory.steps.dedup.exact import DedupExact
from factory.steps.dedup.joins.forms import exact_form
from factory.steps.dedup.joins.signs import differ_in_signs_alone, number_signs, sign_form
from factory.steps.dedup.minhash.step import DedupMinHash
from factory.steps.dedup.rouge.step import DedupRouge

SIGNS = [
    ("What is 12 + 7?", "What is 12 - 7?"),
    ("What is 12 +7", "what is 12 ÷ 7"),
    ("计算１２＋７", "计算１２－７"),
    ("计算 3 × 4", "计算 3 ÷ 4"),
    ("Write it in C", "Write it in C++"),
    ("Write it in C#", "Write it in C++"),
    ("a+b", "a*b"),
    ("a-b", "a+b"),
    ("x - y", "x y"),
    ("x^2", "x*2"),
    ("x²", "x2"),
    ("x²", "x_2"),
    ("H₂O", "H2O"),
    ("-5", "5"),
    ("x = -3", "x = 3"),
    ("温度 -5 度", "温度 5 度"),
    ("is 3.5 m", "is 35 m"),
    ("1,5", "15"),
    ("1+23", "12+3"),
    ("at 10:30", "at 1030"),
    ("$5", "€5"),
    ("￥5", "5"),
    ("50%", "50"),
    ("5°", "5"),
    ("#1", "1"),
    ("x ≥ 5", "x ≤ 5"),
    ("３＞４", "３＜４"),
    ("a -> b", "a <- b"),
    ("A → B", "A ← B"),
    ("f: A→B", "f: A⇒B"),
    ("x == y", "x = y"),
    ("x != y", "x = y"),
    ("!x", "x"),
    ("p & q", "p && q"),
    ("p∧q", "p∨q"),
    ("i++", "i--"),
    ("i--", "i"),
    ("ls -l", "ls l"),
    ("5!", "5"),
    ("f'(x)", "f(x)"),
    ("(2 + 3) * 4", "2 + 3 * 4"),
    ("2 - (3 - 4)", "2 - 3 - 4"),
    ("2(3+4)", "23+4"),
    ("a_b", "ab"),
    ("@user", "user"),
    ("foo™", "foo"),
    ("Translate \U0001f600", "Translate \U0001f622"),
    ("Translate \U0001f600", "Translate"),
    ("\U0001f44d\U0001f3fb ok", "\U0001f44d ok"),
    ("flag \U0001f1fa\U0001f1f8", "flag \U0001f1ec\U0001f1e7"),
    ("Blood type A-", "Blood type A+"),
]
PUNCTUATION = [
    ("What is AI?", "what is AI"),
    ("你好，世界！", "你好 世界"),
    ("《红楼梦》讲什么？", "“红楼梦”讲什么"),
    ("史蒂夫·乔布斯", "史蒂夫乔布斯"),
    ("Hello — world", "Hello, world"),
    ("well-known", "well known"),
    ("3-year-old", "3 year old"),
    ("pre- and post", "pre and post"),
    ("GPT-4", "GPT 4"),
    ("什么——是", "什么是"),
    ("Step 1 - Open it", "Step 1: Open it"),
    ("1. Open", "1) open"),
    ("f(x) [1]", "f x 1"),
    ("don't", "dont"),
    ("U.S.A.", "USA"),
    ("1,000 men", "1000 men"),
    ("C++ (modern)?", "c ++, modern"),
    ("12+7", "12 ＋ 7 ."),
    ("One of +, -, *, /", "one of + ,-,  *,  /"),
    ("Sort 3, 6 and A1, 5", "sort 3,6 and A1 5"),
    ("３×４", "3 * 4"),
    ("x ≥ 5", "x >= 5"),
    ("x − 5", "x -5"),
    ("see **this** now", "see this now"),
    ("# Title\n- item", "Title\nitem"),
    ("I \u2764\ufe0f it", "I \u2764 it"),
]


@pytest.mark.parametrize(("one", "other"), SIGNS)
def test_texts_whose_signs_differ_are_told_apart(one: str, other: str) -> None:
    assert differ_in_signs_alone(one, other)
    assert differ_in_signs_alone(other, one)
    assert exact_form(one) != exact_form(other)
    numbers = number_signs([one, other], [rouge_tokens(one), rouge_tokens(other)])
    assert numbers.letters.tolist() == [0, 0]
    assert numbers.forms.tolist() == [0, 1]
    assert numbers.ambiguous().tolist() == [0, 1]


@pytest.mark.parametrize(("one", "other"), PUNCTUATION)
def test_punctuation_width_and_space_are_no_signs(one: str, other: str) -> None:
    assert sign_form(one) == sign_form(other)
    assert not differ_in_signs_alone(one, other)


def test_texts_of_other_letters_are_for_the_measure_to_judge() -> None:
    assert not differ_in_signs_alone("What is 12 + 7", "What is 12 - 8")
    numbers = number_signs(["a+b", "b+a"], [["a", "b"], ["b", "a"]])
    assert numbers.ambiguous().tolist() == []


@given(st.text(), st.sampled_from([" ", "\n", "\u3000", "\u200b"]))
@example("*", " ")
def test_a_text_is_like_itself_in_any_case_and_space(text: str, space: str) -> None:
    assert sign_form(f"{space}{text}{space}") == sign_form(text)
    assert not differ_in_signs_alone(text, text)


@given(st.lists(st.text("ab1 +-.!😀，", max_size=6), max_size=8))
def test_numbers_tell_apart_what_pairs_do(texts: list[str]) -> None:
    signs = number_signs(texts, map(rouge_tokens, texts))
    for one in range(len(texts)):
        for other in range(len(texts)):
            apart = signs.letters[one] == signs.letters[other] and signs.forms[one] != signs.forms[other]
            assert apart == differ_in_signs_alone(texts[one], texts[other])
    ambiguous = {
        one for one in range(len(texts)) if any(differ_in_signs_alone(texts[one], text) for text in texts)
    }
    assert set(signs.ambiguous().tolist()) == ambiguous
    assert all(np.array_equal(a, b) for a, b in zip(signs, signs.take(range(len(texts))), strict=True))


def run(step: WholeSet, records: list[Record]) -> tuple[list[int], Context, list[str]]:
    """Which are dropped, and what was told."""
    warnings: list[str] = []
    context = replace(scripted_context(lambda ask: "")[0], warn=warnings.append)
    done = asyncio.run(step.run(Table.from_records(records), context))
    return [at for at, record in enumerate(done.records()) if record.dropped], context, warnings


@pytest.mark.parametrize(
    "step", [DedupRouge(), DedupMinHash(), DedupRouge(field="output"), DedupMinHash(field="output")], ids=repr
)
def test_a_sign_keeps_a_record_and_its_own_copies_are_dropped(step: WholeSet) -> None:
    texts = [
        "What is 12 + 7?",
        "What is 12 - 7?",
        "what is 12 - 7",
        "What is 12 + 7 ?",
        "什么是C",
        "什么是C++",
    ]
    records = [new_record(text, output=text, occurrence=at) for at, text in enumerate(texts)]
    dropped, context, _ = run(step, records)
    assert dropped == [2, 3]
    assert context.facts["kept_for_their_signs"] == 2


def test_a_sign_keeps_a_long_input_and_a_point_one_of_equal_letters() -> None:
    words = " ".join(f"w{at}" for at in range(60))
    inputs = [f"{words} 3.5 {words}", f"{words} 35 {words}", f"{words}, 3.5, {words}", f"{words} 3.6 {words}"]
    dropped, context, _ = run(DedupMinHash(), [new_record("Sum it up.", input=text) for text in inputs])
    assert dropped == [2, 3], "a digit is for the measure to judge"
    assert context.facts["kept_for_their_signs"] == 1
    dropped, context, _ = run(DedupRouge(), [new_record(text) for text in inputs])
    assert dropped == [2, 3]
    assert context.facts["kept_for_their_signs"] == 1


def test_inputs_that_differ_in_a_sign_are_two_inputs() -> None:
    rows = [new_record("Work it out", input=text) for text in ("x²", "x2", "X² .", "3 + 4", "3 - 4")]
    for step in (DedupRouge(), DedupMinHash(), DedupExact()):
        assert run(step, rows)[0] == [2]


WORDLESS = ["?", "!!!", "\U0001f600", "\U0001f622", "+", "？", "\U0001f600"]


@pytest.mark.parametrize("step", [DedupRouge(), DedupMinHash()], ids=lambda step: step.name)
def test_texts_without_words_are_compared_with_nothing_and_told(step: WholeSet) -> None:
    dropped, context, warnings = run(
        step, [new_record(text, occurrence=at) for at, text in enumerate(WORDLESS)]
    )
    assert dropped == []
    assert context.facts["records_without_words"] == 7
    assert any("7 records have signs or emoji but no words" in warning for warning in warnings)
    assert run(DedupExact(), [new_record(text, occurrence=at) for at, text in enumerate(WORDLESS)])[0] == [
        5,
        6,
    ]


@pytest.mark.parametrize("step", [DedupRouge(field="both"), DedupMinHash(field="both")], ids=repr)
def test_equal_answers_to_prompts_without_words_are_no_duplicates_by_both(step: WholeSet) -> None:
    prompts = ["\U0001f600", "\U0001f622", "", "?", "Is it so", "Is it so?"]
    rows = [new_record(text, output="Yes, of course.", occurrence=at) for at, text in enumerate(prompts)]
    dropped, context, _ = run(step, rows)
    assert dropped == [5]
    assert context.facts["records_without_words"] == 3
    assert context.facts["records_without_text"] == 1
