"""The pool: which examples are drawn, what a new task is too close to, and what is kept of several parents."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from made_tasks import SEEDS, SEEDS_ZH, new_task

from factory.data.record import Event, Record, new_record
from factory.steps.agents.inventing.pool import Pool, made_from

EVENT = Event("02-invent", "invent")


def made(number: int, language: str = "en") -> Record:
    return new_record(new_task(number, chinese=language == "zh"), lang=language, source="made")


@given(st.integers(1, 8), st.integers(0, 4), st.integers(0, 9), st.integers(0, 999))
def test_examples_are_seeds_and_tasks_kept_of_one_language_the_seeds_first(
    seeds: int, invented: int, kept: int, seed: int
) -> None:
    pool = Pool([*SEEDS, *SEEDS_ZH])
    for number in range(kept):
        pool.keep(made(number, "zh" if number % 3 == 0 else "en"))
    drawn = pool.draw(random.Random(seed), seeds, invented)
    assert {record.language for record in drawn.records} == {drawn.language}
    own = [record for record in (*SEEDS, *SEEDS_ZH) if record.lang == drawn.language]
    there = sum((number % 3 == 0) == (drawn.language == "zh") for number in range(kept))
    human = [record for record in drawn.records if record in own]
    assert list(drawn.records[: len(human)]) == human
    assert len(drawn.records) - len(human) == min(invented, there)
    assert len(human) == min(seeds + invented - min(invented, there), len(own))
    assert Counter(drawn.texts) == Counter(record.instruction for record in drawn.records)
    assert pool.draw(random.Random(seed), seeds, invented) == drawn


def test_languages_are_drawn_as_often_as_they_have_seeds() -> None:
    pool = Pool([*SEEDS, *SEEDS_ZH])
    drawn = Counter(pool.draw(random.Random(seed), 1, 0).language for seed in range(1400))
    assert abs(drawn["en"] / 1400 - 4 / 7) < 0.06  # more than four standard deviations


def test_a_task_held_is_one_that_others_must_differ_from_whether_it_was_kept_or_not() -> None:
    pool = Pool(SEEDS)
    assert pool.closest(new_task(1), 0.7) is None
    pool.hold(made(1))
    close = pool.closest(new_task(1).upper(), 0.7)
    assert close == (made(1).id, new_task(1), 1.0)
    assert {pool.draw(random.Random(seed), 2, 2).language for seed in range(9)} == {"en"}


def test_a_record_of_several_has_their_sources_and_licences_and_names_them_all() -> None:
    parents = [
        replace(SEEDS[0], license="MIT", source="b"),
        replace(SEEDS[1], license="CC-BY-4.0", source="a"),
        replace(SEEDS[2], license="MIT", source="b"),
        SEEDS[3],
    ]
    record = made_from(parents, "Name a river and its mouth.", EVENT, "7")
    assert (record.source, record.license) == ("a + b + seeds", "CC-BY-4.0 AND MIT")
    assert record.events[0].parents == tuple(parent.id for parent in parents)
    assert record.lang == "en"
    assert (record.meta, record.tags, record.scores) == ({}, (), {})
    assert made_from(parents, "Name a river and its mouth.", EVENT, "8").id != record.id
