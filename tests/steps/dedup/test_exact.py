"""The same text, however it is written, and nothing but that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_context import scripted_context

from factory.data.record import Drop, Message, Record, ToolCall, new_record
from factory.data.table import Table
from factory.report.duplicate_families import duplicate_families
from factory.step import Context
from factory.steps.dedup.exact import DedupExact
from factory.steps.dedup.joins.equal import digests, first_equal
from factory.steps.dedup.joins.forms import exact_form

SAME = [
    ("Hello, World!", "hello   world"),
    ("Is it so?", "is it so"),
    ("ＡＢＣ　１２３", "abc 123"),
    ("caf\u00e9", "CAFE\u0301"),
    ("STRASSE", "straße"),
    ("“Say” it—now", '"say" it-now'),
    ("你好，世界！", "你好 世界"),
    ("你好，世界！", "你好,世界!"),
    ("请用 Python 写一个函数。", "请用Python写一个函数"),
    ("\u4e00\u200b\u4e8c\ufeff", "一二"),
    ("Line one.\nLine two.", "line one line two"),
    ("Where was she born?", "where was she born ?"),
    ("她在哪里出生？", "她在哪里出生 ？"),
    ("Где он родился?", "где он родился ?"),
    ("Is it so?!", "is it so ? !"),
    ("¿Dónde nació él?", "dónde nació él ?"),
    ("Dime, ¿dónde nació?", "dime dónde nació?"),
    ("¡Ven aquí!", "ven aquí"),
    ("वह कहाँ है। ठीक॥", "वह कहाँ है ठीक"),
    ("አዎ። ነው።", "አዎ ነው"),
    ("Hello, world; so: be it.", "hello ,world ;so :be it"),
    ("你好，世界；好：的。", "你好 ,世界 ;好 :的 ."),
    ("Do you know C++?", "do you know C ++"),
    ("Give 50% of $5 (half)", "give 50 % of $ 5 ( half )"),
    ("well-known", "well - known"),
    ("x != y", "x!=y"),
    ("What is 5! ?", "what is 5 !"),
    ("1. Open it", "1 . open it"),
    ("Sort 3, 6, 1", "sort 3,6,1"),
    ("给 3、6、1 排序", "给3,6，1排序"),
    ("Was it so?Then why?", "was it so? then why"),
    ("See Fig. 2, e.g. 2.5", "see fig 2 e g 2.5 ."),
    ("I like \u2764\ufe0f!", "i like \u2764"),
    ("？", "?"),
]
DIFFERENT = [
    ("Write it in C.", "Write it in C#."),
    ("What is 5!", "What is 5"),
    ("What is 5！", "What is 5"),
    ("值为5!是", "值为5是"),
    ("x²", "x2"),
    ("H₂", "H2"),
    ("3.5", "3 5"),
    ("5 * 3", "5 / 3"),
    ("a != b", "a = b"),
    ("a[1:]", "a[1]"),
    ("-5", "5"),
    ("f(x)", "f x"),
    ("说出一条河", "说出两条河"),
    ("no where", "nowhere"),
    ("की बात", "कीबात"),
    ("3.5", "35"),
    ("３．５", "35"),
    (".5", "5"),
    ("1,5", "15"),
    ("10:30", "1030"),
    ("1..10", "1 10"),
    ("n!", "n"),
    ("!x", "x"),
    ("x := 3", "x = 3"),
    ("a?b", "a b"),
    ("colou?r", "colou r"),
    ("Sort 3, 6, 1", "sort 3 6 1"),
    ("C", "C++"),
    ("a -> b", "a <- b"),
    ("$5", "€5"),
    ("5%", "5"),
    ("\U0001f600", "\U0001f622"),
    ("?", "!"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_width_spacing_and_the_marks_that_end_a_phrase_do_not_count(one: str, other: str) -> None:
    assert exact_form(one) == exact_form(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_means_something_counts(one: str, other: str) -> None:
    assert exact_form(one) != exact_form(other)


@given(st.text(), st.sampled_from(["", " ", "\n", "\u3000", "\u200b"]))
def test_white_space_around_a_text_does_not_count(text: str, space: str) -> None:
    assert exact_form(space + text + space) == exact_form(text)
    assert "\n" not in exact_form(text)


@given(st.lists(st.sampled_from(["a", "A ", "b", "b.", "c d", "", "  ", "\u200b"])))
def test_the_first_equal_text_is_what_a_look_at_all_before_finds(texts: list[str]) -> None:
    table = Table.from_records(new_record(text, occurrence=at) for at, text in enumerate(texts))
    forms = [exact_form(text) for text in texts]
    expected = [forms.index(form) if form else at for at, form in enumerate(forms)]
    assert first_equal(digests(table, "instruction")).tolist() == expected


def test_texts_of_several_blocks_are_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.steps.dedup.exact.BLOCK", 7)
    records = [new_record(f"Name river {at % 30}.", occurrence=at) for at in range(100)]
    result = run(DedupExact(), records)
    assert kept(result) == list(range(30))
    assert all(records[at % 30].id in result[at].dropped.reason for at in range(30, 100))  # type: ignore[union-attr]


def run(step: DedupExact, records: list[Record], **files: list[Record]) -> list[Record]:
    base, _ = scripted_context(lambda ask: "", step="02-exact")
    context = Context(
        base.step, 0, base.get_chat, base.get_embedder, read_records=lambda path: iter(files[path.stem])
    )
    return list(asyncio.run(step.run(Table.from_records(records), context)).records())


def kept(records: list[Record]) -> list[int]:
    return [at for at, record in enumerate(records) if record.dropped is None]


def test_the_first_is_kept_and_named_in_the_reason_of_the_others() -> None:
    texts = ["Name a river.", "Why?", "name a RIVER", "说出一条河。", "说出一条河！"]
    records = [new_record(text) for text in texts]
    result = run(DedupExact(), records)
    assert kept(result) == [0, 1, 3]
    reason = f"identical with {records[0].id} (Name a river.)"
    assert result[2].dropped == Drop("02-exact", "exact_duplicate", reason, against=records[0].id)
    assert [family.kept for family in duplicate_families(result)] == [records[0].id, records[3].id]


def test_the_field_says_which_text_is_compared() -> None:
    records = [
        new_record("Translate.", input="a", output="x"),
        new_record("Translate.", input="b", output="X"),
        new_record("Translate!", input="A", output="y"),
        new_record("Translate!", input="A", output="Y."),
    ]
    fields: Any = {"instruction": [0], "prompt": [0, 1], "output": [0, 2], "both": [0, 1, 2]}
    for field, expected in fields.items():
        assert kept(run(DedupExact(field=field), records)) == expected


def test_what_ends_the_prompt_is_not_taken_for_the_beginning_of_the_output() -> None:
    records = [new_record("a", output="b c"), new_record("a b", output="c"), new_record("a\nb c")]
    assert kept(run(DedupExact(field="both"), records)) == [0, 1, 2]


def test_blank_texts_are_not_duplicates_of_each_other() -> None:
    records = [
        new_record(str(at), output=output) for at, output in enumerate(["", " \n", "\u200b", "", "x", "X"])
    ]
    assert kept(run(DedupExact(field="output"), records)) == [0, 1, 2, 3, 4]
    assert run(DedupExact(), []) == []


def test_what_a_reference_holds_is_dropped_and_named() -> None:
    seeds, release = [new_record("Name a river."), new_record("")], [new_record("Why?"), new_record("why")]
    step = DedupExact(reference=("seeds.jsonl", "release.jsonl"))
    assert step.inputs() == [Path("seeds.jsonl"), Path("release.jsonl")]
    records = [new_record(text) for text in ["name a river", "Name a lake.", "WHY", "", "Name a lake"]]
    result = run(step, records, seeds=seeds, release=release)
    assert kept(result) == [1, 3]
    assert result[0].dropped is not None
    assert result[0].dropped.reason == f"identical with {seeds[0].id} of the reference seeds (Name a river.)"
    assert result[2].dropped is not None
    assert release[0].id in result[2].dropped.reason


def test_a_hash_is_of_16_bytes_and_none_of_a_text_is_that_of_a_blank_one() -> None:
    rows = digests(Table.from_records([new_record("a"), new_record(" ")]), "instruction")
    assert (rows.shape, rows.dtype) == ((2, 2), np.dtype(np.uint64))
    assert rows.any(axis=1).tolist() == [True, False]


@given(st.text("ab 5.,!?:\"')%[=", max_size=12))
def test_ascii_texts_have_the_form_that_the_general_rule_gives(text: str) -> None:
    """A word that is not ASCII, behind a word, turns the general rule on."""
    assert exact_form(f"{text} bc é") == exact_form(f"{text} bc e").removesuffix("e") + "é"


@given(st.text("ab 5.,!?()+。，你", max_size=10), st.integers(0, 10))
def test_a_space_more_beside_a_chinese_character_says_nothing(text: str, at: int) -> None:
    if (form := exact_form(text)) and not form[at % len(form)].isascii():
        cut = at % len(form)
        assert exact_form(f"{form[:cut]} {form[cut:]}") == exact_form(form)


@pytest.mark.parametrize("field", ["instruction", "prompt", "output", "both"])
def test_records_that_differ_in_their_calls_alone_are_no_duplicates(field: Any) -> None:
    def calling(arguments: str) -> Record:
        record = new_record("What is the weather?", source=arguments)
        turns = (*record.messages, Message("assistant", "", calls=(ToolCall("weather", arguments),)))
        return replace(record, messages=turns)

    records = [calling('{"city": "Rome"}'), calling('{"city": "Oslo"}'), calling('{ "city":"Rome" }')]
    dropped = [record.dropped is not None for record in run(DedupExact(field=field), records)]
    assert dropped == [False, False, True], "white space inside the arguments says nothing"
