"""Exploring a domain with a scripted model: the tree, its names, and when it stops growing."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from exploring_world import (
    Said,
    World,
    coined,
    every_name,
    explored,
)

from factory.models.base import Reply


def test_a_domain_becomes_a_tree_as_deep_and_broad_as_is_allowed_and_its_leaves_share_the_records() -> None:
    world = World()
    made = explored(world, size=13, depth=2, breadth=(3, 2))
    assert [len(made.tree["tasks"]), *(len(task["tasks"]) for task in made.tree["tasks"])] == [3, 2, 2, 2]
    leaves = [leaf for task in made.tree["tasks"] for leaf in task["tasks"]]
    assert sorted(leaf["count"] for leaf in leaves) == [2, 2, 2, 2, 2, 3]
    assert all(leaf["made"] == leaf["count"] and leaf["reason"] == "why" for leaf in leaves)
    assert len(made.kept) == 13
    assert Counter(record.task for record in made.kept) == {leaf["name"]: leaf["count"] for leaf in leaves}
    assert made.context.facts["told"] == [
        "01-explore: 13 of 13 planned records made, for 6 tasks; 13 of 13 instructions kept: 100% (95 % interval "
        "77% to 100%)"
    ]
    assert not made.context.facts["warned"]


def test_a_record_knows_its_task_the_way_to_it_and_who_wrote_it() -> None:
    (record,) = explored(size=1, depth=1, breadth=(1,)).kept
    path = record.meta["explore"]["path"]
    assert path == ["home cooking", record.task]
    assert record.meta["explore"]["domain"] == "home cooking"
    assert (record.source, record.lang, record.output) == ("explore:home cooking", "en", "")
    (event,) = record.events
    assert (event.operation, event.prompt, event.round, event.parents) == (
        "instruct",
        "en/explore/instructions@1",
        1,
        (),
    )
    assert event.calls


def test_lookahead_goes_down_first_and_backtracking_then_shows_what_is_there() -> None:
    world = World()
    made = explored(world, size=1, depth=2, breadth=(3, 3), subtasks=2)
    kinds = [kind for kind, _, _ in world.asked if kind != "instructions"]
    ahead = kinds.index("backtrack")
    assert kinds[:ahead] == ["lookahead"] * 3  # the domain, then its first two tasks
    first, second = (task["name"] for task in made.tree["tasks"][:2])
    assert world.of("lookahead")[:3] == ["home cooking", first, second]
    assert world.asked[1][2] == [second]  # peers, not to be repeated
    backtracks = [asked for asked in world.asked if asked[0] == "backtrack"]
    assert backtracks[0][1:] == ("home cooking", [first, second])
    assert all(len(task["tasks"]) == 3 for task in made.tree["tasks"])


def test_leaves_that_get_no_record_are_told() -> None:
    made = explored(size=2, depth=1, breadth=(3,))
    assert made.context.facts["told"][0].startswith(
        "01-explore: 1 of 3 leaves of the tree are to get no record"
    )
    assert [task["count"] for task in made.tree["tasks"]] == [1, 1, 0]


def test_depth_0_asks_for_the_domain_alone() -> None:
    made = explored(size=4, depth=0)
    assert made.tree["count"] == made.tree["made"] == 4
    assert "tasks" not in made.tree


def test_a_pruned_name_is_listed_and_nothing_is_ever_asked_for_it() -> None:
    def names(task: str, number: int, sample: int) -> str:
        if task == "home cooking":
            found = ["baking white bread at home", "cold soups for hot days"]
        else:  # within a level, across levels, and the domain itself
            found = ["cold soups for hot days", "baking bread at home", "home cooking"]
        return json.dumps({"tasks": [{"name": name} for name in found[:number]]})

    world = World(names=names)
    made = explored(world, size=6, breadth=(2, 3), subtasks=3)
    assert every_name(made.tree) == ["home cooking", "baking white bread at home", "cold soups for hot days"]
    pruned = {(one["name"], one["like"]) for one in made.tree["pruned"]}
    assert ("baking bread at home", "baking white bread at home") in pruned
    assert ("cold soups for hot days", "cold soups for hot days") in pruned
    assert ("home cooking", "home cooking") in pruned
    assert all(one["rouge_l"] > 0.7 for one in made.tree["pruned"])
    assert set(world.of("instructions")) == {"baking white bread at home", "cold soups for hot days"}
    # Named again and again, each is listed once.
    assert made.context.facts["subtasks"]["pruned"] > len(made.tree["pruned"]) == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "empty"),
        ("!!", "empty"),
        ("w" * 81, "too_long"),
        ("I'm sorry, but I can't help with that request", "refusal"),
        ("煮汤", "other_language"),
        ("</existing> soups", "template_leak"),
    ],
)
def test_a_name_that_cannot_be_a_task_is_refused_and_counted(name: str, kind: str) -> None:
    script = World(names=lambda task, number, sample: json.dumps({"tasks": [{"name": name}]}))
    made = explored(script, size=1, depth=1, dry_rounds=5)
    assert made.context.facts["subtasks"][kind] == 5
    assert every_name(made.tree) == ["home cooking"]
    assert "no sub-task of 'home cooking' came" in made.context.facts["warned"][0]


@pytest.mark.parametrize(
    "reply",
    ["no JSON", '{"tasks": ', Reply('{"tasks": [{"name": "a b', finish_reason="length"), Reply("x", "flux")],
    ids=["words", "broken", "endless", "unknown end"],
)
def test_a_call_for_sub_tasks_that_fails_is_counted_told_and_given_up(reply: Said) -> None:
    script = World(names=lambda task, number, sample: reply)
    made = explored(script, size=2, depth=1, dry_rounds=3)
    assert made.context.facts["subtasks"]["failed_calls"] == 3
    assert "a call for sub-tasks failed" in made.context.facts["warned"][0]
    assert len(made.kept) == 2


def test_more_names_than_were_asked_for_are_counted_and_not_taken() -> None:
    script = World(
        names=lambda task, number, sample: json.dumps(
            {"tasks": [{"name": f"{at}. **{coined(task, sample, at)}**"} for at in range(9)]}
        )
    )
    made = explored(script, size=1, depth=1, breadth=(3,), subtasks=2)
    assert len(made.tree["tasks"]) == 3
    assert made.context.facts["subtasks"]["more_than_asked_for"] == 7 + 8
    assert not any("*" in name for name in every_name(made.tree))
