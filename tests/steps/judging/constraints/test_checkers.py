"""Every kind that code checks, in both languages, on answers that meet it and answers that do not (answers.jsonl)."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.text import detect_language
from factory.steps.judging.constraints.constraint import AnswerText, Checked, Counted, count_words, holds
from factory.steps.judging.constraints.registry import IFEVAL, checked_kinds, make_constraint
from factory.steps.judging.constraints.strictness import Variants, follows, loose_variants

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in Path(__file__).with_name("answers.jsonl").read_text(encoding="utf-8").splitlines()
]


def constraint_of(row: dict[str, Any]) -> Checked:
    constraint = make_constraint(row["kind"], row["arguments"])
    assert isinstance(constraint, Checked)
    return constraint


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']}-{row['language']}")
def test_an_answer_of_the_table_is_told_as_a_reader_tells_it(row: dict[str, Any]) -> None:
    constraint = constraint_of(row)
    told = {answer: follows(constraint, Variants(answer)) for answer in (*row["met"], *row["not_met"])}
    assert told == {**dict.fromkeys(row["met"], True), **dict.fromkeys(row["not_met"], False)}


def test_the_table_has_ten_of_each_for_every_kind_and_language() -> None:
    answers: dict[tuple[str, str, str], set[tuple[str, str]]] = defaultdict(set)
    for row in ROWS:
        for verdict in ("met", "not_met"):
            for answer in row[verdict]:
                answers[row["kind"], row["language"], verdict].add((str(row["arguments"]), answer))
    wanted = {
        (kind, language, verdict)
        for kind in checked_kinds()
        for language in ("en", "zh")
        for verdict in ("met", "not_met")
    }
    assert answers.keys() == wanted
    assert {key: len(found) for key, found in answers.items() if len(found) < 10} == {}


def test_there_are_over_thirty_kinds_and_ifevals_twenty_five_are_among_them() -> None:
    assert len(checked_kinds()) >= 30
    assert len(set(IFEVAL)) == 25
    assert set(IFEVAL) <= checked_kinds().keys()


def test_a_wording_is_in_its_language_and_says_the_arguments() -> None:
    for row in ROWS:
        constraint = constraint_of(row)
        english, chinese = constraint.wording("en"), constraint.wording("zh")
        assert detect_language(chinese) == "zh", row["kind"]
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in english) or row["language"] == "zh"
        for name, value in row["arguments"].items():
            if isinstance(value, int):
                assert str(value) in english or value == 0, (row["kind"], name)
                assert str(value) in chinese or value == 0, (row["kind"], name)


def test_an_empty_answer_follows_nothing() -> None:
    for row in ROWS:
        for blank in ("", " \n", "\u200b"):
            assert not follows(constraint_of(row), Variants(blank), loose=True)


def test_what_was_found_is_the_number_that_was_compared() -> None:
    for row in ROWS:
        constraint = constraint_of(row)
        if isinstance(constraint, Counted):
            relation, number = constraint.bound()
            for answer in (*row["met"], *row["not_met"]):
                found = constraint.found(AnswerText(answer))
                assert not found or holds(int(found), relation, number) == constraint.check(
                    AnswerText(answer)
                )


@given(st.sampled_from([row for row in ROWS if not row["kind"].startswith("language:")]), st.text())
def test_any_answer_has_a_verdict_and_strictly_met_is_loosely_met(row: dict[str, Any], text: str) -> None:
    constraint = constraint_of(row)
    strict = follows(constraint, Variants(text))
    assert follows(constraint, Variants(text), loose=True) or not strict


ONLY_FEWER = (
    "keywords:frequency",
    "keywords:letter_frequency",
    "punctuation:no_comma",
    "punctuation:forbidden_marks",
    "detectable_content:number_numerals",
    "length_constraints:number_words",
    "length_constraints:number_characters",
)
"""Kinds that more text can break, and never mend."""


@given(
    st.sampled_from([row for row in ROWS if row["kind"] in ONLY_FEWER]),
    st.text(st.sampled_from("ice snow,\n;!，！；雪冰不1 "), min_size=1, max_size=40),
)
def test_no_answer_that_holds_what_a_constraint_refuses_meets_it(row: dict[str, Any], text: str) -> None:
    constraint = constraint_of(row)
    if constraint.refuses(text):
        assert not any(constraint.check(AnswerText(f"{answer}\n{text}")) for answer in row["met"])


def test_ifevals_loose_reading_has_eight_variants() -> None:
    text = "*Sure!*\nThe *answer*.\nBye."
    assert list(loose_variants(text)) == [
        text,
        "Sure!\nThe answer.\nBye.",
        "The *answer*.\nBye.",
        "The answer.\nBye.",
        "*Sure!*\nThe *answer*.",
        "Sure!\nThe answer.",
        "The *answer*.",
        "The answer.",
    ]


@pytest.mark.parametrize(
    ("kind", "arguments", "answer"),
    [
        ("startend:end_checker", {"end_phrase": "The end."}, "It rains.\nThe end.\nHope this helps!"),
        ("startend:quotation", {}, 'Here you go:\n"It rains."'),
        ("punctuation:no_comma", {}, "Sure, here it is:\nIt rains."),
        ("detectable_format:json_format", {}, 'Here is the JSON:\n{"a": 1}\nBye.'),
        ("startend:first_phrase", {"first_phrase": "It rains"}, "**It rains** today."),
        ("combination:repeat_prompt", {"prompt_to_repeat": "Why?"}, "Sure!\n*Why?* Because."),
    ],
)
def test_what_models_put_around_an_answer_is_forgiven_loosely_and_not_strictly(
    kind: str, arguments: dict[str, Any], answer: str
) -> None:
    constraint = make_constraint(kind, arguments)
    assert isinstance(constraint, Checked)
    assert not follows(constraint, Variants(answer))
    assert follows(constraint, Variants(answer), loose=True)


def test_a_loose_variant_that_is_empty_follows_nothing() -> None:
    constraint = make_constraint("punctuation:no_comma", {})
    assert isinstance(constraint, Checked)
    assert not follows(constraint, Variants("a, b"), loose=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 3.5 km", 5),
        ("snake_case x", 2),
        ("河面结冰", 4),
        ("用Python写", 3),
        ("東京タワー", 5),
        ("", 0),
        ("один два", 2),
    ],
)
def test_a_word_is_a_run_of_letters_and_a_chinese_character_is_one(text: str, words: int) -> None:
    assert count_words(text) == words


HOSTILE = (
    *(
        "[",
        "*",
        "<<",
        ".",
        ". ",
        "…",
        "。",
        "\n",
        "```\n",
        "|-",
        "- ",
        "1. ",
        "{",
        "p.\t",
        "!?",
        "x.)",
        "# ",
        "I'S",
    ),
    *("1,1.", "  - ", "a: [", "? ", '"', "a: &a\n", "***", "第1"),
)


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE)
def test_no_answer_takes_a_checker_long(piece: str) -> None:
    """Each is linear in the answer: these would take minutes where one were not, and the test's time-out ends it."""
    answer = piece * 10_000
    for row in ROWS:
        if row["language"] == "en" and row["kind"] != "language:response_language":
            follows(constraint_of(row), Variants(answer), loose=True)
