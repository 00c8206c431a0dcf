"""Close texts that ask for different things are told apart by rule, counted, and kept with a guard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_steps import ANGLES, ScriptedEmbedder, asked, kept, run

from factory.steps.dedup.joins.differences import differences, signature
from factory.steps.dedup.rouge.step import DedupRouge
from factory.steps.dedup.semantic.step import DedupSemantic


@pytest.mark.parametrize(
    ("one", "other", "kinds"),
    [
        ("Name 7 rivers.", "Name 8 rivers.", "numbers"),
        ("Name two rivers.", "Name three rivers.", "numbers"),
        ("How long is it in km?", "How long is it in cm?", "units"),
        ("用公里表示。", "用厘米表示。", "units"),
        ("Convert km to miles.", "Convert miles to kilometers.", "units"),
        ("What should one eat?", "What should one not eat?", "negation"),
        ("Why do cats swim?", "Why don't cats swim?", "negation"),
        ("为什么猫会游泳？", "为什么猫不会游泳？", "negation"),
        ("Find the minimum.", "Find the maximum.", "opposites"),
        ("求最大值。", "求最小值。", "opposites"),
        ("Translate English to Chinese.", "Translate Chinese to English.", "opposites"),
        ("把英文翻译成中文。", "把中文翻译成英文。", "opposites"),
        ("Is a == b?", "Is a != b?", "operators"),
        ("Name 7 km.", "Name 8 cm.", "numbers units"),
        ("Name two rivers.", "Please name 2 rivers.", ""),
        ("It costs 1,000 dollars.", "It costs $ 1000.", ""),
        ("Find the largest value.", "Find the maximum value.", ""),
        ("非常大的河有什么不同？", "很大的河有什么差异？", ""),
        ("How long is it in kilometres?", "How long, in km, is it?", ""),
        ("Explain administration.", "Explain the kmeans gramma.", ""),
    ],
)
def test_what_two_texts_differ_in(one: str, other: str, kinds: str) -> None:
    assert differences(one, other) == tuple(kinds.split())
    assert differences(other, one) == tuple(kinds.split())


@given(st.text(), st.text())
def test_texts_differ_in_nothing_exactly_where_their_signatures_are_the_same(one: str, other: str) -> None:
    assert (signature(one) == signature(other)) == (not differences(one, other))
    assert not differences(one, one)


CLOSE = (
    "Write a poem of 7 lines about the wide sea.",
    "Write a poem of 8 lines about the wide sea.",
    "Write a poem of 7 lines about the deep sea.",
)


def test_dropped_records_that_differ_in_what_may_matter_are_counted_and_told() -> None:
    told: list[str] = []
    records = run(DedupRouge(), asked(*CLOSE), warnings=told)
    assert kept(records) == [0]
    assert records[1].dropped is not None
    assert records[1].dropped.reason.endswith("; they differ in numbers")
    (sentence,) = [one for one in told if "dropped" in one]
    assert "of the 2 dropped, 1 differ from what they lost against" in sentence
    assert "(numbers 1): `guard: [numbers]`" in sentence


def test_a_guard_keeps_them_and_drops_the_others() -> None:
    assert kept(run(DedupRouge(guard=("numbers",)), asked(*CLOSE))) == [0, 1]
    assert kept(run(DedupRouge(guard=("units",)), asked(*CLOSE))) == [0]


def test_a_guard_holds_for_meanings_too(monkeypatch: pytest.MonkeyPatch) -> None:
    should = ("What should one eat?", "What should one not eat?", "What ought one to eat?")
    for text in should:
        monkeypatch.setitem(ANGLES, text, 0)
    told: list[str] = []
    assert kept(run(DedupSemantic(), asked(*should), ScriptedEmbedder(), warnings=told)) == [0]
    assert any("negation 1" in sentence for sentence in told)
    guarded = DedupSemantic(guard=("negation",))
    assert kept(run(guarded, asked(*should), ScriptedEmbedder())) == [0, 1]
