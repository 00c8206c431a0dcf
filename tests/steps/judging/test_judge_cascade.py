"""The cascade as a step: a weak score, a scripted strong judge, and what becomes of the records."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from step_context import Ask, scripted_context

from factory.data.record import Event, Message, Record, new_record
from factory.data.table import Table
from factory.errors import RecordFailed
from factory.steps.judging.judge_cascade import JudgeCascade
from factory.steps.judging.verdicts.features import (
    principal_components,
    score_features,
    simple_features,
    standardised,
)
from factory.steps.keep import Condition

STEP = JudgeCascade(
    keep=">= 4", cheap=("judge.quality",), embeddings=False, agreement=0.9, recall=0.8, labels=100
)


def grade(ask: Ask) -> str:
    """The strong judge's level is written in the answer."""
    found = re.search(r"worth (\d)", ask.text)
    assert found is not None
    return json.dumps({"reason": "it says so", "score": int(found[1])})


def records(number: int, *, seed: int = 0) -> list[Record]:
    """Answers worth 1 to 5, and a weak judge's noisy score of them."""
    draw = random.Random(seed)
    made = []
    for at in range(number):
        worth = draw.randint(1, 5)
        record = new_record(f"Question {at}?", output=f"An answer worth {worth} points.", lang="en")
        weak = worth + draw.gauss(0, 0.3)
        made.append(record.with_score("judge.quality", weak, Event("02-judge", "judge.quality")))
    return made


def run(
    step: JudgeCascade, rows: list[Record], script: object = grade
) -> tuple[list[Record], list[str], int]:
    told: list[str] = []
    context, chat = scripted_context(script, step="03-judge_cascade")  # type: ignore[arg-type]
    table = asyncio.run(
        step.run(Table.from_records(rows), replace(context, warn=told.append, tell=told.append))
    )
    return list(table.records()), told, len(chat.asks)


@pytest.mark.slow
def test_the_strong_judge_is_asked_where_the_weak_one_is_unsure_and_the_decisions_agree() -> None:
    rows = records(1000)
    judged, told, calls = run(STEP, rows)
    assert [record.id for record in judged] == [record.id for record in rows]
    wanted = [int(record.output.split()[3]) >= 4 for record in rows]
    right = [(record.dropped is None) == want for record, want in zip(judged, wanted, strict=True)]
    assert np.mean(right) >= 0.9
    assert calls < 500
    asked = [record for record in judged if "judge_cascade.quality" in record.scores]
    assert len(asked) == calls
    assert f"asked for {calls:,} of 1,000 records, {1000 - calls:,} calls" in told[0]
    assert "at least 90% of all decisions are its own with 95% confidence" in told[0]
    assert re.search(
        r"of the records that it would keep \d+\.\d% are kept \(interval [89]\d\.\d% to \d+\.\d%: of \d+ held out",
        told[0],
    )
    assert re.search(r"the cascade keeps \d+\.\d%, the judge alone \d+\.\d% \(interval ", told[0])
    context, chat = scripted_context(grade)
    again = asyncio.run(STEP.run(Table.from_records(rows), context)).records()
    facts = context.facts["cascade"]
    assert facts["calls_saved"] == 1000 - facts["asked"] == 1000 - len(chat.asks) > 500
    assert facts["held_out"] >= 50
    assert facts["recall"][1] >= 0.8
    assert facts["recall"][1] <= facts["recall"][0] <= facts["recall"][2]
    assert facts["keeps"] == pytest.approx(np.mean([record.dropped is None for record in again]), abs=1e-4)
    share, low, high = facts["judge_keeps"]
    assert low <= share <= high
    assert low <= np.mean(wanted) <= high


@pytest.mark.slow
def test_a_record_says_who_decided_it() -> None:
    judged, _, _ = run(STEP, records(1000))
    asked = [record for record in judged if "judge_cascade.quality" in record.scores]
    cheap = [record for record in judged if "judge_cascade.quality" not in record.scores]
    for record in asked:
        assert record.events[-1].calls
        assert (record.dropped is None) == (record.scores["judge_cascade.quality"] >= 4)
    for record in cheap:
        assert record.events[-1].calls == ()
        chance = record.scores["judge_cascade_chance.quality"]
        assert (record.dropped is None) == (chance >= 0.5)
        assert record.missing["judge_cascade.quality"].kind == "not_asked"
        assert "the strong judge was not asked" in record.missing["judge_cascade.quality"].reason
        if record.dropped is not None:
            assert record.dropped.kind == "low_score"
            assert record.dropped.numbers == {"chance": chance}
    assert all("judge.quality" in record.scores for record in judged), "the weak score stays"


@pytest.mark.slow
def test_the_same_run_asks_the_same_and_decides_the_same() -> None:
    first, _, calls = run(STEP, records(600))
    second, _, again = run(STEP, records(600))
    assert calls == again
    assert [record.dropped for record in first] == [record.dropped for record in second]


def test_few_records_are_all_asked() -> None:
    judged, told, calls = run(STEP, records(30))
    assert calls == 30
    assert all("judge_cascade.quality" in record.scores for record in judged)
    assert "the cheap model is not sure enough" in told[0]


