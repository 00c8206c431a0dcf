"""Groups that conflict are shown: in form, in place, and in near questions whose answers contradict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from step_context import Ask, ScriptedChat, scripted_context

from factory.data.prompt import load_prompt
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.errors import RecordFailed, RunStopped
from factory.step import Context
from factory.steps.assemble.conflicting.answers import exact
from factory.steps.assemble.conflicting.overlap import form_of, form_overlap, place_overlap
from factory.steps.assemble.conflicts import Conflicts
from factory.steps.dedup.close.pairs import By, close_by


class Embedder:
    """Texts of one number are one direction, whatever their language; numbers from 100 on lie elsewhere."""

    name = "scripted"

    async def embed(self, texts: Sequence[str]) -> Any:
        random = np.random.default_rng(0)
        directions = random.standard_normal((200, 32)).astype(np.float32)
        directions[100:, 0] += 20
        return np.stack(
            [directions[int("".join(c for c in text if c.isdigit()) or 0) % 200] for text in texts]
        )


def nobody(ask: Ask) -> str:
    raise AssertionError("no model is asked")


def run(
    step: Conflicts, records: Sequence[Record], script: Callable[[Ask], Any] = nobody
) -> tuple[list[Record], list[str], Context, ScriptedChat]:
    told: list[str] = []
    context, chat = scripted_context(script, step="05-conflicts")
    context = replace(context, warn=told.append, tell=told.append, get_embedder=lambda name: Embedder())  # type: ignore[arg-type,return-value]
    result = asyncio.run(step.run(Table.from_records(records), context))
    orjson.dumps([context.facts, context.tables])  # as the manifest and the step's folder hold them
    return list(result.records()), told, context, chat


def row(prompt: str, answer: str, task: str, lang: str = "en", score: float | None = None) -> Record:
    made = new_record(prompt, output=answer, task=task, lang=lang)
    return made if score is None else replace(made, scores={"judge.quality": score})


SPIDER = [
    row("How many legs does a common house spider have?", "Eight. #### 8", "biology", score=2),
    row("How many legs does the common house spider have?", "It has six legs. #### 6", "trivia", score=4),
]


def test_exact_answers_that_differ_contradict_without_a_model() -> None:
    found, told, context, _ = run(Conflicts(judge="exact", places=False), SPIDER)
    assert [record.dropped for record in found] == [None, None]
    (listed,) = context.tables["conflicts"]
    assert listed["reason"] == "8 against 6"
    assert (listed["one_group"], listed["other_group"]) == ("biology", "trivia")
    assert "100.0% (95 % interval" in told[-1]
    assert "1 between groups of task, 0 within one" in told[-1]


def test_the_lower_score_goes_else_the_later() -> None:
    step = Conflicts(judge="exact", places=False, then="drop", score="judge.quality")
    found, _, _, _ = run(step, SPIDER)
    assert found[0].dropped is not None
    assert found[0].dropped.kind == "contradiction"
    assert found[0].dropped.against == found[1].id
    found, _, _, _ = run(Conflicts(judge="exact", places=False, then="drop"), SPIDER)
    assert found[1].dropped is not None
    # A missing score is neither better nor worse.
    found, _, _, _ = run(step, [replace(SPIDER[0], scores={}), SPIDER[1]])
    assert found[0].dropped is None
    assert found[1].dropped is not None


def test_routed_records_carry_their_group() -> None:
    records = [*SPIDER, row("Write a poem about rain.", "Drip.", "poetry")]
    found, _, _, _ = run(Conflicts(judge="exact", places=False, then="route"), records)
    assert [record.meta.get("conflict") for record in found] == ["biology", "trivia", None]


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ("42", "The answer is 42.", "agreement"),
        ("42", "41", "contradiction"),
        ("Yes.", "No", "contradiction"),
        ("对", "True", "agreement"),
        ("是", "否", "contradiction"),
        ("B", "C", "contradiction"),
        ("6 x 7 = 42, so the answer is 42", "#### 43", "contradiction"),
        ("Same words.", "same  words.", "agreement"),
        (
            "A poem in 3 lines that goes on and on for many words, more than a dozen of them",
            "Another with 4",
            None,
        ),
        ("Paris", "Rome", None),
        ("A list:\n1. one\n2. two", "A list:\n1. one", None),
    ],
)
def test_exact_answers_and_what_is_left_to_a_judge(one: str, other: str, relation: str | None) -> None:
    found = exact(one, other, same_question=True)
    assert (found.relation if found else None) == relation


def test_other_numbers_in_the_question_are_no_contradiction() -> None:
    records = [
        row("What is 12 plus 30 minus the number 2?", "40", "a"),
        row("What is 13 plus 30 minus the number 2?", "41", "b"),
    ]
    _, told, context, _ = run(Conflicts(judge="exact", places=False), records)
    assert context.facts["contradictions"] == 0
    assert "nobody judged 1" in told[-1]


def reply(relation: str) -> str:
    return json.dumps({"reason": "because", "relation": relation})


@pytest.mark.parametrize(
    ("lang", "word"), [("en", "You are sent two questions"), ("zh", "你会收到两个几乎相同的问题")]
)
def test_a_judge_is_asked_in_the_language_of_the_record(lang: str, word: str) -> None:
    words = {"en": "Who painted the old picture in the hall?", "zh": "大厅里的那幅旧画是谁画的？"}
    records = [row(words[lang], answer, "art", lang) for answer in ("Anna Berg", "Carl Dahl")]
    _, _, context, chat = run(Conflicts(places=False), records, lambda ask: reply("contradiction"))
    (ask,) = chat.asks
    assert word in ask.messages[0].content
    assert "Anna Berg" in ask.text
    assert "Carl Dahl" in ask.text
    assert context.facts["verdicts"] == {"contradiction (judge)": 1}


def test_neutral_agreement_and_failed_verdicts_are_counted() -> None:
    records = [
        row("Who painted the old picture in the hall?", name, "art")
        for name in ("Anna", "Carl", "Eva", "Fritz")
    ]
    said = [reply("neutral"), reply("agreement"), RecordFailed("bad_reply", "no verdict")]
    replies = iter(
        [*said, reply("neutral"), reply("agreement")]
    )  # of the three near to the first, two more pairs
    found, told, context, _ = run(Conflicts(places=False, then="drop"), records, lambda ask: next(replies))
    assert all(record.dropped is None for record in found)
    assert context.facts["without_verdict"] == 1
    assert "1 could not be judged" in told[-1]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_reason_copied_from_an_example_of_the_prompt_is_no_verdict(lang: str) -> None:
    words = {"en": "Who painted the old picture in the hall?", "zh": "大厅里的那幅旧画是谁画的？"}
    records = [row(words[lang], answer, "art", lang) for answer in ("Anna Berg", "Carl Dahl")]
    copied = {
        "en": "Eight legs against six for the same animal.",
        "zh": "同一种动物，一个说八条，一个说六条。",
    }
    said = json.dumps({"reason": copied[lang], "relation": "contradiction"})
    _, told, context, _ = run(Conflicts(places=False), records, lambda ask: said)
    assert context.facts["contradictions"] == 0
    assert "1 could not be judged" in told[-1]


def test_contradictions_between_languages_are_found_by_meaning() -> None:
    records = [
        row("How many planets are there in system 9?", "8", "x", "en"),
        row("系统9里有几颗行星？", "9", "x", "zh"),
        row("Name system 11.", "Sun", "x", "en"),
    ]
    _, _, context, _ = run(Conflicts(by="lang", near="semantic", judge="exact", places=False), records)
    assert context.tables["conflicts"][0]["reason"] == "8 against 9"
    assert context.facts["contradictions_between"] == [{"groups": ["en", "zh"], "pairs": 1}]


def test_groups_that_lie_together_but_are_answered_in_other_forms_come_first() -> None:
    records = []
    for at in range(60):
        records.append(row(f"alpha question number {at}", "```python\nprint(1)\n```", "code"))
        records.append(
            row(f"unlike beta phrase of {at} in words", "A plain sentence of some words here.", "chat")
        )
        records.append(
            row(f"gamma {at + 100} wholly different", "A plain sentence of some words here.", "far")
        )
    _, told, context, _ = run(Conflicts(judge="exact", near="rouge", threshold=0.95), records)
    first, *others = context.facts["overlaps"]
    assert set(first["groups"]) == {"code", "chat"}
    assert first["form"]["share"] == 0
    assert first["place"]["share"] == 1
    far = next(one for one in others if set(one["groups"]) == {"chat", "far"})
    assert far["form"]["share"] == 1
    assert far["place"]["share"] < 0.9
    assert "code: overlap of form 0.00" in " ".join(told) or "chat: overlap of form 0.00" in " ".join(told)


def test_two_halves_of_one_group_overlap_as_chance_has_it() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((400, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = place_overlap(vectors[:200], vectors[200:], np.arange(400), random)
    assert found.interval[0] <= 1.0 <= found.interval[1] + 0.05
    forms = ["plain", "list"] * 100
    assert form_overlap(forms, forms, np.arange(400), 0).share == 1.0


def test_forms_of_answers() -> None:
    assert form_of("42") == "plain; to 5 words"
    assert form_of("```py\nx\n```\n- one\n- two").startswith("code, list")
    assert form_of("1. 一\n2. 二").startswith("list")
    assert form_of('{"a": 1}').startswith("json")
    assert form_of("so $x^2$ #### 4").startswith("formula")


def test_unknown_groups_and_scores_stop_with_a_sentence() -> None:
    with pytest.raises(RunStopped, match=r"no record has a 'tasks'; did you mean 'task'\?"):
        run(Conflicts(by="tasks"), SPIDER)
    with pytest.raises(
        RunStopped, match=r"no record has the score 'judge\.qualty'; did you mean 'judge\.quality'"
    ):
        run(Conflicts(then="drop", score="judge.qualty"), SPIDER)
    with pytest.raises(ValueError, match="`score` says which one"):
        Conflicts(score="ifd")


def test_both_prompts_show_the_three_relations() -> None:
    for lang in ("en", "zh"):
        text = load_prompt("conflicts/contradict", lang).turns[0][1]
        assert all(f'"relation": "{one}"' in text for one in ("contradiction", "agreement", "neutral"))


def test_records_near_to_the_same_one_are_held_against_each_other() -> None:
    questions = [
        row("What is three times seventeen in decimal digits?", "It has no number.", "a"),
        row("What is three times seventeen in decimal digits, please?", "#### 51", "a"),
        row("What is three times seventeen in decimal digits, tell me?", "#### 54", "b"),
    ]
    _, _, context, _ = run(Conflicts(judge="exact", places=False), questions)
    assert context.facts["near_pairs"] == 3
    (listed,) = context.tables["conflicts"]
    assert (listed["one_id"], listed["other_id"]) == (questions[1].id, questions[2].id)


@pytest.mark.parametrize("near", ["rouge", "minhash", "semantic"])
def test_who_is_held_against_whom_in_a_family_is_exact_and_bounded(near: By) -> None:
    text = "Explain in one short sentence why water at sea level boils at number 7 degrees of this scale"
    records = [row(f"{text} {word}", "x", "a") for word in ("now", "please", "today", "again")]

    async def found(most: int) -> tuple[set[tuple[int, int]], int]:
        context, _ = scripted_context(nobody, step="x")
        context = replace(context, get_embedder=lambda name: Embedder())  # type: ignore[arg-type,return-value]
        close = await close_by(near, Table.from_records(records), "prompt", 0.6, "", context)
        pairs, missed = close.in_families(most)
        return set(zip(pairs.one.tolist(), pairs.other.tolist(), strict=True)), missed

    every, missed = asyncio.run(found(100))
    assert missed == 0
    assert {(1, 0), (2, 0), (3, 0)} < every
    assert {one for one, other in every if other} == {2, 3}
    first, missed = asyncio.run(found(0))
    assert (first, missed) == ({(1, 0), (2, 0), (3, 0)}, 2)
