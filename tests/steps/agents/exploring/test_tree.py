"""Counts of a plan: shared evenly, capped, and drawn from what a pool lacks."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import InputError
from factory.steps.agents.exploring.gaps import gap_plan, mapped_counts, tag_counts
from factory.steps.agents.exploring.tree import Plan, Task

COUNTS = st.none() | st.integers(0, 9)


@st.composite
def plans(draw: st.DrawFn, counts: st.SearchStrategy[int | None] = COUNTS) -> Plan:
    tasks = [Task(f"task {at}", draw(counts)) for at in range(draw(st.integers(1, 12)))]
    for at, task in enumerate(tasks[1:], start=1):
        tasks[draw(st.integers(0, at - 1))].tasks.append(task)
    return Plan(tasks[0])


def counts(plan: Plan) -> list[int]:
    return [task.count or 0 for _, task in plan.walk()]


@given(plans(st.none()), st.integers(0, 50))
def test_leaves_share_a_size_to_the_last_record_and_none_has_two_more_than_another(
    plan: Plan, size: int
) -> None:
    plan.share(size)
    leaves = [leaf.count or 0 for leaf in plan.leaves()]
    assert plan.planned == sum(leaves) == size
    assert max(leaves) - min(leaves) <= 1


@given(plans(), st.integers(0, 99))
def test_counts_that_are_given_stay_and_leaves_without_share_what_is_left(plan: Plan, size: int) -> None:
    given_counts = {task.name: task.count for _, task in plan.walk() if task.count is not None}
    before, open_leaves = plan.planned, any(leaf.count is None for leaf in plan.leaves())
    plan.share(size)
    assert all(task.count == given_counts.get(task.name, task.count) for _, task in plan.walk())
    assert plan.planned == (max(before, size) if open_leaves else before)


def test_where_it_does_not_come_out_even_other_branches_come_first() -> None:
    plan = Plan(Task("d", tasks=[Task("a", tasks=[Task("a1"), Task("a2")]), Task("b"), Task("c")]))
    plan.share(3)
    assert {leaf.name: leaf.count for leaf in plan.leaves()} == {"a1": 1, "a2": 0, "b": 1, "c": 1}


@given(plans(), st.integers(0, 60), st.integers(0, 60))
def test_a_capped_plan_asks_for_no_more_and_of_no_task_for_more_than_before(
    plan: Plan, size: int, most: int
) -> None:
    plan.share(size)
    before = counts(plan)
    assert plan.cap(most) == (sum(before) > most)
    assert plan.planned == min(most, sum(before))
    assert all(now <= then for now, then in zip(counts(plan), before, strict=True))


POOLS = st.dictionaries(st.text("abcd", min_size=1, max_size=3), st.integers(0, 12), min_size=1)


@given(POOLS, st.integers(0, 40))
def test_the_rarest_tags_are_raised_to_one_level_and_none_above_it(pool: dict[str, int], size: int) -> None:
    plan, level, _ = gap_plan(pool, size, "the domain", "en")
    after = dict(pool)
    for task in plan.root.tasks:
        assert task.count
        after[task.name] += task.count
    assert plan.planned == size
    assert min(after.values()) == level
    assert all(after[task.name] in (level, level + 1) for task in plan.root.tasks)
    # Nothing is spent on a tag that has more already while another has less.
    assert all(after[name] == pool[name] for name in pool if pool[name] > level)


def test_spellings_of_one_tag_count_together_and_what_cannot_be_a_task_is_counted() -> None:
    plan, _, unusable = gap_plan(
        {"SQL": 5, "sql": 1, "x" * 81: 1, " ": 1, "The Domain": 1, "go": 5}, 1, "the domain", ""
    )
    assert unusable == 3
    assert [(task.name, task.count) for task in plan.root.tasks] == [("go", 1)]
    assert plan.root.tasks[0].reason == "5 records of the pool have it"


def test_a_domain_is_named_where_none_is() -> None:
    assert gap_plan({"a": 1}, 1, "", "zh")[0].root.name == "人们向 AI 助手提出的要求"
    assert gap_plan({"a": 1}, 1, "", "")[0].root.name == "what people ask an AI assistant"


def test_a_record_counts_once_for_each_of_its_tags() -> None:
    assert tag_counts([["a", "a", "b"], [], ["a "]]) == Counter({"a": 2, "b": 1})


def test_a_tag_map_tells_its_records_by_their_final_tags() -> None:
    rows = [
        (1, {"raw": "a", "final": "a", "rule": "", "records": 3}),
        (2, {"raw": "A!", "final": "a", "rule": "stem", "records": 2}),
        (3, {"raw": "b", "final": "", "rule": "rare", "records": 1}),
    ]
    assert mapped_counts(rows, "map.jsonl") == {"a": 5}


@pytest.mark.parametrize(
    "row",
    [
        {"raw": "a", "final": "a"},
        {"final": 1, "records": 1},
        {"final": "a", "records": -1},
        {"final": "a", "records": True},
    ],
)
def test_a_row_that_is_none_of_a_tag_map_is_named_by_its_line(row: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"map\.jsonl:7: a row of a tag map says"):
        mapped_counts([(7, row)], "map.jsonl")