def test_a_record_without_an_answer_costs_no_call_and_is_set_aside() -> None:
    rows = [new_record("Waiting?"), *records(20)]
    judged, _, calls = run(STEP, rows)
    assert calls == 20
    assert judged[0].dropped is not None
    assert (judged[0].dropped.kind, judged[0].dropped.failed) == ("no_score", True)
    nothing, told, calls = run(STEP, [])
    assert (nothing, told, calls) == ([], [], 0)


def test_a_record_that_the_judge_cannot_grade_is_set_aside_with_its_reason() -> None:
    def script(ask: Ask) -> str | Exception:
        return RecordFailed("call_failed", "no reply") if "Question 7?" in ask.text else grade(ask)

    judged, _, _ = run(STEP, records(30), script)
    assert judged[7].dropped is not None
    assert judged[7].dropped.failed
    assert "no reply" in judged[7].dropped.reason


def test_a_judge_that_grades_nothing_is_said_so_and_not_blamed_on_the_cheap_model() -> None:
    judged, told, _ = run(STEP, records(30), lambda ask: "I'm sorry, but I can't rate this.")
    assert told == [
        "03-judge_cascade: the strong judge was asked for 30 of 30 records and could grade 0 of them"
    ]
    assert all(record.dropped is not None and record.dropped.failed for record in judged)


@pytest.mark.slow
def test_what_is_saved_is_counted_in_calls_where_a_record_takes_several() -> None:
    """Every answer of a conversation is judged by itself."""
    first = (Message("user", "Question?"), Message("assistant", "An answer worth 5 points."))
    rows = [
        replace(record, messages=(*first, *record.messages)) if at % 2 else record
        for at, record in enumerate(records(1000))
    ]
    _, told, calls = run(STEP.model_copy(update={"keep": Condition.parse(">= 3.5")}), rows)
    found = re.search(r"([\d,]+) calls", told[0])
    assert found is not None
    assert int(found[1].replace(",", "")) == 1500 - calls > 0


@pytest.mark.slow
def test_one_cheap_score_needs_no_list() -> None:
    one = JudgeCascade.model_validate({**STEP.model_dump(), "cheap": "judge.quality"})
    assert run(one, records(600))[2] == run(STEP, records(600))[2]


def test_a_cheap_score_that_no_record_has_is_told() -> None:
    _, told, _ = run(STEP.model_copy(update={"cheap": ("judge.qualty",)}), records(30))
    assert "no record has the score 'judge.qualty' (there are: judge.quality)" in told[0]


def test_an_embedding_alone_can_teach_the_cheap_model() -> None:
    class Embedder:
        name = "scripted"

        async def embed(self, texts: Sequence[str]) -> np.ndarray:
            draw = np.random.default_rng(0)
            vectors = draw.normal(size=(len(texts), 8)).astype(np.float32) * 0.1
            vectors[:, 0] = [int(text.split("worth ")[1][0]) - 3 for text in texts]
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    step = JudgeCascade(keep=">= 4", agreement=0.9, recall=0.8, labels=100)
    context, chat = scripted_context(grade)
    context = replace(context, get_embedder=lambda name: Embedder())
    asyncio.run(step.run(Table.from_records(records(800)), context))
    assert len(chat.asks) < 400


def test_a_cascade_without_a_decision_is_refused() -> None:
    with pytest.raises(ValidationError, match="keep"):
        JudgeCascade()
    with pytest.raises(ValidationError, match="less than 1"):
        JudgeCascade(keep=">= 4", agreement=1.0)


def test_features_are_finite_whatever_a_record_holds() -> None:
    rows = [
        new_record(""),
        new_record("写一首诗。", output="床前明月光", lang="zh"),
        new_record("x" * 10_000, output="\n" * 999),
        new_record("List", output="1. a\n2. b\n```py\n1\n```"),
        replace(new_record("Q"), messages=()),
    ]
    features = standardised(np.column_stack([simple_features(rows), score_features(rows, ["absent"])]))
    assert features.shape[0] == len(rows)
    assert np.isfinite(features).all()
    assert standardised(simple_features([])).shape[0] == 0
    scored = [row.with_score("s", at, Event("1", "s")) for at, row in enumerate(rows[:2])] + [rows[2]]
    assert score_features(scored, ["s"]).tolist() == [[0, 0], [1, 0], [0.5, 1]]


def test_principal_components_keep_the_distances_where_all_are_kept() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    found = principal_components(vectors, 6)
    spread = found.var(axis=0)
    assert (np.diff(spread) <= 1e-9).all(), "the largest first"
    assert spread.mean() == pytest.approx(1)
    before = np.linalg.norm(vectors[1:] - vectors[0], axis=1)
    after = np.linalg.norm(found[1:] - found[0], axis=1)
    assert after / before == pytest.approx(np.full(39, after[0] / before[0]), rel=1e-4)
    assert principal_components(vectors, 2).shape == (40, 2)
    assert np.isfinite(principal_components(np.ones((3, 4), np.float32))).all()
