"""What a reply lists, and the paper's rules on a task's text."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.prompt import load_prompt
from factory.steps.agents.inventing.instances import instance_flaw
from factory.steps.agents.inventing.lists import listed
from factory.steps.agents.inventing.text_rules import LENGTHS, text_flaw

SHARED = Path(__file__).parents[4] / "../shared/data"


@pytest.mark.parametrize(
    ("reply", "items"),
    [
        ("1. Name a river.\n2. Name a lake.", ["Name a river.", "Name a lake."]),
        ("Sure! Here they are:\n\n1) Name a river.\n\n2) Name a lake.", ["Name a river.", "Name a lake."]),
        ("1、说出一条河。\n2、说出一个湖。", ["说出一条河。", "说出一个湖。"]),
        ("**1.** Name a river.\n**2.** Name a lake.", ["Name a river.", "Name a lake."]),
        ("Task 1: Name a river.\nTask 2: Name a lake.", ["Name a river.", "Name a lake."]),
        ("任务 1：说出一条河。\n任务 2：说出一个湖。", ["说出一条河。", "说出一个湖。"]),
        ("- Name a river.\n- Name a lake.", ["Name a river.", "Name a lake."]),
        ("9. Name a river.\n10. Name a\n    lake.", ["Name a river.", "Name a lake."]),
        ("1. Rank these:\n1. ice\n5. fog\n2. Name a lake.", ["Rank these: 1. ice 5. fog", "Name a lake."]),
        ("1. In 1999. what began?\n2. x", ["In 1999. what began?", "x"]),
        ("1. Name a river.\n\nThese tasks are varied.", ["Name a river."]),
        ("1.\n2. Name a lake.", ["", "Name a lake."]),
        ("Name a river.", []),
        ("- Name a river.", []),
        ("", []),
    ],
)
def test_a_list_is_read_in_any_of_its_spellings(reply: str, items: list[str]) -> None:
    assert listed(reply).items == items


def test_what_stands_before_and_behind_the_items_is_counted() -> None:
    assert listed("Here:\n1. a\n2. b\n\nEnjoy!").outside == 2
    assert listed("1. a\n\n2. b\n").outside == 0


@given(st.text(max_size=200))
def test_any_reply_gives_items_on_one_line_of_words_that_it_has(reply: str) -> None:
    for item in listed(reply).items:
        assert item == " ".join(item.split())
        assert set(item) <= set(reply) | {" "}


@given(st.lists(st.text("abc d中文。", min_size=1).filter(str.strip), min_size=1, max_size=30))
def test_a_numbered_list_comes_back_as_it_was_written(items: list[str]) -> None:
    folded = [" ".join(item.split()) for item in items]
    assert listed("\n".join(f"{at}. {item}" for at, item in enumerate(folded, 1))).items == folded


@pytest.mark.parametrize(
    ("task", "language", "kind"),
    [
        ("Name three rivers of Europe.", "en", None),
        ("Name a river.", "en", "length"),
        ("word " * 150, "en", None),
        ("word " * 151, "en", "length"),
        ("写一首诗。", "zh", "length"),
        ("写一首小诗。", "zh", None),
        ("字" * 251, "zh", "length"),
        ("Describe what the images show.", "en", "not_text"),
        ("Plot the growth of the town.", "en", "not_text"),
        ("Tell me where to go to eat.", "en", "not_text"),
        ("Explain what a paragraph of drawings is.", "en", None),  # only whole words count
        ("Summarise what profiles and imagery are.", "en", None),
        ("描述这张图片里的内容。", "zh", "not_text"),
        ("请画一只小猫给我看。", "zh", "not_text"),
        ("把附件里的内容整理一下。", "zh", "not_text"),
        ("谈谈国画和油画的区别。", "zh", None),
        ("Write a program that sorts words.", "en", "program"),
        ("Write a programme for the spring fair.", "en", "program"),  # as the paper's code has it
        ("Explain how to write a program.", "en", None),
        ("请编写一个程序来计算平方和。", "zh", "program"),
        ("写一个Python程序来排序列表。", "zh", "program"),
        ("解释程序员每天做些什么。", "zh", None),
        ("(a) Name three rivers of Europe.", "en", "opening"),
        ('"Hello" in four other languages.', "en", "opening"),
        ("Écrivez un poème sur la mer.", "en", "opening"),
        ("“你好”用英语怎么说最自然？", "zh", "opening"),
        ("3 plus 4 is how much?", "en", None),
    ],
)
def test_the_papers_rules_in_both_languages(task: str, language: str, kind: str | None) -> None:
    flaw = text_flaw(task.strip(), language)
    assert (flaw.kind if flaw else None) == kind
    if kind is not None:
        others = [rule for rule in ("length", "not_text", "program", "opening") if rule != kind]
        left = text_flaw(task.strip(), language, others)  # type: ignore[arg-type]
        assert left is None or left.kind != kind


def test_the_bounds_of_length_are_told() -> None:
    flaw = text_flaw("Name a river.", "en")
    assert flaw is not None
    assert flaw.reason == "it has 3 words; 4 to 150 are kept"
    assert LENGTHS["zh"] == (5, 250)


@pytest.mark.slow
def test_alpaca_which_went_through_these_rules_passes_them() -> None:
    path = SHARED / "nc_optional/alpaca_en_52k.jsonl.gz"
    if not path.exists():
        pytest.skip("the Alpaca data is not beside the project")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        flaws = [text_flaw(json.loads(line)["instruction"], "en") for line in lines]
    kinds = Counter(flaw.kind for flaw in flaws if flaw)
    assert kinds == {"length": 6}  # a word there is what stands between spaces


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nearly_all_human_seeds_pass_the_rules(language: str) -> None:
    path = SHARED / f"seeds/seed_tasks_{language}.jsonl.gz"
    if not path.exists():
        pytest.skip("the seed tasks are not beside the project")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        flaws = [text_flaw(json.loads(line)["instruction"].strip(), language) for line in lines]
    assert Counter(flaw.kind for flaw in flaws if flaw) == {"length": 1, "program": 1}
    assert len(flaws) == 175


@pytest.mark.parametrize(
    ("input", "output", "kind"),
    [
        ("Some text.", "A shorter text.", None),
        ("", "Because salt stays behind.", None),
        ("Some text.", " \n", "empty_answer"),
        ("Some text.", "the of and", "empty_answer"),
        ("Some text.", "some TEXT.", "same_as_input"),
        ("Consider this:", "It is fine.", "unfinished"),
        ("", "The steps are:", "unfinished"),
        ("", "步骤如下：", "unfinished"),
        ("", "I'm sorry, but I can't help with that request.", "refusal"),
        ("No bicycles in the hallway. They will be removed.", "Please take them out.", "template_leak"),
    ],
)
def test_an_instance_that_is_none_is_told_by_its_text(input: str, output: str, kind: str | None) -> None:
    flaw = instance_flaw("Make it shorter.", input, output, load_prompt("invent/input_first", "en"))
    assert (flaw.kind if flaw else None) == kind
