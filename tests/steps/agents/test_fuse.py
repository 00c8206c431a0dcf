"""Instruction Fusion with a scripted model."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tasks import SEEDS, SEEDS_ZH, new_task, obey_the_laws, run
from step_context import Ask, Script

from factory.data.record import Record, new_record
from factory.engine.plan.rehearsal import dry_run
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Reply
from factory.recipe.recipe import build_recipe
from factory.steps.agents.fuse import Fuse

TEXTS = [record.instruction for record in SEEDS]


def fuser(task: object = new_task, answer: object = "A sound answer about it.") -> Script:
    """A script: the fusion that each call gives by its number, and the answer to every task."""

    def script(ask: Ask) -> str | Reply | Exception:
        reply = (task(ask.sample) if callable(task) else task) if "<first>" in ask.text else answer
        assert isinstance(reply, str | Reply | Exception)
        return reply

    return script


def test_two_records_become_a_task_that_goes_back_to_both_and_is_answered() -> None:
    done = run(Fuse(size=5), fuser())
    assert [record.instruction for record in done.kept] == [new_task(n) for n in range(5)]
    assert {record.output for record in done.kept} == {"A sound answer about it."}
    by_id = {record.id: record.instruction for record in SEEDS}
    for ask, record in zip([a for a in done.asks if "<first>" in a.text], done.kept, strict=True):
        made, answered = record.events
        assert (made.operation, made.prompt, answered.operation) == ("fuse", "en/fuse/merge@1", "answer")
        first, second = (by_id[parent] for parent in made.parents)
        assert f"<first>\n{first}\n</first>" in ask.text
        assert f"<second>\n{second}\n</second>" in ask.text
    assert all(record.dropped is None for record in done.seeds)
    assert done.told[-1].startswith("02-fuse: kept 5 of 5 tasks, 100% (95 % interval ")


def test_an_input_is_fused_with_its_instruction() -> None:
    seeds = [new_record("Sum it up.", input="Rain fell.", lang="en"), new_record("Why rain?", lang="en")]
    done = run(Fuse(size=1, answer=False), fuser(), seeds)
    assert "Sum it up.\n\nRain fell." in done.asks[0].text


def test_pairs_are_of_one_language_and_each_language_has_its_prompt() -> None:
    done = run(
        Fuse(size=24, answer=False), lambda ask: new_task(ask.sample, "海" in ask.text), [*SEEDS, *SEEDS_ZH]
    )
    language = {record.id: record.lang for record in (*SEEDS, *SEEDS_ZH)}
    pairs = [record.events[0].parents for record in done.made]
    assert {tuple(language[parent] for parent in pair) for pair in pairs} == {("en", "en"), ("zh", "zh")}
    assert all(record.events[0].prompt == f"{record.lang}/fuse/merge@1" for record in done.made)


def test_a_record_that_is_alone_in_its_language_is_counted() -> None:
    done = run(Fuse(size=1, answer=False), fuser(), [*SEEDS, SEEDS_ZH[0], new_record("", lang="en")])
    assert done.facts["records_not_fused"] == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("INVALID", "not_fusable"),
        ("**INVALID PROMPT**.", "not_fusable"),
        ("", "empty"),
        (Reply("Tell why the sea is salty while", "length"), "truncated"),
        ("I'm sorry, but I cannot help with that request.", "refusal"),
        ("请说明海水为什么是咸的，并安排一次六人晚餐。", "other_language"),
        ("One task, not two behind each other.", "template_leak"),
        ("Tell why the sea is salty at dinner. </second-0a1b2c3d>", "template_leak"),
        ("<instruction>Tell why</instruction> the sea is salty at dinner.", "template_leak"),
        (RecordFailed("timeout", "no answer in time"), "timeout"),
    ],
)
def test_what_a_fusion_is_let_go_for(reply: str | Reply | Exception, kind: str) -> None:
    done = run(Fuse(size=1, calls=1, patience=1), fuser(reply))
    assert done.kinds == {kind: 1}
    assert len(done.asks) == 1  # nothing is paid for an answer
    assert "it ended after a round that kept none" in done.warned[0]
    (made,) = done.made
    assert made.dropped is not None
    assert made.dropped.failed == (kind == "timeout")
    assert len(made.events[0].parents) == 2


@pytest.mark.parametrize("place", [0, 1])
def test_a_fusion_that_is_one_of_the_two_is_dropped_against_it(place: int) -> None:
    def copy(ask: Ask) -> str:
        return ask.text.split("<first>\n" if place == 0 else "<second>\n")[1].split("\n</")[0]

    done = run(Fuse(size=1, calls=1, patience=1), copy)
    (made,) = done.made
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.against) == ("near_duplicate", made.events[0].parents[place])


def test_two_tasks_behind_each_other_are_no_fusion() -> None:
    glued = {f"{a} {b}" for a, b in itertools.permutations(TEXTS, 2)}

    def both(ask: Ask) -> str:
        first = ask.text.split("<first>\n")[1].split("\n</")[0]
        second = ask.text.split("<second>\n")[1].split("\n</")[0]
        assert f"{first} {second}" in glued
        return f"{first} {second.upper()}"

    assert run(Fuse(size=1, calls=1, patience=1), both).kinds == {"glued": 1}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("Sorry, I can't assist with that.", "refusal"),
        ("It is.", "empty_answer"),
        (Reply("Because the", "length"), "truncated"),
        (RecordFailed("timeout", "no answer in time"), "timeout"),
    ],
)
def test_what_an_answer_is_let_go_for(answer: str | Reply | Exception, kind: str) -> None:
    done = run(Fuse(size=2, calls=2, patience=1), fuser(answer=answer))
    assert done.kinds == {kind: 2}


@pytest.mark.parametrize("seeds", [[], SEEDS[:1], [SEEDS[0], SEEDS_ZH[0]]])
def test_without_two_records_of_one_language_it_says_what_would_do(seeds: list[Record]) -> None:
    with pytest.raises(FactoryError, match=r"no two records of one language .*read two at least before"):
        run(Fuse(), fuser(), seeds)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from([*map(new_task, range(6)), TEXTS[0], "INVALID", "", "请说出一条河。"]), min_size=1
    ),
    st.integers(1, 8),
)
def test_the_laws(replies: list[str], size: int) -> None:
    step = Fuse(size=size, calls=3, patience=2)
    done = obey_the_laws(step, fuser(lambda number: replies[number % len(replies)]))
    assert len(done.made) <= step.most_calls
    assert Counter(len(record.events[0].parents) for record in done.made).keys() <= {2}


def test_an_estimate_counts_all_that_it_could_ask_at_the_most() -> None:
    recipe = build_recipe(
        {
            "name": "fused",
            "models": {"m": {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "x"}},
            "steps": [{"read": {"path": "factory:seeds"}}, {"fuse": {"size": 10}}],
        },
        "fused",
    )
    plan = asyncio.run(dry_run(recipe, 5))
    assert (plan.steps[1].once["m"].calls, plan.made) == (10 * 4 * 2, 10)
