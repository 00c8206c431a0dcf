"""Random decisions of the ROUGE-L join, held against rouge-score itself."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from step_context import scripted_context

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.steps.dedup.rouge import check
from factory.steps.dedup.rouge.step import DedupRouge


def records(number: int = 200, words: int = 6) -> list[Record]:
    """Texts over few words, English and Chinese, so that many are near the threshold of another."""
    chance = random.Random(3)
    vocabulary = ["river", "lake", "name", "three", "of", "the", "deep", "河", "湖", "说出", "+", "A"]
    texts = [" ".join(chance.choices(vocabulary, k=chance.randrange(3, words))) for _ in range(number)]
    return [new_record(text, task=chance.choice("ab"), occurrence=at) for at, text in enumerate(texts)]


class Told(NamedTuple):
    facts: dict[str, Any]
    warnings: list[str]
    notices: list[str]


def run(step: DedupRouge, rows: list[Record]) -> Told:
    warnings: list[str] = []
    notices: list[str] = []
    context = replace(
        scripted_context(lambda ask: "", step="02-rouge")[0], warn=warnings.append, tell=notices.append
    )
    asyncio.run(step.run(Table.from_records(rows), context))
    return Told(dict(context.facts), warnings, [said for said in notices if "rouge-score" in said])


@pytest.mark.parametrize("scope", ["set", "task"])
def test_rouge_score_decides_alike_and_the_counts_are_told(scope: Any) -> None:
    facts, warnings, notices = run(DedupRouge(check=40, scope=scope), records())
    found = facts["check_against_rouge_score"]
    assert found["decisions"] == found["agreed"] == 40
    assert found["drops"] == 20
    assert found["near_misses"] == 10
    assert found["kept_pairs"] == 10
    assert found["interval_95"] == [pytest.approx(0.025 ** (1 / 40), abs=1e-4), 1.0]
    assert warnings == []
    assert notices == [
        "02-rouge: rouge-score itself decides 40 of 40 random decisions alike (drops: 20, near misses: 10, other "
        "pairs of kept records: 10); 95% interval 91.2% to 100.0%"
    ]
    assert run(DedupRouge(check=40, scope=scope), records()) == (facts, warnings, notices), (
        "the sample is seeded"
    )


def test_where_the_set_has_fewer_decisions_than_were_asked_for_it_says_how_many_and_why() -> None:
    rows = [new_record(text) for text in ("Name a deep river", "Name a deep lake", "Say it", "说出一条河")]
    facts, warnings, (said,) = run(DedupRouge(check=40), rows)
    found = facts["check_against_rouge_score"]
    assert (found["wanted"], found["decisions"], found["drops"], found["kept_pairs"]) == (40, 4, 1, 3)
    assert warnings == []
    assert "decides 4 of 4 random decisions alike" in said
    assert said.endswith(
        "; 40 were asked for, and the set is too small: 1 of its 1 drops, and all pairs of kept records that were "
        "found in 8 tries for each and that their words alone part"
    )
    same = [new_record("Name a river", occurrence=at) for at in range(30)]
    _, _, (said,) = run(DedupRouge(check=10), same)
    assert "5 of its 29 drops (half of what is asked for, at most)" in said


def test_where_there_is_nothing_to_decide_it_asks_for_a_look() -> None:
    _, (warned,), notices = run(DedupRouge(check=10), [new_record("Name a river")])
    assert "decides 0 of 0 random decisions alike" in warned
    assert "10 were asked for, and the set is too small: 0 of its 0 drops" in warned
    assert notices == []


def test_a_decision_that_rouge_score_does_not_share_is_told_with_the_pair(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [new_record(text) for text in ("Name a deep river", "Name a deep lake", "说出一条河")]
    monkeypatch.setattr(check, "rouge_score_f", lambda one, other: 0.25)
    facts, warnings, notices = run(DedupRouge(check=4), rows)
    assert notices == [], "what does not agree asks for a look"
    assert facts["check_against_rouge_score"]["agreed"] == facts["check_against_rouge_score"]["decisions"] - 1
    assert warnings[1] == (
        f"02-rouge: {rows[1].id} (Name a deep lake) was dropped for {rows[0].id} (Name a deep river) at "
        "ROUGE-L 0.750000, rouge-score gives 0.250000"
    )
    monkeypatch.setattr(check, "rouge_score_f", lambda one, other: 0.75)
    _, warnings, _ = run(DedupRouge(check=4), rows)
    assert f"was kept beside {rows[0].id} (Name a deep river), rouge-score gives 0.750000" in warnings[1]


def test_pairs_that_inputs_or_signs_part_are_not_held_against_it() -> None:
    rows = [new_record("Name it", input=str(at)) for at in range(20)]
    assert run(DedupRouge(check=10), rows)[0]["check_against_rouge_score"]["decisions"] == 0
    rows = [new_record(f"What is 12 {sign} 7") for sign in "+-*/"]
    facts, _, _ = run(DedupRouge(check=10), rows)
    assert facts["check_against_rouge_score"]["decisions"] == 0
    assert facts["kept_for_their_signs"] == 3


def test_a_record_of_the_reference_may_be_one_of_a_pair_and_never_both(tmp_path: Any) -> None:
    known = [new_record(f"Name the deep river {at} of three") for at in range(5)]
    warnings: list[str] = []
    context = replace(
        scripted_context(lambda ask: "")[0], warn=warnings.append, read_records=lambda path: iter(known)
    )
    step = DedupRouge(check=10, reference="known.jsonl")
    asyncio.run(step.run(Table.from_records([new_record("Name the deep river 7 of three")]), context))
    assert context.facts["check_against_rouge_score"] == {
        "wanted": 10,
        "decisions": 1,
        "agreed": 1,
        "interval_95": [0.025, 1.0],
        "drops": 1,
        "near_misses": 0,
        "kept_pairs": 0,
    }


def test_rouge_score_is_given_words_where_a_text_is_not_ascii() -> None:
    assert check.rouge_score_f("说出一条河", "说出一条湖") == pytest.approx(0.8)
    assert check.rouge_score_f("Name a river", "name a RIVER!") == 1.0


def test_nothing_is_checked_unless_it_is_asked_for() -> None:
    facts, warnings, notices = run(DedupRouge(), records())
    assert "check_against_rouge_score" not in facts
    assert warnings == notices == []
