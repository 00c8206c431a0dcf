"""Laws of mends, and repairs: idempotent, no good row is changed, the border of an input stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from any_record import records
from hypothesis import given
from hypothesis import strategies as st

from factory.api.repairing import apply_repair, preview_repair
from factory.data.record import Candidate, Event, Media, Message, Record, new_record
from factory.data.table import Table
from factory.errors import RecipeError
from factory.steps.clean.clean import Clean
from factory.steps.clean.cleaning.mending import ORIGINAL, applied, mended
from factory.steps.clean.rules.registry import rules
from factory.steps.clean.rules.rule import Finding, Found, Rule
from factory.steps.clean.rules.view import Part

EVENT = Event("01-clean", "mend")
MENDING = [rule for rule in rules().values() if rule.mends and rule.needs is None]
# Pieces of which faulty texts are made: each mend may bring another fault to light.
_WORDS = "&#39; &amp; lt; amp; quot; \\n \\u4f60 Ã© â€™ １２ Ａ 你好 , ， 。 word text. ``` `a` $x$ noinput"
_BLANKS = ["\u200b", "\ufeff", "\x07", " ", "\n", "\n\n\n", "\t", "\xa0", "\r\n", "\u2028"]
PIECES = st.sampled_from([*_WORDS.split(), *_BLANKS])
TEXTS = st.lists(PIECES, max_size=12).map("".join)
ROWS = st.builds(
    lambda asked, given, answer: new_record(asked or "?", input=given, output=answer), TEXTS, TEXTS, TEXTS
)
PLAIN = st.lists(
    st.sampled_from(
        ["The sea is salty.", "Rivers bring salt.", "海水是咸的。", "河流带来盐。", "It is 5 o'clock."]
    ),
    min_size=1,
)


def mend(record: Record) -> Record:
    return mended(record, MENDING, {}, EVENT)[0]


@given(ROWS)
def test_mending_again_changes_nothing(row: Record) -> None:
    once = mend(row)
    assert mend(once) is once


@given(records())
def test_any_record_can_be_mended_and_once_is_enough(record: Record) -> None:
    once = mend(record)
    assert mend(once).messages == once.messages
    assert len(once.messages) == len(record.messages)
    assert [turn.role for turn in once.messages] == [turn.role for turn in record.messages]


@given(PLAIN)
def test_a_row_without_a_fault_stays_as_it_is(sentences: list[str]) -> None:
    row = new_record(" ".join(sentences), output="\n".join(sentences))
    assert mend(row) is row


@given(ROWS)
def test_instruction_and_input_are_told_apart_as_before(row: Record) -> None:
    after = mend(row)
    if after.input_chars:
        assert after.instruction + "\n\n" + after.input == after.messages[0].content
    assert (after.input_chars > 0) <= (row.input_chars > 0)


def test_an_entity_of_an_entity_is_mended_to_the_end() -> None:
    row = new_record("Compare.", output="Three &amp;lt; five.")
    after = mend(row)
    assert after.output == "Three < five."
    assert after.meta[ORIGINAL] == [{"turn": 1, "where": "content", "text": row.output}]


def test_the_first_text_is_kept_where_a_record_is_mended_twice() -> None:
    once = mend(new_record("Compare.", output="It&#39;s five."))
    again = Record(
        once.id, (*once.messages[:1], Message("assistant", "It's &quot;five&quot;.")), meta=once.meta
    )
    assert mend(again).meta[ORIGINAL] == [{"turn": 1, "where": "content", "text": "It&#39;s five."}]


def test_pictures_stay_where_they_stood_in_the_text() -> None:
    turn = Message("user", "&quot;a&quot; b", media=(Media("image", "x.png", 13),))
    found = [Finding("r", 0, "content", 0, 6, "", '"'), Finding("r", 0, "content", 7, 13, "", '"')]
    after = applied(Record("x", (turn, Message("assistant", "y"))), found)
    assert after.messages[0].content == '"a" b'
    assert after.messages[0].media[0].at == 3


def test_the_chosen_answer_is_mended_with_its_turn() -> None:
    turns = (Message("assistant", "It&#39;s five."),)
    row = Record("x", (Message("user", "?"), *turns), answers=(Candidate(turns), Candidate(())), chosen=0)
    after = mend(row)
    assert after.answers[0].turns == after.messages[1:]
    assert after.answers[0].text == "It's five."


def test_a_rule_that_fails_on_a_mended_text_mends_no_more_and_the_others_go_on() -> None:
    def fails_later(part: Part) -> Iterator[Found]:
        if "ok" in part.text:
            raise ZeroDivisionError
        yield from (Found(at, at + 1, "", "ok") for at, mark in enumerate(part.text) if mark == "x")

    rule = Rule("odd", "text", "Odd.", fails_later, mends=True)
    after, names = mended(new_record("?", output="x &#39;"), [rule, *MENDING], {}, EVENT)
    assert after.output == "ok '"
    assert names == ["odd", "html_entities"]


# -- repairs ----------------------------------------------------------------------------------------------

SET = Table.from_records(
    [
        new_record("Name a fruit.", output="An apple (c) Example."),
        new_record("Name a tree.", output="An oak."),
        new_record("Name a bird.", output="It&#39;s a crow. (C) Example."),
    ]
)


def test_a_repair_is_shown_before_it_is_made_and_makes_what_was_shown() -> None:
    shown = preview_repair(SET, find=" (c) Example", replace="", ignore_case=True)
    assert (shown.rows, shown.changed) == (3, 2)
    assert (shown.changes[0].before, shown.changes[0].after) == (
        "An apple (c) Example.",
        "An apple.",
    )
    made = apply_repair(SET, find=" (c) Example", replace="", ignore_case=True)
    assert made.texts("output") == ["An apple.", "An oak.", "It&#39;s a crow.."]
    assert made.ids() == SET.ids()
    assert SET.texts("output")[0] == "An apple (c) Example."


def test_a_repair_by_a_rule_mends_what_it_finds() -> None:
    assert preview_repair(SET, "html_entities").changed == 1
    assert apply_repair(SET, "html_entities").texts("output")[2] == "It's a crow. (C) Example."


def test_a_pattern_may_put_its_groups_in_another_order() -> None:
    table = Table.from_records([new_record("When?", output="On 31.12.1999 and 1.2.2000.")])
    made = apply_repair(table, regex=r"(\d+)\.(\d+)\.(\d{4})", replace=r"\3-\2-\1")
    assert made.texts("output") == ["On 1999-12-31 and 2000-2-1."]


def test_words_in_chinese_are_found_and_replaced() -> None:
    table = Table.from_records([new_record("天气？", output="今天😀天气很好，天气。")])
    assert apply_repair(table, find="天气", replace="气候").texts("output") == ["今天😀气候很好，气候。"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "give one of them"),
        ({"rule": "refusal"}, "has no certain mend"),
        ({"rule": "html_entity"}, "did you mean 'html_entities'"),
        ({"find": "a"}, "say what stands in place"),
        ({"regex": "(a", "replace": ""}, "is no pattern"),
        ({"regex": r"(?<=a)b", "replace": ""}, "RE2 has no looking around"),
        ({"regex": "a*", "replace": ""}, "ask for a character"),
        ({"regex": "(a)", "replace": r"\2"}, r"names group \\2"),
        ({"find": "a", "regex": "b", "replace": ""}, "give one of"),
    ],
)
def test_what_is_wrong_with_a_repair_is_one_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        preview_repair(SET, **arguments)


def test_a_pattern_that_would_explode_ends_at_once() -> None:
    table = Table.from_records([new_record("?", output="a" * 50_000 + "!")])
    assert preview_repair(table, regex=r"(a+)+(a+)+$", replace="").changed == 0


def test_a_rule_of_the_users_own_mends_once_even_where_its_words_come_again() -> None:
    step = Clean(own=[{"name": "more", "find": "a", "replace": "aa"}], only=("more",))
    cleaned = step.cleaner.clean(new_record("?", output="bab"), EVENT)
    assert cleaned.record.output == "baab"
