"""Exploring by a plan: one that is edited, grown or limited, or that fills the gaps of a tagged pool."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exploring_world import (
    World,
    coined,
    explored,
    plan_file,
)
from pydantic import ValidationError

from factory.data.record import Record, Tag, new_record
from factory.errors import InputError
from factory.steps.agents.explore import Explore


def test_a_plan_is_taken_as_it_is_and_filled_to_its_counts(tmp_path: Path) -> None:
    path = plan_file(
        tmp_path,
        "domain: home cooking\ncount: 1\ntasks:\n- {name: soups, count: 2, tasks: [cold soups]}\n- bread\n",
    )
    world = World()
    made = explored(world, plan=path, domain="", size=7)
    assert not world.of("lookahead")
    assert {name: (row["planned"], row["made"]) for name, row in made.rows.items()} == {
        "home cooking": (1, 1),
        "soups": (2, 2),
        "cold soups": (2, 2),
        "bread": (2, 2),
    }
    assert "soups > cold soups" in world.of("instructions")


def test_a_plan_that_is_handed_out_is_gone_on_from_and_what_was_made_counts(tmp_path: Path) -> None:
    first = explored(size=4, depth=1, breadth=(2,))
    path = plan_file(tmp_path, first.context.files["plan.yaml"].replace("count: 2", "count: 3"))
    more = explored(World(), first.kept, plan=path, domain="")
    assert len(more.kept) == 2
    assert sorted((row["planned"], row.get("there"), row["made"]) for row in more.rows.values()) == [
        (0, 0, 0),
        (3, 2, 1),
        (3, 2, 1),
    ]


def test_grow_explores_a_plan_further_and_new_leaves_share_what_is_left(tmp_path: Path) -> None:
    path = plan_file(tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 2}\n")
    made = explored(plan=path, domain="", grow=True, depth=1, breadth=(3,), size=6)
    assert [task["count"] for task in made.tree["tasks"]] == [2, 2, 2]
    assert made.tree["tasks"][0]["name"] == "soups"


def test_counts_beyond_the_size_are_refused_and_a_size_beyond_the_counts_is_told(tmp_path: Path) -> None:
    path = plan_file(tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 5}\n")
    with pytest.raises(InputError, match=r"plan\.yaml: its counts come to 5, more than `size` \(4\)"):
        explored(plan=path, domain="", size=4)
    made = explored(plan=path, domain="", size=9)
    assert "`size` is 9, and the counts of the plan come to 5" in made.context.facts["warned"][0]
    assert len(made.kept) == 5


def test_a_limit_lowers_the_counts_evenly(tmp_path: Path) -> None:
    path = plan_file(
        tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 5}\n- {name: bread, count: 5}\n"
    )
    made = explored(plan=path, domain="", limit=3)
    assert [task["count"] for task in made.tree["tasks"]] == [2, 1]
    assert (
        made.context.facts["told"][0]
        == "01-explore: of all that is planned, the 3 records that the run takes"
    )


def tagged(*tags: str) -> Record:
    from dataclasses import replace

    record = new_record(coined(tags, words=5), lang="en")
    return replace(record, tags=tuple(Tag(tag) for tag in tags))


def test_the_gaps_of_a_tagged_pool_are_planned_and_filled() -> None:
    pool = [tagged("soups"), tagged("soups", "bread"), tagged("soups"), tagged("grilling")]
    made = explored(World(), pool, plan_from="tags", domain="", size=3)
    assert {name: row["planned"] for name, row in made.rows.items() if row["planned"]} == {
        "bread": 2,
        "grilling": 1,
    }
    assert Counter(record.task for record in made.kept) == {"bread": 2, "grilling": 1}
    assert made.tree["domain"] == "what people ask an AI assistant"
    assert made.context.facts["planned_records_of_a_tag_at_least"] == 2


def test_the_map_of_normalize_tags_tells_the_gaps_without_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "tag_map.jsonl"
    rows = [
        {"raw": "soups", "final": "soups", "rule": "", "records": 9},
        {"raw": "b", "final": "bread", "records": 2},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = explored(plan_from="tags", tags=path, size=4)
    assert {name: row["planned"] for name, row in made.rows.items() if row["planned"]} == {"bread": 4}
    assert Explore(plan_from="tags", tags=path).begins()
    assert not Explore(plan_from="tags").begins()


def test_a_pool_without_tags_has_no_gaps_that_could_be_told() -> None:
    with pytest.raises(
        InputError, match="01-explore: no record has tags, so there is no gap to fill: put `tag`"
    ):
        explored(World(), [new_record("Why?")], plan_from="tags")
    with pytest.raises(InputError, match="none of the pool's 1 tags can name a task"):
        explored(World(), [tagged("x" * 90)], plan_from="tags")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "`domain` is empty: say what to explore, such as `domain: home cooking`"),
        ({"domain": " \u200b"}, "`domain` is empty"),
        ({"domain": "a" * 81}, "a name of 80 characters at the most"),
        ({"domain": "a", "plan": "p.yaml"}, "`plan` names its own domain: leave `domain` out"),
        ({"plan": "p.yaml", "plan_from": "tags"}, "`plan` and `plan_from` both say the plan"),
        ({"domain": "a", "tags": "map.jsonl"}, "set `plan_from: tags` with it"),
        ({"domain": "a", "grow": True}, "name the `plan`, or leave `grow` out"),
        ({"domain": "a", "breadth": (0,)}, "numbers from 1 to 100"),
        ({"domain": "a", "depth": 8}, "allow a tree of 2,687,385 tasks, and 20,000 is the most"),
        ({"domain": "a", "size": 0}, "greater than or equal to 1"),
        ({"domain": "a", "size": -3}, "greater than or equal to 1"),
    ],
)
def test_options_that_do_not_go_together_are_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Explore(**options)
    assert sentence in str(caught.value)
