"""What a model gives in place of one rewritten instruction is told by rule, and a sound instruction passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.agents.flaws.rewriting import rewriting_flaw, without_question_label

EN = "What is inflation?"
ZH = "什么是通货膨胀？"


@pytest.mark.parametrize(
    ("evolved", "parent", "kind"),
    [
        ("Option 1: What is it?\nOption 2: Why is it?", EN, "several_instructions"),
        ("**Option 1:**\nWhat is it?\n\n**Option 2:**\nWhy is it?", EN, "several_instructions"),
        ("Version A. What is it?\n\nVersion B. Why is it?", EN, "several_instructions"),
        ("版本一：什么是通胀？\n版本二：通胀为何发生？", ZH, "several_instructions"),
        ("Step 1: find the verbs.\nStep 2: add.\nStep 3: rewritten: Why is it?", EN, "working"),
        ("第一步：找出方法。\n第二步：计划。\n第三步：改写：通胀为何发生？", ZH, "working"),
        ("Added constraint: name two causes.", EN, "working"),
        ("Question: What causes it?\nAnswer: Too much money.", EN, "answered"),
        ("Inflation is a rise of the price level. It has many causes.", EN, "answered"),
        ("The main cause of inflation is money.", EN, "answered"),
        ("通货膨胀是指物价水平持续上涨。", ZH, "answered"),
        ("What is inflation, and why does it hurt the", EN, "truncated"),
        ("What is inflation, who loses, and", EN, "truncated"),
        ("什么是通货膨胀，它如何影响储蓄、", ZH, "truncated"),
        ("Explain this code:\n```python\nprint(1)", EN, "truncated"),
    ],
)
def test_what_is_no_single_whole_instruction_is_let_go(evolved: str, parent: str, kind: str) -> None:
    flaw = rewriting_flaw(evolved, parent)
    assert flaw is not None
    assert flaw.kind == kind


@pytest.mark.parametrize(
    ("evolved", "parent"),
    [
        ("What is inflation, and who loses most?", EN),
        (
            "Step 1: read the table. Step 2: name the largest city.",
            "Read the table and name the largest city.",
        ),
        ("Choose one. Option 1: Berlin. Option 2: Bonn.", "Choose a city."),
        ("Option 1: a\nOption 2: b\nWhich is better, and why?", "Option 1: a\nOption 2: b\nWhich is better?"),
        ("The capital of France is", EN),
        ("Which city do you live in", EN),
        ("Inflation is high. Explain why.", EN),
        ("The moon is far away.", "The moon is far."),
        ("哪一种方法是最好的", ZH),
        ("```python\nprint(1)\n```\nWhat does it print?", EN),
    ],
)
def test_a_sound_instruction_passes(evolved: str, parent: str) -> None:
    assert rewriting_flaw(evolved, parent) is None


def test_the_label_before_a_question_is_taken_off_where_its_parent_has_none() -> None:
    assert without_question_label("**Question:** Why is it?", EN) == "Why is it?"
    assert without_question_label("问题：为什么？", ZH) == "为什么？"
    assert without_question_label("Question: Why?", "Question: What?") == "Question: Why?"
    assert without_question_label("Question:", EN) == "Question:"


@given(st.text(max_size=80))
def test_an_instruction_is_no_flawed_child_of_itself(text: str) -> None:
    assert rewriting_flaw(text, text) is None
