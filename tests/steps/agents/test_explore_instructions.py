"""The instructions that exploring writes for its tasks: what is let go, asked for again, and not made twice."""

from __future__ import annotations

import json

import pytest
from exploring_world import (
    Said,
    World,
    coined,
    every_name,
    explored,
)

from factory.data.record import new_record
from factory.errors import RunStopped
from factory.models.base import Reply


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        ("?!", "empty"),
        ("Boil eggs.", "too_short"),
        ("word " * 151, "too_long"),
        ("home cooking", "unchanged"),
        ("- **Home  cooking**", "unchanged"),
        ("The home cooking", "unchanged"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("请写一份红烧肉的菜谱，并说明每一步的火候。", "other_language"),
        ("Write a menu for <task>soups</task> and a shopping list.", "template_leak"),
        ("Explain how onions caramelise in a pan.", "duplicate"),
    ],
)
def test_an_instruction_that_is_none_is_let_go_with_its_kind_and_does_not_count(text: str, kind: str) -> None:
    def texts(task: str, number: int, sample: int) -> str:
        return json.dumps({"instructions": ["Explain how onions caramelise in a pan.", text][:number]})

    made = explored(World(texts=texts), size=2, depth=0)
    assert [record.prompt for record in made.kept] == ["Explain how onions caramelise in a pan."]
    assert made.kinds()[kind] >= 1
    assert set(made.kinds()) <= {kind, "duplicate"}
    assert made.context.facts["instructions"][kind] == made.kinds()[kind]
    assert "dry after 2 rounds: duplicate" in made.rows["home cooking"]["why"]
    assert "1 task has fewer records than planned: 'home cooking' 1 of 2" in made.context.facts["warned"][0]


@pytest.mark.parametrize("domain", ["home cooking", "家常菜"])
def test_a_reply_that_repeats_the_example_of_its_prompt_is_let_go(domain: str) -> None:
    made = explored(lambda ask: ask.messages[2].content, domain=domain, size=2, depth=1)
    assert every_name(made.tree) == [domain]
    assert made.context.facts["subtasks"]["template_leak"] >= 2
    assert not made.kept
    assert made.kinds() == {"template_leak": 4}


def test_a_duplicate_says_of_which_record_whatever_its_task() -> None:
    same = json.dumps({"instructions": ["Explain how onions caramelise in a pan."]})
    made = explored(World(texts=lambda *_: same), size=2, depth=1, breadth=(2,))
    (kept,) = made.kept
    assert {record.dropped.against for record in made.dropped if record.dropped} == {kept.id}
    assert len({record.id for record in [kept, *made.dropped]}) == 1 + len(made.dropped)


@pytest.mark.parametrize(
    "reply",
    [
        "no JSON",
        '{"instructions": [',
        Reply('{"instructions": ["a', finish_reason="length"),
        Reply("x", "flux"),
    ],
    ids=["words", "broken", "endless", "unknown end"],
)
def test_a_call_for_instructions_that_fails_is_a_failed_record_of_its_task(reply: Said) -> None:
    made = explored(World(texts=lambda *_: reply), size=2, depth=0)
    assert not made.kept
    assert [record.dropped and record.dropped.failed for record in made.dropped] == [True, True]
    assert "no instructions for 'home cooking'" in str(made.dropped[0].dropped)
    assert made.context.facts["instructions"]["failed_calls"] == 2


def test_what_no_call_can_survive_ends_the_step() -> None:
    with pytest.raises(RunStopped, match="no credit"):
        explored(World(texts=lambda *_: RunStopped("no credit")), size=2, depth=0)


def test_fewer_than_were_asked_for_are_asked_for_again_and_more_are_let_go() -> None:
    few = explored(
        World(texts=lambda task, n, sample: json.dumps({"instructions": [coined(task, sample, words=6)]})),
        size=4,
        depth=0,
    )
    assert len(few.kept) == 4
    assert few.context.facts["instructions"]["rounds"] == 4
    many = explored(
        World(
            texts=lambda task, n, sample: json.dumps(
                {"instructions": [coined(task, sample, at, words=6) for at in range(n + 3)]}
            )
        ),
        size=4,
        depth=0,
    )
    assert len(many.kept) == 4
    assert many.kinds() == {"not_needed": 3}
    assert many.context.facts["instructions"]["more_than_asked_for"] == 3


def test_once_asks_each_task_one_time_and_says_that_the_rounds_are_over() -> None:
    one = World(texts=lambda task, n, sample: json.dumps({"instructions": [coined(task, sample, words=6)]}))
    made = explored(one, size=4, depth=0, until="once")
    assert len(made.kept) == 1
    assert made.rows["home cooking"]["why"] == "asked once: nothing came"


def test_a_task_that_lacks_many_is_asked_in_several_calls_of_a_round_and_shown_some_of_its_own() -> None:
    world = World()
    made = explored(world, size=23, depth=0, instructions=10)
    assert len(world.of("instructions")) == 3
    assert made.context.facts["instructions"]["rounds"] == 1
    again = World(
        texts=lambda task, n, sample: json.dumps(
            {"instructions": [coined("more", sample, at, words=6) for at in range(n)]}
        )
    )
    more = explored(again, made.kept, size=30, depth=0, instructions=10)
    assert len(more.kept) == 7
    assert all(len(shown) == 6 for _, _, shown in again.asked)
    assert more.rows["home cooking"] == {
        "task": "home cooking",
        "planned": 30,
        "there": 23,
        "made": 7,
        "why": "",
    }


def test_what_is_in_the_set_already_is_not_made_again() -> None:
    there = new_record("Explain how onions caramelise in a pan.", lang="en")
    script = World(
        texts=lambda *_: json.dumps({"instructions": ["Explain how onions caramelise in the pan."]})
    )
    made = explored(script, [there], size=1, depth=0)
    assert made.kinds() == {"duplicate": 2}
    assert made.rows["home cooking"]["planned"] == 1  # it is of no task, so it does not count


def test_an_answer_that_is_none_does_not_count_and_is_asked_for_anew() -> None:
    bad = {"refused": "I'm sorry, but I can't help with that.", "empty": "..."}
    said = iter([bad["refused"], bad["empty"], Reply("half", finish_reason="length"), Reply("x", "flux")])
    world = World(answers=lambda text: next(said, "Slowly, in butter, for forty minutes."))
    made = explored(world, size=2, depth=0, answer=True, dry_rounds=3)
    assert [record.output for record in made.kept] == ["Slowly, in butter, for forty minutes."] * 2
    assert made.kinds() == {"refusal": 1, "empty_answer": 1, "truncated": 1, "unknown_end": 1}
    assert [event.operation for event in made.kept[0].events] == ["instruct", "answer"]


def test_chinese_is_explored_in_chinese() -> None:
    def texts(task: str, number: int, sample: int) -> str:
        return json.dumps(
            {"instructions": ["请解释为什么炖汤要先焯水。", "How long must rice soak before cooking?"]}
        )

    names = iter(["煮面", "凉菜", "Photoshop"])
    world = World(
        names=lambda task, n, sample: json.dumps(
            {"tasks": [{"name": next(names, "凉菜")} for _ in range(n)]}
        ),
        texts=texts,
    )
    made = explored(world, domain="家常菜", size=3, depth=1, breadth=(3,))
    assert every_name(made.tree) == ["家常菜", "煮面", "凉菜", "Photoshop"]
    assert made.tree["language"] == "zh"
    assert [record.lang for record in made.kept] == ["zh"]
    assert made.kinds()["other_language"] >= 1
    assert made.kept[0].events[0].prompt == "zh/explore/instructions@1"
