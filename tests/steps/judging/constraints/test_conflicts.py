"""Constraints that contradict each other are never put together."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.agents.ladder.choose import keeps_arguments, next_checked
from factory.steps.agents.ladder.words import CHINESE, ENGLISH
from factory.steps.judging.constraints.conflicts import conflict
from factory.steps.judging.constraints.constraint import CATEGORIES, About, Constraint
from factory.steps.judging.constraints.registry import checked_kinds, make_constraint

WORDS, SENTENCES = "length_constraints:number_words", "length_constraints:number_sentences"
CHARACTERS = "length_constraints:number_characters"


def of(kind: str, **arguments: Any) -> Constraint:
    return make_constraint(kind, arguments)


CONTRADICTIONS = {
    "same kind": [
        of(WORDS, relation="at least", num_words=10),
        of(WORDS, relation="less than", num_words=100),
    ],
    "same words judged": [
        of("judged:style", requirement="Be dry."),
        of("judged:style", requirement="Be dry."),
    ],
    "more sentences than words": [
        of(WORDS, relation="less than", num_words=8),
        of(SENTENCES, relation="at least", num_sentences=9),
    ],
    "more words than characters": [
        of(WORDS, relation="at least", num_words=100),
        of(CHARACTERS, relation="at most", num_characters=150),
    ],
    "more paragraphs than sentences": [
        of(SENTENCES, relation="less than", num_sentences=2),
        of("length_constraints:blank_line_paragraphs", relation="exactly", num_paragraphs=4),
    ],
    "more bullets than words": [
        of(WORDS, relation="less than", num_words=4),
        of("detectable_format:number_bullet_lists", num_bullets=5),
    ],
    "a forbidden word inside a required phrase": [
        of("keywords:forbidden_words", forbidden_words=["questions"]),
        of("startend:end_checker", end_phrase="Any other questions?"),
    ],
    "a forbidden word that is asked for": [
        of("keywords:forbidden_words", forbidden_words=["雪"]),
        of("keywords:existence", keywords=["大雪"]),
    ],
    "a comma in a required phrase": [
        of("punctuation:no_comma"),
        of("startend:first_phrase", first_phrase="In short,"),
    ],
    "a comma in JSON": [of("punctuation:no_comma"), of("detectable_format:json_format")],
    "a mark in a required phrase": [
        of("punctuation:forbidden_marks", marks=["?"]),
        of("startend:end_checker", end_phrase="Any other questions?"),
    ],
    "Chinese and a Latin letter": [
        of("language:response_language", language="zh"),
        of("keywords:letter_frequency", let_relation="at least", letter="q", let_frequency=3),
    ],
    "Chinese and an English keyword": [
        of("language:response_language", language="zh"),
        of("keywords:existence", keywords=["river"]),
    ],
    "Chinese and English capitals": [
        of("language:response_language", language="zh"),
        of("change_case:english_capital"),
    ],
    "capitals and small letters": [of("change_case:english_lowercase"), of("change_case:english_capital")],
    "small letters and words in capitals": [
        of("change_case:english_lowercase"),
        of("change_case:capital_word_frequency", capital_relation="at least", capital_frequency=3),
    ],
    "small letters and a label in capitals": [
        of("change_case:english_lowercase"),
        of("detectable_format:multiple_sections", section_spliter="SECTION", num_sections=2),
    ],
    "too few of a letter that a phrase has": [
        of("keywords:letter_frequency", let_relation="less than", letter="e", let_frequency=2),
        of("startend:end_checker", end_phrase="Here we end the letter."),
    ],
    "too few of a keyword that is asked for": [
        of("keywords:frequency", relation="less than", keyword="ice", frequency=1),
        of("keywords:existence", keywords=["nice"]),
    ],
    "JSON and paragraphs": [
        of("detectable_format:json_format"),
        of("length_constraints:number_paragraphs", num_paragraphs=3),
    ],
    "JSON and a first phrase": [
        of("detectable_format:json_format"),
        of("startend:first_phrase", first_phrase="Well"),
    ],
    "one of two words and two hundred": [
        of("detectable_content:choices", options=["yes", "no"]),
        of(WORDS, relation="at least", num_words=200),
    ],
    "two first things": [
        of("startend:first_phrase", first_phrase="Well"),
        of("combination:repeat_prompt", prompt_to_repeat="Why?"),
    ],
    "two last things": [
        of("startend:end_checker", end_phrase="Done."),
        of("detectable_content:postscript", postscript_marker="P.S."),
    ],
    "a prompt longer than the answer": [
        of("combination:repeat_prompt", prompt_to_repeat="one two three four five six seven eight nine"),
        of(WORDS, relation="less than", num_words=8),
    ],
    "no digits and a numbered list": [
        of("detectable_content:number_numerals", relation="at most", num_numerals=0),
        of("detectable_format:numbered_list", num_items=3),
    ],
}

AGREEING = {
    "lengths that fit": [
        of(WORDS, relation="at least", num_words=50),
        of(SENTENCES, relation="at least", num_sentences=3),
        of(CHARACTERS, relation="at most", num_characters=900),
    ],
    "a keyword in any case": [
        of("change_case:english_capital"),
        of("keywords:existence", keywords=["river"]),
    ],
    "a start and an end": [
        of("startend:first_phrase", first_phrase="Well"),
        of("startend:end_checker", end_phrase="Done."),
    ],
    "two styles in other words": [
        of("judged:style", requirement="Be dry."),
        of("judged:style", requirement="Be brief."),
    ],
    "a list, a title and no comma": [
        of("detectable_format:number_bullet_lists", num_bullets=3),
        of("detectable_format:title"),
        of("punctuation:no_comma"),
    ],
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_told_in_whatever_order(name: str) -> None:
    for order in itertools.permutations(CONTRADICTIONS[name]):
        assert conflict(order)


@pytest.mark.parametrize("name", AGREEING)
def test_what_an_answer_can_meet_together_may_stand_together(name: str) -> None:
    for order in itertools.permutations(AGREEING[name]):
        assert conflict(order) == ""


ABOUT = {
    "en": About("en", "Why is the sea salty?", ENGLISH),
    "zh": About("zh", "海水为什么是咸的？", CHINESE),
}


def drawn(language: str, seed: int) -> list[Constraint]:
    """One constraint of each kind that is drawn at all."""
    chance = random.Random(seed)
    found = [kind.draw(chance, ABOUT[language]) for kind in checked_kinds().values()]
    return [constraint for constraint in found if constraint is not None]


@given(st.sampled_from(["en", "zh"]), st.integers(0, 10_000))
def test_no_kind_stands_twice_and_one_alone_never_contradicts_itself(language: str, seed: int) -> None:
    chance = random.Random(seed + 1)
    for constraint in drawn(language, seed):
        assert conflict([constraint]) == ""
        assert conflict([constraint, constraint])
        again = type(constraint).draw(chance, ABOUT[language])
        assert again is None or conflict([constraint, again])


@given(st.sampled_from(["en", "zh"]), st.integers(0, 10_000), st.integers(2, 4))
def test_the_rule_knows_no_order_and_more_constraints_mend_no_contradiction(
    language: str, seed: int, size: int
) -> None:
    chance = random.Random(seed)
    several = chance.sample(drawn(language, seed), size)
    verdicts = {bool(conflict(order)) for order in itertools.permutations(several)}
    assert len(verdicts) == 1
    if conflict(several[:-1]):
        assert conflict(several)


@pytest.mark.slow
@given(st.sampled_from(["en", "zh"]), st.integers(0, 10_000))
def test_a_ladder_of_the_registry_never_contradicts_itself(language: str, seed: int) -> None:
    chance, have = random.Random(seed), list[Constraint]()
    for _ in range(2):
        for category in CATEGORIES:
            added = next_checked(list(checked_kinds().values()), category, have, ABOUT[language], chance)
            if added is not None:
                have.append(added)
                assert conflict(have) == ""
    assert len({constraint.kind for constraint in have}) == len(have) >= 4


@given(st.sampled_from(["en", "zh"]), st.integers(0, 10_000))
def test_the_registrys_own_wording_says_all_arguments(language: str, seed: int) -> None:
    for constraint in drawn(language, seed):
        if constraint.kind not in ("combination:repeat_prompt", "language:response_language"):
            said = constraint.wording(language)
            assert keeps_arguments(constraint, said) or "0" not in said, (constraint, said)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Use no fewer than 50 words.", True),
        ("Write 50 words or more.", True),
        ("Write many words.", False),
        ("Use at least 500 words.", False),
        ("Use less than 50 words.", False),
        ("Use exactly fifty words.", False),
    ],
)
def test_a_rewording_must_say_number_and_relation(text: str, kept: bool) -> None:
    constraint = of(WORDS, relation="at least", num_words=50)
    assert keeps_arguments(constraint, text) is kept


def test_a_turned_relation_is_not_taken_for_the_other() -> None:
    less = of(WORDS, relation="less than", num_words=50)
    assert keeps_arguments(less, "Stay under 50 words.")
    assert not keeps_arguments(less, "Use no less than 50 words.")
    assert not keeps_arguments(less, "不少于 50 字。")
    assert keeps_arguments(less, "控制在 50 字以内。")


def test_a_rewording_must_say_each_text() -> None:
    both = of("keywords:existence", keywords=["river", "大雪"])
    assert keeps_arguments(both, "Work in River and 大雪.")
    assert not keeps_arguments(both, "Work in river and snow.")
